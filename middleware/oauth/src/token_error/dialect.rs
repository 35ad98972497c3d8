//! What servers of some makes mean by their codes, where that is not what the standards mean.

use http::StatusCode;

use super::{ConfigurationProblem, ErrorCode, TokenErrorKind, kind::FailureAnswer};
use crate::GrantKind;

/// What a failure of this grant means, where it has a meaning of its own.
pub(super) fn read(grant: GrantKind, failure: &FailureAnswer, code: &ErrorCode) -> Option<TokenErrorKind> {
    match grant {
        GrantKind::KeycloakExchange => keycloak(failure.status, code),
        GrantKind::EntraOnBehalfOf => entra(failure, code),
        _ => None,
    }
}

/// Whom the subject token is for, and whom a token can be for, is set up in the realm. A client that fails to authenticate
/// gets the same `invalid_client` with another status: 401.
fn keycloak(status: StatusCode, code: &ErrorCode) -> Option<TokenErrorKind> {
    let problem = match (status, code.as_str()) {
        (StatusCode::FORBIDDEN, "access_denied") => ConfigurationProblem::NotInAudience,
        (StatusCode::BAD_REQUEST, "invalid_client") => ConfigurationProblem::UnknownAudience,
        _ => return None,
    };
    Some(TokenErrorKind::OurConfiguration { problem })
}

/// `invalid_grant` is also what says that the user has to do something; then `suberror` says what, or `claims` do.
fn entra(failure: &FailureAnswer, code: &ErrorCode) -> Option<TokenErrorKind> {
    let suberror = failure.suberror.as_ref().map(ErrorCode::as_str);
    let is_interactive = failure.demands_claims
        || matches!(
            suberror,
            Some("basic_action" | "additional_action" | "message_only" | "consent_required" | "user_password_expired")
        );
    match code.as_str() {
        "invalid_grant" if is_interactive => Some(failure.step_up(code.clone())),
        "invalid_resource" => {
            Some(TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code.clone()) })
        }
        _ => None,
    }
}
