//! Keycloak.

use axum::http::StatusCode;
use tower_identity_jose::{Algorithm, MediaType};

use super::{
    AT_THE_ROOT, Answered, AssertionAudience, BAD, Dialect, Exchanged, Grants, More, Refuses, Says, ToldScopes,
    UserClaim, told,
};
use crate::{
    authenticate::BAD_CREDENTIALS,
    exchange::{
        BAD_REQUESTED_TYPE, BAD_SUBJECT, BAD_SUBJECT_TYPE, NO_SUBJECT, NO_SUBJECT_TYPE, NOT_A_USER, NOT_SENT_TO_CLIENT,
        UNKNOWN_TARGET,
    },
    policy::{NO_EXCHANGE, NO_SCOPE, NO_TARGET},
    token::{NO_GRANT_TYPE, UNKNOWN_GRANT},
};

/// Keycloak: Securing Applications Guide, *Standard token exchange*; `StandardTokenExchangeProvider`.
pub(super) static KEYCLOAK: Dialect = Dialect {
    typ: MediaType::JWT,
    algorithm: Algorithm::Es256,
    layout: AT_THE_ROOT,
    assertion_audience: AssertionAudience::Issuer,
    user: UserClaim::Sub,
    token_id: "jti",
    claims: &[
        ("typ", Says::Always("Bearer")),
        ("azp", Says::Client),
        ("client_id", Says::ClientItself),
        ("preferred_username", Says::UserName),
        ("scope", Says::Scopes),
    ],
    unasked: "email profile",
    exchanged: Exchanged { names_actors: false, ends_with_subject: false, holder_exchanges: true },
    grants: Grants::Exchange { chains: false },
    answer: Answered {
        scopes: ToldScopes::AsGranted,
        more: &[("refresh_expires_in", More::Number(0)), ("not-before-policy", More::Number(0))],
    },
    refuses: Refuses::Codes(&[
        (NO_GRANT_TYPE, told(BAD, "invalid_request", "Missing form parameter: grant_type")),
        (UNKNOWN_GRANT, told(BAD, "unsupported_grant_type", "Unsupported grant_type")),
        (
            BAD_CREDENTIALS,
            told(StatusCode::UNAUTHORIZED, "unauthorized_client", "Invalid client or Invalid client credentials"),
        ),
        (NO_EXCHANGE, told(BAD, "invalid_request", "Standard token exchange is not enabled for the requested client")),
        (NO_SUBJECT, told(BAD, "invalid_request", "Parameter 'subject_token' required for standard token exchange")),
        (
            NO_SUBJECT_TYPE,
            told(BAD, "invalid_request", "Parameter 'subject_token_type' required for standard token exchange"),
        ),
        (BAD_SUBJECT_TYPE, told(BAD, "invalid_request", "Parameter 'subject_token' supports access tokens only")),
        (BAD_REQUESTED_TYPE, told(BAD, "invalid_request", "requested_token_type unsupported")),
        (BAD_SUBJECT, told(BAD, "invalid_request", "Invalid token")),
        (NOT_A_USER, told(BAD, "invalid_request", "Invalid token")),
        (NOT_SENT_TO_CLIENT, told(StatusCode::FORBIDDEN, "access_denied", "Client is not within the token audience")),
        // The client is known: it is the audience that is no client of theirs.
        (UNKNOWN_TARGET, told(BAD, "invalid_client", "Audience not found")),
        (NO_TARGET, told(BAD, "invalid_request", "Requested audience not available")),
        (NO_SCOPE, told(BAD, "invalid_scope", "Invalid scopes")),
    ]),
};
