//! Opaque outside, a JWT inside.

use std::time::Duration;

use serde_json::json;
use tower_identity_oauth::Introspection;
use tower_identity_testkit::{Endpoint, Failure};

use super::{Desk, nonsense};
use crate::support::{SECOND, accepted, invalid, refused, unavailable};

fn desk() -> Desk {
    Desk::with(Introspection::phantom)
}

#[tokio::test]
async fn phantom_a1_the_jwt_takes_the_tokens_place() {
    let desk = desk();
    let token = desk.token();
    let caller = accepted(desk.ask(&token).await);
    let inside = caller.caller_token().token().expect("a token");
    assert_ne!(inside, &token);
    assert_eq!(inside.expose().split('.').count(), 3);
    assert_eq!(caller.principal().user().map(|user| user.id.as_str()), Some("alice"));
    assert_eq!(accepted(desk.ask_at_once(&token)).caller_token().token(), Some(inside));
    assert_eq!((desk.calls(), desk.issuer.calls(Endpoint::Keys)), (1, 1));
    let [call] = &desk.issuer.introspection_calls()[..] else { panic!("one call") };
    assert_eq!(call.headers().get("accept").expect("asked for"), "application/jwt");
}

#[tokio::test]
async fn phantom_a1_a_clients_own_jwt_is_refused_also_the_very_one() {
    let desk = desk();
    let caller = accepted(desk.ask(&desk.token()).await);
    let inside = caller.caller_token().token().cloned().expect("a token");
    assert_eq!(refused(desk.ask(&inside).await), invalid("iss"));
    assert_eq!(refused(desk.ask(&desk.good().build()).await), invalid("iss"));
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn phantom_a1_the_jwt_is_verified_like_any_other() {
    let desk = desk();
    let other = desk.issuer.key();
    let good = || desk.good();
    for (name, token, check) in [
        ("for somebody else", good().audience("payments"), "aud"),
        ("tampered with", good().tampered(), "signature"),
        ("not signed", good().unsigned(), "format"),
        ("of another kind", good().header("typ", "token-introspection+jwt"), "typ"),
        ("of another issuer", good().claim("iss", "https://other.example"), "iss"),
        ("bound to a key", good().claim("cnf", json!({"jkt": "a"})), "cnf"),
        ("without what is required", good().without("jti"), "claims"),
    ] {
        assert_eq!(refused(desk.ask(&desk.issuer.opaque(token)).await), invalid(check), "{name}");
    }
    accepted(desk.ask(&desk.issuer.opaque(good().sign_with(&other))).await);
}

#[tokio::test]
async fn phantom_a1_what_stands_for_nothing_is_refused_and_what_is_no_jwt_is_nonsense() {
    let desk = desk();
    let token = desk.token();
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Plain);
    assert_eq!(refused(desk.ask(&token).await), nonsense());
    accepted(desk.ask(&token).await);
    desk.issuer.revoke(&token);
    desk.clock.advance(60 * SECOND);
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
}

#[tokio::test]
async fn phantom_a1_what_is_remembered_ends_with_the_jwt() {
    let desk = desk();
    let token = desk.issuer.opaque(desk.good().lifetime(20 * SECOND));
    accepted(desk.ask(&token).await);
    desk.clock.advance(20 * SECOND - Duration::from_nanos(1));
    accepted(desk.ask_at_once(&token));
    desk.clock.advance(Duration::from_nanos(1));
    assert!(!desk.is_remembered(&token));
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
}

#[tokio::test]
async fn phantom_a1_without_keys_for_the_jwt_nothing_is_decided_nor_remembered() {
    let desk = desk();
    let token = desk.token();
    desk.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 2 });
    assert_eq!(refused(desk.ask(&token).await), unavailable(2 * SECOND));
    assert!(!desk.is_remembered(&token));
    desk.issuer.recover(Endpoint::Keys);
    desk.clock.advance(2 * SECOND);
    accepted(desk.ask(&token).await);
    assert_eq!(desk.calls(), 2);
}
