//! An authority that is out of reach, slow, or says no.

use std::time::Duration;

use http::{StatusCode, header::RETRY_AFTER};
use tower_identity_testkit::{Endpoint, Failure};

use super::world::World;
use crate::through::{field, through, with};

const OUT: Failure = Failure::Unavailable { retry_after: 60 };

#[tokio::test]
async fn edge_d5_with_nothing_at_hand_an_outage_is_503_and_says_when_to_come_back() {
    let world = World::new();
    let layer = world.layer();
    let outside = world.token("alice").build();
    world.login.fail(Endpoint::Token, OUT);
    let refused = through(&layer, with(&outside)).await;
    assert_eq!(
        (refused.status(), refused.headers()[RETRY_AFTER].as_bytes()),
        (StatusCode::SERVICE_UNAVAILABLE, &b"60"[..])
    );
    let asked = world.exchanges();
    // For a moment it is remembered that there is none, and only for that.
    assert_eq!(through(&layer, with(&outside)).await.status(), 503);
    assert_eq!(world.exchanges(), asked);
    world.login.recover(Endpoint::Token);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(through(&layer, with(&outside)).await.status(), 200);
    assert_eq!(world.exchanges(), asked + 1);
}

#[tokio::test]
async fn edge_d5_what_is_at_hand_is_used_to_its_end_and_no_longer() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let (alice, bob) = (world.token("alice").build(), world.token("bob").build());
    let first = field(&layer, &alice).await;
    world.login.fail(Endpoint::Token, OUT);
    world.clock.advance(Duration::from_secs(119));
    assert_eq!(field(&layer, &alice).await, first);
    world.login.arrived(Endpoint::Token, 2).await;
    assert_eq!(through(&layer, with(&bob)).await.status(), 503, "and nobody else gets it");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(through(&layer, with(&alice)).await.status(), 503);
    world.login.recover(Endpoint::Token);
    world.clock.advance(Duration::from_secs(60));
    let second = field(&layer, &alice).await;
    assert_ne!(second, first);
}

/// Nothing listens there, on the system's clock: what is tried again takes its time.
#[tokio::test]
async fn edge_d5_a_server_that_is_not_there_is_503_too() {
    let world = World::new();
    let layer = world.layer();
    assert_eq!(through(&layer, with(&world.token("bob").build())).await.status(), 200);
    world.login.stop();
    let alice = world.token("alice").build();
    let request = through(&layer, with(&alice));
    let time = async {
        loop {
            world.clock.sleepers(1).await;
            world.clock.advance(Duration::from_millis(50));
            tokio::task::yield_now().await;
        }
    };
    let status = tokio::select! {
        response = request => response.status(),
        () = time => unreachable!("it goes on"),
    };
    assert_eq!(status, 503);
}

#[tokio::test]
async fn edge_d5_nobody_waits_longer_than_the_deadline_and_what_comes_late_is_for_the_next() {
    let world = World::new();
    let exchange = world.build(world.builder().deadline(Duration::from_secs(2)));
    let layer = tower_identity_edge::EdgeLayer::exchanging(world.outside().edge(), exchange);
    let outside = world.token("alice").build();
    // Its metadata are there.
    assert_eq!(through(&layer, with(&world.token("bob").build())).await.status(), 200);
    let held = world.login.hold(Endpoint::Token);
    let late = async {
        world.login.arrived(Endpoint::Token, 2).await;
        world.clock.advance(Duration::from_secs(2));
    };
    let (refused, ()) = tokio::join!(world.refused(&layer, with(&outside)), late);
    assert_eq!(refused, (503, "it did not come within 2 s; raise the deadline if the authority is slow".to_owned()));
    held.release();
    assert_eq!(through(&layer, with(&outside)).await.status(), 200);
    assert_eq!(world.exchanges(), 2);
}

#[tokio::test]
async fn edge_d5_what_the_authority_refuses_is_refused_as_it_says_whose_fault_it_is() {
    let error = |status: StatusCode, code| Failure::Error { status, code };
    let cases = [
        (error(StatusCode::BAD_REQUEST, "invalid_grant"), 401),
        (error(StatusCode::BAD_REQUEST, "invalid_scope"), 403),
        (error(StatusCode::UNAUTHORIZED, "invalid_client"), 500),
        (Failure::Html, 502),
        (Failure::Member("token_type", "Bearer".into()), 502),
        (Failure::wrong_issued_token_type(), 502),
    ];
    for (failure, expected) in cases {
        let world = World::new();
        let layer = world.layer();
        let outside = world.token("alice").build();
        world.login.fail(Endpoint::Token, failure.clone());
        assert_eq!(through(&layer, with(&outside)).await.status(), expected, "{failure:?}");
        world.login.recover(Endpoint::Token);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(through(&layer, with(&outside)).await.status(), 200, "{failure:?}");
    }
}
