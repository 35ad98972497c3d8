//! What is wrong with a rule, and where.

use tower_identity_core::{InvalidSetting, Scope};

use super::{contradiction, node::Node};

impl Node {
    /// What is wrong with this as a whole rule: at the top, and there only, `no_user` may stand beside `callers`.
    pub(super) fn fault_at_top(&self) -> Option<InvalidSetting> {
        match self {
            Self::All(nodes) if nodes.iter().any(|node| matches!(node, Self::Callers(_) | Self::CallersFile(_))) => {
                first_fault("all", nodes, |node| *node != Self::NoUser).or_else(|| contradiction::find(nodes))
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
            Self::CallersFile(file) if file.name().as_os_str().is_empty() => empty("callers_file"),
            Self::CallersOf(issuers) if issuers.is_empty() => empty("callers_of"),
            Self::UsersOf(names) if names.is_empty() => empty("users_of"),
            Self::ScopeOrWider(scopes) => scopes.fault(),
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
            Self::Scope(_) | Self::AnyScope(_) => None,
            Self::User | Self::SelfAssertedUser | Self::DeferredUser => None,
            Self::Callers(_) | Self::CallersFile(_) => None,
            Self::CallersOf(_) | Self::UsersOf(_) | Self::MaxActors(_) | Self::Acr(_) | Self::MaxAgeSeconds(_) => None,
            Self::NoUser => wrong("no_user", "stands only at the top of a rule, beside a list of callers"),
            Self::All(nodes) => first_fault("all", nodes, |_| true).or_else(|| contradiction::find(nodes)),
            Self::Any(nodes) => first_fault("any", nodes, |_| true),
            Self::Invalid(fault) => Some(fault.clone()),
        }
    }
}

fn first_fault(field: &str, nodes: &[Node], counts: impl Fn(&Node) -> bool) -> Option<InvalidSetting> {
    let mut parts = nodes.iter().enumerate().filter(|(_, node)| counts(node));
    parts.find_map(|(at, node)| Some(node.fault()?.within(at).within(field)))
}
