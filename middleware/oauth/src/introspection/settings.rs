//! How an issuer's tokens are looked up, from a configuration file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, SecretToken};

use super::Introspection;
use crate::{
    AssertionStyle, BasicEncoding, DiscoveryOrder,
    settings::{AuthMethod, BearerSettings, Certificates, ClientFields, Files},
};

/// The table `introspection` of an issuer whose tokens are opaque.
///
/// | field | meaning | default |
/// |---|---|---|
/// | `url` | the introspection endpoint | where the issuer's metadata says |
/// | `discovery` | where metadata is looked for: a name of [`DiscoveryOrder`] | `oauth_first` |
/// | `client_id` | which client we are there | required |
/// | `client_secret`, `client_secret_file` | our secret, or the file that holds it | one of the six |
/// | `private_key_file` | the PEM file with our private key, which signs client assertions | one of the six |
/// | `client_assertion_file` | the file with a client assertion that somebody else signs | one of the six |
/// | `client_certificate` | a table of the files `certificate` and `key`, or a list of such tables: shown in the handshake | one of the six |
/// | `bearer` | a table of the token that proves it: `server`, as [`ServerSettings`](crate::ServerSettings), and `audience`, `resource`, `scope` | one of the six |
/// | `key_id` | the `kid` that the server knows the key by | the key's thumbprint |
/// | `token_endpoint_auth_method` | how we prove it | `client_secret_basic` or `private_key_jwt` |
/// | `basic_encoding` | how id and secret are written in the header: a name of [`BasicEncoding`] | `form` |
/// | `assertion` | a table of how assertions look: [`AssertionStyle`] | as the standard has it |
/// | `signed` | whether [signed answers](Introspection::signed) are demanded | `false` |
/// | `phantom` | whether the [JWT in the token's place](Introspection::phantom) is demanded | `false` |
/// | `remember_seconds` | for how long an answer is [remembered](Introspection::remember), 300 at most | 60 |
/// | `concurrency` | how many unknown tokens are [looked up at one time](Introspection::concurrency) | 64 |
///
/// ```
/// use std::path::Path;
/// use tower_identity_oauth::IntrospectionSettings;
///
/// let settings: IntrospectionSettings =
///     serde_json::from_str(r#"{"client_id": "orders", "client_secret": "s3cr3t", "signed": true, "phantom": true}"#)?;
/// let refused = settings.introspection(Path::new("")).expect_err("one or the other");
/// assert_eq!(refused.to_string(), "phantom: goes without signed: the JWT in the token's place is signed itself");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectionSettings {
    url: Option<String>,
    discovery: Option<DiscoveryOrder>,
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
    signed: bool,
    #[serde(default)]
    phantom: bool,
    remember_seconds: Option<u64>,
    concurrency: Option<usize>,
}

impl IntrospectionSettings {
    /// Reads the secret or key file, and checks what can be checked without the issuer. Relative paths start at `folder`:
    /// the one that the configuration file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule, for a file also its path, never what is in it.
    pub fn introspection(&self, folder: &Path) -> Result<Introspection, InvalidSetting> {
        let auth = ClientFields {
            client_id: &self.client_id,
            client_secret: self.client_secret.as_ref(),
            client_secret_file: self.client_secret_file.as_ref(),
            private_key_file: self.private_key_file.as_ref(),
            client_assertion_file: self.client_assertion_file.as_deref(),
            client_certificate: self.client_certificate.as_ref(),
            svid: None,
            bearer: self.bearer.as_ref(),
            key_id: self.key_id.as_deref(),
            method: self.token_endpoint_auth_method,
            basic_encoding: self.basic_encoding,
            assertion: self.assertion.as_ref(),
        }
        .client_auth(folder)?;
        let mut introspection = match &self.url {
            None => Introspection::discovered(auth),
            Some(url) => Introspection::at(url, auth),
        };
        if let Some(order) = self.discovery {
            introspection = introspection.discovery(order);
        }
        introspection = match (self.signed, self.phantom) {
            (false, false) => introspection,
            (true, false) => introspection.signed(),
            (false, true) => introspection.phantom(),
            (true, true) => {
                let rule = "goes without signed: the JWT in the token's place is signed itself";
                return Err(InvalidSetting::new("phantom", rule));
            }
        };
        if let Some(seconds) = self.remember_seconds {
            introspection = introspection.remember(Duration::from_secs(seconds));
        }
        if let Some(lookups) = self.concurrency {
            introspection = introspection.concurrency(lookups);
        }
        Ok(introspection)
    }
}
