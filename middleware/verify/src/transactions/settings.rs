//! A trust domain's transaction tokens, from a file.

use std::{path::Path, time::Duration};

use serde::Deserialize;
use tower_identity_core::{CallerName, InvalidSetting};
use tower_identity_jose::Algorithm;

use crate::{KeySettings, TransactionTokens, encrypted, settings::OneOrMany};

/// A trust domain as a table of a file. Becomes [`TransactionTokens`] by [`transaction_tokens`](Self::transaction_tokens).
///
/// | field | meaning | default |
/// |---|---|---|
/// | `trust_domain` | the trust domain, which is the tokens' `aud`, byte for byte | required |
/// | `keys` | where the keys are that sign them, and how they are kept: [`KeySettings`], with `url` | required |
/// | `issuer` | what `iss` is, where they [have one](TransactionTokens::issued_by) | not looked at |
/// | `workloads_of` | the issuer at which workloads have the names of [`req_wl`](TransactionTokens::workloads_of) | the trust domain |
/// | `carriers` | a list of the workloads that [may carry](TransactionTokens::carriers) them | none but `req_wl` |
/// | `carriers_of` | a list of issuers, [all](TransactionTokens::carriers_of) of whose workloads may | none |
/// | `max_lifetime_seconds` | for how long a token may live, 3600 at most | 300 |
/// | `decryption_key_file` | the private key (PEM) that they are [encrypted to](TransactionTokens::encrypted_to), or a list of several | they are not encrypted |
/// | `algorithms` | a list of the signature algorithms that may be used | as [`TrustedIssuer::algorithms`](crate::TrustedIssuer::algorithms) |
/// | `leeway_seconds` | how far the clocks may differ, 120 at most | 30 |
///
/// ```
/// use std::path::Path;
/// use tower_identity_verify::TransactionTokenSettings;
///
/// let settings: TransactionTokenSettings =
///     serde_json::from_str(r#"{"trust_domain": "shop.internal", "carriers": ["orders"]}"#)?;
/// let refused = settings.transaction_tokens(Path::new("")).expect_err("whose keys?");
/// assert_eq!(refused.to_string(), "keys.url: is missing: where the keys of the trust domain are");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionTokenSettings {
    trust_domain: String,
    #[serde(default)]
    keys: KeySettings,
    issuer: Option<String>,
    workloads_of: Option<String>,
    #[serde(default)]
    carriers: Vec<CallerName>,
    #[serde(default)]
    carriers_of: Vec<String>,
    max_lifetime_seconds: Option<u64>,
    decryption_key_file: Option<OneOrMany>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_seconds: Option<u64>,
}

impl TransactionTokenSettings {
    /// Reads the fields. Relative paths start at `folder`: the one that the file is in.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field and the rule. What depends on the verifier's other settings is checked when that is
    /// built.
    pub fn transaction_tokens(self, folder: &Path) -> Result<TransactionTokens, InvalidSetting> {
        let Some(url) = self.keys.url.clone() else {
            let rule = "is missing: where the keys of the trust domain are";
            return Err(InvalidSetting::new("url", rule).within("keys"));
        };
        let mut tokens =
            TransactionTokens::of(self.trust_domain, url).carriers(self.carriers).carriers_of(self.carriers_of);
        tokens.issuer = self.keys.tell(tokens.issuer, folder).map_err(|invalid| invalid.within("keys"))?;
        if let Some(algorithms) = self.algorithms {
            tokens = tokens.keys(|keys| keys.algorithms(algorithms));
        }
        if let Some(seconds) = self.leeway_seconds {
            tokens = tokens.keys(|keys| keys.leeway(Duration::from_secs(seconds)));
        }
        if let Some(files) = self.decryption_key_file {
            tokens = tokens.encrypted_to(encrypted::read(&files.into_vec(), folder)?);
        }
        if let Some(issuer) = self.issuer {
            tokens = tokens.issued_by(issuer);
        }
        if let Some(issuer) = self.workloads_of {
            tokens = tokens.workloads_of(issuer);
        }
        if let Some(seconds) = self.max_lifetime_seconds {
            tokens = tokens.max_lifetime(Duration::from_secs(seconds));
        }
        Ok(tokens)
    }
}
