//! How a token is obtained: the seam between the cache and the strategies.

mod actor;
mod client_credentials;
mod exchange;

use std::{fmt, sync::Arc};

use tower_identity_core::{Audience, BoxFuture, Clock, Fingerprint, Refusal, VerifiedToken};
use tower_identity_oauth::{IssuedToken, Resource, TargetService, TokenClient, Urgency};

pub(crate) use self::{actor::ActorTokens, client_credentials::ClientCredentials, exchange::Exchange};
use crate::{
    candidate::Which,
    issued::Demands,
    key::{AskedFor, Looked},
    telemetry::Requests,
};

/// One strategy: turns an [`Ask`] into a token.
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// What tells this source from all others for the same terms: part of the cache key.
    fn name(&self) -> &'static str;

    /// Asks the authorization server. What it is given is all that it may depend on.
    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<IssuedToken, Refusal>>;
}

/// A row's terms at one authorization server by one source: all that is known before a request.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) source: Box<dyn TokenSource>,
    pub(crate) client: TokenClient,
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
        source: impl TokenSource + 'static,
        client: TokenClient,
        terms: TargetService,
        demands: Demands,
        clock: Clock,
    ) -> Self {
        let row = Fingerprint::of("outbound-row")
            .field(client.issuer().as_str())
            .field(source.name())
            .optional(terms.audience.as_ref().map(Audience::as_str))
            .optional(terms.resource.as_ref().map(Resource::as_str))
            .field(terms.scopes.to_string())
            .field(terms.tolerated.to_string())
            .field(demands.fingerprint().as_bytes())
            .finish();
        let asked = Arc::new(AskedFor { us: client.fingerprint(), row });
        let told = Requests::new(Arc::clone(target), which, source.name());
        Self { source: Box::new(source), client, terms, demands, clock, told, asked }
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
