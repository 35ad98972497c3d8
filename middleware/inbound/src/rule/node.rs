//! The form of a rule: what it says, whether it may stand, whether it holds.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use tower_identity_core::{CallerContext, InvalidSetting, Refusal, RefusalKind, Scope, Scopes};

use super::{CallerName, named::Named, sign_in};

/// The tree behind a rule, in the shape of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Node {
    Scope(Scopes),
    AnyScope(Vec<Scope>),
    User,
    NoUser,
    Callers(Vec<CallerName>),
    Group(String),
    Role(String),
    Acr(Vec<String>),
    MaxAgeSeconds(u64),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// Code, which no configuration can hold.
    #[serde(skip)]
    Named(Named),
    /// What could not be read, kept until the rule is asked.
    #[serde(skip)]
    Invalid(InvalidSetting),
}

impl Node {
    /// The parts that this is the conjunction of.
    pub(super) fn into_conjuncts(self) -> Vec<Self> {
        match self {
            Self::All(nodes) => nodes,
            node => vec![node],
        }
    }

    /// The parts that this is the disjunction of.
    pub(super) fn into_alternatives(self) -> Vec<Self> {
        match self {
            Self::Any(nodes) => nodes,
            node => vec![node],
        }
    }

    /// What is wrong with this as a whole rule: at the top, and there only, `no_user` may stand beside `callers`.
    pub(super) fn fault_at_top(&self) -> Option<InvalidSetting> {
        match self {
            Self::All(nodes) if nodes.iter().any(|node| matches!(node, Self::Callers(_))) => {
                first_fault("all", nodes, |node| *node != Self::NoUser)
            }
            node => node.fault(),
        }
    }

    /// What is wrong with this as a part of a rule.
    fn fault(&self) -> Option<InvalidSetting> {
        let wrong = |field: &str, rule: &str| Some(InvalidSetting::new(field, rule));
        let empty = |field: &str| wrong(field, "is empty");
        let name = |field: &str, name: &str| match name {
            _ if name.trim().is_empty() => empty(field),
            _ if name.trim().len() != name.len() || name.contains(char::is_control) => {
                wrong(field, "has white space around it or a control character in it")
            }
            _ => None,
        };
        match self {
            Self::Scope(scopes) if scopes.is_empty() => empty("scope"),
            Self::AnyScope(scopes) if scopes.is_empty() => empty("any_scope"),
            Self::Callers(names) if names.is_empty() => empty("callers"),
            Self::All(nodes) if nodes.is_empty() => empty("all"),
            Self::Any(nodes) if nodes.is_empty() => empty("any"),
            Self::Group(group) => name("group", group),
            Self::Role(role) => name("role", role),
            Self::Named(named) => name("named", named.name()),
            Self::Acr(values) if values.is_empty() => empty("acr"),
            // `acr_values` of a challenge is a list with spaces between its members (RFC 9470 §3).
            Self::Acr(values) if !values.iter().all(|value| Scope::parse(value).is_ok()) => {
                wrong("acr", "a class is one or more visible ASCII characters without quote and backslash")
            }
            Self::MaxAgeSeconds(0) => wrong("max_age_seconds", "is less than a second"),
            Self::Scope(_) | Self::AnyScope(_) | Self::User | Self::Callers(_) => None,
            Self::Acr(_) | Self::MaxAgeSeconds(_) => None,
            Self::NoUser => wrong("no_user", "stands only at the top of a rule, beside a list of callers"),
            Self::All(nodes) => first_fault("all", nodes, |_| true),
            Self::Any(nodes) => first_fault("any", nodes, |_| true),
            Self::Invalid(fault) => Some(fault.clone()),
        }
    }

    /// Whether this holds for a caller.
    pub(super) fn check(&self, context: &CallerContext) -> Result<(), Refusal> {
        let principal = context.principal();
        let holds = match self {
            Self::Scope(required) => required.is_subset(principal.scopes()),
            Self::AnyScope(scopes) => scopes.iter().any(|scope| principal.scopes().contains(scope.as_str())),
            Self::User => principal.user().is_some(),
            Self::NoUser => principal.user().is_none(),
            Self::Callers(names) => names.iter().any(|name| name.is(context)),
            Self::Group(group) => {
                principal.user().is_some() && principal.attributes().groups.contain(group) == Some(true)
            }
            Self::Role(role) => {
                principal.user().is_some() && principal.attributes().roles.iter().any(|one| **one == **role)
            }
            Self::Acr(acceptable) => sign_in::is_of_class(context, acceptable),
            Self::MaxAgeSeconds(seconds) => sign_in::is_within(context, *seconds),
            Self::Named(named) => named.holds(context),
            Self::All(nodes) => return check_all(nodes, context),
            Self::Any(nodes) => return self.check_any(nodes, context),
            Self::Invalid(_) => false,
        };
        if holds { Ok(()) } else { Err(self.refuse(context)) }
    }

    fn check_any(&self, nodes: &[Self], context: &CallerContext) -> Result<(), Refusal> {
        let mut reason = None;
        for node in nodes {
            match node.check(context) {
                Ok(()) => return Ok(()),
                Err(refusal) => reason = reason.or(Some(refusal)),
            }
        }
        let reason = reason.unwrap_or_else(|| self.refuse(context));
        Err(reason.detail(format!("needs {self}")))
    }

    fn refuse(&self, context: &CallerContext) -> Refusal {
        let principal = context.principal();
        match self {
            Self::Scope(required) => insufficient(required.clone(), principal.scopes(), self),
            Self::AnyScope(scopes) => insufficient(scopes.iter().take(1).cloned().collect(), principal.scopes(), self),
            Self::Callers(_) => {
                let workload = principal.workload();
                denied("callers", format!("needs {self}, found {} of {}", workload.id, workload.issuer))
            }
            Self::User | Self::NoUser => denied("user", format!("needs {self}")),
            Self::Group(_) | Self::Role(_) if principal.user().is_none() => denied("user", format!("needs {self}")),
            Self::Group(group) => match principal.attributes().groups.contain(group) {
                Some(_) => denied("group", format!("needs {self}")),
                None => denied("groups_unknown", format!("needs {self}, and the token names no groups: too many")),
            },
            Self::Role(_) => denied("role", format!("needs {self}")),
            Self::Acr(acceptable) => {
                let kind = RefusalKind::InsufficientAuthentication { acr_values: acceptable.clone(), max_age: None };
                sign_in::refuse(context, kind, self)
            }
            Self::MaxAgeSeconds(seconds) => {
                let max_age = Some(Duration::from_secs(*seconds));
                let kind = RefusalKind::InsufficientAuthentication { acr_values: Vec::new(), max_age };
                sign_in::refuse(context, kind, self)
            }
            Self::Named(_) => denied("named", format!("needs {self}")),
            Self::All(_) | Self::Any(_) | Self::Invalid(_) => denied("rule", format!("needs {self}")),
        }
    }
}

fn check_all(nodes: &[Node], context: &CallerContext) -> Result<(), Refusal> {
    let mut refusals = nodes.iter().filter_map(|node| node.check(context).err());
    refusals.next().map_or(Ok(()), |first| Err(refusals.fold(first, |first, next| asked_together(first, &next))))
}

/// One challenge asks for all that is missing of its kind: a client gets it in one round.
fn asked_together(first: Refusal, next: &Refusal) -> Refusal {
    use RefusalKind::{InsufficientAuthentication as SignIn, InsufficientScope};

    let kind = match (first.kind(), next.kind()) {
        (InsufficientScope { required: one }, InsufficientScope { required: other }) => {
            InsufficientScope { required: one.union(other) }
        }
        (SignIn { acr_values: one, max_age: age }, SignIn { acr_values: other, max_age: other_age }) => SignIn {
            acr_values: if one.is_empty() { other.clone() } else { one.clone() },
            max_age: age.iter().chain(other_age).min().copied(),
        },
        _ => return first,
    };
    let details: Vec<_> = [&first, next].into_iter().filter_map(Refusal::explanation).collect();
    Refusal::new(kind, first.check()).detail(details.join("; "))
}

fn first_fault(field: &str, nodes: &[Node], counts: impl Fn(&Node) -> bool) -> Option<InvalidSetting> {
    let mut parts = nodes.iter().enumerate().filter(|(_, node)| counts(node));
    parts.find_map(|(at, node)| Some(node.fault()?.within(at).within(field)))
}

fn insufficient(required: Scopes, found: &Scopes, needs: &Node) -> Refusal {
    Refusal::new(RefusalKind::InsufficientScope { required }, "scope").detail(format!("needs {needs}, found {found:?}"))
}

fn denied(check: &'static str, detail: String) -> Refusal {
    Refusal::new(RefusalKind::Denied, check).detail(detail)
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scopes) => write!(f, "scope {scopes}"),
            Self::AnyScope(scopes) => {
                f.write_str("any scope of ")?;
                join(f, scopes, ", ")
            }
            Self::User => f.write_str("a user"),
            Self::NoUser => f.write_str("no user"),
            Self::Callers(names) => {
                f.write_str("a caller among ")?;
                join(f, names, ", ")
            }
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
