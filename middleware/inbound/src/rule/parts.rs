//! The parts that a rule is written with.

use std::{fmt, path::PathBuf, time::Duration};

use tower_identity_core::{CallerContext, InvalidSetting, Issuer, Scope, Scopes};

use super::{CallerName, IssuerName, Rule, named::Named, node::Node, wider::ScopeOrWider};

/// The token has this scope; or all of several, separated by spaces.
#[must_use]
pub fn scope(scope: impl AsRef<str>) -> Rule {
    Rule::of(match Scopes::parse(scope.as_ref()) {
        Ok(scopes) => Node::Scope(scopes),
        Err(wrong) => Node::Invalid(InvalidSetting::new("scope", wrong.to_string())),
    })
}

/// The token has at least one of these scopes. The first is what a challenge asks for: put the narrowest there.
#[must_use]
pub fn any_scope<I>(scopes: I) -> Rule
where
    I: IntoIterator<Item: AsRef<str>>,
{
    Rule::of(match scopes.into_iter().map(Scope::parse).collect() {
        Ok(scopes) => Node::AnyScope(scopes),
        Err(wrong) => Node::Invalid(InvalidSetting::new("any_scope", wrong.to_string())),
    })
}

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

/// The request is made for a user: the token's subject is not the client that it was issued to.
///
/// Some issuers give a service account a subject of its own, which this cannot tell from a user: there, add a scope
/// that only users are granted.
#[must_use]
pub fn user() -> Rule {
    Rule::of(Node::User)
}

/// The request is made for a user, as for [`user`]; and it will do that the caller says so itself, in a token that it has signed
/// ([`Binding::SelfAsserted`](tower_identity_core::Binding::SelfAsserted)), where the verifier takes it at its word
/// ([`danger::self_asserted`](tower_identity_verify::danger::self_asserted)).
///
/// No other part lets such a caller through. So this stands beside what else is asked, joined by [`and`](Rule::and): in each
/// alternative that is open to such callers.
///
/// ```
/// use tower_identity_core::Binding;
/// use tower_identity_inbound::{Inbound, rule::{scope, self_asserted_user, user}};
/// use tower_identity_testkit::TestCaller;
///
/// let caller = TestCaller::workload("orders").user("alice").scope("payments:charge").binding(Binding::SelfAsserted);
/// let inbound = Inbound::Caller(caller.context());
/// assert!(scope("payments:charge").and(user()).check(&inbound).is_err());
/// assert!(scope("payments:charge").and(self_asserted_user()).check(&inbound).is_ok());
/// assert!(scope("payments:refund").and(self_asserted_user()).check(&inbound).is_err());
/// ```
#[must_use]
pub fn self_asserted_user() -> Rule {
    Rule::of(Node::SelfAssertedUser)
}

/// The request is made for a user, as for [`user`]; and it will do that another service handed the work over some time ago, and
/// has signed for whom ([`Binding::Deferred`](tower_identity_core::Binding::Deferred)), as
/// [`Verifier::handed_off`](tower_identity_verify::Verifier::handed_off) finds.
///
/// No other part lets such a caller through. So this stands beside what else is asked, joined by [`and`](Rule::and): in each
/// alternative that is open to such work. Its caller is the service that handed it over; and there are no scopes, groups or
/// roles, for what the user might do then need not be what it may do now.
///
/// ```
/// use tower_identity_core::Binding;
/// use tower_identity_inbound::{Inbound, rule::{callers, deferred_user, scope, user}};
/// use tower_identity_testkit::TestCaller;
///
/// let caller = TestCaller::workload("orders").user("alice").acting_after([] as [&str; 0]).binding(Binding::Deferred);
/// let inbound = Inbound::Caller(caller.context());
/// assert!(callers(["orders"]).and(user()).check(&inbound).is_err());
/// assert!(callers(["orders"]).and(deferred_user()).check(&inbound).is_ok());
/// assert!(scope("invoices:write").and(deferred_user()).check(&inbound).is_err());
/// ```
#[must_use]
pub fn deferred_user() -> Rule {
    Rule::of(Node::DeferredUser)
}

/// The request is made for no user: the caller acts for itself.
///
/// Leaving the user out must never open more doors. So where a caller may present a user's credential beside its own,
/// the rights of its own token count under this rule alone; and this rule stands only at the top, joined by
/// [`and`](Rule::and) to a list of [`callers`], never inside of an [`or`](Rule::or), and never alone; anything else
/// is [not valid](Rule#validity).
#[must_use]
pub fn no_user() -> Rule {
    Rule::of(Node::NoUser)
}

/// The calling workload is one of these: a name stands for a workload of the verifier's home issuer,
/// [`CallerName::of_issuer`] for one of another.
///
/// The workload has to be known as the sender ([`Evidence::is_of_sender`](tower_identity_core::Evidence::is_of_sender)): by
/// a token of its own, as the outermost actor of a user's, or by a proof. A user's token that was merely issued to it does
/// not do: whoever relays or steals such a token would call in its name. Where users' tokens come straight from their
/// client, the issuer's row says so
/// ([`issued_to_is_sender`](tower_identity_verify::TrustedIssuer::issued_to_is_sender)).
///
/// A workload that is configured under [several names](tower_identity_verify::VerifierBuilder::workload) is on the list
/// by any of them. An issuer speaks for its own workloads only: an actor of another issuer than the token's satisfies no
/// list. A token that a third party obtained names its rightful holder still; where that matters, callers have to prove
/// possession of a key.
#[must_use]
pub fn callers<I>(names: I) -> Rule
where
    I: IntoIterator<Item: TryInto<CallerName, Error: fmt::Display>>,
{
    Rule::of(match names.into_iter().map(TryInto::try_into).collect::<Result<_, _>>() {
        Ok(names) => Node::Callers(names),
        Err(wrong) => Node::Invalid(InvalidSetting::new("callers", wrong.to_string())),
    })
}

/// The calling workload is on the list in this file, by the same evidence as for [`callers`]. It stands
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
/// The file is looked at every five seconds, by its content; another text counts once it has stood for a second. Where
/// the rule was read outside a tokio runtime, that begins with its first check. A file that is gone, larger than 64 KiB,
/// wrong in one line, or without any, is refused whole: the list before it stays, and an event of target
/// `tower_identity::rule` at `WARN` tells that once. To let nobody in, leave a comment in it.
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
/// [`callers`]. A tenant that has an identifier of its own, as Entra's have, is an issuer of its own.
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

/// The user belongs to this group, compared byte for byte (RFC 9068 §2.2.3.1).
///
/// Where a token does not name its user's groups because they are too many (a *group overage*), that cannot be decided:
/// the request is refused by the check `groups_unknown`, never because the user were no member. Holds for users only:
/// the groups of a workload's own token count for nothing, so that leaving the user out opens no door.
#[must_use]
pub fn group(name: impl Into<String>) -> Rule {
    Rule::of(Node::Group(name.into()))
}

/// The user has this role, compared byte for byte (RFC 9068 §2.2.3.1). For users only, as [`group`] is: list a workload
/// among the [`callers`].
#[must_use]
pub fn role(name: impl Into<String>) -> Rule {
    Rule::of(Node::Role(name.into()))
}

/// The user signed in by one of these authentication context classes (`acr`), preferred first: step-up by RFC 9470.
///
/// Where not, and where the token does not say, the answer is 401 `insufficient_user_authentication` with these
/// `acr_values`. Joined with [`max_age`] or [`scope`] by [`and`](Rule::and), one challenge asks for both.
///
/// ```
/// use std::time::Duration;
///
/// use tower_identity_core::{RefusalKind, Scopes};
/// use tower_identity_inbound::{Inbound, rule::{acr, max_age, scope}};
/// use tower_identity_testkit::TestCaller;
///
/// let approve = scope("orders:approve").and(acr(["urn:example:gold"])).and(max_age(Duration::from_secs(300)));
/// let by_password = TestCaller::workload("storefront").user("alice").context();
/// let refused = approve.check(&Inbound::Caller(by_password)).expect_err("signed in by a password, some time ago");
/// assert_eq!(refused.kind(), &RefusalKind::InsufficientAuthentication {
///     scope: Scopes::parse("orders:approve")?,
///     acr_values: vec!["urn:example:gold".to_owned()],
///     max_age: Some(Duration::from_secs(300)),
/// });
/// # Ok::<(), tower_identity_core::InvalidScope>(())
/// ```
#[must_use]
pub fn acr<I>(values: I) -> Rule
where
    I: IntoIterator<Item: Into<String>>,
{
    Rule::of(Node::Acr(values.into_iter().map(Into::into).collect()))
}

/// The user signed in no longer ago than this when the request was judged (`auth_time`): step-up by RFC 9470.
///
/// In whole seconds, at least one; a fraction is dropped. Where the sign-in is older, and where the token does not say,
/// the answer is 401 `insufficient_user_authentication` with this `max_age`.
#[must_use]
pub fn max_age(age: Duration) -> Rule {
    Rule::of(Node::MaxAgeSeconds(age.as_secs()))
}

/// A condition that only code can state, by the name that a refusal is logged with. No configuration can hold it.
///
/// It is asked about authenticated callers only. It must be quick, and it must not hold for a caller alone where it
/// fails for the same caller with a user: leaving the user out must never open more doors.
///
/// ```
/// use tower_identity_inbound::rule::{named, scope};
///
/// let in_the_short_run = named("a token that ends within the hour", |caller| {
///     caller.principal().expires_at() <= caller.judged_at().saturating_add(std::time::Duration::from_secs(3600))
/// });
/// let rule = scope("orders:write").and(in_the_short_run);
/// assert_eq!(rule.to_string(), "scope orders:write and a token that ends within the hour");
/// assert!(serde_json::to_string(&rule).is_err());
/// ```
#[must_use]
pub fn named(name: &str, holds: impl Fn(&CallerContext) -> bool + Send + Sync + 'static) -> Rule {
    Rule::of(Node::Named(Named::new(name, holds)))
}
