//! The parts that a rule is written with.

use std::{fmt, path::PathBuf};

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

/// The calling workload is on the list in this file, by the same evidence as for [`callers`](super::callers). It stands
/// wherever a list of callers may, and has to be [read](Rule::read_files) before the rule lets anybody through.
///
/// A line of the file is a name at the verifier's home issuer, or a name and the URI of its issuer with white space
/// between them; an empty line, or one that begins with `#`, says nothing:
///
/// ```text
/// # who may settle
/// scheduler
/// audit   https://partner.example
/// ```
///
/// The file is looked at every five seconds, by its content, from the first check on; another text counts once it has
/// stood for a second. A file that is gone, larger than 64 KiB, empty, or wrong in one line is refused whole: the list
/// before it stays, and an event of target `tower_identity::rule` at `WARN` tells that once. So a file is no way to let
/// nobody in: [replace](super::RuleHandle::replace) the rule for that.
///
/// ```
/// # let folder = std::env::temp_dir().join("tower-identity-callers-file");
/// # std::fs::create_dir_all(&folder)?;
/// # std::fs::write(folder.join("partners.txt"), "audit https://partner.example")?;
/// use tower_identity_inbound::rule::{callers_file, scope};
/// use tower_identity_refresh::system_clock;
///
/// let rule = callers_file("partners.txt").and(scope("ledger:read")).read_files(folder, &system_clock())?;
/// assert_eq!(rule.to_string(), "a caller listed in partners.txt and scope ledger:read");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn callers_file(file: impl Into<PathBuf>) -> Rule {
    Rule::of(Node::CallersFile(file.into().into()))
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
