//! How we prove to an authorization server which client we are (RFC 6749 §2.3, RFC 7523 §2.2).
//!
//! A [`ClientAuth`] is a description; a `Prover` is one that is connected, with what is in the files that it names.
//!
//! | module | what it holds |
//! |---|---|
//! | `fingerprint` | what tells one description from another |
//! | `shown` | what is printed of one |
//! | `connect` | a description becomes a prover |
//! | `prover` | what is presented with each call |
//! | `assertion`, `given` | assertions that we sign, and those that somebody else does |
//! | `certificate` | a certificate of the connection |
//! | `watched` | credentials in files |
//! | `turns` | which of several is presented, and which are still ours |
//! | `telemetry` | what the operator is told of them |

mod assertion;
mod certificate;
mod connect;
mod fingerprint;
mod given;
mod prover;
mod shown;
mod telemetry;
mod turns;
mod watched;

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;
use tower_identity_core::{ClientId, InvalidSetting, Issuer, SecretToken};
use tower_identity_jose::{SigningKey, SigningKeyError};

use self::{assertion::Signer, certificate::Place, given::GivenKind};
pub use self::{
    assertion::{AssertionAudience, AssertionStyle, AssertionTyp},
    given::CredentialError,
    turns::Standing,
};
pub(crate) use self::{
    prover::{Fetched, Proof, Prover},
    turns::Used,
};
use crate::{Endpoint, TargetService, TokenEndpoint};

/// Which client we are at an authorization server, and how we prove it. Cheap to clone; prints no secret.
///
/// ```
/// use tower_identity_oauth::ClientAuth;
///
/// let auth = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
/// assert_eq!(format!("{auth:?}"), r#"ClientAuth { client_id: "orders", method: client_secret_basic }"#);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
///
/// Two are equal that are the same client, which proves it in the same way, by the same secret or key, or by what is in
/// the same files.
///
/// # Files
///
/// Secrets, keys and assertions in files are read when a client is connected, and again while it is used: looked at every
/// two seconds, beside the requests, by their content. Another text that has stood for half a second is what is presented
/// from then on; what is in no file any more is never presented again, and the tokens that were obtained with it are not
/// used any more. Whatever cannot be used leaves the last that could in its place. Of several files the first is presented;
/// where the server does not know us by it, the next one is, once, and stays if it is known.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientAuth {
    client_id: ClientId,
    method: Arc<Method>,
}

#[derive(Clone, PartialEq, Eq)]
enum Method {
    ClientSecretBasic { secret: In<SecretToken>, encoding: BasicEncoding },
    ClientSecretPost { secret: In<SecretToken> },
    PrivateKeyJwt { key: In<Signer>, key_id: Option<Arc<str>>, style: AssertionStyle },
    Certificate { place: Place, is_self_signed: bool },
    Given { file: PathBuf, kind: GivenKind, audience: AssertionAudience },
    Bearer { from: Box<TokenEndpoint>, target: TargetService },
}

/// Where a credential is.
#[derive(Clone, PartialEq, Eq)]
enum In<T> {
    This(T),
    Files(Arc<[PathBuf]>),
}

/// How id and secret are written before they are joined for the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasicEncoding {
    /// Form-encoded, the WHATWG way (RFC 6749 §2.3.1), which leaves alphanumerics and `*-._` alone: most ids and secrets
    /// read the same to a server that forgets to decode. The default.
    #[default]
    Form,
    /// As they are, for servers that do not decode. The id has no colon then.
    None,
}

/// To whom it is proved.
#[derive(Clone, Copy)]
pub(crate) struct Recipient<'a> {
    pub(crate) issuer: &'a Issuer,
    /// Where the proof is sent, when that is a token endpoint.
    pub(crate) token_endpoint: Option<&'a Endpoint>,
}

impl ClientAuth {
    /// A secret in the `Authorization` header (RFC 6749 §2.3.1).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id` or `client_secret`, when one is empty or not usable.
    pub fn client_secret_basic(
        client_id: impl AsRef<str>,
        secret: impl Into<SecretToken>,
    ) -> Result<Self, InvalidSetting> {
        let (client_id, secret) = (named(client_id.as_ref())?, In::This(usable(secret.into())?));
        Ok(Self { client_id, method: Method::ClientSecretBasic { secret, encoding: BasicEncoding::Form }.into() })
    }

    /// A secret in the form, for servers that do not decode the header as RFC 6749 §2.3.1 has it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id` or `client_secret`, when one is empty or not usable.
    pub fn client_secret_post(
        client_id: impl AsRef<str>,
        secret: impl Into<SecretToken>,
    ) -> Result<Self, InvalidSetting> {
        let (client_id, secret) = (named(client_id.as_ref())?, In::This(usable(secret.into())?));
        Ok(Self { client_id, method: Method::ClientSecretPost { secret }.into() })
    }

    /// [`client_secret_basic`](Self::client_secret_basic), with the secret in a [file](Self#files), or in one of several:
    /// the newest first. They are read when this is connected.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn client_secret_basic_files<P: Into<PathBuf>>(
        client_id: impl AsRef<str>,
        files: impl IntoIterator<Item = P>,
    ) -> Result<Self, InvalidSetting> {
        let secret = In::files(files);
        let method = Method::ClientSecretBasic { secret, encoding: BasicEncoding::Form };
        Ok(Self { client_id: named(client_id.as_ref())?, method: method.into() })
    }

    /// [`client_secret_post`](Self::client_secret_post), with the secret in a [file](Self#files), or in one of several: the
    /// newest first. They are read when this is connected.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn client_secret_post_files<P: Into<PathBuf>>(
        client_id: impl AsRef<str>,
        files: impl IntoIterator<Item = P>,
    ) -> Result<Self, InvalidSetting> {
        let secret = In::files(files);
        Ok(Self { client_id: named(client_id.as_ref())?, method: Method::ClientSecretPost { secret }.into() })
    }

    /// An assertion signed with a private key whose public part the server knows (RFC 7523 §2.2). No secret travels.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn private_key_jwt(client_id: impl AsRef<str>, key: SigningKey) -> Result<Self, InvalidSetting> {
        Self::signed_by(client_id.as_ref(), In::This(Signer::new(key)))
    }

    /// The same, with a key in PEM, and perhaps its certificate beside it in the same text: for servers that know a key
    /// [by its certificate](AssertionStyle::certificate).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable, or of `private_key`, when there is none.
    pub fn private_key_pem(client_id: impl AsRef<str>, pem: impl Into<SecretToken>) -> Result<Self, InvalidSetting> {
        let wrong = |wrong: SigningKeyError| InvalidSetting::new("private_key", wrong.to_string());
        Self::signed_by(client_id.as_ref(), In::This(Signer::from_pem(&pem.into()).map_err(wrong)?))
    }

    /// The same, with the PEM in a [file](Self#files), or in one of several: the newest first. They are read when this is
    /// connected.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn private_key_jwt_files<P: Into<PathBuf>>(
        client_id: impl AsRef<str>,
        files: impl IntoIterator<Item = P>,
    ) -> Result<Self, InvalidSetting> {
        Self::signed_by(client_id.as_ref(), In::files(files))
    }

    fn signed_by(client_id: &str, key: In<Signer>) -> Result<Self, InvalidSetting> {
        let method = Method::PrivateKeyJwt { key, key_id: None, style: AssertionStyle::new() };
        Ok(Self { client_id: named(client_id)?, method: method.into() })
    }

    /// An assertion that somebody else signs, and puts into a [file](Self#files), as Kubernetes does with a projected service
    /// account token. It has to be for the issuer and nobody else, or for [whom the style says](AssertionStyle::audience);
    /// one that is not, or that has ended, is not sent. It need not be there yet.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn assertion_file(client_id: impl AsRef<str>, file: impl Into<PathBuf>) -> Result<Self, InvalidSetting> {
        Self::given(client_id.as_ref(), file.into(), GivenKind::Jwt)
    }

    /// The same with a JWT-SVID, as a helper of SPIRE writes it (draft-ietf-oauth-spiffe-client-auth-02).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn jwt_svid_file(client_id: impl AsRef<str>, file: impl Into<PathBuf>) -> Result<Self, InvalidSetting> {
        Self::given(client_id.as_ref(), file.into(), GivenKind::Svid)
    }

    /// A token in the `Authorization` header, of this service itself (RFC 6749 §4.4) and from another server, or from the
    /// same one as another client: for endpoints that are protected as any resource is (RFC 7662 §2.1). It is kept while it
    /// is good, and renewed ahead of its end. `client_id` is what the server is told besides, and calls us.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `client_id`, when it is empty or not usable.
    pub fn bearer(
        client_id: impl AsRef<str>,
        from: TokenEndpoint,
        target: TargetService,
    ) -> Result<Self, InvalidSetting> {
        let from = Box::new(from);
        Ok(Self { client_id: named(client_id.as_ref())?, method: Method::Bearer { from, target }.into() })
    }

    fn given(client_id: &str, file: PathBuf, kind: GivenKind) -> Result<Self, InvalidSetting> {
        let method = Method::Given { file, kind, audience: AssertionAudience::Issuer };
        Ok(Self { client_id: named(client_id)?, method: method.into() })
    }

    /// How id and secret are written for the `Authorization` header. For [`client_secret_basic`](Self::client_secret_basic).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `basic_encoding`, when this proves it otherwise, or an id that is written as it is has a colon.
    pub fn basic_encoding(self, encoding: BasicEncoding) -> Result<Self, InvalidSetting> {
        let invalid = |rule| Err(InvalidSetting::new("basic_encoding", rule));
        match Arc::unwrap_or_clone(self.method) {
            Method::ClientSecretBasic { .. }
                if encoding == BasicEncoding::None && self.client_id.as_str().contains(':') =>
            {
                invalid("is none, and the client_id has a colon, which ends it there")
            }
            Method::ClientSecretBasic { secret, .. } => {
                Ok(Self { method: Method::ClientSecretBasic { secret, encoding }.into(), ..self })
            }
            _ => invalid("goes with client_secret_basic only"),
        }
    }

    /// What the assertions look like that we sign; of those in a file, whom they are for.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `assertion`, when this proves it otherwise, the key is for no such algorithm, or there is no
    /// certificate.
    pub fn assertion(self, style: AssertionStyle) -> Result<Self, InvalidSetting> {
        style.check()?;
        let method = match Arc::unwrap_or_clone(self.method) {
            Method::PrivateKeyJwt { key, key_id, .. } => {
                let key = match key {
                    In::This(signer) => In::This(signer.styled(&style)?),
                    In::Files(files) => In::Files(files),
                };
                Method::PrivateKeyJwt { key, key_id, style }
            }
            Method::Given { file, kind, .. } => Method::Given { file, kind, audience: style.audience_alone()? },
            _ => return Err(InvalidSetting::new("assertion", "goes with private_key_jwt only")),
        };
        Ok(Self { method: method.into(), ..self })
    }

    /// Under this `kid`, by which the server knows the key.
    pub(crate) fn key_id(self, key_id: &str) -> Self {
        let method = match Arc::unwrap_or_clone(self.method) {
            Method::PrivateKeyJwt { key, style, .. } => {
                Method::PrivateKeyJwt { key, key_id: Some(key_id.into()), style }
            }
            other => other,
        };
        Self { method: method.into(), ..self }
    }

    /// Which client we are.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The method's registered name (RFC 8414 §2), or `bearer`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match *self.method {
            Method::ClientSecretBasic { .. } => "client_secret_basic",
            Method::ClientSecretPost { .. } => "client_secret_post",
            Method::PrivateKeyJwt { .. } | Method::Given { kind: GivenKind::Jwt, .. } => "private_key_jwt",
            Method::Given { kind: GivenKind::Svid, .. } => "spiffe_jwt",
            Method::Certificate { is_self_signed: false, .. } => "tls_client_auth",
            Method::Certificate { is_self_signed: true, .. } => "self_signed_tls_client_auth",
            Method::Bearer { .. } => "bearer",
        }
    }
}

impl<T> In<T> {
    fn files<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Self {
        Self::Files(files.into_iter().map(Into::into).collect())
    }
}

fn named(client_id: &str) -> Result<ClientId, InvalidSetting> {
    ClientId::parse(client_id).map_err(|broken| InvalidSetting::new("client_id", broken.to_string()))
}

fn usable(secret: SecretToken) -> Result<SecretToken, InvalidSetting> {
    match secret.expose() {
        "" => Err(InvalidSetting::new("client_secret", "is empty")),
        text if text.trim() != text => Err(InvalidSetting::new("client_secret", "has white space around it")),
        _ => Ok(secret),
    }
}

#[cfg(test)]
mod tests;
