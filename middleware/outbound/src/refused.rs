//! What a target's refusal of its credential means: the token is forgotten, and the response says so.

#[cfg(any(feature = "retry", feature = "reqwest"))]
use http::Extensions;
use http::{HeaderMap, HeaderName, StatusCode, header::CONTENT_TYPE};

#[cfg(feature = "reqwest")]
use tower_identity_core::{Refusal, RefusalKind, Scopes};

use crate::Demand;

/// The check by which our own caller is told what a target answered.
#[cfg(feature = "reqwest")]
pub(crate) const DOWNSTREAM: &str = "downstream";

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// On a response: the target refused the credential of its request, by 401 or by gRPC's status 16 (`UNAUTHENTICATED`)
/// in place of an answer.
///
/// The token is forgotten where another may be better, and another attempt then gets a new one. A target that refuses
/// every token is not heeded each time: for some seconds after one refusal, further ones leave the remembered token as
/// it is. No other answer ends a token: 403 is final.
///
/// ```
/// use tower_identity_outbound::TargetRefusal;
///
/// fn is_signed_out(response: &http::Response<()>) -> bool {
///     response.extensions().get::<TargetRefusal>().is_some()
/// }
/// # assert!(!is_signed_out(&http::Response::new(())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRefusal {
    demand: Demand,
    token_dropped: bool,
    /// Whether the token was made from a user's.
    of_user: bool,
}

impl TargetRefusal {
    /// What the target wants in its place.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Whether the token was forgotten, so that another attempt gets a new one.
    #[must_use]
    pub fn token_dropped(&self) -> bool {
        self.token_dropped
    }

    /// Whether another attempt would present something else, and the target says that this would do: a new token
    /// where it named the old one invalid, or a proof with its nonce.
    #[must_use]
    pub fn invites_retry(&self) -> bool {
        match self.demand {
            Demand::Token => self.token_dropped,
            Demand::Nonce(_) => true,
            _ => false,
        }
    }

    /// What our own caller is told, where its user has to sign in again: what would do there. A scope that is missing
    /// there besides is none of our caller's.
    #[cfg(feature = "reqwest")]
    pub(crate) fn sign_in(&self) -> Option<Refusal> {
        match &self.demand {
            Demand::SignIn { acr_values, max_age, claims, .. } if self.of_user => {
                let (acr_values, max_age) = (acr_values.clone(), *max_age);
                let kind = RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values, max_age };
                let refusal = Refusal::new(kind, DOWNSTREAM);
                Some(match claims {
                    Some(claims) => refusal.demanding(claims.clone()),
                    None => refusal,
                })
            }
            _ => None,
        }
    }

    /// Whether an answer with these extensions is one after which its request is tried again.
    #[cfg(any(feature = "retry", feature = "reqwest"))]
    pub(crate) fn is_invitation(extensions: &Extensions) -> bool {
        extensions.get().is_some_and(Self::invites_retry)
    }

    /// Reads an answer; if it is a refusal, ends the life of the token that it was sent. No new token brings a nonce
    /// or another sign-in: where one of them is wanted, the token stays.
    pub(crate) fn read(
        status: StatusCode,
        headers: &HeaderMap,
        of_user: bool,
        drop_token: impl FnOnce() -> bool,
    ) -> Option<Self> {
        if !is_refusal(status, headers) {
            return None;
        }
        let demand = Demand::of(headers);
        let token_dropped = matches!(demand, Demand::Token | Demand::Unsaid) && drop_token();
        Some(Self { demand, token_dropped, of_user })
    }
}

/// 401 (RFC 9110 §15.5.2), which says that nothing was done; and its counterpart in gRPC, whose status is 200: trailers
/// that came in the place of headers. Status 16 in trailers at the end of an answer is not seen here: a call that had
/// begun is not to be repeated.
fn is_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    match status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::OK if headers.get(&GRPC_STATUS).is_some_and(|code| code == "16") => {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().get(..GRPC.len()));
            content_type.is_some_and(|kind| kind.eq_ignore_ascii_case(GRPC))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use http::header::WWW_AUTHENTICATE;

    use super::*;

    const OTHER_TOKEN: (&str, &str) = ("www-authenticate", r#"Bearer error="invalid_token""#);

    type Fields<'f> = &'f [(&'static str, &'f str)];

    fn headers(pairs: Fields<'_>) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn rfc6750_b2_401_and_trailers_only_16_are_refusals_and_nothing_else_is() {
        let grpc = ("content-type", "application/grpc");
        let cases: [(u16, Fields<'_>, bool); 15] = [
            (401, &[], true),
            (401, &[grpc, ("grpc-status", "7")], true),
            (200, &[grpc, ("grpc-status", "16")], true),
            (200, &[("content-type", "Application/gRPC+proto"), ("grpc-status", "16")], true),
            (200, &[("content-type", "application/grpc-web"), ("grpc-status", "16")], true),
            (200, &[("content-type", "application/json"), ("grpc-status", "16")], false),
            (200, &[("grpc-status", "16")], false),
            (200, &[grpc, ("grpc-status", "7")], false),
            (200, &[grpc, ("grpc-status", "0")], false),
            (200, &[grpc, ("grpc-status", "016")], false),
            (200, &[grpc], false),
            (200, &[OTHER_TOKEN], false),
            (403, &[OTHER_TOKEN], false),
            (403, &[grpc, ("grpc-status", "16")], false),
            (407, &[OTHER_TOKEN], false),
        ];
        for (status, fields, expected) in cases {
            let asked = Cell::new(false);
            let status = StatusCode::from_u16(status).expect("a status");
            let refusal = TargetRefusal::read(status, &headers(fields), true, || {
                asked.set(true);
                true
            });
            assert_eq!((refusal.is_some(), asked.get()), (expected, expected), "{status} {fields:?}");
        }
    }

    #[test]
    fn rfc6750_b2_another_attempt_is_worth_it_where_it_would_be_another() {
        let sign_in = r#"Bearer error="insufficient_user_authentication""#;
        let cases = [
            // challenge, nonce, whether the token can be dropped; whether it was; whether to try again
            (Some(OTHER_TOKEN.1), None, true, true, true),
            (Some(OTHER_TOKEN.1), None, false, false, false),
            (None, None, true, true, false),
            (Some(r#"Bearer error="insufficient_scope""#), None, true, true, false),
            (Some(r#"DPoP error="use_dpop_nonce""#), Some("n"), true, false, true),
            (Some(r#"DPoP error="use_dpop_nonce""#), None, true, true, false),
            (Some(sign_in), None, true, false, false),
        ];
        for (challenge, nonce, can_be_dropped, dropped, again) in cases {
            let mut fields = HeaderMap::new();
            let pairs = [(WWW_AUTHENTICATE, challenge), (HeaderName::from_static("dpop-nonce"), nonce)];
            fields.extend(pairs.into_iter().filter_map(|(name, value)| Some((name, value?.parse().expect("a value")))));
            let refusal =
                TargetRefusal::read(StatusCode::UNAUTHORIZED, &fields, true, || can_be_dropped).expect("refused");
            assert_eq!((refusal.token_dropped(), refusal.invites_retry()), (dropped, again), "{challenge:?}");
        }
    }
}
