//! Whose identity is at hand, for how long, and what becomes of it when it should not be.

use std::{fs, time::Duration};

use http::Request;
use tower_identity_core::{Binding, SecretToken, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::{AuthLayer, Source};
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_testkit::{Endpoint, Failure};
use tower_identity_verify::{TrustedIssuer, Verifier, VerifierBuilder, danger};

use super::world::World;
use crate::through::{Asked, field, found, through, with};

/// The credential of a workload, and beside it that of its user.
fn pair(world: &World, workload: &str, user: &SecretToken) -> Asked {
    let mut request = with(&world.login.token().client(workload).audience("shop").build());
    request.headers_mut().insert("x-user-token", user.expose().parse().expect("a value"));
    request
}

/// Whoever presents a pair, by these rules.
fn of_pairs(world: &World, rules: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> AuthLayer {
    let home = TrustedIssuer::discover(world.login.issuer().as_str()).audience("shop");
    let verifier = rules(Verifier::builder(home)).clock(world.clock.clock()).build().expect("a verifier");
    AuthLayer::new(verifier).user_source(Source::header("x-user-token").expect("a source")).expect("sources")
}

/// Alice's token is the browser's. The kiosk is trusted to call for her; nothing ties the two.
#[tokio::test]
async fn edge_a2_nothing_is_exchanged_for_two_that_are_not_tied() {
    let world = World::new();
    let trusting = of_pairs(&world, |rules| danger::trusted_caller(rules, ["kiosk"], [world.login.issuer().as_str()]));
    let passed = found(&through(&trusting.clone().edge(), pair(&world, "kiosk", &world.token("alice").build())).await);
    assert_eq!(passed.inbound.expect("a caller").principal().binding(), Binding::None, "it comes as far as this layer");

    let layer = EdgeLayer::exchanging(trusting.edge(), world.build(world.builder()));
    let alice = world.token("alice").build();
    let unrelated = "nothing ties the caller to the user whom it calls for";
    assert_eq!(world.refused(&layer, pair(&world, "kiosk", &alice)).await, (403, unrelated.to_owned()));
    assert_eq!(world.exchanges(), 0);
    assert_eq!(through(&layer, pair(&world, "browser", &alice)).await.status(), 200);
    assert_eq!(world.exchanges(), 1);
}

/// The two credentials are the same; that they are of one workload is said to one layer and not to the other.
#[tokio::test]
async fn edge_a2_what_is_at_hand_for_two_is_for_nobody_once_they_are_not_tied() {
    let world = World::new();
    let tied = of_pairs(&world, |rules| rules.workload(["browser", "kiosk"]));
    let on_trust = of_pairs(&world, |rules| danger::trusted_caller(rules, ["kiosk"], [world.login.issuer().as_str()]));
    let tied = EdgeLayer::exchanging(tied.edge(), world.build(world.builder()));
    let on_trust = tied.clone().map_auth(|_| on_trust.edge());
    let presented = pair(&world, "kiosk", &world.token("alice").build());
    let again = || -> Asked {
        let mut request = Request::new(*presented.body());
        request.headers_mut().clone_from(presented.headers());
        request
    };
    for (layer, status) in [(&tied, 200), (&on_trust, 403), (&tied, 200)] {
        assert_eq!(through(layer, again()).await.status(), status);
    }
    assert_eq!(world.exchanges(), 1, "and it is one that is at hand for both");
}

#[tokio::test]
async fn edge_d2_who_joins_a_refresh_that_fails_is_asked_for_on_its_own() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    let first = field(&layer, &outside).await;
    // It begins while the first is good, and is under way when that ends.
    world.clock.advance(Duration::from_secs(119));
    world.login.fail_once(Endpoint::Token, Failure::Html);
    let held = world.login.hold(Endpoint::Token);
    assert_eq!(field(&layer, &outside).await, first);
    world.login.arrived(Endpoint::Token, 2).await;
    world.clock.advance(Duration::from_secs(1));
    let released = async {
        tokio::task::yield_now().await;
        assert_eq!(world.exchanges(), 2, "whoever comes now waits for it");
        held.release();
    };
    let (second, ()) = tokio::join!(field(&layer, &outside), released);
    assert_ne!(second, first);
    assert_eq!(world.exchanges(), 3);

    // The control: what fails for somebody who waited is not tried again at once.
    world.login.fail_once(Endpoint::Token, Failure::Html);
    assert_eq!(through(&layer, with(&world.token("bob").build())).await.status(), 502);
    assert_eq!(world.exchanges(), 4);
}

#[tokio::test]
async fn edge_d2_of_none_that_are_remembered_every_request_begins_a_transaction_of_its_own() {
    let world = World::new();
    let layer = world.layer().forwarding();
    let outside = world.token("alice").build();
    for (layer, exchanges) in [(layer.clone().remember(1), 1), (layer.clone().remember(0), 3)] {
        let first = field(&layer, &outside).await;
        assert_eq!(field(&layer, &outside).await == first, exchanges == 1);
        assert_eq!(world.exchanges(), exchanges);
    }
    let layer = layer.remember(0);
    let held = world.login.hold(Endpoint::Token);
    let requests = async { tokio::join!(field(&layer, &outside), field(&layer, &outside)) };
    let released = async {
        world.login.arrived(Endpoint::Token, 5).await;
        held.release();
    };
    let ((one, other), ()) = tokio::join!(requests, released);
    assert_ne!(one, other, "at one time, too");
}

#[tokio::test]
async fn edge_d2_what_was_had_by_a_secret_that_is_gone_is_used_no_longer() {
    let world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, "one").expect("written");
    let auth = ClientAuth::client_secret_post_files("gateway", [&file]).expect("usable");
    let server = TokenEndpoint::discover(world.login.issuer().as_str(), auth);
    let layer = EdgeLayer::exchanging(world.outside().edge(), world.build(world.builder_at(server))).forwarding();
    let outside = world.token("alice").build();
    let first = field(&layer, &outside).await;
    // Ten looks at the file, and long before it would be asked for again.
    let another = async |times: usize| {
        for _ in 0..times {
            world.clock.advance(Duration::from_millis(100));
            if field(&layer, &outside).await != first {
                return true;
            }
        }
        false
    };
    fs::write(&file, "one\n").expect("written");
    assert!(!another(100).await, "the control: it is the same secret");
    fs::write(&file, "two").expect("written");
    assert!(another(500).await);
    let presented = world.login.token_calls();
    let presented: Vec<_> = presented.iter().map(|call| call.field("client_secret")).collect();
    assert_eq!(presented, [Some("one"), Some("two")]);
    let found = found(&through(&layer, with(&outside)).await);
    assert!(found.headers.contains_key(FIELD) && world.exchanges() == 2, "and that is kept");
}
