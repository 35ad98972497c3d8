//! Whom a token may be exchanged for.

use serde_json::json;

use super::{outcome, with};
use crate::support::{As, Form, ORDERS, Outcome, Running, accepted, refused};

#[tokio::test]
async fn te_c2_a_target_without_a_row_is_an_invalid_target() {
    let authority = Running::start().await;
    let token = authority.orders_token(json!({}));
    let cases: [(Form<'_>, Outcome); 6] = [
        (&[("audience", "payments")], accepted()),
        (&[("audience", "ledger")], refused("invalid_target")),
        (&[("audience", "nobody")], refused("invalid_target")),
        (&[], refused("invalid_target")),
        (&[("audience", "payments"), ("audience", "ledger")], refused("invalid_target")),
        (&[("audience", "payments"), ("resource", "https://payments.example/")], refused("invalid_target")),
    ];
    for (target, expected) in cases {
        assert_eq!(with(&authority, &token, target).await, expected, "{target:?}");
    }
    // Of another audience of the same client, no row leads on.
    let elsewhere = authority.orders_token(json!({ "aud": "https://orders.example/" }));
    assert_eq!(outcome(&authority, &elsewhere).await, refused("invalid_target"));
}

#[tokio::test]
async fn te_c4_a_resource_is_an_absolute_uri_without_fragment() {
    let authority = Running::start().await;
    let token = authority.orders_token(json!({}));
    // As names of audiences, policy knows all three; as resources, two of them are no good.
    for audience in ["https://payments.example/", "https://payments.example/#a", "payments"] {
        assert_eq!(with(&authority, &token, &[("audience", audience)]).await, accepted(), "{audience}");
    }
    for resource in ["/payments", "payments", "https://payments.example/#a", "://", "1:a"] {
        let outcome = with(&authority, &token, &[("resource", resource)]).await;
        assert_eq!(outcome, refused("invalid_target"), "{resource}");
    }
    assert_eq!(with(&authority, &token, &[("resource", "https://payments.example/")]).await, accepted());
}

#[tokio::test]
async fn rfc8707_c1_a_resource_that_nobody_knows_is_an_invalid_target() {
    let authority = Running::start().await;
    let token = authority.orders_token(json!({}));
    for resource in ["https://payments.example", "https://payments.example/v1", "https://ledger.example/"] {
        let outcome = with(&authority, &token, &[("resource", resource)]).await;
        assert_eq!(outcome, refused("invalid_target"), "{resource}");
    }
    assert_eq!(with(&authority, &token, &[("resource", "https://payments.example/")]).await, accepted());
}

#[tokio::test]
async fn rfc8707_c2_the_token_is_for_the_resource_that_was_asked_for() {
    let authority = Running::start().await;
    let answer = authority
        .exchange(ORDERS, &authority.orders_token(json!({})), &[("resource", "https://payments.example/")])
        .await;
    assert_eq!(authority.claims(&answer.token()).await["aud"], json!("https://payments.example/"));
}

#[tokio::test]
async fn a_row_shortens_the_life_of_its_tokens_and_lengthens_none() {
    for (seconds, expected) in [(json!(null), 120), (json!(20), 20), (json!(86_400), 120)] {
        let authority = Running::with(|settings| settings["policy"][1]["access_token_seconds"] = seconds).await;
        let answer = authority.exchange(ORDERS, &authority.orders_token(json!({})), &[("audience", "payments")]).await;
        assert_eq!(answer.body["expires_in"], json!(expected), "the token that was exchanged lasts two minutes");
        let claims = authority.claims(&answer.token()).await;
        assert_eq!(claims["exp"], json!(authority.now() + expected));
    }
}

#[tokio::test]
async fn rfc9068_c3_a_resource_is_one_audience_and_a_token_has_no_second() {
    let authority = Running::start().await;
    let token = authority.orders_token(json!({}));
    let answer = authority.exchange(ORDERS, &token, &[("audience", "payments")]).await;
    assert_eq!(authority.claims(&answer.token()).await["aud"], json!("payments"));
    let both = [("audience", "payments"), ("resource", "https://payments.example/")];
    assert_eq!(with(&authority, &token, &both).await, refused("invalid_target"));
}

#[tokio::test]
async fn te_c2_a_client_that_no_row_names_exchanges_nothing() {
    let authority = Running::start().await;
    let token = authority.orders_token(json!({ "aud": ["payments", "orders"] }));
    let payments = As::Basic("payments", "payments-secret-of-the-test");
    let answer = authority.exchange(payments, &token, &[("audience", "orders")]).await;
    assert_eq!(answer.outcome(), refused("unauthorized_client"));
    assert_eq!(with(&authority, &token, &[("audience", "https://payments.example/")]).await, accepted());
}
