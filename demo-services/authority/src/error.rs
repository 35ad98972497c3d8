//! What the token endpoint answers when it refuses (RFC 6749 §5.2, RFC 8693 §2.2.2).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tower_identity_jose::SignError;

/// The error codes of the token endpoint, as they stand on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErrorCode {
    /// The request is malformed, or its subject or actor token is not acceptable (RFC 8693 §2.2.2).
    InvalidRequest,
    /// The client did not authenticate.
    InvalidClient,
    /// The assertion that is to be redeemed is not acceptable (RFC 7523 §3.1).
    InvalidGrant,
    /// The client may not use this grant at all.
    UnauthorizedClient,
    /// No such grant here.
    UnsupportedGrantType,
    /// None of the scopes is granted.
    InvalidScope,
    /// No token for this audience or resource (RFC 8707 §2).
    InvalidTarget,
    /// A bounded store is full: to let the request through would be to skip a check.
    TemporarilyUnavailable,
    /// Signing failed: a fault of ours.
    ServerError,
}

/// A refusal of the token endpoint. The reason is ours, never a part of the request, so it cannot echo a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {reason}")]
pub(crate) struct TokenError {
    code: ErrorCode,
    reason: &'static str,
    challenge: bool,
}

impl TokenError {
    pub(crate) const fn new(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, challenge: false }
    }

    pub(crate) const fn invalid_request(reason: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, reason)
    }

    pub(crate) const fn invalid_client(reason: &'static str) -> Self {
        Self::new(ErrorCode::InvalidClient, reason)
    }

    /// The token could not be signed. The cause is for the log.
    #[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
    pub(crate) fn not_signed(error: SignError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "signing failed");
        Self::new(ErrorCode::ServerError, "the token could not be signed")
    }

    /// Why, in our words: no two refusals have the same.
    pub(crate) const fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether it is nothing that the client did.
    pub(crate) const fn is_our_trouble(&self) -> bool {
        matches!(self.code, ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError)
    }

    /// Tells the operator of it.
    pub(crate) fn log(&self) {
        tracing::info!(code = ?self.code, reason = self.reason, "token request refused");
    }

    /// Answers 401 with a challenge: for a client that used the `Authorization` header, or nothing (RFC 6749 §5.2).
    pub(crate) const fn challenged(mut self) -> Self {
        self.challenge = true;
        self
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: ErrorCode,
            error_description: &'static str,
        }
        self.log();
        let status = match self.code {
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InvalidClient if self.challenge => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut response = (status, Json(Body { error: self.code, error_description: self.reason })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static(r#"Basic realm="authority""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_c5_each_code_has_its_status() {
        let unavailable = TokenError::new(ErrorCode::TemporarilyUnavailable, "full");
        let cases = [
            (TokenError::invalid_request("x"), 400, None, None),
            (TokenError::invalid_client("x"), 400, None, None),
            (TokenError::invalid_client("x").challenged(), 401, Some(r#"Basic realm="authority""#), None),
            (TokenError::new(ErrorCode::InvalidTarget, "x"), 400, None, None),
            (unavailable, 503, None, Some("1")),
            (TokenError::not_signed(SignError::Signature), 500, None, None),
        ];
        for (error, status, challenge, retry_after) in cases {
            let response = error.clone().into_response();
            let header = |name| response.headers().get(name).map(|value| value.to_str().expect("text"));
            let found = (response.status().as_u16(), header(header::WWW_AUTHENTICATE), header(header::RETRY_AFTER));
            assert_eq!(found, (status, challenge, retry_after), "{error}");
        }
    }
}
