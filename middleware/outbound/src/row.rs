//! One target, compiled, and the decision whose token goes there.

use std::{sync::Arc, time::Duration};

use http::HeaderName;
use tower_identity_core::{CallerContext, Timestamp, VerifiedToken};

use crate::{
    OnBehalfOf,
    about::About,
    acting::{Acting, Whom},
    candidate::{Shadow, Trial},
    entry::Entry,
    error::Reason,
    key::Looked,
    source::{Ask, Recipe},
};

/// A target that requests resolve to.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Origin and prefix, for messages.
    pub(crate) name: Arc<str>,
    pub(crate) takes: Takes,
    /// How long a request waits for its token, where the row says.
    pub(crate) deadline: Option<Duration>,
    /// The field that the user's token goes in, where this service's own goes in `Authorization` beside it.
    pub(crate) user_header: Option<HeaderName>,
    /// Whether nothing goes in `Authorization` beside that: the certificate of the connection says who this service is.
    pub(crate) goes_alone: bool,
    /// Another way to the token, for some.
    pub(crate) trial: Option<Trial>,
}

/// What a request takes to be sent, as it is found where the request is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'r, 'c> {
    pub(crate) recipe: &'r Arc<Recipe>,
    /// The verified token of the user; of nobody, where the token is this service's own.
    subject: Option<&'c Arc<VerifiedToken>>,
    /// For whom it is sent; for nobody but this service, without.
    caller: Option<&'c CallerContext>,
    /// What the request says of its transaction.
    about: Option<&'c Arc<About>>,
}

impl Asked<'_, '_> {
    /// What its token is remembered under.
    pub(crate) fn key(&self) -> Looked<'_> {
        self.recipe.key(self.subject.map(|subject| &**subject), self.about.map(|about| &**about))
    }

    /// Whether the recipe's source takes the subject that this token was made from. Of what this very recipe obtained for
    /// this very token of the subject's it is known where the issuer decides: it [was asked](Self::to_ask) then, and neither
    /// has changed. An equal recipe, such as of the row as it was before a reload, may have been told of other issuers.
    #[inline]
    pub(crate) fn accepts(&self, entry: &Entry) -> Result<(), Box<Reason>> {
        let is_known = self.recipe.goes_by_issuer && entry.is_of(self.recipe.asked());
        if is_known { Ok(()) } else { self.is_taken() }
    }

    fn is_taken(&self) -> Result<(), Box<Reason>> {
        self.subject.map_or(Ok(()), |subject| Ok(self.recipe.source.takes(subject)?))
    }

    /// The same, to be taken to the authorization server, now or ahead of time: if the source takes the subject.
    pub(crate) fn to_ask(self, ahead: bool) -> Result<Ask, Box<Reason>> {
        self.is_taken()?;
        let (recipe, subject, about) = (Arc::clone(self.recipe), self.subject.cloned(), self.about.cloned());
        Ok(Ask { recipe, subject, about, ahead })
    }

    /// For whom, to be asked about again.
    pub(crate) fn to_caller(self) -> Option<CallerContext> {
        self.caller.cloned()
    }
}

/// Whose tokens a target takes, and how each is obtained.
#[derive(Debug, Clone)]
pub(crate) enum Takes {
    /// A caller's: its own, or one made from it; this service's own only if a request says so.
    Callers { of: OnBehalfOf, callers: Arc<Recipe>, own: Arc<Recipe> },
    /// This service's own.
    Own { own: Arc<Recipe> },
}

impl Row {
    /// The row that this request goes by: this one, or its candidate's.
    #[inline]
    pub(crate) fn picked(&self, acting: Option<&Acting>, scope: Option<&CallerContext>) -> &Self {
        self.trial.as_ref().and_then(|trial| trial.picks(acting, scope)).unwrap_or(self)
    }

    /// What is to be tried beside the token of this row, once that was obtained.
    #[inline]
    pub(crate) fn shadow(
        &self,
        acting: Option<&Acting>,
        scope: Option<&CallerContext>,
        now: Timestamp,
    ) -> Option<Box<Shadow>> {
        self.trial.as_ref().and_then(|trial| trial.shadow(acting, scope, now))
    }

    /// The field of the user's token, where a request that says this takes two.
    #[inline]
    pub(crate) fn user_header(&self, acting: Option<&Acting>) -> Option<&HeaderName> {
        self.user_header.as_ref().filter(|_| !matches!(Acting::whom(acting), Whom::Service))
    }

    /// This service's own token, where one goes beside the user's.
    pub(crate) fn beside(&self) -> Option<Asked<'_, '_>> {
        (!self.goes_alone).then(|| self.own())
    }

    /// This service's own token.
    fn own(&self) -> Asked<'_, '_> {
        let (Takes::Callers { own: recipe, .. } | Takes::Own { own: recipe }) = &self.takes;
        Asked { recipe, subject: None, caller: None, about: None }
    }

    /// How the token is obtained that it takes for callers.
    pub(crate) fn strategy(&self) -> &'static str {
        let (Takes::Callers { callers: recipe, .. } | Takes::Own { own: recipe }) = &self.takes;
        recipe.source.name()
    }

    /// Whose token a request takes. What the request says wins over the scope that it is made in; a user is never
    /// dropped, and never replaced by this service.
    #[inline]
    pub(crate) fn ask<'r, 'c>(
        &'r self,
        acting: Option<&'c Acting>,
        scope: Option<&'c CallerContext>,
        now: Timestamp,
    ) -> Result<Asked<'r, 'c>, Box<Reason>> {
        let (whom, about) = (Acting::whom(acting), Acting::about(acting));
        if about.is_some() && !self.begins_transactions(whom) {
            return refused(Reason::NoPlaceForTransaction);
        }
        let (of, recipe, caller) = match (&self.takes, whom) {
            (Takes::Own { .. }, Whom::Caller(_)) => return refused(Reason::ServiceOnly),
            (Takes::Own { own }, _) | (Takes::Callers { own, .. }, Whom::Service) => {
                return Ok(Asked { recipe: own, subject: None, caller: None, about: None });
            }
            (Takes::Callers { of, callers, .. }, Whom::Caller(caller)) => (*of, callers, caller),
            (Takes::Callers { of, callers, .. }, Whom::InScope) => match scope {
                Some(caller) => (*of, callers, caller),
                None => return refused(Reason::NoCaller),
            },
        };
        let subject = of.subject(caller).or_else(refused)?;
        if !caller.principal().binding().is_established() {
            recipe.source.takes_word(caller)?;
        }
        if let Some(domain) = subject.trust_domain()
            && !recipe.takes_transaction_tokens
        {
            return refused(Reason::Transactional { domain: domain.clone() });
        }
        if subject.token().is_none() && recipe.source.needs_text() {
            return refused(Reason::NoText);
        }
        if subject.expires_at() <= now {
            return refused(Reason::SubjectExpired);
        }
        if caller.is_revoked() {
            return refused(Reason::Revoked);
        }
        Ok(Asked { recipe, subject: Some(subject), caller: Some(caller), about })
    }

    /// Whether there is a transaction, of which something can be said.
    fn begins_transactions(&self, whom: Whom<'_>) -> bool {
        let sends_them = matches!(&self.takes, Takes::Callers { callers, .. } if callers.obtains_transaction_tokens);
        sends_them && !matches!(whom, Whom::Service)
    }
}

#[cold]
fn refused<T>(reason: Reason) -> Result<T, Box<Reason>> {
    Err(reason.into())
}
