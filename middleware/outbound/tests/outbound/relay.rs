//! The caller's own token: only where it is for the target.

use serde_json::json;
use tower_identity_core::{CallerContext, RefusalKind};
use tower_identity_outbound::{HttpClient, Relay, Target};

use crate::support::{World, client, echoed, refused};

async fn world(row: impl FnOnce(Target) -> Target) -> (World, HttpClient) {
    let world = World::new().await;
    let target = row(world.payments.target());
    let http = client(&world.builder().target(target).build().expect("outbound"));
    (world, http)
}

/// What the target got, or the failing check.
async fn sent(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<String, &'static str> {
    let response = http.get(world.payments.url("/")).on_behalf_of(caller).send().await;
    match response {
        Ok(response) => Ok(echoed(Ok(response)).await),
        Err(error) => Err(refused(Err(error)).0),
    }
}

#[tokio::test]
async fn out_b6_a_token_goes_on_where_it_is_for_the_target_too() {
    let of_alice = || Ok("Bearer token-of-alice".to_owned());
    let cases = [
        (Relay::new(), vec!["orders", "payments"], of_alice()),
        (Relay::new(), vec!["payments"], of_alice()),
        (Relay::new(), vec!["orders"], Err("relay_aud")),
        (Relay::new(), vec!["Payments", "payments/", "payment"], Err("relay_aud")),
        (Relay::new(), vec!["mesh"], Err("relay_aud")),
        (Relay::new().accepts("mesh"), vec!["mesh"], of_alice()),
        (Relay::new().accepts("mesh"), vec!["orders"], Err("relay_aud")),
    ];
    for (relay, audience, expected) in cases {
        let (world, http) = world(|row| row.strategy(relay.clone())).await;
        let alice = world.holding("alice", &audience, &json!({}));
        for _ in 0..2 {
            assert_eq!(sent(&world, &http, &alice).await, expected, "{relay:?} {audience:?}");
        }
        assert_eq!(world.payments.got().len(), if expected.is_ok() { 2 } else { 0 });
        assert_eq!(world.authority.calls().len(), 0, "nobody is asked");
    }
}

/// The settings of verification may change while it runs.
#[tokio::test]
async fn out_b6_a_remembered_token_goes_by_what_verification_makes_of_it_now() {
    let (world, http) = world(Target::relay).await;
    for (audience, expected) in [("payments", Ok("Bearer token-of-alice".to_owned())), ("orders", Err("relay_aud"))] {
        let alice = world.holding("alice", &[audience], &json!({}));
        for _ in 0..3 {
            assert_eq!(sent(&world, &http, &alice).await, expected, "{audience}");
        }
    }
}

#[tokio::test]
async fn out_b6_what_is_not_for_the_target_is_named_with_what_to_do() {
    let (world, http) = world(Target::relay).await;
    let alice = world.holding("alice", &["orders"], &json!({}));
    let (check, text) = refused(http.get(world.payments.url("/")).on_behalf_of(&alice).send().await);
    let expected = "takes its caller's token as it is, which is for [\"orders\"] and for none of [\"payments\"]; have the \
                    caller get one that is for both, name what it is for in relay's accepts if the target takes that, or \
                    make the strategy token_exchange";
    assert_eq!((check, text.ends_with(expected)), ("relay_aud", true), "{text}");
}

#[tokio::test]
async fn out_b6_a_token_that_is_bound_to_a_key_stays_here() {
    let of_alice = || Ok("Bearer token-of-alice".to_owned());
    for (claims, expected) in [
        (json!({"jkt": "x"}), of_alice()),
        (json!({"cnf": {"jkt": "x"}}), Err("bound")),
        (json!({"cnf": {}}), Err("bound")),
        (json!({"cnf": null}), Err("bound")),
    ] {
        let (world, http) = world(Target::relay).await;
        let alice = world.holding("alice", &["payments"], &claims);
        assert_eq!(sent(&world, &http, &alice).await, expected, "{claims}");
        assert_eq!(world.payments.got().len(), usize::from(expected.is_ok()));
    }
}

#[tokio::test]
async fn out_b6_it_goes_on_until_its_end_and_not_beyond() {
    let (world, http) = world(Target::relay).await;
    let alice = world.holding("alice", &["payments"], &json!({}));
    for (advance, expected) in [(0, Ok(())), (3599, Ok(())), (1, Err("exp"))] {
        world.time.advance(advance);
        assert_eq!(sent(&world, &http, &alice).await.map(drop), expected);
    }
}

#[tokio::test]
async fn out_b6_nobody_gets_a_token_of_another_and_this_service_its_own() {
    let (world, http) = world(Target::relay).await;
    for user in ["alice", "bob", "alice"] {
        let caller = world.holding(user, &["payments"], &json!({}));
        assert_eq!(sent(&world, &http, &caller).await, Ok(format!("Bearer token-of-{user}")));
    }
    let own = http.get(world.payments.url("/")).as_service().send().await;
    assert_eq!(echoed(own).await, "Bearer token-0");
    assert_eq!(world.authority.calls()[0]["grant_type"], "client_credentials");
}

#[tokio::test]
async fn out_b6_two_rows_that_take_different_tokens_share_none() {
    let world = World::new().await;
    let row = |path: &str| world.payments.target().path_prefix(path);
    let outbound = world.builder().target(row("/mesh").strategy(Relay::new().accepts("mesh"))).target(row("/").relay());
    let http = client(&outbound.build().expect("outbound"));
    let alice = world.holding("alice", &["mesh"], &json!({}));
    let send = |path: &str| http.get(world.payments.url(path)).on_behalf_of(&alice).send();
    assert_eq!(echoed(send("/mesh").await).await, "Bearer token-of-alice");
    let error = send("/").await.expect_err("not for it");
    assert_eq!(error.refusal().map(|refusal| refusal.kind().clone()), Some(RefusalKind::Denied));
}
