//! A target, as a row of a file.

use serde::Deserialize;
use tower_identity_core::{InvalidSetting, Scopes};

use crate::{Plaintext, ReadableJwt, Strategy, Target};

/// One `[[outbound.target]]` row. Each field means what the method of [`Target`] of the same name means, and `path` is its
/// [`path_prefix`](Target::path_prefix).
///
/// ```
/// use tower_identity_outbound::{Target, TargetSettings};
///
/// let row: TargetSettings = toml::from_str(
///     r#"
///     origin = "https://payments.internal"
///     path = "/v1"
///     audience = "payments"
///     scope = "payments:charge"
///     strategy = "token_exchange"
///     "#,
/// )?;
/// let target = Target::try_from(row)?;
/// # let _ = target;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TargetSettings {
    /// `scheme://host[:port]`.
    pub origin: String,
    /// A path prefix, by whole segments. Default: every path.
    pub path: Option<String>,
    /// Whom the token is for, by name.
    pub audience: Option<String>,
    /// Whom the token is for, by address.
    pub resource: Option<String>,
    /// What the token may do there: a list, or one string with spaces. Default: none.
    #[serde(default)]
    pub scope: Scopes,
    /// Scopes that may be granted unasked. Default: none.
    #[serde(default)]
    pub tolerate_scope: Scopes,
    /// How the token is obtained: `"token_exchange"` or `"client_credentials"`.
    pub strategy: Strategy,
    /// The name of the authorization server that issues the token. Default: the default one.
    pub server: Option<String>,
    /// Whether this service's own token goes along as the actor token of an exchange. Default: false.
    #[serde(default)]
    pub actor_token: bool,
    /// Whether the token may go there without TLS: `"never"`, `"loopback"` or `"sidecar-mtls"`. Default: what the table
    /// `[outbound]` says of all targets.
    pub plaintext: Option<Plaintext>,
    /// That the tokens are JWTs which this service may read, a table: `{}` where there is nothing more to say. Default:
    /// they are opaque.
    pub readable_jwt: Option<ReadableJwt>,
    /// The longest value of the header that carries the credential, in bytes. Default: 8192.
    pub max_credential_bytes: Option<usize>,
}

impl TryFrom<TargetSettings> for Target {
    type Error = InvalidSetting;

    fn try_from(row: TargetSettings) -> Result<Self, InvalidSetting> {
        let mut target = Self::origin(&row.origin)?.strategy(row.strategy);
        target.plaintext = row.plaintext;
        target.scopes = row.scope;
        target.tolerated = row.tolerate_scope;
        target.server = row.server;
        target.actor_token = row.actor_token;
        target.readable_jwt = row.readable_jwt;
        if let Some(bytes) = row.max_credential_bytes {
            target = target.max_credential_bytes(bytes);
        }
        if let Some(path) = row.path {
            target = target.path_prefix(&path);
        }
        if let Some(audience) = row.audience {
            target = target.audience(&audience);
        }
        if let Some(resource) = row.resource {
            target = target.resource(&resource);
        }
        target.check()?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "origin = 'https://a.internal'\naudience = 'a'\nstrategy = 'token_exchange'\n";

    fn read(more: &str) -> Result<Target, String> {
        let row: TargetSettings =
            toml::from_str(&format!("{ROW}{more}")).map_err(|error| error.message().to_owned())?;
        Target::try_from(row).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_row_of_a_file_is_the_target_that_code_makes() {
        let code = Target::origin("https://a.internal").expect("origin").audience("a").token_exchange();
        assert_eq!(format!("{:?}", read("").expect("row")), format!("{code:?}"));
        let every = "path = '/v1'\nresource = 'https://a.internal/v1'\nscope = 'x y'\ntolerate_scope = ['profile']\n\
                     server = 'partner'\nactor_token = true\nplaintext = 'never'\n\
                     readable_jwt = { user_claim = 'oid' }\nmax_credential_bytes = 4096";
        let code = code
            .path_prefix("/v1")
            .resource("https://a.internal/v1")
            .scope("x")
            .scope("y")
            .tolerate_scope("profile")
            .server("partner")
            .actor_token()
            .plaintext(Plaintext::Never)
            .readable_jwt(ReadableJwt::new().user_claim("oid"))
            .max_credential_bytes(4096);
        assert_eq!(format!("{:?}", read(every).expect("row")), format!("{code:?}"));
    }

    #[test]
    fn a_wrong_row_names_the_field_and_the_rule() {
        let cases = [
            ("path = 'v1'", "path: does not begin with a slash"),
            ("resource = 'a'", "resource: a resource is an absolute URI without fragment"),
            ("scopes = 'x'", "unknown field `scopes`, expected one of"),
            ("plaintext = 'yes'", "unknown variant `yes`, expected one of `never`, `loopback`, `sidecar-mtls`"),
        ];
        for (more, expected) in cases {
            let refused = read(more).expect_err(more);
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
