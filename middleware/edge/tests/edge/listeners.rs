//! Outside and inside over real HTTP: each refuses the other's tokens, and a rotation loses no request.

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower_identity_core::{RefusalKind, SecretToken};
use tower_identity_edge::{KeyRing, KeySetEndpoint, Mint, Rotation};
use tower_identity_jose::Algorithm;
use tower_identity_testkit::{ManualClock, TestCaller};
use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier, check};

use crate::support::{Edge, SHOP, audience, secret, shop};

/// Serves until the test ends.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// A verifier of a service inside, which finds the keys where the edge publishes them.
async fn inside(mint: &Mint, clock: &ManualClock) -> (Verifier, String) {
    let keys = KeySetEndpoint::new(mint.keys().clone());
    let address = serve(Router::new().route_service(KeySetEndpoint::PATH, keys)).await;
    let shop = TransactionTokens::of(SHOP, format!("{address}{}", KeySetEndpoint::PATH));
    let home = TrustedIssuer::keys("https://workloads.internal", mint.keys().keys()).audience("orders");
    let verifier = Verifier::builder(home).transaction_tokens(shop).clock(clock.clock());
    (verifier.build().expect("a verifier"), address)
}

async fn status(url: &str, path: &str, field: &str, value: String) -> u16 {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{field}: {value}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn edge_a4_outside_and_inside_refuse_each_others_tokens() {
    let edge = Edge::new();
    let alice = edge.token("alice").build();
    let outside = Router::new().route("/", get(|| async { "outside" })).layer(edge.layer());
    let outside = serve(outside).await;
    let caller = TestCaller::workload("browser").user("alice").context();
    let internal = edge.mint.mint(&caller, &audience(SHOP)).expect("an identity");
    let bearer = |token: &SecretToken| format!("Bearer {}", token.expose());
    assert_eq!(status(&outside, "/", "authorization", bearer(&alice)).await, 200);
    assert_eq!(status(&outside, "/", "authorization", bearer(internal.token())).await, 401);
    assert_eq!(status(&outside, "/", "txn-token", internal.token().expose().to_owned()).await, 401);

    let (inside, _) = inside(&edge.mint, &edge.clock).await;
    let within = async |token: &SecretToken| {
        let verification = inside.current().within(None, token.expose());
        verification.await.map(drop).map_err(|why| why.kind().clone())
    };
    assert_eq!(within(internal.token()).await, Ok(()));
    assert_eq!(within(&alice).await, Err(RefusalKind::InvalidTransactionToken));
    let refused = async |token: &SecretToken| {
        let refusal = inside.bearer(token.expose()).await.expect_err("it is no caller's here");
        (refusal.kind().clone(), refusal.check())
    };
    assert_eq!(refused(&alice).await, (RefusalKind::InvalidToken, check::ISS));
    assert_eq!(refused(internal.token()).await.0, RefusalKind::InvalidToken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ring_c1_under_load_over_http_a_rotation_loses_no_request() {
    let clock = ManualClock::new();
    let rotation = Rotation::default().every(Duration::from_secs(750));
    let keys = KeyRing::generated(Algorithm::Es256, rotation, clock.clock()).expect("a rotation");
    let mint = Mint::builder("gateway", keys, secret()).trust_domain(shop()).build().expect("a mint");
    let (inside, address) = inside(&mint, &clock).await;
    let alice = Arc::new(TestCaller::workload("browser").user("alice").context());
    let mut signed_by = HashSet::new();
    for step in 0..60 {
        let mut requests = JoinSet::new();
        for _ in 0..8 {
            let (mint, inside, alice) = (mint.clone(), inside.clone(), Arc::clone(&alice));
            requests.spawn(async move {
                let minted = mint.mint(&alice, &audience(SHOP)).expect("an identity");
                inside.current().within(None, minted.token().expose()).await.map(drop)
            });
        }
        for verified in requests.join_all().await {
            assert_eq!(verified.map_err(|why| why.to_string()), Ok(()), "after {} s", step * 45);
        }
        signed_by.insert(mint.keys().signing_key().expect("in time").key_id().to_owned());
        // A fetch of keys behind the requests' backs has a deadline by this clock. It has ended when others have that came
        // after it.
        for _ in 0..4 {
            assert_eq!(status(&address, KeySetEndpoint::PATH, "accept", "*/*".to_owned()).await, 200);
        }
        clock.advance(Duration::from_secs(45));
    }
    assert_eq!(signed_by.len(), 4, "by that many keys");
}
