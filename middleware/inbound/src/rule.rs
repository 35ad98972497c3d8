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
//! rule = { all = [{ callers_file = "partners.txt" }, "user", { scope_or_wider = { scope = "ledger:read", separator = ":" } }] }
//! ```
//!
//! A rule stands for as long as the process does, unless it is given to its layer by a [`RuleHandle`], which puts another
//! in its place, or by a name among others that are [replaced together](RuleSet); and a list of callers that changes by itself is a [file](callers_file), which is read again when it does.

use std::{fmt, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tower_identity_core::{Binding, Clock, InvalidSetting, Refusal, RefusalKind};

use self::node::Node;
use crate::Inbound;

mod at_its_word;
mod contradiction;
mod display;
mod fault;
mod file;
mod handle;
mod issuer;
mod named;
mod node;
mod parts;
mod set;
mod sign_in;
mod wider;

pub use tower_identity_core::CallerName;

pub use self::{
    handle::RuleHandle,
    issuer::IssuerName,
    parts::{
        acr, any_scope, callers, callers_file, callers_of, deferred_user, group, max_actors, max_age, named, no_user,
        role, scope, scope_or_wider, self_asserted_user, user, users_of,
    },
    set::RuleSet,
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
/// | [`self_asserted_user`] | `"self_asserted_user"` | a caller that acts for a user, also by its own word alone |
/// | [`deferred_user`] | `"deferred_user"` | a caller that acts for a user, also one that handed the work over |
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
    /// to the user and the rule does not [say](self_asserted_user) that [this](deferred_user) will do, [`RefusalKind::Denied`] otherwise, and
    /// [`RefusalKind::Misconfigured`] whenever the rule is [not valid](Rule#validity).
    pub fn check(&self, inbound: &Inbound) -> Result<(), Refusal> {
        if let Some(fault) = &self.fault {
            return Err(Refusal::new(RefusalKind::Misconfigured, "rule").caused_by(fault.clone()));
        }
        let Inbound::Caller(context) = inbound else {
            return Err(Refusal::new(RefusalKind::NoCredential, "rule").detail(format!("anonymous, needs {self}")));
        };
        let checked = match context.principal().binding() {
            // By whatever rule it was let through before.
            Binding::SelfAsserted => self.node.check_at_its_word(&Node::SelfAssertedUser, context),
            Binding::Deferred => self.node.check_at_its_word(&Node::DeferredUser, context),
            _ if context.counts_together() => self.node.check(context),
            binding => {
                return Err(Refusal::new(RefusalKind::UnrelatedCredentials, "binding")
                    .detail(format!("caller and user are tied by {binding:?}")));
            }
        };
        checked.map_err(|refusal| refusal.issuer(context.caller_token().issuer().clone()))
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
