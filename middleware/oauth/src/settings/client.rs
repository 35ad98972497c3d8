//! Which client we are and how we prove it, from the fields of whichever table says so.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tower_identity_core::{Audience, InvalidSetting, Scopes, SecretToken};
use tower_identity_refresh::Posted;

use super::ServerSettings;
use crate::{AssertionStyle, BasicEncoding, ClientAuth, Resource, TargetService};

/// The registered names of what [`ClientAuth`] can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    SpiffeJwt,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
}

/// A certificate with its key, or several: the newest first. Or that of the Workload API of SPIFFE.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a table of certificate and key, a list of such tables, or \"workload_api\"")]
pub(crate) enum Certificates {
    One(CertificateFiles),
    Several(Vec<CertificateFiles>),
    Told(Told),
}

/// Who tells of the certificate.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    WorkloadApi,
}

/// The files, in PEM: the first with the chain, its own certificate first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn within(&self, folder: &Path) -> Vec<(PathBuf, PathBuf)> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(all) => all,
            Self::Told(Told::WorkloadApi) => &[],
        };
        all.iter().map(|files| (folder.join(&files.certificate), folder.join(&files.key))).collect()
    }
}

/// One file, or several: the newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a file, or a list of files")]
pub(crate) enum Files {
    One(PathBuf),
    Several(Vec<PathBuf>),
}

impl Files {
    fn within(&self, folder: &Path) -> Vec<PathBuf> {
        let files = match self {
            Self::One(file) => std::slice::from_ref(file),
            Self::Several(files) => files,
        };
        files.iter().map(|file| folder.join(file)).collect()
    }
}

/// The token that proves it: this service's own, from this server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BearerSettings {
    server: Box<ServerSettings>,
    audience: Option<String>,
    resource: Option<String>,
    #[serde(default)]
    scope: Scopes,
}

/// The fields of a table that say it.
pub(crate) struct ClientFields<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: Option<&'a SecretToken>,
    pub(crate) client_secret_file: Option<&'a Files>,
    pub(crate) private_key_file: Option<&'a Files>,
    pub(crate) client_assertion_file: Option<&'a Path>,
    pub(crate) client_certificate: Option<&'a Certificates>,
    /// What the Workload API has told of.
    pub(crate) svid: Option<&'a Posted>,
    pub(crate) bearer: Option<&'a BearerSettings>,
    pub(crate) key_id: Option<&'a str>,
    pub(crate) method: Option<AuthMethod>,
    pub(crate) basic_encoding: Option<BasicEncoding>,
    pub(crate) assertion: Option<&'a AssertionStyle>,
}

impl ClientFields<'_> {
    /// Who we are, once its files were read and can be used. Relative paths start at `folder`.
    pub(crate) fn client_auth(&self, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        let auth = self.credential(folder)?;
        let auth = self.basic_encoding.into_iter().try_fold(auth, ClientAuth::basic_encoding)?;
        let auth = self.assertion.into_iter().cloned().try_fold(auth, ClientAuth::assertion)?;
        auth.check()?;
        Ok(auth)
    }

    fn credential(&self, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        if self.key_id.is_some() && self.private_key_file.is_none() {
            return Err(InvalidSetting::new("key_id", "goes with private_key_file only"));
        }
        let id = self.client_id;
        if let Some(bearer) = self.bearer {
            return self.with_bearer(bearer, folder);
        }
        if let Some(certificates) = self.client_certificate {
            return self.with_certificate(certificates, folder);
        }
        match (self.client_secret, self.client_secret_file, self.private_key_file, self.client_assertion_file) {
            (Some(secret), None, None, None) => match self.secret_in_form()? {
                false => ClientAuth::client_secret_basic(id, secret.clone()),
                true => ClientAuth::client_secret_post(id, secret.clone()),
            },
            (None, Some(files), None, None) => match self.secret_in_form()? {
                false => ClientAuth::client_secret_basic_files(id, files.within(folder)),
                true => ClientAuth::client_secret_post_files(id, files.within(folder)),
            },
            (None, None, Some(files), None) => self.with_keys(&files.within(folder)),
            (None, None, None, Some(file)) => match self.method {
                None | Some(AuthMethod::PrivateKeyJwt) => ClientAuth::assertion_file(id, folder.join(file)),
                Some(AuthMethod::SpiffeJwt) => ClientAuth::jwt_svid_file(id, folder.join(file)),
                Some(_) => wrong_method("a client_assertion_file is for private_key_jwt or spiffe_jwt"),
            },
            _ => Err(InvalidSetting::new(
                "client_secret",
                "exactly one of client_secret, client_secret_file, private_key_file, client_assertion_file, client_certificate and bearer has to be there",
            )),
        }
    }

    /// Those that go without this one.
    fn alone(&self, this: &str) -> Result<(), InvalidSetting> {
        let others = [
            ("client_secret", self.client_secret.is_some()),
            ("client_secret_file", self.client_secret_file.is_some()),
            ("private_key_file", self.private_key_file.is_some()),
            ("client_assertion_file", self.client_assertion_file.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
        ];
        match others.into_iter().find(|(field, is_said)| *is_said && *field != this) {
            None => Ok(()),
            Some((field, _)) => {
                Err(InvalidSetting::new(field, format!("goes without {this}: who we are is proved in one way")))
            }
        }
    }

    fn with_certificate(&self, certificates: &Certificates, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        self.alone("client_certificate")?;
        let auth = match (certificates, self.svid) {
            (Certificates::Told(Told::WorkloadApi), Some(svid)) => {
                ClientAuth::tls_client_auth_posted(self.client_id, svid)?
            }
            (Certificates::Told(Told::WorkloadApi), None) => {
                let rule =
                    "is that of a Workload API, which the table spiffe of a settings file names, and there is none";
                return Err(InvalidSetting::new("client_certificate", rule));
            }
            (files, _) => ClientAuth::tls_client_auth_files(self.client_id, files.within(folder))?,
        };
        match self.method {
            None | Some(AuthMethod::TlsClientAuth) => Ok(auth),
            Some(AuthMethod::SelfSignedTlsClientAuth) => auth.self_signed(),
            Some(_) => wrong_method("a client_certificate is for tls_client_auth or self_signed_tls_client_auth"),
        }
    }

    fn with_bearer(&self, bearer: &BearerSettings, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        self.alone("bearer")?;
        if self.method.is_some() {
            let rule = "goes without bearer: who we are is proved in one way";
            return Err(InvalidSetting::new("token_endpoint_auth_method", rule));
        }
        let within = |wrong: InvalidSetting| wrong.within("bearer");
        let server = ServerSettings { svid: self.svid.cloned(), ..(*bearer.server).clone() };
        let from = server.token_endpoint(folder).map_err(|wrong| within(wrong.within("server")))?;
        let resource = bearer.resource.as_deref().map(Resource::parse).transpose();
        let resource = resource.map_err(|wrong| within(InvalidSetting::new("resource", wrong.to_string())))?;
        let audience = bearer.audience.as_deref().map(Audience::parse).transpose();
        let audience = audience.map_err(|wrong| within(InvalidSetting::new("audience", wrong.to_string())))?;
        let target = TargetService { audience, resource, scopes: bearer.scope.clone(), ..TargetService::default() };
        ClientAuth::bearer(self.client_id, from, target)
    }

    fn secret_in_form(&self) -> Result<bool, InvalidSetting> {
        match self.method {
            None | Some(AuthMethod::ClientSecretBasic) => Ok(false),
            Some(AuthMethod::ClientSecretPost) => Ok(true),
            Some(AuthMethod::PrivateKeyJwt) => wrong_method("private_key_jwt needs a private_key_file"),
            Some(AuthMethod::SpiffeJwt) => wrong_method("spiffe_jwt needs a client_assertion_file"),
            Some(AuthMethod::TlsClientAuth) => wrong_method("tls_client_auth needs a client_certificate"),
            Some(AuthMethod::SelfSignedTlsClientAuth) => {
                wrong_method("self_signed_tls_client_auth needs a client_certificate")
            }
        }
    }

    fn with_keys(&self, files: &[PathBuf]) -> Result<ClientAuth, InvalidSetting> {
        if !matches!(self.method, None | Some(AuthMethod::PrivateKeyJwt)) {
            return wrong_method("a private_key_file is for private_key_jwt");
        }
        let auth = ClientAuth::private_key_jwt_files(self.client_id, files)?;
        match self.key_id {
            None => Ok(auth),
            Some("") => Err(InvalidSetting::new("key_id", "is empty")),
            Some(_) if files.len() > 1 => Err(InvalidSetting::new(
                "key_id",
                "goes with one private_key_file; of several, each is named by its thumbprint",
            )),
            Some(id) => Ok(auth.key_id(id)),
        }
    }
}

fn wrong_method<T>(rule: &str) -> Result<T, InvalidSetting> {
    Err(InvalidSetting::new("token_endpoint_auth_method", rule))
}
