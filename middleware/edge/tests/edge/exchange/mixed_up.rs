//! An authority that gives another identity than the one that was asked for.

use tower_identity_core::Scopes;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, TokenBuilder};

use super::world::World;
use crate::through::{found, through, with};

const NOT_TAKEN: &str = "the authority gave a transaction token that its trust domain does not take";

/// What the answer's token is made into, and what is told of it.
async fn given(edit: impl Fn(TokenBuilder) -> TokenBuilder + Send + Sync + 'static) -> (u16, String) {
    let world = World::new();
    world.login.edit_tokens(edit);
    world.refused(&world.layer(), with(&world.token("alice").build())).await
}

#[tokio::test]
async fn edge_d6_what_is_not_of_the_trust_domain_is_nobodys_identity() {
    let world = World::new();
    world.login.edit_tokens(|token| token);
    let layer = world.layer();
    assert_eq!(through(&layer, with(&world.token("alice").build())).await.status(), 200, "the control");

    let refused = (502, NOT_TAKEN.to_owned());
    assert_eq!(given(|token| token.audience("bank.internal")).await, refused);
    assert_eq!(given(|token| token.claim("aud", vec!["shop.internal", "bank.internal"])).await, refused);
    assert_eq!(given(TokenBuilder::tampered).await, refused);
    assert_eq!(given(|token| token.without("req_wl")).await, refused);
    assert_eq!(given(|token| token.lifetime(std::time::Duration::from_secs(301))).await, refused);
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let forged = move |token: TokenBuilder| {
        let key_id = stranger.key_id().to_owned();
        token.sign_with(&stranger).header("kid", key_id)
    };
    assert_eq!(given(forged).await, refused);
}

/// Its type is judged before its keys are asked.
#[tokio::test]
async fn edge_d6_an_access_token_is_no_internal_identity() {
    let world = World::new();
    world.login.edit_tokens(|token| token.header("typ", "at+jwt"));
    let layer = world.layer();
    let outside = world.token("alice").build();
    assert_eq!(through(&layer, with(&outside)).await.status(), 502);
    world.login.edit_tokens(|token| token.header("typ", "txntoken+jwt"));
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(through(&layer, with(&outside)).await.status(), 200);
}

#[tokio::test]
async fn edge_d6_rights_only_shrink() {
    let wider = "the authority gave orders:place orders:refund, and orders:place was asked for";
    assert_eq!(given(|token| token.scope("orders:place orders:refund")).await, (502, wider.to_owned()));

    let world = World::new();
    let refund = Scopes::parse("orders:refund").expect("a scope");
    world.login.fail_once(Endpoint::Token, Failure::WiderScope(refund));
    let layer = world.layer();
    let outside = world.token("alice").build();
    assert_eq!(through(&layer, with(&outside)).await.status(), 502, "the answer says it, too");
    world.clock.advance(std::time::Duration::from_secs(1));
    world.login.edit_tokens(|token| token.scope(""));
    let within = found(&through(&layer, with(&outside)).await).inbound.expect("a caller");
    assert_eq!(within.principal().scopes().to_string(), "", "less is as it pleases");
}
