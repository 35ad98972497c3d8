//! What is done with whoever was authenticated.

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue, Request};
use tower_identity_core::{Audience, CallerContext, Refusal, RefusalKind, transaction_tokens};
use tower_identity_inbound::{Connection, Inbound, forward_auth::ProxyQuestion};

use crate::{
    exchange::Kept,
    replaced::{Replaced, Replacement, Replacing},
};

pub(crate) const FIELD: HeaderName = HeaderName::from_static(transaction_tokens::FIELD);

/// By what callers are replaced, and whether what replaces them goes on the request, or on the answer.
#[derive(Clone)]
pub(super) struct Inside {
    pub(super) by: Arc<By>,
    pub(super) forwards: bool,
    pub(super) answers: bool,
}

/// Where internal identities come from.
pub(super) enum By {
    Mint(Replacing),
    Exchange(Kept),
}

impl By {
    fn trust_domain(&self) -> &Audience {
        match self {
            Self::Mint(replacing) => replacing.trust_domain(),
            Self::Exchange(kept) => kept.exchange.trust_domain(),
        }
    }
}

impl Inside {
    pub(super) fn by(by: By) -> Self {
        Self { by: Arc::new(by), forwards: false, answers: false }
    }

    /// What takes the place of the caller, where there is one.
    pub(super) fn replace<B>(&self, request: &Request<B>) -> Result<Option<Replacement>, Refusal> {
        if self.answers && !ProxyQuestion::is_in(request.extensions()) {
            let rule = "the edge answers proxies, and no ForwardAuthLayer stands around it";
            return Err(Refusal::new(RefusalKind::Misconfigured, "wiring").detail(rule));
        }
        let Inbound::Caller(outside) = Inbound::of(request.extensions())? else { return Ok(None) };
        Ok(Some(match &*self.by {
            By::Mint(replacing) => Replacement::Now(replacing.replace(outside)),
            By::Exchange(kept) => {
                let connection = request.extensions().get::<Connection>().filter(|_| kept.exchange.tells_of_peers());
                let peer = connection.and_then(Connection::peer_addr);
                kept.replace(outside, peer.map(|peer| peer.ip().to_canonical()))
            }
        }))
    }

    /// Leaves the internal identity in a request, and gives what the answer tells of it.
    pub(super) fn put<B>(
        &self,
        request: &mut Request<B>,
        within: &CallerContext,
        replaced: &Replaced,
    ) -> Option<HeaderValue> {
        if self.forwards {
            request.headers_mut().insert(FIELD, replaced.field.clone());
        }
        request.extensions_mut().insert(Inbound::Caller(within.clone()));
        self.answers.then(|| replaced.field.clone())
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside")
            .field("trust_domain", self.by.trust_domain())
            .field("forwards", &self.forwards)
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}
