//! A grant that is no standard's, for servers that know one of their own.

use std::sync::Arc;

use form_urlencoded::Serializer;
use serde::Deserialize;
use tower_identity_core::{Fingerprint, InvalidSetting, SecretToken};

use super::{TargetService, Unexchangeable, jwt_bearer::JWT_BEARER, token_exchange::TOKEN_EXCHANGE};
use crate::parameters::check;

/// Grants that have a kind of their own here, and such as no token of a caller belongs to.
const OTHERS: [&str; 7] = [
    TOKEN_EXCHANGE,
    JWT_BEARER,
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
];

/// Parameters that somebody else writes: the grant, the target's row, and who proves which client we are.
const RESERVED: [&str; 9] = [
    "grant_type",
    "audience",
    "resource",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "requested_token_type",
];

/// A grant of a server's own: what it is called, and what the caller's token is sent as. What else is sent are the
/// [parameters](TargetService::parameters) of the target. Cheap to clone.
///
/// ```
/// use tower_identity_oauth::CustomGrantType;
///
/// // The extension grant of IdentityServer's documentation.
/// let delegation = CustomGrantType::new("delegation", "token")?;
/// # let _ = delegation;
///
/// let refused = CustomGrantType::new("client_credentials", "token").expect_err("the caller would be lost");
/// assert_eq!(refused.to_string(), r#"grant_type: "client_credentials" is no grant of the server's own"#);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct CustomGrantType {
    name: Arc<str>,
    subject_parameter: Arc<str>,
}

impl CustomGrantType {
    /// A grant of this name, which takes the caller's token as this parameter.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `grant_type`, when it is empty or a grant that is known here; of `subject_parameter`, when it
    /// is empty or written by somebody else.
    pub fn new(grant_type: &str, subject_parameter: &str) -> Result<Self, InvalidSetting> {
        let invalid = |rule: String| InvalidSetting::new("grant_type", rule);
        check(grant_type).map_err(|rule| invalid(rule.to_owned()))?;
        if OTHERS.contains(&grant_type) {
            return Err(invalid(format!("{grant_type:?} is no grant of the server's own")));
        }
        let invalid = |rule| InvalidSetting::new("subject_parameter", rule);
        check(subject_parameter).map_err(invalid)?;
        if RESERVED.iter().any(|reserved| subject_parameter.eq_ignore_ascii_case(reserved)) {
            return Err(invalid("is written by the target's row, or by who proves which client this is"));
        }
        Ok(Self { name: grant_type.into(), subject_parameter: subject_parameter.into() })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the caller's token is sent as.
    #[must_use]
    pub fn subject_parameter(&self) -> &str {
        &self.subject_parameter
    }

    /// Everything of it: part of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("custom-grant").field(&*self.name).field(&*self.subject_parameter).finish()
    }
}

/// As a file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    grant_type: String,
    subject_parameter: String,
}

impl TryFrom<Fields> for CustomGrantType {
    type Error = InvalidSetting;

    fn try_from(fields: Fields) -> Result<Self, InvalidSetting> {
        Self::new(&fields.grant_type, &fields.subject_parameter)
    }
}

/// A token for the subject of another, by a grant that is the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomGrant {
    grant_type: CustomGrantType,
    subject_token: SecretToken,
    pub(super) target: TargetService,
}

impl CustomGrant {
    /// An access token for this service, by this grant and for this token.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the token is empty or too long.
    pub fn new(
        grant_type: CustomGrantType,
        subject_token: SecretToken,
        target: TargetService,
    ) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&subject_token)?;
        Ok(Self { grant_type, subject_token, target })
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        let CustomGrantType { name, subject_parameter } = &self.grant_type;
        form.append_pair("grant_type", name).append_pair(subject_parameter, self.subject_token.expose());
        self.target.append_to(form);
    }
}
