//! Other people's authorization servers, where this one answers in their shape: tables of data, as their documentation and
//! their source have it. What a table says nothing of is as it is here otherwise.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_identity_jose::MediaType;

use crate::{
    authenticate::BAD_CREDENTIALS,
    error::TokenError,
    exchange::{
        BAD_REQUESTED_TYPE, BAD_SUBJECT, BAD_SUBJECT_TYPE, NO_SUBJECT, NO_SUBJECT_TYPE, NOT_A_USER, NOT_SENT_TO_CLIENT,
        UNKNOWN_TARGET,
    },
    policy::{NO_EXCHANGE, NO_SCOPE, NO_TARGET},
    token::{NO_GRANT_TYPE, UNKNOWN_GRANT},
};

/// A product whose shape the authority answers in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Product {
    /// Keycloak, with its standard token exchange (V2): nobody is named as an actor, the default client scopes come
    /// unasked, an issued token may outlive the one that it was exchanged for, and refusals have Keycloak's codes.
    Keycloak,
}

impl Product {
    pub(crate) const fn dialect(self) -> &'static Dialect {
        match self {
            Self::Keycloak => &KEYCLOAK,
        }
    }
}

/// How tokens and answers are written.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// What the header of an access token says it is.
    pub(crate) typ: MediaType,
    /// What an access token says, beside what all of them do (`iss sub aud iat exp jti`, and how its user signed in).
    claims: &'static [(&'static str, Says)],
    /// The scopes that are granted to everybody, unasked.
    pub(crate) unasked: &'static str,
    /// Whether an exchanged token says who acts for its subject, and who did before.
    pub(crate) names_actors: bool,
    /// Whether an exchanged token ends with the tokens that it was exchanged for.
    pub(crate) ends_with_subject: bool,
    /// Whether grants for other authorization servers are issued.
    pub(crate) chains: bool,
    /// Whether whom a token was issued to may exchange it, too, and not only whom it is for.
    pub(crate) holder_exchanges: bool,
    /// What an answer says beside what all of them do.
    pub(crate) answer: &'static [(&'static str, u64)],
    /// How refusals are told.
    refusals: &'static [(TokenError, Told)],
}

/// What a claim is of.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// The client that the token is issued to.
    Client,
    /// The same, in a token of its own only.
    ClientItself,
    /// The user's name; of a client's own token, that of its service account.
    UserName,
    /// The scopes, in one string.
    Scopes,
    /// This, in every access token and in nothing else that the same key signs.
    Always(&'static str),
}

/// What a token is issued on, as far as claims are about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) subject: &'a str,
    pub(crate) client: &'a str,
    pub(crate) scopes: &'a str,
}

/// A refusal, as the product words it.
#[derive(Debug)]
struct Told {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
}

const fn told(status: StatusCode, error: &'static str, description: &'static str) -> Told {
    Told { status, error, description }
}

/// As the RFCs have it (9068 §2, 8693 §4).
pub(crate) static OURS: Dialect = Dialect {
    typ: MediaType::ACCESS_TOKEN,
    claims: &[("client_id", Says::Client), ("scope", Says::Scopes)],
    unasked: "",
    names_actors: true,
    ends_with_subject: true,
    chains: true,
    holder_exchanges: false,
    answer: &[],
    refusals: &[],
};

/// Keycloak: Securing Applications Guide, *Standard token exchange*; `StandardTokenExchangeProvider`.
static KEYCLOAK: Dialect = Dialect {
    typ: MediaType::JWT,
    claims: &[
        ("typ", Says::Always("Bearer")),
        ("azp", Says::Client),
        ("client_id", Says::ClientItself),
        ("preferred_username", Says::UserName),
        ("scope", Says::Scopes),
    ],
    unasked: "email profile",
    names_actors: false,
    ends_with_subject: false,
    chains: false,
    holder_exchanges: true,
    answer: &[("refresh_expires_in", 0), ("not-before-policy", 0)],
    refusals: &[
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
    ],
};

const BAD: StatusCode = StatusCode::BAD_REQUEST;

impl Dialect {
    /// What an access token says beside what all of them do.
    pub(crate) fn claims(&self, about: About<'_>) -> Map<String, Value> {
        let claims = self.claims.iter().filter_map(|(name, says)| Some(((*name).to_owned(), says.of(about)?.into())));
        claims.collect()
    }

    /// Whether a token that the header says is an access token is one: what always stands in one stands in it.
    pub(crate) fn is_access_token(&self, claims: &Map<String, Value>) -> bool {
        self.claims.iter().all(|(name, says)| match says {
            Says::Always(word) => claims.get(*name).is_some_and(|found| found == word),
            Says::Client | Says::ClientItself | Says::UserName | Says::Scopes => true,
        })
    }

    /// The answer that refuses.
    pub(crate) fn refuse(&self, error: TokenError) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            error_description: &'static str,
        }
        let Some((_, told)) = self.refusals.iter().find(|(ours, _)| ours.reason() == error.reason()) else {
            return error.into_response();
        };
        error.log();
        (told.status, Json(Body { error: told.error, error_description: told.description })).into_response()
    }
}

impl Says {
    fn of(self, About { subject, client, scopes }: About<'_>) -> Option<String> {
        match self {
            Self::Client => Some(client.to_owned()),
            Self::ClientItself => (subject == client).then(|| client.to_owned()),
            Self::UserName if subject == client => Some(format!("service-account-{client}")),
            Self::UserName => Some(subject.to_owned()),
            Self::Scopes => Some(scopes.to_owned()),
            Self::Always(word) => Some(word.to_owned()),
        }
    }
}
