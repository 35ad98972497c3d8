//! An authorization server that is down, or asked too much: who is touched by it, and who is not.

use std::time::Duration;

use tower_identity_core::{RefusalKind, SecretToken};
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{HttpClient, SendError};

use crate::support::{Answer, Authority, Callee, World, client, echoed, issued, soon};

/// Sends to a target for a user.
async fn send(world: &World, http: &HttpClient, to: &Callee, user: &str) -> Result<reqwest::Response, SendError> {
    http.get(to.url("/")).on_behalf_of(&world.caller(user)).send().await
}

/// When a request that was not sent is to be sent again.
fn unavailable(response: Result<reqwest::Response, SendError>) -> Duration {
    let error = response.expect_err("not sent");
    match error.refusal().expect("refused before it was sent").kind() {
        RefusalKind::Unavailable { retry_after } => *retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn out_b21_an_outage_touches_no_token_at_hand_and_no_other_server() {
    let (world, partner, elsewhere) = (World::new().await, Authority::start().await, Callee::start().await);
    let of_partner = partner.endpoint("orders").accepts_issuer(world.authority.issuer());
    let builder = world.builder().server("partner", of_partner);
    let builder = builder.target(world.payments.target().token_exchange());
    let outbound = builder.target(elsewhere.target().token_exchange().server("partner")).build().expect("outbound");
    let http = client(&outbound);
    assert_eq!(echoed(send(&world, &http, &world.payments, "alice").await).await, "Bearer token-0");

    world.authority.answers(Answer::error(500, "down"));
    for user in ["carol", "dave", "erin", "frank", "grace"] {
        assert_eq!(unavailable(send(&world, &http, &world.payments, user).await), Duration::from_secs(2));
    }
    let left = unavailable(send(&world, &http, &world.payments, "bob").await);
    assert_eq!((left, world.authority.calls().len()), (Duration::from_secs(5), 6), "nobody asks");
    assert_eq!(echoed(send(&world, &http, &world.payments, "alice").await).await, "Bearer token-0");
    assert_eq!(echoed(send(&world, &http, &elsewhere, "bob").await).await, "Bearer token-0");

    // Her token is due for another, which cannot be had: she keeps the one that is good.
    world.time.advance(260);
    assert_eq!(unavailable(send(&world, &http, &world.payments, "heidi").await), Duration::from_secs(2), "a probe");
    for _ in 0..3 {
        assert_eq!(echoed(send(&world, &http, &world.payments, "alice").await).await, "Bearer token-0");
        tokio::task::yield_now().await;
    }
    assert_eq!(world.authority.calls().len(), 7);

    // The server is back, and the breaker's time over: who asks first gets a token, and so do the others.
    world.authority.answers(issued(300));
    world.time.advance(5);
    assert_eq!(echoed(send(&world, &http, &world.payments, "bob").await).await, "Bearer token-7");
    assert_eq!(echoed(send(&world, &http, &world.payments, "carol").await).await, "Bearer token-8");
    assert_eq!((world.payments.got().len(), elsewhere.got().len()), (7, 1));
}

#[tokio::test]
async fn out_b22_a_crowd_at_a_slow_server_is_bounded_and_who_has_a_token_goes_on() {
    const CROWD: usize = 1000;
    let world = World::new().await;
    let http = world.for_users();
    assert_eq!(echoed(send(&world, &http, &world.payments, "alice").await).await, "Bearer token-0");

    world.authority.closes();
    let one = |user: usize| {
        let sending = http.get(world.payments.url("/")).on_behalf_of(&world.caller(&format!("user-{user}"))).send();
        tokio::spawn(sending)
    };
    let crowd: Vec<_> = (0..CROWD).map(one).collect();
    world.authority.called(1 + 64).await;
    soon(async {
        while crowd.iter().filter(|sending| sending.is_finished()).count() < CROWD - 64 - 256 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(echoed(send(&world, &http, &world.payments, "alice").await).await, "Bearer token-0");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (65, 2));

    world.authority.opens();
    let (mut sent, mut told) = (0, 0);
    for sending in crowd {
        match sending.await.expect("joined") {
            Ok(response) => {
                assert!(echoed(Ok(response)).await.starts_with("Bearer token-"));
                sent += 1;
            }
            refused => {
                assert_eq!(unavailable(refused), Duration::from_secs(2));
                told += 1;
            }
        }
    }
    assert_eq!((sent, told), (64 + 256, CROWD - 64 - 256));
    assert_eq!(world.authority.calls().len(), 1 + 64 + 256);
    assert_eq!(world.payments.got().len(), 2 + 64 + 256, "nothing went there without a token");
}

#[tokio::test]
async fn out_b23_another_endpoint_of_the_same_server_is_asked_where_one_is_gone() {
    let world = World::new().await;
    let nowhere = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        format!("http://{}/token", listener.local_addr().expect("address"))
    };
    let auth = || ClientAuth::client_secret_post("orders", SecretToken::new("s3cret")).expect("client");
    let gone = TokenEndpoint::at(world.authority.issuer(), &nowhere, auth());
    let http_at = |server: TokenEndpoint| {
        let target = world.payments.target().token_exchange();
        client(&world.builder_at(server).target(target).build().expect("outbound"))
    };
    let alone = http_at(gone.clone());
    unavailable(send(&world, &alone, &world.payments, "alice").await);
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (0, 0));

    let both = http_at(gone.also_at(format!("{}/token", world.authority.issuer())));
    assert_eq!(echoed(send(&world, &both, &world.payments, "alice").await).await, "Bearer token-0");
    assert_eq!(echoed(send(&world, &both, &world.payments, "alice").await).await, "Bearer token-0");
    assert_eq!(world.authority.calls().len(), 1);
}
