//! Authorization servers whose grants are redeemed here, and their keys.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tower_identity::{Audience, ClientId, ClientTls, Clock, InvalidSetting, Issuer, Scopes, Subject, Timestamp};
use tower_identity_jose::{Accept, KeySet, OpenError, Unopened, Unverified};
use tower_identity_oauth::{Discovery, Http};

use crate::{
    error::{ErrorCode, TokenError},
    redeem::{BAD_GRANT, GrantClaims},
    settings::TrustedSettings,
};

/// How long keys are used before they are fetched again, and how soon they are where a grant names one that is not among
/// them: grants by which nobody could tell which key is new are not to make us ask for each.
const FRESH: Duration = Duration::from_secs(300);
const AGAIN: Duration = Duration::from_secs(5);

/// One server, and what one client gets for its grants.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) issuer: Issuer,
    client: ClientId,
    pub(crate) to: Audience,
    pub(crate) scopes: Scopes,
    /// Their users, each as we know them. Who is not among them is nobody here.
    pub(crate) users: BTreeMap<Subject, Subject>,
    discovery: Discovery,
    keys: Mutex<Option<Fetched>>,
}

#[derive(Debug, Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl Trusted {
    pub(crate) fn new(
        settings: TrustedSettings,
        clock: &Clock,
        tls: Option<&ClientTls>,
    ) -> Result<Self, InvalidSetting> {
        let TrustedSettings { issuer, client, to, scopes, users } = settings;
        let invalid = |rule: String| InvalidSetting::new("issuer", rule);
        let http = match tls {
            Some(tls) => Http::with_tls(tls.config(), clock.clone()),
            None => Http::new(clock.clone()),
        };
        let http = http.map_err(|error| invalid(error.to_string()))?;
        let discovery = Discovery::new(issuer.clone(), http)?;
        Ok(Self { issuer, client, to, scopes, users, discovery, keys: Mutex::default() })
    }

    pub(crate) fn is_redeemed_by(&self, issuer: &Issuer, client: &ClientId) -> bool {
        self.issuer == *issuer && self.client == *client
    }

    /// Verifies the signature by this server's own keys.
    pub(crate) async fn open(
        &self,
        grant: Unverified<GrantClaims>,
        accept: &Accept,
        clock: &Clock,
    ) -> Result<GrantClaims, TokenError> {
        let fetched = self.keys(FRESH, clock).await?;
        let unopened = match grant.open(&fetched, accept) {
            Ok(opened) => return Ok(opened.into_claims()),
            Err(unopened) => unopened,
        };
        let unopened = match unopened.error() {
            OpenError::UnknownKey { .. } => {
                match unopened.into_token().open(&*self.keys(AGAIN, clock).await?, accept) {
                    Ok(opened) => return Ok(opened.into_claims()),
                    Err(unopened) => unopened,
                }
            }
            _ => unopened,
        };
        let error: OpenError = Unopened::into_error(unopened);
        tracing::info!(error = &error as &dyn std::error::Error, "grant refused");
        Err(BAD_GRANT)
    }

    /// The keys at hand, if they are no older than that; else those that are published now.
    async fn keys(&self, no_older_than: Duration, clock: &Clock) -> Result<Arc<KeySet>, TokenError> {
        let at_hand = self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = clock.wall();
        if let Some(fetched) = at_hand.filter(|fetched| now.since(fetched.at) <= no_older_than) {
            return Ok(fetched.keys);
        }
        let keys = Arc::new(self.fetch().await?);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(Fetched { keys: Arc::clone(&keys), at: now });
        Ok(keys)
    }

    async fn fetch(&self) -> Result<KeySet, TokenError> {
        fn told(error: &(dyn std::error::Error + 'static)) -> TokenError {
            tracing::warn!(error, "the keys of a trusted issuer are out of reach");
            NO_KEYS
        }
        let metadata = self.discovery.metadata().await.map_err(|error| told(&error))?;
        let at = metadata.jwks_uri().map_err(|error| told(&error))?;
        let document = self.discovery.http_to(at).get_json_bytes(at).await.map_err(|error| told(&error))?;
        KeySet::parse(document.body()).map_err(|error| told(&error))
    }
}

const NO_KEYS: TokenError =
    TokenError::new(ErrorCode::TemporarilyUnavailable, "the keys of the grant's issuer are out of reach");
