//! What our authority issues, judged by other people's verifiers, which discover everything but its name.

use demo_mesh::{Addresses, Mesh};
use serde_json::{Value, json};

use super::{
    install,
    peer::Peer,
    service::{claims, tampered},
};
use crate::demo::{Moved, Person, client_of, exchanged, service};

/// The demo's authority, and the token for orders that the storefront has of it for alice.
async fn signed_in() -> (Moved, Mesh, String) {
    let shop = Moved::new();
    let mesh = Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started");
    let session = Person::of(&shop).sign_in("alice").await;
    let token = exchanged(&client_of("storefront", &shop), &session, service("orders", "orders:read")).await;
    (shop, mesh, token)
}

/// Asks each verifier about each of the token's variations.
async fn judge(verifiers: &mut Peer, shop: &Moved, token: &str) -> [Value; 3] {
    let issuer = shop.origin("authority");
    let mut ask = async |audience: &str, token: &str| {
        verifiers.ask(&json!({ "issuer": issuer, "audience": audience, "token": token })).await
    };
    [ask("orders", token).await, ask("payments", token).await, ask("orders", &tampered(token, "sub", "bob")).await]
}

#[tokio::test]
async fn jose_and_oauth4webapi_take_our_authoritys_tokens_where_they_are_for() {
    let Some(packages) = install::node() else { return };
    let script = include_str!("../../../interop/verify.mjs");
    let (mut verifiers, _) = Peer::node("verifiers of Node.js", packages, script).await;
    let (shop, _mesh, token) = signed_in().await;

    let claims = claims(&token);
    let [right, elsewhere, bad] = judge(&mut verifiers, &shop, &token).await;
    assert_eq!(right, json!({ "jose": claims, "oauth4webapi": claims }));
    let other_audience =
        json!({ "jose": "ERR_JWT_CLAIM_VALIDATION_FAILED", "oauth4webapi": "OAUTH_JWT_CLAIM_COMPARISON_FAILED" });
    assert_eq!(elsewhere, other_audience);
    let bad_signature =
        json!({ "jose": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "oauth4webapi": "OAUTH_INVALID_RESPONSE" });
    assert_eq!(bad, bad_signature);
}

#[tokio::test]
async fn pyjwt_joserfc_and_authlib_take_our_authoritys_tokens_where_they_are_for() {
    let Some(python) = install::python() else { return };
    let script = include_str!("../../../interop/verify.py");
    let (mut verifiers, _) = Peer::python("verifiers of Python", python, script, &[]).await;
    let (shop, _mesh, token) = signed_in().await;

    let claims = claims(&token);
    let [right, elsewhere, bad] = judge(&mut verifiers, &shop, &token).await;
    assert_eq!(right, json!({ "PyJWT": claims, "joserfc": claims, "Authlib": claims }));
    let other_audience =
        json!({ "PyJWT": "InvalidAudienceError", "joserfc": "InvalidClaimError", "Authlib": "InvalidTokenError" });
    assert_eq!(elsewhere, other_audience);
    let bad_signature =
        json!({ "PyJWT": "InvalidSignatureError", "joserfc": "BadSignatureError", "Authlib": "InvalidTokenError" });
    assert_eq!(bad, bad_signature);
}
