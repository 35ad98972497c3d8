//! Challenges, read as strictly as they have to be written (RFC 9110 §11.6.1).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{DemandedClaims, Refusal, RefusalKind, Scopes};
use tower_identity_inbound::{
    Asked, AuthBody, AuthLayer, CorrelationId,
    decision::{self, Stage},
    render,
};
use tower_identity_testkit::TestIssuer;

use crate::{
    error_map::map,
    support::{header, layer},
};

#[test]
fn rfc6750_a6_a_challenge_has_no_error_where_there_was_no_credential_and_there_only() {
    for row in map() {
        let Some(challenge) = row.challenge else { continue };
        let parameters = parameters(challenge).expect("a challenge");
        let has_error = parameters.iter().any(|(name, _)| name == "error");
        assert_eq!(has_error, row.kind != RefusalKind::NoCredential, "{challenge}");
    }
}

#[test]
fn rfc6750_a7_a_challenge_has_a_parameter_though_nothing_is_named() {
    let absent = Refusal::new(RefusalKind::NoCredential, "x");
    let response = render::response(&absent, &Asked::default(), CorrelationId::random());
    let challenge = header(response.headers(), "www-authenticate").expect("a challenge");
    assert_eq!(parameters(&challenge), Some(vec![("realm".to_owned(), "api".to_owned())]));
    // Whatever the refusal, and read by a reader that finds none in a bare scheme.
    assert!(map().iter().filter_map(|row| row.challenge).all(|challenge| parameters(challenge).is_some()));
    assert_eq!(parameters("Bearer"), None);
}

/// Names and values, in their order.
type Parameters = Vec<(String, String)>;

/// The parameters of a `Bearer` challenge, read strictly (RFC 9110 §11.2, §5.6.4), or `None`.
fn parameters(challenge: &str) -> Option<Parameters> {
    let mut rest = challenge.strip_prefix("Bearer ")?;
    let mut found = Parameters::new();
    loop {
        let (name, value) = rest.split_once("=\"")?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return None;
        }
        let mut text = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next()? {
                (end, '"') => break end,
                (_, '\\') => text.push(characters.next()?.1),
                (_, character @ ' '..='~') => text.push(character),
                _ => return None,
            }
        };
        if found.iter().any(|(earlier, _)| earlier == name) {
            return None;
        }
        found.push((name.to_owned(), text));
        rest = match &value[end + 1..] {
            "" => return Some(found),
            more => more.strip_prefix(", ")?,
        };
    }
}

#[test]
fn the_reader_of_challenges_is_strict() {
    let pairs = |all: &[(&str, &str)]| Some(all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
    let cases: [(&str, Option<Parameters>); 8] = [
        (r#"Bearer a="b""#, pairs(&[("a", "b")])),
        (r#"Bearer a="b\"c\\", d="""#, pairs(&[("a", "b\"c\\"), ("d", "")])),
        (r#"Bearer a="b" c="d""#, None),
        (r#"Bearer a="b", a="c""#, None),
        (r#"Bearer a="b", "#, None),
        (r#"Bearer a="b"#, None),
        ("Bearer a=\"b\r\"", None),
        ("Bearer ", None),
    ];
    for (challenge, expected) in cases {
        assert_eq!(parameters(challenge), expected, "{challenge:?}");
    }
}

fn visible(text: &str) -> String {
    text.chars().filter(|character| matches!(character, ' '..='~')).collect()
}

/// What a handler answers for this refusal behind this layer.
async fn challenged(layer: &AuthLayer, kind: RefusalKind) -> HeaderMap {
    let fails = service_fn(move |request: Request<()>| {
        let refused =
            decision::refuse(Stage::Handler, &Refusal::new(kind.clone(), "x"), &Asked::within(request.extensions()));
        async { Ok::<_, Infallible>(refused.map(Full::new)) }
    });
    let Ok(response): Result<Response<AuthBody<Full<Bytes>>>, _> = layer.layer(fails).oneshot(Request::new(())).await;
    response.headers().clone()
}

#[test]
fn e_p2_cve_2026_50630_no_text_leaves_its_place_in_a_challenge() {
    let issuer = TestIssuer::start();
    let layer = layer(&issuer).optional();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let hostile = || {
        prop_oneof![
            any::<String>(),
            "[\"\\\\, =\r\n\t\u{0}a-c]{0,12}",
            Just("\", error=\"none".to_owned()),
            Just("\r\nset-cookie: a=b\r\n\r\n".to_owned()),
        ]
    };
    proptest!(|(realm in hostile(), acr in prop::collection::vec(hostile(), 0..3), age in any::<Option<u32>>())| {
        let max_age = age.map(|seconds| Duration::from_secs(seconds.into()));
        let kind = RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values: acr.clone(), max_age };
        let headers = runtime.block_on(challenged(&layer.clone().realm(realm.clone()), kind));
        prop_assert_eq!(headers.get("set-cookie"), None);
        let mut expected = vec![("error".to_owned(), "insufficient_user_authentication".to_owned())];
        if !visible(&realm).is_empty() {
            expected.insert(0, ("realm".to_owned(), visible(&realm)));
        }
        if !acr.is_empty() {
            expected.push(("acr_values".to_owned(), visible(&acr.join(" "))));
        }
        expected.extend(age.map(|seconds| ("max_age".to_owned(), seconds.to_string())));
        prop_assert_eq!(parameters(&header(&headers, "www-authenticate").expect("a challenge")), Some(expected));
    });
}

#[test]
fn obo_b3_the_claims_that_are_demanded_are_in_the_challenge_and_cannot_leave_it() {
    let again = RefusalKind::InsufficientAuthentication {
        scope: Scopes::default(),
        acr_values: vec!["c1".to_owned()],
        max_age: None,
    };
    let challenge = |kind: &RefusalKind, claims: Option<&str>| {
        let refusal = Refusal::new(kind.clone(), "token_request");
        let refusal = match claims {
            Some(claims) => refusal.demanding(DemandedClaims::parse(claims).expect("an object")),
            None => refusal,
        };
        let answer = render::response(&refusal, &Asked::default(), CorrelationId::random());
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(!body.contains("access_token\\"), "{body}");
        header(answer.headers(), "www-authenticate")
    };
    let acrs = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let encoded = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19";
    let expected = format!(r#"Bearer error="insufficient_claims", claims="{encoded}", acr_values="c1""#);
    assert_eq!(challenge(&again, Some(acrs)), Some(expected));
    let expected = r#"Bearer error="insufficient_user_authentication", acr_values="c1""#;
    assert_eq!(challenge(&again, None).as_deref(), Some(expected));

    // What would end the string, the parameter or the line is all base64.
    for hostile in [r#"{"a":"\", error=\"none"}"#, r#"{"a":"\r\nset-cookie: a=b"}"#, "{\"a\":\"\u{e9}\u{7f}\"}"] {
        let told = challenge(&again, Some(hostile)).expect("a challenge");
        let told = parameters(&told).expect("parameters");
        let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["error", "claims", "acr_values"], "{hostile}");
        assert_eq!(DemandedClaims::from_base64(&told[1].1), DemandedClaims::parse(hostile), "{hostile}");
    }
    // Of another kind of refusal they are nobody's business.
    assert_eq!(challenge(&RefusalKind::InvalidToken, Some(acrs)).as_deref(), Some(r#"Bearer error="invalid_token""#));
    assert_eq!(challenge(&RefusalKind::Denied, Some(acrs)), None);
}
