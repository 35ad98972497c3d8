//! How long a request waits for its token, by a clock that is moved by hand.

use std::time::Duration;

use tower_identity_core::RefusalKind;
use tower_identity_outbound::{HttpClient, SendError, Target};

use crate::support::{HeardTime, World, client, echoed};

type Sent = tokio::task::JoinHandle<Result<reqwest::Response, SendError>>;

/// A request for alice that waits for its token from a server that does not answer.
async fn waiting(world: &World, http: &HttpClient, grpc_timeout: Option<&'static str>) -> Sent {
    let request = http.get(world.payments.url("/")).on_behalf_of(&world.caller("alice"));
    let request = grpc_timeout.into_iter().fold(request, |request, said| request.header("grpc-timeout", said));
    let sent = tokio::spawn(request.send());
    tokio::task::yield_now().await;
    world.authority.called(1).await;
    sent
}

fn late(sent: Result<reqwest::Response, SendError>) -> (RefusalKind, &'static str, String) {
    let error = sent.expect_err("not sent");
    let refusal = error.refusal().expect("refused before it was sent");
    (refusal.kind().clone(), refusal.check(), error.to_string())
}

#[tokio::test]
async fn out_d1_a_request_is_given_up_at_its_deadline_and_nothing_is_sent() {
    let own = |target: Target| target.deadline(Duration::from_secs(2));
    let unsaid = |target: Target| target;
    type Row = fn(Target) -> Target;
    let (own, unsaid): (Row, Row) = (own, unsaid);
    let cases = [
        (own, None, 2_000),
        (own, Some("200m"), 200),
        (own, Some("4S"), 2_000),
        (own, Some("soon"), 2_000),
        (unsaid, Some("200m"), 200),
    ];
    for (row, grpc_timeout, millis) in cases {
        let (world, time) = (World::new().await, HeardTime::default());
        let target = row(world.payments.target().token_exchange());
        let http = client(&world.builder().clock(time.clock()).target(target).build().expect("outbound"));
        world.authority.closes();
        let sent = waiting(&world, &http, grpc_timeout).await;
        time.advance(millis - 1);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!sent.is_finished(), "{grpc_timeout:?}: {millis} ms are not over");
        time.advance(1);
        let (kind, check, text) = late(sent.await.expect("joined"));
        assert_eq!((kind, check), (RefusalKind::Unavailable { retry_after: Duration::from_secs(1) }, "deadline"));
        let seconds = Duration::from_millis(millis).as_secs_f64();
        assert!(text.contains(&format!("did not come within {seconds} s")), "{text}");
        assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 0));
    }
}

#[tokio::test]
async fn out_d1_whoever_waits_longer_gets_the_token_of_the_same_flight() {
    let (world, time) = (World::new().await, HeardTime::default());
    let target = world.payments.target().token_exchange();
    let http = client(&world.builder().clock(time.clock()).target(target).build().expect("outbound"));
    world.authority.closes();
    let (hasty, patient) = (waiting(&world, &http, Some("1S")).await, waiting(&world, &http, None).await);
    time.advance(1_000);
    assert_eq!(late(hasty.await.expect("joined")).1, "deadline");
    world.authority.opens();
    assert_eq!(echoed(patient.await.expect("joined")).await, "Bearer token-0");

    // A token that is at hand is waited for by nobody.
    let at_hand = http.get(world.payments.url("/")).header("grpc-timeout", "0n").on_behalf_of(&world.caller("alice"));
    assert_eq!(echoed(at_hand.send().await).await, "Bearer token-0");
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, 2));
}
