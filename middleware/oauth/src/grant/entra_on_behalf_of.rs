//! Entra ID's on-behalf-of flow.

use form_urlencoded::Serializer;
use tower_identity_core::SecretToken;

use super::{TargetService, Unexchangeable, jwt_bearer::JWT_BEARER};

/// A token for the user of an access token that was issued for this service by Entra ID.
///
/// It borrows the name of the JWT bearer grant and is none: the assertion is an access token, which RFC 7523 knows
/// nothing of, and `requested_token_use` is Entra's own. Of the target its scopes are sent, such as
/// `api://payments/.default`, and nothing else: they name the service, too.
///
/// `api://payments/.default` asks for whatever this service is permitted there, so that all scopes of `api://payments`
/// are what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraOnBehalfOf {
    assertion: SecretToken,
    pub(super) target: TargetService,
}

impl EntraOnBehalfOf {
    /// An access token for this service, for the user whose access token this is.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the token is empty or too long.
    pub fn new(users_token: SecretToken, target: TargetService) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&users_token)?;
        Ok(Self { assertion: users_token, target })
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("grant_type", JWT_BEARER)
            .append_pair("assertion", self.assertion.expose())
            .append_pair("requested_token_use", "on_behalf_of");
        self.target.append_scope(form);
    }

    /// Whether a granted scope is one of a service of which all were asked for.
    pub(super) fn covers(&self, granted: &str) -> bool {
        let services = self.target.scopes.iter().filter_map(|asked| asked.strip_suffix("/.default"));
        let service = granted.rsplit_once('/').map_or("", |(service, _)| service);
        services.into_iter().any(|asked| asked == service)
    }
}
