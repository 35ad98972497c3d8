//! What tells the description of a client from others.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tower_identity_core::{Fingerprint, SecretToken};
use tower_identity_jose::random_id;

use super::{AssertionAudience, ClientAuth, In, Method, assertion::Signer, certificate::Place};

impl ClientAuth {
    /// Client, method, and which secret, key or files: part of a cache key. What is in files is no part of it, and nor is a
    /// secret, of which nothing can be learned here: it is told from others by a digest that is another in each process.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        static OF_THIS_PROCESS: LazyLock<String> = LazyLock::new(random_id);
        let of_secret = |secret: &SecretToken| {
            Fingerprint::of("client-secret").field(&*OF_THIS_PROCESS).field(secret.expose()).finish()
        };
        let credential = match &*self.method {
            Method::ClientSecretBasic { secret, .. } | Method::ClientSecretPost { secret } => {
                secret.fingerprint(of_secret)
            }
            Method::Certificate { place: Place::This(certificate), .. } => of_secret(certificate.pem()),
            Method::Certificate { place: Place::Posted(posted), .. } => Fingerprint::of("posted-certificate")
                .field(&*OF_THIS_PROCESS)
                .field(posted.number().to_be_bytes())
                .finish(),
            Method::Certificate { place: Place::Files(files), .. } => {
                let both: Vec<_> = files.iter().flat_map(|(file, key)| [file.as_path(), key.as_path()]).collect();
                files_fingerprint(both)
            }
            Method::PrivateKeyJwt { key, .. } => key.fingerprint(key_fingerprint),
            Method::Given { file, .. } => files_fingerprint([file.as_path()]),
            Method::Bearer { from, target } => Fingerprint::of("client-bearer")
                .field(from.described().as_bytes())
                .field(target.fingerprint().as_bytes())
                .finish(),
        };
        Fingerprint::of("client-auth")
            .field(self.client_id.as_str())
            .field(self.method())
            .field(credential.as_bytes())
            .finish()
    }

    /// Whether assertions are for somebody else than the issuer: they go nowhere that metadata says.
    pub(crate) fn is_for_another(&self) -> bool {
        self.assertion_audience().is_some_and(|audience| *audience != AssertionAudience::Issuer)
    }

    /// Whether assertions are for the token endpoint, whichever that is.
    pub(crate) fn is_for_endpoint(&self) -> bool {
        self.assertion_audience() == Some(&AssertionAudience::TokenEndpoint)
    }

    fn assertion_audience(&self) -> Option<&AssertionAudience> {
        match &*self.method {
            Method::PrivateKeyJwt { style, .. } => Some(style.to_whom()),
            Method::Given { audience, .. } => Some(audience),
            Method::ClientSecretBasic { .. }
            | Method::ClientSecretPost { .. }
            | Method::Certificate { .. }
            | Method::Bearer { .. } => None,
        }
    }

    /// Whether an assertion of one of the two may be good at the server of the other: both are of one key, or one file, and
    /// one of them is for somebody else than its issuer.
    pub(crate) fn is_good_for(&self, other: &Self) -> bool {
        let signed_by = |auth: &Self| match &*auth.method {
            Method::PrivateKeyJwt { key, .. } => Some(key.fingerprint(key_fingerprint)),
            Method::Given { file, .. } => Some(files_fingerprint([file.as_path()])),
            Method::ClientSecretBasic { .. }
            | Method::ClientSecretPost { .. }
            | Method::Certificate { .. }
            | Method::Bearer { .. } => None,
        };
        (self.is_for_another() || other.is_for_another())
            && signed_by(self).is_some_and(|key| signed_by(other) == Some(key))
    }
}

impl<T> In<T> {
    fn fingerprint(&self, of_this: impl FnOnce(&T) -> Fingerprint) -> Fingerprint {
        match self {
            Self::This(credential) => of_this(credential),
            Self::Files(files) => files_fingerprint(files.iter().map(PathBuf::as_path)),
        }
    }
}

fn key_fingerprint(signer: &Signer) -> Fingerprint {
    Fingerprint::of("client-key").field(signer.key().thumbprint().as_bytes()).finish()
}

fn files_fingerprint<'f>(files: impl IntoIterator<Item = &'f Path, IntoIter: ExactSizeIterator>) -> Fingerprint {
    let files = files.into_iter().map(|file| file.as_os_str().as_encoded_bytes());
    Fingerprint::of("client-credential-files").list(files).finish()
}
