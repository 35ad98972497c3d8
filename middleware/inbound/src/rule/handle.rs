//! A rule that can be exchanged while requests are judged by it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tower_identity_core::InvalidSetting;
use tower_identity_verify::Verifier;

use super::{Rule, RuleSet, node::Node};

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
pub struct RuleHandle(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Own(Arc<ArcSwap<Rule>>),
    Named(Arc<Named>),
}

/// A rule among those that stand beside a verifier's settings.
#[derive(Debug)]
struct Named {
    name: Box<str>,
    verifier: Verifier,
    /// As they were when the handle was made.
    rules: RuleSet,
}

impl RuleHandle {
    /// A handle of this rule.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self(Kind::Own(Arc::new(ArcSwap::from_pointee(rule))))
    }

    /// A handle of the rule of this name among the [rules](RuleSet) beside the verifier's settings, where there is one:
    /// whatever takes their place, a request is judged by the rule beside the settings that verified it. Where the name is
    /// gone from there, nobody passes.
    ///
    /// ```
    /// use tower_identity_inbound::{RequireLayer, RuleHandle, RuleSet, rule::{callers, scope}};
    /// use tower_identity_verify::{TrustedIssuer, Verifier};
    ///
    /// let login = || Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("payments"));
    /// let rules = RuleSet::new([("charge".to_owned(), callers(["orders"]))])?;
    /// let verifier = login().beside(rules.clone()).build()?;
    /// let who_may_charge = RuleHandle::named(&verifier, "charge").expect("there is one");
    /// let layer = RequireLayer::new(who_may_charge.clone());
    /// # let _ = layer;
    ///
    /// let next = rules.succeeded_by([("charge".to_owned(), callers(["orders"]).and(scope("payments:charge")))])?;
    /// verifier.replace(login().beside(next))?;
    /// assert_eq!(who_may_charge.current().to_string(), "a caller among orders and scope payments:charge");
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    #[must_use]
    pub fn named(verifier: &Verifier, name: &str) -> Option<Self> {
        let current = verifier.current();
        let rules = current.beside::<RuleSet>()?.clone();
        rules.get(name)?;
        rules.handled();
        Some(Self(Kind::Named(Arc::new(Named { name: name.into(), verifier: verifier.clone(), rules }))))
    }

    /// Puts another rule in its place, for every request that comes to it from now on.
    ///
    /// That is told by an event of target `tower_identity::rule` at `INFO`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] where the rule [may not stand](Rule#validity), and for a [named](Self::named) one, whose place is
    /// taken by those beside other settings: the former one stays.
    pub fn replace(&self, rule: Rule) -> Result<(), InvalidSetting> {
        let Kind::Own(own) = &self.0 else {
            return Err(InvalidSetting::new("rule", "is replaced along with the settings that it stands beside"));
        };
        let rule = Arc::new(rule.valid()?);
        let former = own.swap(Arc::clone(&rule));
        tracing::info!(target: "tower_identity::rule", %rule, %former, "the rule was replaced");
        Ok(())
    }

    /// The rule as it stands.
    #[must_use]
    pub fn current(&self) -> Arc<Rule> {
        match &self.0 {
            Kind::Own(own) => own.load_full(),
            Kind::Named(named) => named.current(),
        }
    }

    /// Asks the rule: the one of these settings, where a request brings them, else the one that stands.
    pub(crate) fn ask<T>(&self, pinned: Option<&RuleSet>, ask: impl FnOnce(&Rule) -> T) -> T {
        match &self.0 {
            Kind::Own(own) => ask(&own.load()),
            Kind::Named(named) => match pinned.and_then(|rules| named.among(rules)) {
                Some(rule) => ask(rule),
                None => ask(&named.current()),
            },
        }
    }
}

impl Named {
    fn among<'r>(&self, rules: &'r RuleSet) -> Option<&'r Arc<Rule>> {
        rules.get(&self.name).filter(|_| rules.is_of_lineage(&self.rules))
    }

    fn current(&self) -> Arc<Rule> {
        let current = self.verifier.current();
        let rule = current.beside().and_then(|rules| self.among(rules));
        // A rule without parts is not valid, and refuses everybody.
        rule.map_or_else(|| Arc::new(Rule::of(Node::Any(Vec::new()))), Arc::clone)
    }
}

impl From<Rule> for RuleHandle {
    fn from(rule: Rule) -> Self {
        Self::new(rule)
    }
}
