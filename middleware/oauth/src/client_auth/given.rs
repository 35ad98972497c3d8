//! Client assertions that somebody else signs and puts into a file: a projected token of Kubernetes, a JWT-SVID.

use std::{path::Path, sync::Arc};

use serde::Deserialize;
use tower_identity_core::{SecretToken, Timestamp};
use tower_identity_jose::{AudienceClaim, Limits, NumericDate, SignError, Unverified};

/// Who signs such an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenKind {
    /// Anybody whom the server trusts for this client (RFC 7523 §2.2).
    Jwt,
    /// The trust domain of this workload (draft-ietf-oauth-spiffe-client-auth-02).
    Svid,
}

/// An assertion, and what of it is known without the server: it is sent nowhere else than where it is for.
pub(super) struct Given {
    token: SecretToken,
    audiences: Vec<Box<str>>,
    ends_at: Timestamp,
}

/// Why there is nothing to prove by who we are. Known before anything is sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The assertion was not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// There never was a client assertion in the file.
    #[error("there is no client assertion in {}; see that it is written there", .file.display())]
    Missing {
        /// The file.
        file: Arc<Path>,
    },
    /// The client assertion in the file has ended.
    #[error("the client assertion in {} has expired; see why it is not renewed there", .file.display())]
    Expired {
        /// The file.
        file: Arc<Path>,
    },
    /// The client assertion in the file is for somebody else, or for others besides, who could use it.
    #[error(
        "the client assertion in {} is for {found}, and for this server it has to be for {expected} alone; \
         have it written for that audience, or say which in assertion.audience",
        .file.display()
    )]
    Audience {
        /// The file.
        file: Arc<Path>,
        /// Whom it has to be for.
        expected: Box<str>,
        /// Whom it is for.
        found: Box<str>,
    },
}

impl CredentialError {
    pub(super) fn missing(file: &Arc<Path>) -> Self {
        Self::Missing { file: Arc::clone(file) }
    }
}

/// What of an assertion is read. Nobody here has verified it: the server does.
#[derive(Deserialize)]
struct Claims {
    aud: AudienceClaim,
    exp: NumericDate,
}

impl Given {
    pub(super) fn read(text: &SecretToken) -> Result<Self, String> {
        let jwt = Unverified::<Claims>::parse(text.expose(), &Limits::default());
        // What the parser says may quote what it read.
        let jwt = jwt.map_err(|_| "holds no JWT with aud and exp".to_owned())?;
        let Claims { aud, exp } = jwt.claims_unverified();
        let audiences = aud.as_slice().iter().map(|audience| audience.as_str().into()).collect();
        Ok(Self { token: text.clone(), audiences, ends_at: exp.timestamp() })
    }

    pub(super) fn token(&self) -> &SecretToken {
        &self.token
    }

    /// Whether it is for this server and for nobody else, and has not ended.
    pub(super) fn check(&self, expected: &str, now: Timestamp, file: &Arc<Path>) -> Result<(), CredentialError> {
        if self.audiences.len() != 1 || *self.audiences[0] != *expected {
            let (expected, found) = (expected.into(), self.audiences.join(", ").into());
            return Err(CredentialError::Audience { file: Arc::clone(file), expected, found });
        }
        if self.ends_at <= now {
            return Err(CredentialError::Expired { file: Arc::clone(file) });
        }
        Ok(())
    }
}
