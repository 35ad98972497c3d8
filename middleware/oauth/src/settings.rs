//! An authorization server and who we are there, from a configuration file.

mod client;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, SecretToken};
use tower_identity_refresh::Posted;

pub(crate) use self::client::{AuthMethod, BearerSettings, Certificates, ClientFields, Files};
use crate::{AssertionStyle, BasicEncoding, ClientAuth, DiscoveryOrder, Parameters, TokenEndpoint};

/// A table `[outbound.server.<name>]`: one authorization server and who we are there.
///
/// | field | meaning |
/// |---|---|
/// | `issuer` | the server's exact issuer string |
/// | `token_endpoint` | its token endpoint, or a list; left out, the issuer's metadata says |
/// | `line` | how many calls wait while 64 are under way; beyond it they fail at once; `256` |
/// | `discovery` | where metadata is looked for: a name of [`DiscoveryOrder`]; `oauth_first` |
/// | `default` | whether targets that name no server use this one; `false` |
/// | `client_id` | which client we are there |
/// | `client_secret`, `client_secret_file` | our secret, or the file that holds it, or several |
/// | `private_key_file` | the PEM file with our private key, or several, which signs client assertions: ES256, Ed25519 or RSA |
/// | `client_assertion_file` | the file with a client assertion that somebody else signs, and replaces before it ends |
/// | `client_certificate` | a table of the files `certificate` and `key` in PEM, or a list of such tables: the certificate that is shown in the handshake; or `"workload_api"`: the [one](Self::svid) that SPIFFE's Workload API tells of |
/// | `bearer` | a table of the token that proves it: `server`, a table like this one, and `audience`, `resource`, `scope` |
/// | `key_id` | the `kid` that the server knows the key by; left out, the key's thumbprint |
/// | `token_endpoint_auth_method` | how we prove it; left out, `client_secret_basic` or `private_key_jwt`; `spiffe_jwt` of an assertion that is a JWT-SVID; `tls_client_auth` or `self_signed_tls_client_auth` of a certificate |
/// | `basic_encoding` | how id and secret are written in the header: a name of [`BasicEncoding`]; `form` |
/// | `assertion` | a table of how assertions look: [`AssertionStyle`] |
/// | `parameters` | a table of what else is sent with each call: [`Parameters`] |
/// | `accepts_issuers` | of which issuers, besides its own, subject tokens may be sent there |
///
/// Exactly one of secret, secret file, key file, assertion file, certificate and bearer is there. What is in [files](ClientAuth#files) may change,
/// and of several the newest is the first.
///
/// ```
/// use std::path::Path;
/// use tower_identity_oauth::ServerSettings;
///
/// let settings: ServerSettings = serde_json::from_str(r#"{
///     "issuer": "https://login.example.com",
///     "client_id": "orders",
///     "client_secret_file": "client-secret"
/// }"#)?;
/// let refused = settings.token_endpoint(Path::new("/etc/nowhere")).expect_err("there is no such file");
/// assert!(refused.to_string().starts_with("client_secret_file: cannot read /etc/nowhere/client-secret"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    issuer: String,
    token_endpoint: Option<Urls>,
    line: Option<usize>,
    discovery: Option<DiscoveryOrder>,
    #[serde(default)]
    default: bool,
    client_id: String,
    client_secret: Option<SecretToken>,
    client_secret_file: Option<Files>,
    private_key_file: Option<Files>,
    client_assertion_file: Option<PathBuf>,
    client_certificate: Option<Certificates>,
    bearer: Option<BearerSettings>,
    key_id: Option<String>,
    token_endpoint_auth_method: Option<AuthMethod>,
    basic_encoding: Option<BasicEncoding>,
    assertion: Option<AssertionStyle>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    accepts_issuers: Vec<String>,
    #[serde(skip)]
    svid: Option<Posted>,
}

/// One URL, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a URL, or a list of URLs")]
enum Urls {
    One(String),
    Several(Vec<String>),
}

impl Urls {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(url) => std::slice::from_ref(url),
            Self::Several(urls) => urls,
        }
    }
}

impl ServerSettings {
    /// Whether targets that name no server use this one.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.default
    }

    /// Says which certificate `client_certificate = "workload_api"` is, of this table and those in it: the certificates and
    /// their key as one text, which somebody keeps up to date.
    #[must_use]
    pub fn svid(self, svid: &Posted) -> Self {
        Self { svid: Some(svid.clone()), ..self }
    }

    /// Reads the secret or key file, and checks the whole table. Relative paths start at `folder`: the one that the
    /// configuration file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule, for a file also its path, never what is in it.
    pub fn token_endpoint(&self, folder: &Path) -> Result<TokenEndpoint, InvalidSetting> {
        let auth = self.client_auth(folder)?;
        let endpoint = match (self.token_endpoint.as_ref().map(Urls::as_slice), self.discovery) {
            (None, order) => TokenEndpoint::discover(&self.issuer, auth).discovery(order.unwrap_or_default()),
            (Some([first, others @ ..]), None) => {
                others.iter().fold(TokenEndpoint::at(&self.issuer, first, auth), TokenEndpoint::also_at)
            }
            (Some([]), _) => return Err(InvalidSetting::new("token_endpoint", "is an empty list")),
            (Some(_), Some(_)) => {
                return Err(InvalidSetting::new("discovery", "goes without token_endpoint: metadata is not read"));
            }
        };
        let endpoint = self.accepts_issuers.iter().fold(endpoint, TokenEndpoint::accepts_issuer);
        let endpoint = self.line.into_iter().fold(endpoint, TokenEndpoint::line);
        let endpoint = endpoint.parameters(Parameters::new(&self.parameters)?);
        endpoint.check()?;
        Ok(endpoint)
    }

    fn client_auth(&self, folder: &Path) -> Result<ClientAuth, InvalidSetting> {
        ClientFields {
            client_id: &self.client_id,
            client_secret: self.client_secret.as_ref(),
            client_secret_file: self.client_secret_file.as_ref(),
            private_key_file: self.private_key_file.as_ref(),
            client_assertion_file: self.client_assertion_file.as_deref(),
            client_certificate: self.client_certificate.as_ref(),
            svid: self.svid.as_ref(),
            bearer: self.bearer.as_ref(),
            key_id: self.key_id.as_deref(),
            method: self.token_endpoint_auth_method,
            basic_encoding: self.basic_encoding,
            assertion: self.assertion.as_ref(),
        }
        .client_auth(folder)
    }
}

#[cfg(test)]
mod tests;
