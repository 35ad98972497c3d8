//! [`ClientAuth`](super::ClientAuth), connected: what proves it at each call, with files that are followed.

use std::sync::Arc;

use form_urlencoded::Serializer;
use http::HeaderValue;
use tower_identity_core::{ClientId, Clock};
use tower_identity_refresh::Upkeep;

use super::{
    AssertionAudience, AssertionStyle, BasicEncoding, CredentialError, Recipient, SecretToken,
    assertion::Signer,
    basic,
    given::{Given, GivenKind},
    turns::Used,
    watched::Watched,
};

/// The `client_assertion_type` of a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The same of a JWT-SVID (draft-ietf-oauth-spiffe-client-auth-02).
const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

pub(crate) struct Prover {
    pub(super) client_id: ClientId,
    pub(super) way: Way,
}

/// Each with what it presents.
pub(super) enum Way {
    Basic { secret: Kept<SecretToken>, encoding: BasicEncoding },
    Post { secret: Kept<SecretToken> },
    Signed { signer: Kept<Signer>, style: AssertionStyle },
    Given { assertion: Arc<Watched<Given>>, kind: GivenKind, audience: AssertionAudience },
}

/// A credential that stays as it is, or those of files.
pub(super) enum Kept<T> {
    This(T),
    Watched(Arc<Watched<T>>),
}

/// The header's part of a proof, and which credential was presented, where there may be others.
pub(crate) struct Proof {
    pub(crate) header: Option<HeaderValue>,
    pub(crate) used: Option<Used>,
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// Does this with the credential whose turn it is. Of files that were needed there always is one.
    fn with<R>(
        &self,
        refused: Option<&Used>,
        present: impl FnOnce(&T) -> R,
    ) -> Result<(R, Option<Used>), CredentialError> {
        match self {
            Self::This(credential) => Ok((present(credential), None)),
            Self::Watched(watched) => {
                let (item, used) = watched.pick(refused).ok_or_else(|| CredentialError::missing(watched.file()))?;
                Ok((present(&item.value), Some(used)))
            }
        }
    }

    fn watched(&self) -> Option<&Arc<Watched<T>>> {
        match self {
            Self::This(_) => None,
            Self::Watched(watched) => Some(watched),
        }
    }
}

impl Prover {
    /// Writes the form's part of the proof and returns the header's. Exactly one of the two holds it (RFC 6749 §2.3).
    /// `refused` is what the server did not take just now.
    pub(crate) fn prove(
        &self,
        form: &mut Serializer<'_, String>,
        recipient: &Recipient<'_>,
        clock: &Clock,
        refused: Option<&Used>,
    ) -> Result<Proof, CredentialError> {
        let client_id = self.client_id.as_str();
        let (header, used) = match &self.way {
            Way::Basic { secret, encoding } => {
                let (header, used) = secret.with(refused, |secret| basic(&self.client_id, secret, *encoding))?;
                (Some(header), used)
            }
            Way::Post { secret } => {
                let write = |secret: &SecretToken| {
                    form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
                };
                (None, secret.with(refused, write)?.1)
            }
            Way::Signed { signer, style } => {
                let sign = |signer: &Signer| signer.sign(style, &self.client_id, recipient, clock);
                let (signed, used) = signer.with(refused, sign)?;
                append_assertion(form, client_id, JWT_BEARER, &signed?);
                (None, used)
            }
            Way::Given { assertion, kind, audience } => {
                let file = assertion.file();
                let (item, used) = assertion.pick(refused).ok_or_else(|| CredentialError::missing(file))?;
                item.value.check(audience.at(recipient), clock.wall(), file)?;
                let assertion_type = match kind {
                    GivenKind::Jwt => JWT_BEARER,
                    GivenKind::Svid => JWT_SPIFFE,
                };
                append_assertion(form, client_id, assertion_type, item.value.token());
                (None, Some(used))
            }
        };
        Ok(Proof { header, used })
    }

    /// What keeps it up to date with its files, where it has some.
    pub(crate) fn keeper(&self, clock: &Clock) -> Option<Upkeep> {
        match &self.way {
            Way::Basic { secret, .. } | Way::Post { secret } => secret.watched().map(|watched| watched.keeper(clock)),
            Way::Signed { signer, .. } => signer.watched().map(|watched| watched.keeper(clock)),
            Way::Given { assertion, .. } => Some(assertion.keeper(clock)),
        }
    }

    /// Reads its files here and now.
    pub(crate) fn read_again(&self) {
        match &self.way {
            Way::Basic { secret, .. } | Way::Post { secret } => {
                secret.watched().into_iter().for_each(|watched| watched.read_again());
            }
            Way::Signed { signer, .. } => signer.watched().into_iter().for_each(|watched| watched.read_again()),
            Way::Given { assertion, .. } => assertion.read_again(),
        }
    }
}

/// The client's name goes along (RFC 7521 §4.2): some servers look for it first, and a workload's name is often another.
fn append_assertion(form: &mut Serializer<'_, String>, client_id: &str, assertion_type: &str, assertion: &SecretToken) {
    form.append_pair("client_id", client_id)
        .append_pair("client_assertion_type", assertion_type)
        .append_pair("client_assertion", assertion.expose());
}
