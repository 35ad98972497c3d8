//! Tokens for users by Entra ID.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

use crate::{OnBehalfOf, Target};

/// The caller's user's token makes one to the target at Entra ID, by its on-behalf-of flow.
///
/// The token has to be a user's, and for this app: for its client id, `api://` and the client id, or an
/// [audience](Self::audience) that is named. The row says what for by `scope`, such as `api://payments/.default`; Entra ID
/// knows the target by nothing else, and the row's `audience` is only looked for in [what comes](crate::ReadableJwt).
///
/// ```
/// use tower_identity_outbound::{EntraOnBehalfOf, OnBehalfOf, Target};
///
/// let payments = Target::origin("https://payments.internal")?
///     .scope("api://payments/.default")
///     .strategy(EntraOnBehalfOf::new().audience("api://orders.example.com"));
///
/// // Services call it, too, for nobody: this service's own token goes to the target for them.
/// let ledger = Target::origin("https://ledger.internal")?
///     .scope("api://ledger/.default")
///     .on_behalf_of(OnBehalfOf::WhoeverCalled)
///     .strategy(EntraOnBehalfOf::new().app_only_as_service());
/// # let _ = (payments, ledger);
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use = "it does nothing until a target has it"]
pub struct EntraOnBehalfOf {
    pub(crate) audiences: Vec<String>,
    app_only: AppOnly,
}

/// What becomes of a caller that acts for no user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AppOnly {
    #[default]
    Refuse,
    ClientCredentials,
}

impl EntraOnBehalfOf {
    /// For users, whose tokens are for the client id.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name of this app that tokens are for: its application ID URI. Adds to those named before.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// For a caller that acts for no user, this service's own token goes to the target. The row takes
    /// [`OnBehalfOf::WhoeverCalled`]. Default: such a caller is refused.
    pub fn app_only_as_service(mut self) -> Self {
        self.app_only = AppOnly::ClientCredentials;
        self
    }

    pub(crate) fn is_app_only_as_service(&self) -> bool {
        self.app_only == AppOnly::ClientCredentials
    }

    pub(crate) fn check(&self, row: &Target) -> Result<(), InvalidSetting> {
        let refused = |field: &str, rule: &str| Err(InvalidSetting::new(field, rule));
        if row.scopes.is_empty() {
            return refused("scope", "is missing: Entra ID knows the target by it; api://<target>/.default, say");
        }
        if row.resource.is_some() {
            return refused("resource", "is nothing that Entra ID is asked for; the scope names the target");
        }
        if !self.is_app_only_as_service() {
            return Ok(());
        }
        if row.on_behalf_of != Some(OnBehalfOf::WhoeverCalled) {
            return refused("on_behalf_of", "has to be \"whoever-called\" where app_only is client_credentials");
        }
        if row.readable_jwt.is_some() {
            // Whose token it is differs from caller to caller.
            return refused("readable_jwt", "goes without app_only = \"client_credentials\"");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadableJwt;

    fn row() -> Target {
        Target::origin("https://payments.internal").expect("origin").scope("api://payments/.default")
    }

    fn checked(row: Target, entra: EntraOnBehalfOf) -> Result<(), String> {
        row.strategy(entra).check().map(drop).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_file_says_what_code_says() {
        let read = |text: &str| toml::from_str::<EntraOnBehalfOf>(text).map_err(|error| error.message().to_owned());
        assert_eq!(read(""), Ok(EntraOnBehalfOf::new()));
        assert_eq!(
            read("audiences = ['api://orders']\napp_only = 'client_credentials'"),
            Ok(EntraOnBehalfOf::new().audience("api://orders").app_only_as_service())
        );
        assert_eq!(read("app_only = 'refuse'"), Ok(EntraOnBehalfOf::new()));
        let refused = read("app_only = 'relay'").expect_err("no such way");
        assert!(refused.starts_with("unknown variant `relay`"), "{refused}");
    }

    #[test]
    fn obo_b4_a_row_says_what_for_by_scope_alone() {
        let entra = EntraOnBehalfOf::new;
        assert_eq!(checked(row(), entra()), Ok(()));
        assert_eq!(checked(row().audience("payments"), entra()), Ok(()));
        let bare = Target::origin("https://payments.internal").expect("origin").audience("payments");
        let rule = "scope: is missing: Entra ID knows the target by it; api://<target>/.default, say";
        assert_eq!(checked(bare, entra()), Err(rule.to_owned()));
        let rule = "is nothing that Entra ID is asked for; the scope names the target";
        assert_eq!(checked(row().resource("https://p.internal"), entra()), Err(format!("resource: {rule}")));
    }

    #[test]
    fn obo_b2_app_only_callers_are_taken_where_a_row_takes_whoever_called() {
        let entra = || EntraOnBehalfOf::new().app_only_as_service();
        let of_all = || row().on_behalf_of(OnBehalfOf::WhoeverCalled);
        assert_eq!(checked(of_all(), entra()), Ok(()));
        let rule = "on_behalf_of: has to be \"whoever-called\" where app_only is client_credentials";
        assert_eq!(checked(row(), entra()), Err(rule.to_owned()));
        let rule = "readable_jwt: goes without app_only = \"client_credentials\"";
        assert_eq!(checked(of_all().readable_jwt(ReadableJwt::new().audience("a")), entra()), Err(rule.to_owned()));
    }
}
