//! Rules by their names, which others take the place of all at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Extensions;
use tower_identity_core::InvalidSetting;

use super::Rule;

/// Rules by their names, such as those of a settings file. Cheap to clone, and never changed: others
/// [succeed](Self::succeeded_by) them, all at once.
///
/// They stand [beside](tower_identity_verify::VerifierBuilder::beside) the settings of a verifier, so that a request which
/// [`AuthLayer`](crate::AuthLayer) verified by one generation of settings is judged by the rules of that generation too,
/// whatever takes their place meanwhile: a rule is written for the callers whom its own settings let in.
/// [`RuleHandle::named`](super::RuleHandle::named) is a handle of one of them.
#[derive(Debug, Clone, Default)]
pub struct RuleSet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: BTreeMap<Box<str>, Arc<Rule>>,
    lineage: Arc<Lineage>,
}

/// What sets that succeed one another have in common.
#[derive(Debug, Default)]
struct Lineage {
    /// Whether there is a handle of any of them. Else no request has to be told which it is judged by.
    has_handles: AtomicBool,
}

/// The rules that a request is judged by, left in it where they may not be the newest by then.
#[derive(Debug, Clone)]
struct Pinned(RuleSet);

impl RuleSet {
    /// These rules.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the first that [may not stand](Rule#validity), below the field `rule`.
    pub fn new(rules: impl IntoIterator<Item = (String, Rule)>) -> Result<Self, InvalidSetting> {
        Self::of(rules, Arc::default())
    }

    /// Rules in the place of these. Once they are beside the verifier's settings, handles of these are handles of those.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn succeeded_by(&self, rules: impl IntoIterator<Item = (String, Rule)>) -> Result<Self, InvalidSetting> {
        Self::of(rules, Arc::clone(&self.0.lineage))
    }

    fn of(rules: impl IntoIterator<Item = (String, Rule)>, lineage: Arc<Lineage>) -> Result<Self, InvalidSetting> {
        let valid = |(name, rule): (String, Rule)| match rule.valid() {
            Ok(rule) => Ok((name.into(), Arc::new(rule))),
            Err(fault) => Err(fault.within(name.as_str()).within("rule")),
        };
        let rules = rules.into_iter().map(valid).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Inner { rules, lineage })))
    }

    /// The rule of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Rule>> {
        self.0.rules.get(name)
    }

    /// Tells which rules are others than before, each by an event of target `tower_identity::rule` at `INFO`.
    pub fn tell_changes(&self, former: &Self) {
        for (name, rule) in &self.0.rules {
            if let Some(former) = former.get(name).filter(|former| *former != rule) {
                tracing::info!(target: "tower_identity::rule", %rule, %former, "the rule was replaced");
            }
        }
    }

    /// There is a handle of one of these from now on.
    pub(super) fn handled(&self) {
        self.0.lineage.has_handles.store(true, Ordering::Relaxed);
    }

    /// Whether the other takes the place of these, or the other way round.
    pub(super) fn is_of_lineage(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.lineage, &other.0.lineage)
    }

    /// Has a request judged by these, where it is judged by such.
    pub(crate) fn pin(&self, extensions: &mut Extensions) {
        if self.0.lineage.has_handles.load(Ordering::Relaxed) {
            extensions.insert(Pinned(self.clone()));
        }
    }

    /// Those that a request is to be judged by.
    pub(crate) fn pinned(extensions: &Extensions) -> Option<&Self> {
        extensions.get::<Pinned>().map(|pinned| &pinned.0)
    }
}
