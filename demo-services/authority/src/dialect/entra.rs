//! Microsoft Entra ID.

use axum::http::StatusCode;
use tower_identity::{Audience, Scope, Scopes};
use tower_identity_jose::{Algorithm, MediaType};

use super::{
    Answered, AssertionAudience, BAD, Dialect, Exchanged, Grants, More, Refuses, Says, ToldScopes, UserClaim,
    aadsts::{Aadsts, aadsts},
};
use crate::{
    authenticate::{
        ASSERTION_AUDIENCE, ASSERTION_REPLAYED, ASSERTION_TIME, ASSERTION_TOO_LONG, BAD_ASSERTION, BAD_CREDENTIALS,
        NO_AUTHENTICATION,
    },
    error::{ErrorCode, TokenError},
    exchange::{BAD_SUBJECT, BOUND_SUBJECT, NOT_A_USER, NOT_SENT_TO_CLIENT, UNKNOWN_TARGET},
    form::Form,
    layout::Layout,
    on_behalf_of::{NO_ASSERTION, NO_USE, NOT_ASSIGNED},
    policy::{NO_EXCHANGE, NO_SCOPE, NO_TARGET},
    token::{NO_GRANT_TYPE, UNKNOWN_GRANT},
};

/// Entra ID: *Microsoft identity platform and OAuth 2.0 On-Behalf-Of flow*, *Access token claims reference*, *OAuth 2.0 client
/// credentials flow*, *Authentication and authorization error codes*. Users and applications keep the names that they have
/// here, which are numbers there.
pub(super) static ENTRA: Dialect = Dialect {
    typ: MediaType::JWT,
    algorithm: Algorithm::Rs256,
    layout: Layout {
        issuer: "/{tenant}/v2.0",
        token: "/{tenant}/oauth2/v2.0/token",
        keys: "/{tenant}/discovery/v2.0/keys",
        metadata: &["/{tenant}/v2.0/.well-known/openid-configuration"],
        introspection: None,
    },
    assertion_audience: AssertionAudience::TokenEndpoint,
    user: UserClaim::Beside("oid"),
    token_id: "uti",
    claims: &[
        ("azp", Says::Client),
        ("azpacr", Says::Always("1")),
        ("idtyp", Says::OfClients("app")),
        ("nbf", Says::IssuedAt),
        ("oid", Says::Subject),
        ("roles", Says::ClientsRoles),
        ("scp", Says::UsersScopes),
        ("tid", Says::Tenant),
        ("ver", Says::Always("2.0")),
    ],
    unasked: "",
    exchanged: Exchanged { names_actors: false, ends_with_subject: false, holder_exchanges: false },
    grants: Grants::OnBehalfOf,
    answer: Answered { scopes: ToldScopes::WithTheirService, more: &[("ext_expires_in", More::Lifetime)] },
    refuses: Refuses::Aadsts(&[
        (NO_GRANT_TYPE, missing("The request body must contain the following parameter: 'grant_type'.")),
        (NO_ASSERTION, missing("The request body must contain the following parameter: 'assertion'.")),
        (NO_USE, missing("The request body must contain the following parameter: 'requested_token_use'.")),
        (NO_NAMED_SCOPE, missing("The request body must contain the following parameter: 'scope'.")),
        (UNKNOWN_GRANT, aadsts(BAD, "unsupported_grant_type", 70_003, "The app requested an unsupported grant type.")),
        (BAD_CREDENTIALS, client(7_000_215, "Invalid client secret provided.")),
        (
            NO_AUTHENTICATION,
            client(
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            ),
        ),
        (BAD_ASSERTION, client(700_027, "The certificate used to sign the client assertion is not registered.")),
        (ASSERTION_AUDIENCE, client(700_023, "Client assertion audience claim does not match Realm issuer.")),
        (ASSERTION_TIME, client(700_024, "Client assertion is not within its valid time range.")),
        (ASSERTION_TOO_LONG, client(700_024, "Client assertion is not within its valid time range.")),
        (ASSERTION_REPLAYED, client(700_028, "Client assertion was already used.")),
        (BAD_SUBJECT, grant(50_013, "Assertion failed validation.")),
        (
            NOT_SENT_TO_CLIENT,
            grant(500_131, "Assertion audience does not match the Client app presenting the assertion."),
        ),
        (NOT_A_USER, grant(7_000_114, "Application is not allowed to make application on-behalf-of calls.")),
        (BOUND_SUBJECT, grant(50_013, "Assertion failed validation.")),
        (
            UNKNOWN_TARGET,
            aadsts(BAD, "invalid_resource", 500_011, "The resource principal was not found in the tenant."),
        ),
        (NO_EXCHANGE, consent()),
        (NO_TARGET, consent()),
        (NO_SCOPE, consent()),
        (NOT_ASSIGNED, grant(501_051, "Application is not assigned to a role for the application.")),
        (BAD_NAMED_SCOPE, scope(70_011, "The provided value for the input parameter 'scope' is not valid.")),
        (SEVERAL_SERVICES, scope(28_000, "The input parameter scope contains more than one resource.")),
        (
            NOT_THE_DEFAULT,
            scope(
                1_002_012,
                "Client credential flows must have a scope value with /.default suffixed to the resource.",
            ),
        ),
    ]),
};

const fn missing(words: &'static str) -> Aadsts {
    aadsts(BAD, "invalid_request", 900_144, words)
}

const fn client(number: u32, words: &'static str) -> Aadsts {
    aadsts(StatusCode::UNAUTHORIZED, "invalid_client", number, words)
}

const fn grant(number: u32, words: &'static str) -> Aadsts {
    aadsts(BAD, "invalid_grant", number, words)
}

const fn scope(number: u32, words: &'static str) -> Aadsts {
    aadsts(BAD, "invalid_scope", number, words)
}

/// Nobody has said yet that this application may do that: whoever signs in is asked.
const fn consent() -> Aadsts {
    grant(65_001, "The user or administrator has not consented to use the application.").because("consent_required")
}

/// What stands before a service's name in its application ID URI.
const SCHEME: &str = "api://";

/// The scope that stands for all that there is.
const ALL: &str = ".default";

/// A scope of a service, as it is named to whoever is not the service.
pub(super) fn of_service(service: &str, scope: &str) -> String {
    format!("{SCHEME}{service}/{scope}")
}

/// The service that all scopes of a request are of, and which they are: all that there are, without.
pub(crate) fn asked(form: &Form<'_>) -> Result<(Audience, Option<Scopes>), TokenError> {
    let text = form.one("scope").ok_or(NO_NAMED_SCOPE)?;
    let mut service = None;
    let mut names = Vec::new();
    for named in text.split(' ') {
        let (of, name) = named.strip_prefix(SCHEME).and_then(|rest| rest.rsplit_once('/')).ok_or(BAD_NAMED_SCOPE)?;
        if service.replace(of).is_some_and(|before| before != of) {
            return Err(SEVERAL_SERVICES);
        }
        names.push(name);
    }
    let service = service.and_then(|service| Audience::parse(service).ok()).ok_or(BAD_NAMED_SCOPE)?;
    match names[..] {
        [ALL] => Ok((service, None)),
        // All that there is, and one of that.
        _ if names.contains(&ALL) => Err(BAD_NAMED_SCOPE),
        _ => {
            let scopes = names.into_iter().map(Scope::parse).collect::<Result<_, _>>();
            scopes.map(|scopes| (service, Some(scopes))).map_err(|_| BAD_NAMED_SCOPE)
        }
    }
}

/// The same of an application that asks for itself: for all that it has been given.
pub(crate) fn asked_for_itself(form: &Form<'_>) -> Result<Audience, TokenError> {
    match asked(form)? {
        (service, None) => Ok(service),
        (_, Some(_)) => Err(NOT_THE_DEFAULT),
    }
}

const NO_NAMED_SCOPE: TokenError = TokenError::invalid_request("scope is missing, and names the service");
const BAD_NAMED_SCOPE: TokenError = TokenError::new(
    ErrorCode::InvalidScope,
    "a scope is api://, the service, a slash and a name, and .default is alone",
);
const SEVERAL_SERVICES: TokenError = TokenError::new(ErrorCode::InvalidScope, "the scopes are of several services");
const NOT_THE_DEFAULT: TokenError =
    TokenError::new(ErrorCode::InvalidScope, "a client asks for itself by .default and nothing else");
