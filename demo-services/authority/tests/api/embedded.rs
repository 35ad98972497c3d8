//! Tokens that lie in tokens, and tokens that are for several services.

use serde_json::{Value, json};

use crate::support::{ORDERS, Running, STOREFRONT};

/// An authority that puts into tokens for orders what orders gets for payments, for 60 seconds and for `orders:write`.
async fn embedding() -> Running {
    Running::with(|settings| {
        settings["policy"][0]["embeds"] = json!(["payments"]);
        settings["policy"][1]["access_token_seconds"] = json!(60);
        settings["policy"][1]["scopes"] = json!({ "orders:write": ["payments:charge"] });
    })
    .await
}

/// The claims of the storefront's token for orders with this scope.
async fn for_orders(authority: &Running, scope: &str) -> (String, Value) {
    let alice = authority.sign_in("alice").await;
    let token = authority.exchange(STOREFRONT, &alice, &[("audience", "orders"), ("scope", scope)]).await.token();
    let claims = authority.claims(&token).await;
    (token, claims)
}

#[tokio::test]
async fn what_lies_in_a_token_is_what_its_holder_would_get_for_it_and_both_end_together() {
    let authority = embedding().await;
    let (token, claims) = for_orders(&authority, "orders:read orders:write").await;
    let lies_in_it = claims["tokens"]["payments"].as_str().expect("a token");
    let mut embedded = authority.claims(lies_in_it).await;
    let exchanged = authority.exchange(ORDERS, &token, &[("audience", "payments")]).await.token();
    let mut exchanged = authority.claims(&exchanged).await;
    assert_ne!(embedded["jti"].take(), exchanged["jti"].take());
    assert_eq!(embedded, exchanged);
    assert_eq!((&claims["exp"], &embedded["exp"]), (&json!(authority.now() + 60), &json!(authority.now() + 60)));
}

#[tokio::test]
async fn nothing_lies_in_a_token_whose_holder_would_get_nothing_nor_where_no_row_says_so() {
    let authority = embedding().await;
    let (_, reading_only) = for_orders(&authority, "orders:read").await;
    assert_eq!((&reading_only["tokens"], &reading_only["exp"]), (&Value::Null, &json!(authority.now() + 300)));
    let (_, plain) = for_orders(&Running::start().await, "orders:read orders:write").await;
    assert_eq!(plain["tokens"], Value::Null);
}

#[tokio::test]
async fn a_first_token_is_for_one_service_or_for_those_of_a_list() {
    let audience_of = async |audience: Value| {
        let authority = Running::with(|settings| settings["sign_in"]["audience"] = audience).await;
        let token = authority.sign_in("alice").await;
        authority.claims(&token).await["aud"].clone()
    };
    for audience in [json!("storefront"), json!(["storefront", "orders"])] {
        assert_eq!(audience_of(audience.clone()).await, audience);
    }
}
