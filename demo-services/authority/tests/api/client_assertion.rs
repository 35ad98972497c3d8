use serde_json::{Map, Value, json};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};

use crate::support::{
    ARCHIVE_KEY, As, Form, JWT_BEARER, LEDGER_KEY, Outcome, Running, accepted, changed, refused, sign,
};

const READ: [(&str, &str); 2] = [("grant_type", "client_credentials"), ("scope", "payments:read")];

/// A good assertion's claims.
fn claims(authority: &Running, jti: &str) -> Map<String, Value> {
    let claims = json!({
        "iss": "ledger", "sub": "ledger", "aud": authority.issuer, "jti": jti,
        "iat": authority.now(), "exp": authority.now() + 60,
    });
    claims.as_object().expect("an object").clone()
}

async fn outcome(authority: &Running, assertion: &str) -> Outcome {
    authority.token(As::Assertion(assertion), &READ).await.outcome()
}

/// What becomes of a good assertion with these claims changed.
async fn with(authority: &Running, changes: Value) -> Outcome {
    let jti = tower_identity_jose::random_id();
    let assertion = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &changed(claims(authority, &jti), changes));
    outcome(authority, &assertion).await
}

fn invalid() -> Outcome {
    refused("invalid_client")
}

#[tokio::test]
async fn rfc7523_c1_an_assertion_says_who_to_whom_and_until_when() {
    let authority = Running::start().await;
    assert_eq!(with(&authority, json!({})).await, accepted());
    for missing in ["iss", "sub", "aud", "exp"] {
        assert_eq!(with(&authority, json!({ missing: null })).await, invalid(), "{missing}");
    }
    let now = authority.now();
    let cases = [
        (json!({ "iss": "orders" }), invalid()),
        (json!({ "sub": "orders" }), invalid()),
        (json!({ "iss": "nobody", "sub": "nobody" }), invalid()),
        (json!({ "exp": now }), invalid()),
        (json!({ "exp": now + 1 }), accepted()),
        (json!({ "exp": (now + 60).to_string() }), invalid()),
        (json!({ "nbf": now + 30 }), accepted()),
        (json!({ "nbf": now + 31 }), invalid()),
        (json!({ "iat": now + 31 }), invalid()),
        (json!({ "iat": null }), accepted()),
    ];
    for (changes, expected) in cases {
        assert_eq!(with(&authority, changes.clone()).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn rfc7523_c1_only_the_clients_own_key_signs_for_it() {
    let authority = Running::start().await;
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key").with_key_id(LEDGER_KEY.key_id());
    let typ = &MediaType::CLIENT_AUTHENTICATION;
    assert_eq!(outcome(&authority, &sign(&LEDGER_KEY, typ, &claims(&authority, "1"))).await, accepted());
    assert_eq!(outcome(&authority, &sign(&stranger, typ, &claims(&authority, "2"))).await, invalid());

    let with_a_secret = changed(claims(&authority, "3"), json!({ "iss": "orders", "sub": "orders" }));
    assert_eq!(outcome(&authority, &sign(&LEDGER_KEY, typ, &with_a_secret)).await, invalid());
    assert_eq!(outcome(&authority, "not.a.token").await, invalid());
}

#[tokio::test]
async fn rfc7523_c2_the_audience_is_the_issuer_and_nothing_else() {
    let authority = Running::start().await;
    let issuer = authority.issuer.clone();
    let cases = [
        (json!(issuer), accepted()),
        (json!([issuer]), accepted()),
        (json!(format!("{issuer}/token")), invalid()),
        (json!(format!("{issuer}/")), invalid()),
        (json!([issuer, "https://other.example"]), invalid()),
        (json!([issuer, issuer]), invalid()),
        (json!([]), invalid()),
        (json!(7), invalid()),
    ];
    for (aud, expected) in cases {
        assert_eq!(with(&authority, json!({ "aud": aud })).await, expected, "{aud}");
    }
}

#[tokio::test]
async fn rfc7523_c3_the_kind_is_client_authentication_or_not_said() {
    let authority = Running::start().await;
    let cases = [
        (Some("client-authentication+jwt"), accepted()),
        (Some("JWT"), accepted()),
        (None, accepted()),
        (Some("at+jwt"), invalid()),
        (Some("dpop+jwt"), invalid()),
    ];
    for (at, (typ, expected)) in cases.into_iter().enumerate() {
        let mut header = LEDGER_KEY.header(&MediaType::JWT);
        match typ {
            Some(typ) => header.insert("typ".to_owned(), json!(typ)),
            None => header.remove("typ"),
        };
        let assertion = LEDGER_KEY.sign_with_header(&header, &claims(&authority, &at.to_string())).expect("signed");
        assert_eq!(outcome(&authority, assertion.expose()).await, expected, "{typ:?}");
    }
}

#[tokio::test]
async fn rfc7523_c4_an_assertion_is_short_and_used_once() {
    let authority = Running::start().await;
    let now = authority.now();
    assert_eq!(with(&authority, json!({ "jti": null })).await, invalid());
    assert_eq!(with(&authority, json!({ "jti": "" })).await, invalid());
    assert_eq!(with(&authority, json!({ "jti": "x".repeat(128) })).await, accepted());
    assert_eq!(with(&authority, json!({ "jti": "x".repeat(129) })).await, invalid());
    assert_eq!(with(&authority, json!({ "exp": now + 600 })).await, accepted());
    assert_eq!(with(&authority, json!({ "exp": now + 601 })).await, invalid());

    let once = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &claims(&authority, "once"));
    assert_eq!(outcome(&authority, &once).await, accepted());
    assert_eq!(outcome(&authority, &once).await, invalid());
    let again = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &claims(&authority, "again"));
    assert_eq!(outcome(&authority, &again).await, accepted());
}

#[tokio::test]
async fn rfc7523_c4_of_equal_assertions_at_one_time_one_is_accepted() {
    let authority = Running::start().await;
    let once = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &claims(&authority, "race"));
    let mut outcomes = Vec::new();
    let requests = (0..16).map(|_| outcome(&authority, &once));
    for outcome in futures_util::future::join_all(requests).await {
        outcomes.push(outcome);
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == accepted()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == invalid()).count(), 15);
}

#[tokio::test]
async fn rfc7523_c5_one_assertion_and_no_other_client_id() {
    let authority = Running::start().await;
    let with = async |jti: &str, more: Form<'_>| {
        let assertion = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &claims(&authority, jti));
        authority.token(As::Assertion(&assertion), &[&READ[..], more].concat()).await.outcome()
    };
    assert_eq!(with("1", &[("client_id", "ledger")]).await, accepted());
    assert_eq!(with("2", &[("client_id", "orders")]).await, invalid());
    assert_eq!(with("3", &[("client_assertion", "x")]).await, refused("invalid_request"));
    assert_eq!(with("4", &[]).await, accepted());

    let assertion = sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, &claims(&authority, "5"));
    for (type_of, expected) in [("urn:other", invalid()), ("", invalid()), (JWT_BEARER, accepted())] {
        let form = [&READ[..], &[("client_assertion", &assertion), ("client_assertion_type", type_of)]].concat();
        assert_eq!(authority.token(As::Nobody, &form).await.outcome(), expected);
    }
}

#[tokio::test]
async fn rfc7523_c6_rs256_is_understood() {
    let authority = Running::start().await;
    let archive = changed(claims(&authority, "1"), json!({ "iss": "archive", "sub": "archive" }));
    let typ = &MediaType::CLIENT_AUTHENTICATION;
    assert_eq!(ARCHIVE_KEY.algorithm(), Algorithm::Rs256);
    assert_eq!(outcome(&authority, &sign(&ARCHIVE_KEY, typ, &archive)).await, accepted());
    assert_eq!(outcome(&authority, &sign(&ARCHIVE_KEY, typ, &claims(&authority, "2"))).await, invalid());
}
