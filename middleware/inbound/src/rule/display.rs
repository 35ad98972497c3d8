//! A rule as a sentence.

use std::fmt;

use super::node::Node;

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scopes) => write!(f, "scope {scopes}"),
            Self::AnyScope(scopes) => {
                f.write_str("any scope of ")?;
                join(f, scopes, ", ")
            }
            Self::ScopeOrWider(scopes) => write!(f, "{scopes}"),
            Self::User => f.write_str("a user"),
            Self::SelfAssertedUser => f.write_str("a user, also at the caller's word"),
            Self::DeferredUser => f.write_str("a user, also of work that was handed over"),
            Self::NoUser => f.write_str("no user"),
            Self::Callers(names) => {
                f.write_str("a caller among ")?;
                join(f, names, ", ")
            }
            Self::CallersFile(file) => write!(f, "a caller listed in {}", file.name().display()),
            Self::CallersOf(issuers) => {
                f.write_str("a caller of ")?;
                join(f, issuers, " or of ")
            }
            Self::UsersOf(names) => {
                f.write_str("a user of ")?;
                join(f, names, " or of ")
            }
            Self::MaxActors(most) => write!(f, "a user for whom at most {most} act"),
            Self::Group(group) => write!(f, "a user of the group {group}"),
            Self::Role(role) => write!(f, "a user with the role {role}"),
            Self::Acr(values) => {
                f.write_str("a sign-in of a class among ")?;
                join(f, values, ", ")
            }
            Self::MaxAgeSeconds(seconds) => write!(f, "a sign-in within {seconds} s"),
            Self::Named(named) => f.write_str(named.name()),
            Self::All(nodes) => {
                for (at, node) in nodes.iter().enumerate() {
                    f.write_str(if at > 0 { " and " } else { "" })?;
                    match node {
                        Self::Any(_) => write!(f, "({node})")?,
                        _ => write!(f, "{node}")?,
                    }
                }
                Ok(())
            }
            Self::Any(nodes) => join(f, nodes, " or "),
            Self::Invalid(_) => f.write_str("a part that is not valid"),
        }
    }
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], between: &str) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at > 0 { between } else { "" })?;
        write!(f, "{item}")?;
    }
    Ok(())
}
