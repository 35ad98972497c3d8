//! Which client we are and how we prove it, from the fields of whichever table says so.

use std::path::Path;

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, SecretToken};

use crate::{AssertionStyle, BasicEncoding, ClientAuth, secret_file};

/// The registered names of what [`ClientAuth`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// The fields of a table that say it.
pub(crate) struct ClientFields<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: Option<&'a SecretToken>,
    pub(crate) client_secret_file: Option<&'a Path>,
    pub(crate) private_key_file: Option<&'a Path>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) method: Option<AuthMethod>,
    pub(crate) basic_encoding: Option<BasicEncoding>,
    pub(crate) assertion: Option<&'a AssertionStyle>,
}

impl ClientFields<'_> {
    /// Reads the secret or the key. Relative paths start at `folder`.
    pub(crate) fn client_auth(&self, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        let auth = self.credential(folder)?;
        let auth = self.basic_encoding.into_iter().try_fold(auth, ClientAuth::basic_encoding)?;
        self.assertion.into_iter().cloned().try_fold(auth, ClientAuth::assertion)
    }

    fn credential(&self, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        match (self.client_secret, self.client_secret_file, self.private_key_file) {
            (Some(secret), None, None) => self.with_secret(secret.clone()),
            (None, Some(file), None) => self.with_secret(secret_file::read("client_secret_file", &folder.join(file))?),
            (None, None, Some(file)) => self.with_key(&folder.join(file)),
            _ => Err(InvalidSetting::new(
                "client_secret",
                "exactly one of client_secret, client_secret_file and private_key_file has to be there",
            )),
        }
    }

    fn with_secret(&self, secret: SecretToken) -> Result<ClientAuth, InvalidSetting> {
        if self.key_id.is_some() {
            return Err(InvalidSetting::new("key_id", "goes with private_key_file only"));
        }
        match self.method {
            None | Some(AuthMethod::ClientSecretBasic) => ClientAuth::client_secret_basic(self.client_id, secret),
            Some(AuthMethod::ClientSecretPost) => ClientAuth::client_secret_post(self.client_id, secret),
            Some(AuthMethod::PrivateKeyJwt) => {
                Err(InvalidSetting::new("token_endpoint_auth_method", "private_key_jwt needs a private_key_file"))
            }
        }
    }

    fn with_key(&self, file: &Path) -> Result<ClientAuth, InvalidSetting> {
        if !matches!(self.method, None | Some(AuthMethod::PrivateKeyJwt)) {
            return Err(InvalidSetting::new("token_endpoint_auth_method", "a private_key_file is for private_key_jwt"));
        }
        let pem = secret_file::read("private_key_file", file)?;
        let auth = ClientAuth::key_in(self.client_id, &pem, |broken| {
            InvalidSetting::new("private_key_file", format!("{}: {broken}", file.display()))
        })?;
        match self.key_id {
            None => Ok(auth),
            Some("") => Err(InvalidSetting::new("key_id", "is empty")),
            Some(id) => Ok(auth.key_id(id)),
        }
    }
}
