//! The parts that a rule is written with.

use std::fmt;

use tower_identity_core::{InvalidSetting, Issuer, Scopes};

use super::{IssuerName, Rule, node::Node, wider::ScopeOrWider};

/// The token has this scope or a wider one; or all of several, separated by spaces, each by itself or a wider one.
///
/// A scope is wider than another when the other goes on from it after the separator, byte for byte: by `':'`, `orders`
/// is wider than `orders:write` and than `orders:write:all`. Never the other way round, and never by a mere beginning:
/// neither `orders:read` nor `ord` is wider than `orders`. A challenge asks for the scope that is named here.
///
/// The separator is whatever the authority puts between the levels of its scopes: a visible ASCII character that is
/// neither letter nor digit. That `orders` includes its parts has to be the authority's meaning, too.
///
/// ```
/// use tower_identity_inbound::{Inbound, rule::scope_or_wider};
/// use tower_identity_testkit::TestCaller;
///
/// let rule = scope_or_wider("orders:write", ':');
/// let passes = |scope| rule.check(&Inbound::Caller(TestCaller::workload("shop").scope(scope).context())).is_ok();
/// assert!(passes("orders:write") && passes("orders"));
/// assert!(!passes("orders:write:all") && !passes("orders:read") && !passes("order"));
/// ```
#[must_use]
pub fn scope_or_wider(scope: impl AsRef<str>, separator: char) -> Rule {
    Rule::of(match Scopes::parse(scope.as_ref()) {
        Ok(scopes) => Node::ScopeOrWider(ScopeOrWider::new(scopes, separator)),
        Err(wrong) => Node::Invalid(InvalidSetting::new("scope", wrong.to_string()).within("scope_or_wider")),
    })
}

/// The calling workload is of one of these issuers, whichever it is there; by the same evidence as for
/// [`callers`](super::callers). A tenant that has an identifier of its own, as Entra's have, is an issuer of its own.
#[must_use]
pub fn callers_of<I>(issuers: I) -> Rule
where
    I: IntoIterator<Item: AsRef<str>>,
{
    Rule::of(match issuers.into_iter().map(Issuer::parse).collect() {
        Ok(issuers) => Node::CallersOf(issuers),
        Err(wrong) => Node::Invalid(InvalidSetting::new("callers_of", wrong.to_string())),
    })
}

/// The request is made for a user of one of these issuers, or of these tenants: [`IssuerName::tenant_of`].
#[must_use]
pub fn users_of<I>(names: I) -> Rule
where
    I: IntoIterator<Item: TryInto<IssuerName, Error: fmt::Display>>,
{
    Rule::of(match names.into_iter().map(TryInto::try_into).collect::<Result<_, _>>() {
        Ok(names) => Node::UsersOf(names),
        Err(wrong) => Node::Invalid(InvalidSetting::new("users_of", wrong.to_string())),
    })
}

/// The request is made for a user, and no more actors than this have come between: the links of the token's actor
/// chain, the current actor included (RFC 8693 §4.1). None is a token that the user's own client presents.
///
/// Only how many they are is asked; who they were is history, which never authorizes.
#[must_use]
pub fn max_actors(most: usize) -> Rule {
    Rule::of(Node::MaxActors(most))
}
