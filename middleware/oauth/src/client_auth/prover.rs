//! [`ClientAuth`](super::ClientAuth), connected: what proves it at each call, with files that are followed.

use std::sync::Arc;

use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use tower_identity_core::{BoxFuture, ClientId, Clock};
use tower_identity_refresh::Upkeep;

use super::{
    AssertionAudience, AssertionStyle, BasicEncoding, CredentialError, Recipient, SecretToken,
    assertion::Signer,
    given::{Given, GivenKind},
    turns::{Standing, Used},
    watched::Watched,
};
use crate::{Http, IssuedToken, OwnToken, TokenError, http::Certified};

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
    Certificate(Kept<Certified>),
    Given { assertion: Arc<Watched<Given>>, kind: GivenKind, audience: AssertionAudience },
    Bearer(OwnToken),
}

/// What has to be fetched before it can be presented.
pub(crate) type Fetched = Option<Arc<IssuedToken>>;

/// A credential that stays as it is, or those of files.
pub(super) enum Kept<T> {
    This(T),
    Watched(Arc<Watched<T>>),
}

/// The header's part of a proof, and which credential was presented, where there may be others.
pub(crate) struct Proof {
    pub(crate) header: Option<HeaderValue>,
    /// The client that shows a certificate, where one is shown: it takes the place of the other, like which it is.
    pub(crate) http: Option<Http>,
    pub(crate) used: Option<Used>,
    /// Of what was presented, where it may be withdrawn.
    pub(crate) standing: Option<Standing>,
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
    /// Fetches what it presents, where that comes from a server. In a box, because that is another client, of which this
    /// may be the future within.
    pub(crate) fn fetch(&self) -> BoxFuture<'_, Result<Fetched, TokenError>> {
        match &self.way {
            Way::Bearer(own) => {
                let token = own.token();
                Box::pin(async { token.await.map(Some) })
            }
            _ => Box::pin(std::future::ready(Ok(None))),
        }
    }

    /// The server does not take what was fetched: another is fetched for the next call.
    pub(crate) fn forget(&self, fetched: &Fetched) {
        if let (Way::Bearer(own), Some(token)) = (&self.way, fetched) {
            own.forget(token);
        }
    }

    /// Writes the form's part of the proof and returns the header's. Exactly one of the two holds it (RFC 6749 §2.3).
    /// `refused` is what the server did not take just now.
    pub(crate) fn prove(
        &self,
        form: &mut Serializer<'_, String>,
        recipient: &Recipient<'_>,
        http: &Http,
        refused: Option<&Used>,
        fetched: &Fetched,
    ) -> Result<Proof, CredentialError> {
        let (client_id, clock) = (self.client_id.as_str(), http.clock());
        let mut shown = None;
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
            Way::Certificate(certificate) => {
                form.append_pair("client_id", client_id);
                let (client, used) = certificate.with(refused, |client| client.like(http).clone())?;
                shown = Some(client);
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
            Way::Bearer(_) => {
                form.append_pair("client_id", client_id);
                (fetched.as_ref().map(|token| bearer(token.access_token())), None)
            }
        };
        let of_fetched = || fetched.as_ref().and_then(|token| token.standing().cloned());
        let standing = used.as_ref().map(|used| used.standing().clone()).or_else(of_fetched);
        Ok(Proof { header, http: shown, used, standing })
    }

    /// What keeps it up to date with its files, where it has some.
    pub(crate) fn keeper(&self, clock: &Clock) -> Option<Upkeep> {
        match &self.way {
            Way::Basic { secret, .. } | Way::Post { secret } => secret.watched().map(|watched| watched.keeper(clock)),
            Way::Signed { signer, .. } => signer.watched().map(|watched| watched.keeper(clock)),
            Way::Certificate(certificate) => certificate.watched().map(|watched| watched.keeper(clock)),
            Way::Given { assertion, .. } => Some(assertion.keeper(clock)),
            // Its client has one of its own.
            Way::Bearer(_) => None,
        }
    }

    /// Reads its files here and now.
    pub(crate) fn read_again(&self) {
        match &self.way {
            Way::Basic { secret, .. } | Way::Post { secret } => {
                secret.watched().into_iter().for_each(|watched| watched.read_again());
            }
            Way::Signed { signer, .. } => signer.watched().into_iter().for_each(|watched| watched.read_again()),
            Way::Certificate(certificate) => certificate.watched().into_iter().for_each(|watched| watched.read_again()),
            Way::Given { assertion, .. } => assertion.read_again(),
            Way::Bearer(own) => own.read_credentials(),
        }
    }
}

/// `id:secret`, each encoded before they are joined (RFC 6749 §2.3.1).
fn basic(client_id: &ClientId, secret: &SecretToken, encoding: BasicEncoding) -> HeaderValue {
    let encoded = |text: &str| match encoding {
        BasicEncoding::Form => byte_serialize(text.as_bytes()).collect::<String>(),
        BasicEncoding::None => text.to_owned(),
    };
    let joined = format!("{}:{}", encoded(client_id.as_str()), encoded(secret.expose()));
    let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(joined));
    let mut value = HeaderValue::try_from(value).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}

fn bearer(token: &SecretToken) -> HeaderValue {
    let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut value = value.expect("an issued token is of the characters of one (RFC 6750 §2.1)");
    value.set_sensitive(true);
    value
}

/// The client's name goes along (RFC 7521 §4.2): some servers look for it first, and a workload's name is often another.
fn append_assertion(form: &mut Serializer<'_, String>, client_id: &str, assertion_type: &str, assertion: &SecretToken) {
    form.append_pair("client_id", client_id)
        .append_pair("client_assertion_type", assertion_type)
        .append_pair("client_assertion", assertion.expose());
}
