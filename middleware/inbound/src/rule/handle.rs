//! A rule that can be exchanged while requests are judged by it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tower_identity_core::InvalidSetting;

use super::Rule;

/// A rule that can be exchanged while it is in use. Clones are handles of the same rule: give one to
/// [`RequireLayer::new`](crate::RequireLayer::new), keep another.
///
/// A request is judged by one rule, whole: the one that stands when the request comes to it. Reading it takes no lock.
///
/// ```
/// use tower_identity_inbound::{RequireLayer, RuleHandle, rule::{callers, scope}};
///
/// let who_may_charge = RuleHandle::new(callers(["orders"]).and(scope("payments:charge")));
/// let layer = RequireLayer::new(who_may_charge.clone());
/// # let _ = layer;
///
/// who_may_charge.replace(callers(["orders", "subscriptions"]).and(scope("payments:charge")))?;
/// assert!(who_may_charge.replace(callers([""])).is_err());
/// assert_eq!(who_may_charge.current().to_string(), "a caller among orders, subscriptions and scope payments:charge");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone)]
pub struct RuleHandle(Arc<ArcSwap<Rule>>);

impl RuleHandle {
    /// A handle of this rule.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(rule)))
    }

    /// Puts another rule in its place, for every request that comes to it from now on.
    ///
    /// That is told by an event of target `tower_identity::rule` at `INFO`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] where the rule [may not stand](Rule#validity): the former one stays.
    pub fn replace(&self, rule: Rule) -> Result<(), InvalidSetting> {
        let rule = Arc::new(rule.valid()?);
        let former = self.0.swap(Arc::clone(&rule));
        tracing::info!(target: "tower_identity::rule", %rule, %former, "the rule was replaced");
        Ok(())
    }

    /// The rule as it stands.
    #[must_use]
    pub fn current(&self) -> Arc<Rule> {
        self.0.load_full()
    }

    /// The same, for as long as a check takes.
    pub(crate) fn at_hand(&self) -> Guard<Arc<Rule>> {
        self.0.load()
    }
}

impl From<Rule> for RuleHandle {
    fn from(rule: Rule) -> Self {
        Self::new(rule)
    }
}
