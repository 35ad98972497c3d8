//! The error map, whole: every kind of refusal in every language, to the last header.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, Response, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tower_identity_core::{Refusal, RefusalKind, Scopes};
use tower_identity_inbound::{Asked, CorrelationId, render};

use crate::support::header;

/// A row: what is wrong, and what the peer learns of it.
pub(crate) struct Row {
    pub(crate) kind: RefusalKind,
    status: u16,
    pub(crate) challenge: Option<&'static str>,
    retry_after: Option<&'static str>,
    grpc_status: &'static str,
    detail: &'static str,
}

pub(crate) fn map() -> Vec<Row> {
    let required = Scopes::parse("orders:write orders:read").expect("scopes");
    let again = |scope: &str, acr_values: &[&str], max_age: Option<u64>| RefusalKind::InsufficientAuthentication {
        scope: Scopes::parse(scope).expect("scopes"),
        acr_values: acr_values.iter().map(|value| (*value).to_owned()).collect(),
        max_age: max_age.map(Duration::from_secs),
    };
    let unrelated = "nothing ties the credentials of this request together";
    let later = RefusalKind::Unavailable { retry_after: Duration::from_millis(1500) };
    let e5 = "the user has to sign in again, or by stronger means";
    let e12 = "this service could not handle the request";
    let e13 = "a service that this one depends on gave an unusable answer";
    [
        // E1
        (RefusalKind::NoCredential, 401, r#"Bearer realm="api""#, "", "16", "this request needs an access token"),
        // E2
        (
            RefusalKind::MalformedRequest,
            400,
            r#"Bearer error="invalid_request""#,
            "",
            "16",
            "the request presents its credential in a malformed way",
        ),
        // E3
        (
            RefusalKind::InvalidToken,
            401,
            r#"Bearer error="invalid_token""#,
            "",
            "16",
            "the access token was not accepted",
        ),
        // E4
        (
            RefusalKind::InsufficientScope { required },
            403,
            r#"Bearer error="insufficient_scope", scope="orders:read orders:write""#,
            "",
            "7",
            "the access token lacks a scope that this request needs",
        ),
        // E5, in each of its forms
        (
            again("", &["gold", "silver"], Some(300)),
            401,
            r#"Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="300""#,
            "",
            "16",
            e5,
        ),
        (
            again("", &["gold"], None),
            401,
            r#"Bearer error="insufficient_user_authentication", acr_values="gold""#,
            "",
            "16",
            e5,
        ),
        (again("", &[], Some(0)), 401, r#"Bearer error="insufficient_user_authentication", max_age="0""#, "", "16", e5),
        (again("", &[], None), 401, r#"Bearer error="insufficient_user_authentication""#, "", "16", e5),
        (
            again("orders:write orders:read", &["gold"], Some(300)),
            401,
            r#"Bearer error="insufficient_user_authentication", scope="orders:read orders:write", acr_values="gold", max_age="300""#,
            "",
            "16",
            e5,
        ),
        // E8
        (RefusalKind::InvalidTransactionToken, 400, "", "", "16", "the transaction token was not accepted"),
        // E9 to E13
        (RefusalKind::UnrelatedCredentials, 403, "", "", "7", unrelated),
        (later, 503, "", "2", "14", "this cannot be decided now, try again later"),
        (RefusalKind::Denied, 403, "", "", "7", "this caller may not do this"),
        (RefusalKind::Misconfigured, 500, "", "", "13", e12),
        (RefusalKind::Internal, 500, "", "", "13", e12),
        (RefusalKind::BadUpstream, 502, "", "", "14", e13),
    ]
    .map(|(kind, status, challenge, retry_after, grpc_status, detail)| {
        let [challenge, retry_after] = [challenge, retry_after].map(|text| Some(text).filter(|text| !text.is_empty()));
        Row { kind, status, challenge, retry_after, grpc_status, detail }
    })
    .into()
}

/// What each kind is called, in bodies, logs and counters.
const CODES: [&str; 12] = [
    "bad_upstream",
    "denied",
    "insufficient_scope",
    "insufficient_user_authentication",
    "internal",
    "invalid_token",
    "invalid_transaction_token",
    "malformed_request",
    "misconfigured",
    "no_credential",
    "unavailable",
    "unrelated_credentials",
];

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        other => panic!("the map has no {other}"),
    }
}

fn asked(content_type: &'static str) -> Asked {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Asked::of(&Method::POST, &headers, &Extensions::new())
}

/// A response to its last byte.
#[derive(Debug, PartialEq)]
struct Whole {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Rendered with everything that must stay with the operator.
fn response(kind: &RefusalKind, asked: &Asked, correlation: CorrelationId) -> Response<Bytes> {
    let refusal = Refusal::new(kind.clone(), "inner-check")
        .detail("inner-detail")
        .issuer("https://inner.example".parse().expect("issuer"))
        .caused_by(std::io::Error::other("inner-cause"));
    render::response(&refusal, asked, correlation)
}

fn rendered(kind: &RefusalKind, asked: &Asked, correlation: CorrelationId) -> Whole {
    let response = response(kind, asked, correlation);
    let names: Vec<_> = response.headers().keys().map(ToString::to_string).collect();
    let headers = names.into_iter().map(|name| (name.clone(), header(response.headers(), &name).expect("there")));
    let body = response.body();
    Whole {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(body).expect("JSON") },
    }
}

fn headers(all: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
    all.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))).collect()
}

#[test]
fn e_p1_every_kind_in_every_language_is_as_the_map_has_it_and_tells_no_more() {
    let correlation = CorrelationId::random();
    let id = correlation.to_string();
    for row in map() {
        let mut body = json!({
            "type": "about:blank", "title": title(row.status), "status": row.status, "detail": row.detail,
            "code": row.kind.as_str(), "correlation_id": id,
        });
        if row.challenge.is_some_and(|challenge| challenge.contains(r#"scope="orders:read orders:write""#)) {
            body["scope"] = "orders:read orders:write".into();
        }
        let common = [
            ("www-authenticate", row.challenge),
            ("retry-after", row.retry_after),
            ("x-correlation-id", Some(id.as_str())),
        ];
        let over_http = Whole {
            status: row.status,
            headers: headers(&[&common[..], &[("content-type", Some("application/problem+json"))]].concat()),
            body,
        };
        for plain in [Asked::default(), asked("application/json")] {
            assert_eq!(rendered(&row.kind, &plain, correlation), over_http, "{:?}", row.kind);
        }
        for (sent, answered) in [
            ("application/grpc", "application/grpc"),
            ("application/grpc+proto", "application/grpc"),
            ("application/grpc-web", "application/grpc-web"),
            ("application/grpc-web-text", "application/grpc-web"),
        ] {
            let of_grpc = [
                ("content-type", Some(answered)),
                ("grpc-status", Some(row.grpc_status)),
                ("grpc-message", Some(row.detail)),
            ];
            let expected =
                Whole { status: 200, headers: headers(&[&common[..], &of_grpc].concat()), body: Value::Null };
            assert_eq!(rendered(&row.kind, &asked(sent), correlation), expected, "{:?} {sent}", row.kind);
        }
    }
}

#[test]
fn the_table_has_every_kind() {
    let kinds: BTreeSet<_> = map().iter().map(|row| row.kind.as_str()).collect();
    assert!(kinds.iter().eq(&CODES), "{kinds:?}");
}

#[test]
fn rfc9457_a1_a_problem_has_its_media_type_and_the_status_of_its_response_and_nothing_from_inside() {
    for row in map() {
        let problem = rendered(&row.kind, &Asked::default(), CorrelationId::random());
        assert_eq!(problem.headers["content-type"], "application/problem+json", "{:?}", row.kind);
        assert_eq!(problem.body["status"], problem.status, "{:?}", row.kind);
        assert_eq!(problem.body["type"], "about:blank", "{:?}", row.kind);
        assert!(!problem.body.to_string().contains("inner"), "{}", problem.body);
    }
}

#[test]
fn g2_a_status_is_plain_decimal() {
    for row in map() {
        let of_grpc = rendered(&row.kind, &asked("application/grpc"), CorrelationId::random());
        let status = &of_grpc.headers["grpc-status"];
        assert_eq!(status.parse::<u8>().map(|code| code.to_string()).as_ref(), Ok(status), "{:?}", row.kind);
    }
}

#[test]
fn g1_a_message_needs_no_encoding() {
    for row in map() {
        assert!(row.detail.bytes().all(|b| matches!(b, 0x20..=0x24 | 0x26..=0x7e)), "{}", row.detail);
    }
}

#[test]
fn e_p3_a_401_has_a_challenge_and_what_has_none_is_no_401() {
    for row in map() {
        assert!(row.status != 401 || row.challenge.is_some(), "{:?}", row.kind);
    }
}

#[test]
fn e10_retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    let cases = [(0, "1"), (1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (30_000, "30")];
    for (millis, seconds) in cases {
        let kind = RefusalKind::Unavailable { retry_after: Duration::from_millis(millis) };
        let rendered = response(&kind, &Asked::default(), CorrelationId::random());
        assert_eq!(header(rendered.headers(), "retry-after").as_deref(), Some(seconds), "{millis} ms");
    }
    let forever = RefusalKind::Unavailable { retry_after: Duration::MAX };
    let rendered = response(&forever, &Asked::default(), CorrelationId::random());
    assert_eq!(header(rendered.headers(), "retry-after"), Some(u64::MAX.to_string()));
}

#[test]
fn the_refusal_is_an_extension_of_its_response() {
    for asked in [Asked::default(), asked("application/grpc")] {
        let rendered = response(&RefusalKind::Denied, &asked, CorrelationId::random());
        let refusal = rendered.extensions().get::<Refusal>().expect("the refusal");
        assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::Denied, "inner-check"));
    }
}
