//! Registered clients and how they authenticate.

use std::{collections::BTreeMap, fmt};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower_identity::{Audience, ClientId, InvalidSetting, Subject};
use tower_identity_jose::{AudienceClaim, KeySet};

use crate::settings::ClientSettings;

/// A client that is registered here.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    /// Its id as the `sub` of its own tokens and of `act`.
    pub(crate) subject: Subject,
    /// The audiences that are its own.
    pub(crate) audience: Vec<Audience>,
    pub(crate) credential: Credential,
}

/// What a client authenticates by.
#[derive(Debug)]
pub(crate) enum Credential {
    /// `client_secret_basic`.
    Secret(SecretDigest),
    /// `private_key_jwt`.
    Keys(KeySet),
}

/// SHA-256 of a client secret, which is all that is kept of it.
pub(crate) struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest that no secret has: to compare with where there is none, at the same cost.
    pub(crate) const NONE: Self = Self([0; 32]);

    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether this is the secret; decided in constant time.
    pub(crate) fn is_of(&self, presented: &str) -> bool {
        self.0.ct_eq(&Self::of(presented).0).into()
    }
}

impl Client {
    /// Whether a token with these audiences is sent to this client.
    pub(crate) fn is_among(&self, audiences: &AudienceClaim) -> bool {
        self.audience.iter().any(|own| audiences.as_slice().contains(own))
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

impl TryFrom<ClientSettings> for Client {
    type Error = InvalidSetting;

    fn try_from(settings: ClientSettings) -> Result<Self, InvalidSetting> {
        let credential = match (settings.client_secret, settings.keys) {
            (Some(text), None) if text.expose().len() >= MIN_SECRET_BYTES => {
                Credential::Secret(SecretDigest::of(text.expose()))
            }
            (Some(_), None) => {
                return Err(InvalidSetting::new("client_secret", format!("is shorter than {MIN_SECRET_BYTES} bytes")));
            }
            (None, Some(keys)) => {
                let document = serde_json::json!({ "keys": keys }).to_string();
                let keys = KeySet::parse(document.as_bytes())
                    .map_err(|error| InvalidSetting::new("keys", error.to_string()))?;
                Credential::Keys(keys)
            }
            (None, None) => return Err(InvalidSetting::new("client_secret", "needs a secret, or keys in its place")),
            (Some(_), Some(_)) => return Err(InvalidSetting::new("keys", "stands beside client_secret: choose one")),
        };
        let subject = Subject::parse(&settings.id).map_err(|error| InvalidSetting::new("id", error.to_string()))?;
        Ok(Self { id: settings.id, subject, audience: settings.audience, credential })
    }
}

/// The shortest secret that is taken, in bytes.
const MIN_SECRET_BYTES: usize = 16;

/// All clients, each id and each audience once.
#[derive(Debug, Default)]
pub(crate) struct Clients(BTreeMap<ClientId, Client>);

impl Clients {
    pub(crate) fn register(&mut self, client: Client) -> Result<(), InvalidSetting> {
        if self.0.contains_key(&client.id) {
            return Err(InvalidSetting::new("id", format!("{} is registered twice", client.id)));
        }
        if let Some(taken) = client.audience.iter().find(|audience| self.owns(audience)) {
            return Err(InvalidSetting::new("audience", format!("{taken} belongs to another client")));
        }
        self.0.insert(client.id.clone(), client);
        Ok(())
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Client> {
        self.0.get(id)
    }

    /// Whether some client goes by this audience.
    pub(crate) fn owns(&self, audience: &Audience) -> bool {
        self.owner(audience).is_some()
    }

    /// The client that goes by this audience.
    pub(crate) fn owner(&self, audience: &Audience) -> Option<&Client> {
        self.0.values().find(|client| client.audience.contains(audience))
    }
}
