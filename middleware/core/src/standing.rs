//! How a caller stands on a request: what ties it to the user, what of its own counts, and which names it goes by.

use std::sync::Arc;

use crate::{Binding, Issuer, Workload};

/// How a caller stands on one request: the argument of [`CallerContext::assertion`](crate::CallerContext::assertion).
///
/// A [`Binding`] becomes one by `into()`.
#[derive(Debug, Clone)]
pub struct Standing {
    terms: Terms,
    aliases: Option<Arc<Aliases>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terms {
    /// To its user, or to nobody.
    Tied(Binding),
    OnTrust,
    /// To its user by no more than this, and what is asked about accepts that.
    AtItsWord(Binding),
    Alone,
}

impl Standing {
    /// Nothing ties caller and user, and the configuration trusts this caller to say for whom it calls: they
    /// [count together](crate::CallerContext::counts_together), though their [binding](Binding::None) is none.
    #[must_use]
    pub fn on_trust() -> Self {
        Self::of(Terms::OnTrust)
    }

    /// The caller could have presented a user's credential beside its own, and did not. Its own rights count only
    /// [for itself](crate::CallerContext::for_itself), where a rule demands that there is no user.
    #[must_use]
    pub fn alone() -> Self {
        Self::of(Terms::Alone)
    }

    /// The caller is one of these names, and known by all of them.
    #[must_use]
    pub fn known_as(self, aliases: Arc<Aliases>) -> Self {
        Self { aliases: Some(aliases), ..self }
    }

    fn of(terms: Terms) -> Self {
        Self { terms, aliases: None }
    }

    pub(crate) fn binding(&self) -> Binding {
        match self.terms {
            Terms::Tied(binding) | Terms::AtItsWord(binding) => binding,
            Terms::OnTrust => Binding::None,
            // There is no user to tie.
            Terms::Alone => Binding::SameToken,
        }
    }

    /// Whether caller and user count together.
    pub(crate) fn counts(&self) -> bool {
        matches!(self.terms, Terms::OnTrust | Terms::AtItsWord(_)) || self.binding().is_established()
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.terms == Terms::Alone
    }

    pub(crate) fn aliases(&self) -> Option<&Aliases> {
        self.aliases.as_deref()
    }

    /// The same, where the rights of the caller's own token count.
    pub(crate) fn for_itself(self) -> Self {
        match self.terms {
            Terms::Alone => Self { terms: Terms::Tied(Binding::SameToken), ..self },
            Terms::Tied(_) | Terms::OnTrust | Terms::AtItsWord(_) => self,
        }
    }

    /// The same, where what a caller says itself of its user is accepted.
    pub(crate) fn at_its_word(self) -> Self {
        match self.terms {
            Terms::Tied(word @ (Binding::SelfAsserted | Binding::Deferred)) => {
                Self { terms: Terms::AtItsWord(word), ..self }
            }
            Terms::Tied(_) | Terms::OnTrust | Terms::AtItsWord(_) | Terms::Alone => self,
        }
    }
}

impl From<Binding> for Standing {
    fn from(binding: Binding) -> Self {
        Self::of(Terms::Tied(binding))
    }
}

/// The names of one workload, as the configuration lists them, its canonical one first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aliases {
    names: Box<[Workload]>,
    home: Option<Issuer>,
}

impl Aliases {
    /// These names are one workload's: the first is the canonical one. `home` is the verifier's home issuer, the one that
    /// plain names refer to, where it has one.
    #[must_use]
    pub fn new(canonical: Workload, others: impl IntoIterator<Item = Workload>, home: Option<Issuer>) -> Self {
        Self { names: std::iter::once(canonical).chain(others).collect(), home }
    }

    /// The name that the workload is called by.
    #[must_use]
    pub fn canonical(&self) -> &Workload {
        &self.names[0]
    }

    /// All of them, the canonical one first.
    #[must_use]
    pub fn names(&self) -> &[Workload] {
        &self.names
    }

    /// The issuer that plain names refer to.
    pub(crate) fn home(&self) -> Option<&Issuer> {
        self.home.as_ref()
    }
}
