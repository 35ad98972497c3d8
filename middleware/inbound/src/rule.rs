//! Who may: one data type, written with the functions of this module, or read from a configuration.
//!
//! ```
//! use tower_identity_inbound::rule::{callers, no_user, scope, user};
//!
//! let place_order = scope("orders:write").and(user());
//! let nightly_run = callers(["scheduler"]).and(no_user());
//! assert_eq!(place_order.to_string(), "scope orders:write and a user");
//! assert_eq!(nightly_run.to_string(), "a caller among scheduler and no user");
//! # let either = scope("orders:read").or(callers(["orders"]));
//! # assert_eq!(either.to_string(), "scope orders:read or a caller among orders");
//! ```
//!
//! In a configuration the same rules read
//!
//! ```toml
//! rule = { all = [{ scope = "orders:write" }, "user"] }
//! rule = { all = [{ callers = ["scheduler", { issuer = "https://partner.example", id = "audit" }] }, "no_user"] }
//! rule = { all = [{ acr = ["urn:example:gold"] }, { max_age_seconds = 300 }, { role = "approver" }] }
//! ```

use std::{fmt, path::Path, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tower_identity_core::{CallerContext, Clock, InvalidSetting, Refusal, RefusalKind, Scope, Scopes};

use self::{named::Named, node::Node};
use crate::Inbound;

mod contradiction;
mod display;
mod fault;
mod file;
mod handle;
mod issuer;
mod named;
mod node;
mod parts;
mod sign_in;
mod wider;

pub use tower_identity_core::CallerName;

pub use self::{
    handle::RuleHandle,
    issuer::IssuerName,
    parts::{callers_file, callers_of, max_actors, scope_or_wider, users_of},
};

/// What a request must satisfy. Made by the functions of [this module](self), joined by [`and`](Self::and) and
/// [`or`](Self::or).
///
/// | function | in a configuration | holds for |
/// |---|---|---|
/// | [`scope`] | `{ scope = "a b" }` | a token with all of these scopes |
/// | [`any_scope`] | `{ any_scope = ["a", "b"] }` | a token with one of these scopes |
/// | [`scope_or_wider`] | `{ scope_or_wider = { scope = "a:b", separator = ":" } }` | a token with this scope or one above it |
/// | [`user`] | `"user"` | a caller that acts for a user |
/// | [`no_user`] | `"no_user"` | a caller that acts for itself; only beside [`callers`] |
/// | [`callers`] | `{ callers = ["orders"] }` | one of these workloads |
/// | [`callers_file`] | `{ callers_file = "partners.txt" }` | one of the workloads that a file lists |
/// | [`callers_of`] | `{ callers_of = ["https://partner.example"] }` | a workload of one of these issuers |
/// | [`users_of`] | `{ users_of = ["https://login.example.com"] }` | a user of one of these issuers or tenants |
/// | [`max_actors`] | `{ max_actors = 1 }` | a user for whom no more than these act |
/// | [`group`] | `{ group = "staff" }` | a user of this group |
/// | [`role`] | `{ role = "approver" }` | a user with this role |
/// | [`acr`] | `{ acr = ["urn:example:gold"] }` | a user who signed in by one of these classes |
/// | [`max_age`] | `{ max_age_seconds = 300 }` | a user who signed in that lately |
/// | [`named`] | | whomever a closure says |
/// | [`and`](Self::and), [`or`](Self::or) | `{ all = [..] }`, `{ any = [..] }` | all, or one, of these rules |
///
/// # Validity
///
/// A rule can be written that must not stand: one with a scope outside the grammar, an empty list, a [`no_user`] in
/// the wrong place, or parts that no caller can satisfy together: a user and none, two lists of callers, of issuers or of
/// sign-in classes that have nothing in common, as their names stand; or one that names a file which was not
/// [read](Self::read_files). Such a rule refuses every request as a fault of this service
/// ([`RefusalKind::Misconfigured`]), [`valid`](Self::valid) tells at the start, and a configuration that holds one
/// is refused as it is read.
#[derive(Clone)]
pub struct Rule {
    node: Node,
    /// Kept up to date by every constructor, so that a check does not look for it.
    fault: Option<InvalidSetting>,
}

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

/// The request is made for a user: the token's subject is not the client that it was issued to.
///
/// Some issuers give a service account a subject of its own, which this cannot tell from a user: there, add a scope
/// that only users are granted.
#[must_use]
pub fn user() -> Rule {
    Rule::of(Node::User)
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

impl Rule {
    fn of(node: Node) -> Self {
        let fault = node.fault_at_top().or_else(|| node.unread());
        Self { node, fault }
    }

    /// Both hold. The first that does not is the reason of the refusal; further scopes that are missing, and further
    /// demands on the sign-in, are asked for in the same challenge.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = self.node.into_conjuncts();
        all.extend(other.node.into_conjuncts());
        Self::of(Node::All(all))
    }

    /// At least one holds. If none does, the refusal is the first one's.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut any = self.node.into_alternatives();
        any.extend(other.node.into_alternatives());
        Self::of(Node::Any(any))
    }

    /// The rule, if it may stand.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the part and what is wrong with it.
    pub fn valid(self) -> Result<Self, InvalidSetting> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self),
        }
    }

    /// Reads the files that the rule [names](callers_file), those of a relative path from this folder, and has them read
    /// again by this clock for as long as the rule is in use.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] where a file cannot be read or is no list of callers, or where the rule is
    /// [not valid](Rule#validity).
    pub fn read_files(mut self, folder: impl AsRef<Path>, clock: &Clock) -> Result<Self, InvalidSetting> {
        self.node.read_files(folder.as_ref(), clock)?;
        Self::of(self.node).valid()
    }

    /// Why the rule may not stand, if it may not.
    pub(crate) fn fault(&self) -> Option<&InvalidSetting> {
        self.fault.as_ref()
    }

    /// Whether a request may pass.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] that names the part that failed: [`RefusalKind::NoCredential`] for an anonymous request,
    /// [`RefusalKind::InsufficientScope`] for a missing scope, [`RefusalKind::InsufficientAuthentication`] for a sign-in
    /// that is too weak or too old, [`RefusalKind::UnrelatedCredentials`] when nothing but its own word ties the caller
    /// to the user, [`RefusalKind::Denied`] otherwise, and
    /// [`RefusalKind::Misconfigured`] whenever the rule is [not valid](Rule#validity).
    pub fn check(&self, inbound: &Inbound) -> Result<(), Refusal> {
        if let Some(fault) = &self.fault {
            return Err(Refusal::new(RefusalKind::Misconfigured, "rule").caused_by(fault.clone()));
        }
        let Inbound::Caller(context) = inbound else {
            return Err(Refusal::new(RefusalKind::NoCredential, "rule").detail(format!("anonymous, needs {self}")));
        };
        if !context.counts_together() {
            let binding = context.principal().binding();
            return Err(Refusal::new(RefusalKind::UnrelatedCredentials, "binding")
                .detail(format!("caller and user are tied by {binding:?}")));
        }
        self.node.check(context).map_err(|refusal| refusal.issuer(context.caller_token().issuer().clone()))
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl Eq for Rule {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.node, f)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.node)
    }
}

/// Writes what can be read again; a rule with a part that could not be read, or that is code, is an error.
impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.node.serialize(serializer)
    }
}

/// Reads a [valid](Rule#validity) rule, but not the files that it names: [`Rule::read_files`] does.
impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        match node.fault_at_top() {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(Self::of(node)),
        }
    }
}
