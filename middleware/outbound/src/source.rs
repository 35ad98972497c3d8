//! How a token is obtained: the seam between the cache and the strategies.

mod actor;
mod client_credentials;
mod exchange;

use std::{fmt, sync::Arc};

use tower_identity_core::{Audience, BoxFuture, Clock, Fingerprint, Issuer, Refusal, VerifiedToken};
use tower_identity_oauth::{Grant, IssuedToken, Resource, TargetService, TokenClient, Urgency};

pub(crate) use self::client_credentials::ClientCredentials;
use self::{actor::ActorTokens, exchange::Exchange};
use crate::{
    Strategy, Target,
    candidate::Which,
    error::Reason,
    issued::Demands,
    key::{AskedFor, Looked},
    telemetry::Requests,
};

/// One strategy: turns an [`Ask`] into a token.
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// What tells this source from all others for the same terms: part of the cache key.
    fn name(&self) -> &'static str;

    /// Whatever decides, beside the terms and the subject, which token comes: the server and who we are there, and the
    /// strategy's own settings, all of them. Part of the cache key.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether it takes this subject: what is known before anybody is asked. Asked for each request, so it is cheap, and
    /// allocates nothing where the answer is yes.
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        let _ = subject;
        Ok(())
    }

    /// Obtains the token. What it is given is all that it may depend on.
    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>>;
}

/// A token that a source brings.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) token: IssuedToken,
    /// The authorization server that issued it just now, for this ask. None of a token that there was.
    pub(crate) server: Option<Issuer>,
}

impl Brought {
    /// What this server issues for this grant.
    pub(crate) async fn issued(client: &TokenClient, grant: &Grant, urgency: Urgency) -> Result<Self, Refusal> {
        let token = client.request_with(grant, urgency).await.map_err(|error| error.refusal())?;
        Ok(Self { token, server: Some(client.issuer().clone()) })
    }
}

/// What a source is made of, beside the strategy's own settings.
pub(crate) struct Made<'r> {
    pub(crate) target: &'r Target,
    /// At the row's server.
    pub(crate) client: &'r TokenClient,
    pub(crate) clock: &'r Clock,
}

/// The source of a strategy that was checked.
pub(crate) fn of(strategy: &Strategy, made: &Made<'_>) -> Box<dyn TokenSource> {
    let client = made.client.clone();
    match strategy {
        Strategy::TokenExchange => {
            let actor = made.target.actor_token.then(|| ActorTokens::new(client.clone(), made.clock.clone()));
            Box::new(Exchange { client, actor })
        }
        Strategy::ClientCredentials => Box::new(ClientCredentials { client }),
    }
}

/// A row's terms by one source: all that is known before a request.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) source: Box<dyn TokenSource>,
    pub(crate) terms: TargetService,
    pub(crate) demands: Demands,
    pub(crate) clock: Clock,
    pub(crate) told: Requests,
    asked: Arc<AskedFor>,
}

impl Recipe {
    /// `target` is what the operator knows it by.
    pub(crate) fn new(
        (target, which): (&Arc<str>, Which),
        source: Box<dyn TokenSource>,
        terms: TargetService,
        demands: Demands,
        clock: Clock,
    ) -> Self {
        let row = Fingerprint::of("outbound-row")
            .field(source.name())
            .optional(terms.audience.as_ref().map(Audience::as_str))
            .optional(terms.resource.as_ref().map(Resource::as_str))
            .field(terms.scopes.to_string())
            .field(terms.tolerated.to_string())
            .field(demands.fingerprint().as_bytes())
            .finish();
        let asked = Arc::new(AskedFor { us: source.fingerprint(), row });
        let told = Requests::new(Arc::clone(target), which, source.name());
        Self { source, terms, demands, clock, told, asked }
    }

    /// What its token for this subject is remembered under.
    pub(crate) fn key(&self, subject: Option<&VerifiedToken>) -> Looked<'_> {
        Looked { subject: subject.map(VerifiedToken::fingerprint), asked: &self.asked }
    }
}

/// Everything that decides which token is issued, and nothing else: what a source receives, and what the
/// [key](Self::key) covers.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) recipe: Arc<Recipe>,
    /// The verified token of the user; of nobody, where the token is this service's own.
    pub(crate) subject: Option<Arc<VerifiedToken>>,
    /// Whether nobody waits for it yet: it is for when the one that is at hand has ended. No part of the key.
    pub(crate) ahead: bool,
}

impl Ask {
    /// How much there is to be lost.
    pub(crate) fn urgency(&self) -> Urgency {
        if self.ahead { Urgency::Refresh } else { Urgency::Waiting }
    }

    pub(crate) fn key(&self) -> Looked<'_> {
        self.recipe.key(self.subject.as_deref())
    }
}
