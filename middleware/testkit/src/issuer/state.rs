//! What an issuer knows and does: shared between the test, which steers, and the server, which answers.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::watch;
use tower_identity_core::{Clock, Issuer};
use tower_identity_jose::SigningKey;

use super::{Endpoint, Failure, TokenCall, introspection::Introspection, key_set::KeySetAnswers, mtls::Registered};
use crate::TokenBuilder;

pub(super) type Counts = [usize; Endpoint::ALL.len()];

/// Changes the tokens that an issuer issues.
pub(super) type Edit = Arc<dyn Fn(TokenBuilder) -> TokenBuilder + Send + Sync>;

/// One issuer. Locked for moments only, never across an await.
pub(super) struct Shared {
    pub(super) issuer: Issuer,
    /// Where it is served: an origin and a path, without a slash at the end.
    pub(super) base: String,
    pub(super) path: String,
    /// Where it is served for clients that show a certificate.
    pub(super) mtls_origin: Option<String>,
    pub(super) clock: Clock,
    pub(super) arrived: watch::Sender<Counts>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) signing: SigningKey,
    /// Every key that ever signed here: subject tokens outlive a rotation.
    pub(super) ever_signed: Vec<SigningKey>,
    /// The members of the key set.
    pub(super) published: Vec<Value>,
    pub(super) key_set: KeySetAnswers,
    pub(super) lifetime: Duration,
    pub(super) edit: Option<Edit>,
    pub(super) calls: Vec<TokenCall>,
    pub(super) registered: Registered,
    /// The ids of the assertions that were taken: each serves once.
    pub(super) assertions: HashSet<String>,
    pub(super) introspection: Introspection,
    pub(super) accepted: Vec<Weak<Shared>>,
    pub(super) behaviour: [Behaviour; Endpoint::ALL.len()],
}

/// How an endpoint misbehaves.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    pub(super) standing: Option<Failure>,
    /// Come before the standing one, each once.
    pub(super) next: VecDeque<Failure>,
    /// Closes when the requests may go on.
    pub(super) held: Option<watch::Receiver<()>>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token of this issuer, for anybody.
    pub(super) fn token(&self) -> TokenBuilder {
        let (key, lifetime) = {
            let state = self.state();
            (state.signing.clone(), state.lifetime)
        };
        TokenBuilder::new(&self.issuer, &key, self.clock.wall()).lifetime(lifetime)
    }

    pub(super) fn url(&self, endpoint: Endpoint) -> String {
        let origin = self.base.strip_suffix(&self.path).unwrap_or(&self.base);
        format!("{origin}{}", endpoint.path(&self.path))
    }
}

impl State {
    pub(super) fn behaviour(&mut self, endpoint: Endpoint) -> &mut Behaviour {
        &mut self.behaviour[endpoint as usize]
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("issuer", &self.issuer).field("base", &self.base).finish_non_exhaustive()
    }
}
