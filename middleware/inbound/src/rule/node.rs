//! The form of a rule: what it says, and whether it holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tower_identity_core::{CallerContext, InvalidSetting, Issuer, Refusal, RefusalKind, Scope, Scopes};

use super::{CallerName, IssuerName, file::CallersFile, named::Named, sign_in, wider::ScopeOrWider};

/// The tree behind a rule, in the shape of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Node {
    Scope(Scopes),
    AnyScope(Vec<Scope>),
    ScopeOrWider(ScopeOrWider),
    User,
    SelfAssertedUser,
    DeferredUser,
    NoUser,
    Callers(Vec<CallerName>),
    CallersFile(CallersFile),
    CallersOf(Vec<Issuer>),
    UsersOf(Vec<IssuerName>),
    MaxActors(usize),
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

    /// Its word in a configuration.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Scope(_) => "scope",
            Self::AnyScope(_) => "any_scope",
            Self::ScopeOrWider(_) => "scope_or_wider",
            Self::User => "user",
            Self::SelfAssertedUser => "self_asserted_user",
            Self::DeferredUser => "deferred_user",
            Self::NoUser => "no_user",
            Self::Callers(_) => "callers",
            Self::CallersFile(_) => "callers_file",
            Self::CallersOf(_) => "callers_of",
            Self::UsersOf(_) => "users_of",
            Self::MaxActors(_) => "max_actors",
            Self::Group(_) => "group",
            Self::Role(_) => "role",
            Self::Acr(_) => "acr",
            Self::MaxAgeSeconds(_) => "max_age_seconds",
            Self::All(_) => "all",
            Self::Any(_) => "any",
            Self::Named(_) => "named",
            Self::Invalid(_) => "rule",
        }
    }

    /// Whether this holds for callers with a user only, or for those without one only; `None` where a user is no matter.
    pub(super) fn needs_user(&self) -> Option<bool> {
        match self {
            Self::User | Self::SelfAssertedUser | Self::DeferredUser => Some(true),
            Self::UsersOf(_) | Self::MaxActors(_) => Some(true),
            Self::Group(_) | Self::Role(_) | Self::Acr(_) | Self::MaxAgeSeconds(_) => Some(true),
            Self::NoUser => Some(false),
            Self::Scope(_) | Self::AnyScope(_) | Self::ScopeOrWider(_) => None,
            Self::Callers(_) | Self::CallersFile(_) | Self::CallersOf(_) => None,
            Self::All(_) | Self::Any(_) | Self::Named(_) | Self::Invalid(_) => None,
        }
    }

    /// Whether this holds for a caller.
    pub(super) fn check(&self, context: &CallerContext) -> Result<(), Refusal> {
        let principal = context.principal();
        let holds = match self {
            Self::Scope(required) => required.is_subset(principal.scopes()),
            Self::AnyScope(scopes) => scopes.iter().any(|scope| principal.scopes().contains(scope.as_str())),
            Self::ScopeOrWider(required) => required.is_within(principal.scopes()),
            Self::User | Self::SelfAssertedUser | Self::DeferredUser => principal.user().is_some(),
            Self::NoUser => principal.user().is_none(),
            Self::Callers(names) => names.iter().any(|name| name.is(context)),
            Self::CallersFile(file) => file.names(context),
            Self::CallersOf(issuers) => context.sender().is_some_and(|workload| issuers.contains(&workload.issuer)),
            Self::UsersOf(names) => principal.user().is_some_and(|user| names.iter().any(|name| name.is_of(user))),
            Self::MaxActors(most) => principal.user().is_some() && principal.actors().len() <= *most,
            Self::Group(group) => {
                principal.user().is_some() && principal.attributes().groups.contain(group) == Some(true)
            }
            Self::Role(role) => {
                principal.user().is_some() && principal.attributes().roles.iter().any(|one| **one == **role)
            }
            Self::Acr(acceptable) => sign_in::is_of_class(context, acceptable),
            Self::MaxAgeSeconds(seconds) => sign_in::is_within(context, *seconds),
            Self::Named(named) => named.holds(context),
            // A caller that left its user out has its own rights here, and only here.
            Self::All(nodes) if nodes.contains(&Self::NoUser) => return check_all(nodes, &context.for_itself()),
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
            Self::ScopeOrWider(required) => insufficient(required.scope.clone(), principal.scopes(), self),
            Self::Callers(_) | Self::CallersFile(_) | Self::CallersOf(_) => {
                let workload = principal.workload();
                let sent = if principal.evidence().is_of_sender() { "" } else { ", who need not have sent the token" };
                denied(self.word(), format!("needs {self}, found {} of {}{sent}", workload.id, workload.issuer))
            }
            Self::User | Self::SelfAssertedUser | Self::DeferredUser | Self::NoUser => {
                denied("user", format!("needs {self}"))
            }
            Self::Group(_) | Self::Role(_) | Self::UsersOf(_) | Self::MaxActors(_) if principal.user().is_none() => {
                denied("user", format!("needs {self}"))
            }
            Self::UsersOf(_) => denied("users_of", format!("needs {self}")),
            Self::MaxActors(_) => denied("max_actors", format!("needs {self}, found {}", principal.actors().len())),
            Self::Group(group) => match principal.attributes().groups.contain(group) {
                Some(_) => denied("group", format!("needs {self}")),
                None => denied("groups_unknown", format!("needs {self}, and the token names no groups: too many")),
            },
            Self::Role(_) => denied("role", format!("needs {self}")),
            Self::Acr(acceptable) => sign_in::refuse(context, acceptable.clone(), None, self),
            Self::MaxAgeSeconds(seconds) => {
                sign_in::refuse(context, Vec::new(), Some(Duration::from_secs(*seconds)), self)
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

/// One challenge asks for all that is missing, scopes and sign-in: a client gets them in one round (RFC 9470 §3).
fn asked_together(first: Refusal, next: &Refusal) -> Refusal {
    let (Some(one), Some(other)) = (asked_by(&first), asked_by(next)) else { return first };
    let scope = one.scope.union(other.scope);
    let acr_values = if one.acr_values.is_empty() { other.acr_values } else { one.acr_values };
    let max_age = one.max_age.into_iter().chain(other.max_age).min();
    let (kind, check) = if acr_values.is_empty() && max_age.is_none() {
        (RefusalKind::InsufficientScope { required: scope }, "scope")
    } else {
        let acr_values = acr_values.to_vec();
        (RefusalKind::InsufficientAuthentication { scope, acr_values, max_age }, "sign_in")
    };
    let details: Vec<_> = [&first, next].into_iter().filter_map(Refusal::explanation).collect();
    Refusal::new(kind, check).detail(details.join("; "))
}

/// What a challenge asks its client to get.
struct Asked<'a> {
    scope: &'a Scopes,
    acr_values: &'a [String],
    max_age: Option<Duration>,
}

/// `None` where there is nothing that a client could get.
fn asked_by(refusal: &Refusal) -> Option<Asked<'_>> {
    match refusal.kind() {
        RefusalKind::InsufficientScope { required: scope } => Some(Asked { scope, acr_values: &[], max_age: None }),
        RefusalKind::InsufficientAuthentication { scope, acr_values, max_age } => {
            Some(Asked { scope, acr_values, max_age: *max_age })
        }
        _ => None,
    }
}

fn insufficient(required: Scopes, found: &Scopes, needs: &Node) -> Refusal {
    Refusal::new(RefusalKind::InsufficientScope { required }, "scope").detail(format!("needs {needs}, found {found:?}"))
}

fn denied(check: &'static str, detail: String) -> Refusal {
    Refusal::new(RefusalKind::Denied, check).detail(detail)
}
