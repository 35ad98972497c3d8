use std::time::Duration;

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Response,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_identity_core::{Refusal, RefusalKind, Scopes};
use tower_identity_inbound::{Asked, CorrelationId, render};

use crate::support::{Seen, header, see};

fn kinds() -> Vec<RefusalKind> {
    vec![
        RefusalKind::NoCredential,
        RefusalKind::MalformedRequest,
        RefusalKind::InvalidToken,
        RefusalKind::InsufficientScope { required: Scopes::parse("orders:write orders:read").expect("scopes") },
        RefusalKind::InsufficientAuthentication {
            acr_values: vec!["gold".to_owned(), "silver".to_owned()],
            max_age: Some(Duration::from_secs(300)),
        },
        RefusalKind::UnrelatedCredentials,
        RefusalKind::Unavailable { retry_after: Duration::from_millis(1500) },
        RefusalKind::Denied,
        RefusalKind::Misconfigured,
        RefusalKind::Internal,
        RefusalKind::BadUpstream,
    ]
}

fn asked(content_type: &'static str) -> Asked {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Asked::of(&Method::POST, &headers, &Extensions::new())
}

/// Rendered with everything that must stay with the operator.
fn rendered(kind: RefusalKind, asked: &Asked, correlation: CorrelationId) -> Response<bytes::Bytes> {
    let refusal = Refusal::new(kind, "inner-check")
        .detail("inner-detail")
        .issuer("https://inner.example".parse().expect("issuer"))
        .caused_by(std::io::Error::other("inner-cause"));
    render::response(&refusal, asked, correlation)
}

#[tokio::test]
async fn e1_to_e13_over_http_status_challenge_and_problem_are_those_of_the_map() {
    let table: [(u16, Option<&str>, &str, &str, &str); 11] = [
        (401, Some(r#"Bearer realm="api""#), "Unauthorized", "no_credential", "this request needs an access token"),
        (
            400,
            Some(r#"Bearer error="invalid_request""#),
            "Bad Request",
            "malformed_request",
            "the request presents its credential in a malformed way",
        ),
        (
            401,
            Some(r#"Bearer error="invalid_token""#),
            "Unauthorized",
            "invalid_token",
            "the access token was not accepted",
        ),
        (
            403,
            Some(r#"Bearer error="insufficient_scope", scope="orders:read orders:write""#),
            "Forbidden",
            "insufficient_scope",
            "the access token lacks a scope that this request needs",
        ),
        (
            401,
            Some(r#"Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="300""#),
            "Unauthorized",
            "insufficient_user_authentication",
            "the user has to sign in again, or by stronger means",
        ),
        (403, None, "Forbidden", "unrelated_credentials", "nothing ties the credentials of this request together"),
        (503, None, "Service Unavailable", "unavailable", "this cannot be decided now, try again later"),
        (403, None, "Forbidden", "denied", "this caller may not do this"),
        (500, None, "Internal Server Error", "misconfigured", "this service could not handle the request"),
        (500, None, "Internal Server Error", "internal", "this service could not handle the request"),
        (502, None, "Bad Gateway", "bad_upstream", "a service that this one depends on gave an unusable answer"),
    ];
    for (kind, (status, challenge, title, code, detail)) in kinds().into_iter().zip(table) {
        let correlation = CorrelationId::random();
        let response = rendered(kind.clone(), &Asked::default(), correlation);
        assert_eq!(header(response.headers(), "content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(header(response.headers(), "x-correlation-id"), Some(correlation.to_string()));
        assert_eq!(header(response.headers(), "grpc-status"), None);
        let retry_after = matches!(kind, RefusalKind::Unavailable { .. }).then(|| "2".to_owned());
        assert_eq!(header(response.headers(), RETRY_AFTER.as_str()), retry_after, "{kind:?}");

        let mut body = json!({
            "type": "about:blank", "title": title, "status": status, "detail": detail, "code": code,
            "correlation_id": correlation.to_string(),
        });
        if let RefusalKind::InsufficientScope { .. } = kind {
            body["scope"] = "orders:read orders:write".into();
        }
        let expected = Seen { status, challenge: challenge.map(str::to_owned), body };
        assert_eq!(see(response.map(Full::new)).await, expected, "{kind:?}");
    }
}

#[tokio::test]
async fn g1_g2_over_grpc_the_answer_is_200_and_trailers_only() {
    let statuses = ["16", "16", "16", "7", "16", "7", "14", "7", "13", "13", "14"];
    let cases = [("application/grpc+proto", "application/grpc"), ("application/grpc-web-text", "application/grpc-web")];
    for (sent, answered) in cases {
        for (kind, grpc_status) in kinds().into_iter().zip(statuses) {
            let response = rendered(kind.clone(), &asked(sent), CorrelationId::random());
            let headers = response.headers();
            assert_eq!(header(headers, "grpc-status").as_deref(), Some(grpc_status), "{kind:?}");
            assert_eq!(header(headers, "content-type").as_deref(), Some(answered));
            assert!(header(headers, "x-correlation-id").is_some());
            let message = header(headers, "grpc-message").expect("a message");
            assert!(message.bytes().all(|b| matches!(b, 0x20..=0x24 | 0x26..=0x7e)), "needs encoding: {message}");

            let over_http = rendered(kind.clone(), &Asked::default(), CorrelationId::random());
            let challenge = header(over_http.headers(), "www-authenticate");
            assert_eq!(
                see(response.map(Full::new)).await,
                Seen { status: 200, challenge, body: Value::Null },
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn e_p1_the_peer_learns_nothing_of_the_check_its_detail_or_its_cause() {
    for kind in kinds() {
        for asked in [Asked::default(), asked("application/grpc")] {
            let response = rendered(kind.clone(), &asked, CorrelationId::random());
            let told = format!("{:?} {}", response.headers(), String::from_utf8_lossy(response.body()));
            assert!(!told.contains("inner"), "{told}");
        }
    }
}

#[test]
fn e_p2_no_text_can_leave_its_quotes_in_a_challenge() {
    let hostile = "gold\"\r\nset-cookie: a=b\\\u{1F980}\0";
    let kind = RefusalKind::InsufficientAuthentication { acr_values: vec![hostile.to_owned()], max_age: None };
    let response = rendered(kind, &Asked::default(), CorrelationId::random());
    assert_eq!(
        header(response.headers(), "www-authenticate").as_deref(),
        Some(r#"Bearer error="insufficient_user_authentication", acr_values="gold\"set-cookie: a=b\\""#)
    );
    assert_eq!(response.headers().get("set-cookie"), None);
}

#[test]
fn e_p3_every_401_carries_exactly_one_challenge() {
    for kind in kinds() {
        let response = rendered(kind.clone(), &Asked::default(), CorrelationId::random());
        let challenge = header(response.headers(), "www-authenticate");
        assert!(response.status() != 401 || challenge.is_some(), "{kind:?}");
    }
}

#[test]
fn e10_retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    let cases = [(0, "1"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (30_000, "30")];
    for (millis, seconds) in cases {
        let kind = RefusalKind::Unavailable { retry_after: Duration::from_millis(millis) };
        let response = rendered(kind, &Asked::default(), CorrelationId::random());
        assert_eq!(header(response.headers(), "retry-after").as_deref(), Some(seconds), "{millis} ms");
    }
    let forever = RefusalKind::Unavailable { retry_after: Duration::MAX };
    let response = rendered(forever, &Asked::default(), CorrelationId::random());
    assert_eq!(header(response.headers(), "retry-after"), Some(u64::MAX.to_string()));
}

#[test]
fn the_refusal_is_an_extension_of_its_response() {
    for asked in [Asked::default(), asked("application/grpc")] {
        let response = rendered(RefusalKind::Denied, &asked, CorrelationId::random());
        let refusal = response.extensions().get::<Refusal>().expect("the refusal");
        assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::Denied, "inner-check"));
    }
}
