//! What the operator is told of an authorization server that is asked for tokens.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tower_identity_core::Issuer;

use super::NotAsked;
use crate::{GrantKind, TokenError};

/// The counter of requests for a token, by issuer and outcome.
const REQUESTS: &str = "tower_identity_token_calls_total";

/// The target of the event about a request.
const REQUEST: &str = "tower_identity::token_request";

/// The target of every event about a breaker.
const BREAKER: &str = "tower_identity::breaker";

/// The gauge of breakers, by issuer and endpoint: 1 while open.
const OPEN: &str = "tower_identity_breaker_open";

/// Tells how a request for a token ended, after so many attempts.
///
/// The handle is looked up each time, which a call to the server outweighs: a recorder may be installed at any time.
pub(super) fn ended<T>(
    server: &Issuer,
    grant: GrantKind,
    attempts: usize,
    took: Duration,
    result: &Result<T, TokenError>,
) {
    let duration_ms = took.as_secs_f64() * 1e3;
    let outcome = match result {
        Ok(_) => {
            let outcome = "issued";
            tracing::info!(target: REQUEST, %server, %grant, outcome, attempts, duration_ms, "token request");
            outcome
        }
        Err(error) => {
            let not_asked = error.not_asked();
            let outcome = not_asked.map_or(error.kind().as_str(), |why| why.as_str());
            let gave_way = matches!(not_asked, Some(NotAsked::GaveWay));
            let error = error as &(dyn std::error::Error + 'static);
            if gave_way {
                tracing::debug!(target: REQUEST, %server, %grant, outcome, attempts, duration_ms, error, "token request");
            } else {
                tracing::warn!(target: REQUEST, %server, %grant, outcome, attempts, duration_ms, error, "token request");
            }
            outcome
        }
    };
    describe_counter!(REQUESTS, Unit::Count, "requests for a token at an authorization server, by how they ended");
    counter!(REQUESTS, "issuer" => server.as_str().to_owned(), "outcome" => outcome).increment(1);
}

/// Tells that an endpoint is left alone from now on.
pub(super) fn opened(issuer: &Issuer, endpoint: &str, left_alone: Duration) {
    tell(issuer, endpoint, 1.0);
    tracing::warn!(target: BREAKER, %issuer, endpoint, seconds = left_alone.as_secs(), "breaker opened");
}

/// Tells that it answers again.
pub(super) fn closed(issuer: &Issuer, endpoint: &str) {
    tell(issuer, endpoint, 0.0);
    tracing::info!(target: BREAKER, %issuer, endpoint, "breaker closed");
}

/// The handle is looked up each time, which is seldom: a recorder may be installed at any time.
fn tell(issuer: &Issuer, endpoint: &str, open: f64) {
    describe_gauge!(
        OPEN,
        Unit::Count,
        "endpoints of authorization servers that are left alone, because they were out of reach"
    );
    gauge!(OPEN, "issuer" => issuer.as_str().to_owned(), "endpoint" => endpoint.to_owned()).set(open);
}
