//! Law 1 as a table: each way in which a token endpoint can fail, at each operation that asks it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use serde_json::json;
use tower::{Layer as _, ServiceExt, service_fn};
use tower_identity_core::{BoxFuture, Clock, Fault, Moment, Refusal, RefusalKind, TimeSource, Timestamp};
use tower_identity_outbound::{Candidate, Outbound, ReadableJwt, RequestExt, Target};

use crate::{
    issued::{bringing, but, good, signed},
    support::{Answer, ManualTime, World, client},
};

/// A clock by which every wait is over at once, once it is told so: a server that does not answer is too late.
struct Hasty {
    time: ManualTime,
    is_late: Arc<AtomicBool>,
}

impl TimeSource for Hasty {
    fn wall(&self) -> Timestamp {
        self.time.wall()
    }

    fn monotonic(&self) -> Moment {
        self.time.monotonic()
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        if self.is_late.load(Ordering::SeqCst) {
            Box::pin(std::future::ready(()))
        } else {
            self.time.sleep_until(moment)
        }
    }
}

/// What the token endpoint does from now on.
#[derive(Clone)]
enum Does {
    Silence,
    Answer(Answer),
}

/// What is asked for, and by which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Exchange,
    ExchangeByLayer,
    ClientCredentials,
    ActorToken,
    RefreshAhead,
    Shadow,
    Percent,
}

const OPERATIONS: [Operation; 7] = [
    Operation::Exchange,
    Operation::ExchangeByLayer,
    Operation::ClientCredentials,
    Operation::ActorToken,
    Operation::RefreshAhead,
    Operation::Shadow,
    Operation::Percent,
];

impl Operation {
    fn of(self, target: Target) -> Target {
        let target = target.readable_jwt(ReadableJwt::new());
        match self {
            Self::Exchange | Self::ExchangeByLayer | Self::RefreshAhead => target.token_exchange(),
            Self::ClientCredentials => target.client_credentials(),
            Self::ActorToken => target.token_exchange().actor_token(),
            Self::Shadow => target.client_credentials().candidate(Candidate::shadow().token_exchange()),
            Self::Percent => target.client_credentials().candidate(Candidate::percent(100).token_exchange()),
        }
    }

    /// Whether there is a token at hand before the server fails, which is sent all the same.
    fn has_token(self) -> bool {
        matches!(self, Self::RefreshAhead | Self::Shadow)
    }
}

fn faults() -> Vec<(&'static str, Does, RefusalKind, &'static str)> {
    let unavailable = |seconds| RefusalKind::Unavailable { retry_after: Duration::from_secs(seconds) };
    let spoiled = |from: &str, to: &str| {
        let right = bringing(&signed(&good())).body;
        assert!(right.contains(from), "{right}");
        Does::Answer(Answer::ok(right.replace(from, to)))
    };
    let html = Answer::ok("<html>Please sign in</html>").header("content-type", "text/html");
    let wrong_audience = bringing(&signed(&but(&json!({"aud": "ledger"}))));
    let large = bringing(&signed(&but(&json!({"roles": "x".repeat(5_000)}))));
    let wider = "\"scope\":\"payments:charge admin\",\"token_type\"";
    let asks = "token_request";
    let bad = RefusalKind::BadUpstream;
    vec![
        ("timeout", Does::Silence, unavailable(1), "deadline"),
        ("reset", Does::Answer(Answer::broken_off()), unavailable(2), asks),
        ("4xx", Does::Answer(Answer::error(401, "invalid_client")), RefusalKind::Misconfigured, asks),
        ("5xx", Does::Answer(Answer::error(503, "x").header("retry-after", "7")), unavailable(7), asks),
        ("HTML", Does::Answer(html), bad.clone(), asks),
        ("wrong type", spoiled("Bearer", "N_A"), bad.clone(), asks),
        ("wrong audience", Does::Answer(wrong_audience), bad.clone(), "issued_aud"),
        ("wider scope", spoiled("\"token_type\"", wider), bad.clone(), asks),
        ("null members", Does::Answer(Answer::ok(r#"{"access_token":null,"token_type":null}"#)), bad.clone(), asks),
        ("oversize answer", Does::Answer(Answer::ok("x".repeat(1 << 20))), bad.clone(), asks),
        ("oversize token", Does::Answer(large), bad, "credential_bytes"),
    ]
}

/// Sends one request for alice; gives the status that came, or why nothing was sent.
async fn send(operation: Operation, outbound: &Outbound, world: &World) -> Result<u16, Refusal> {
    let (url, alice) = (world.payments.url("/charges"), world.caller("alice"));
    if operation != Operation::ExchangeByLayer {
        let http = client(outbound);
        let response = alice.scope(async { http.get(&url).send().await }).await;
        return response
            .map(|response| response.status().as_u16())
            .map_err(|error| error.refusal().expect("not sent").clone());
    }
    let below = reqwest::Client::builder().no_proxy().build().expect("client");
    let below = service_fn(move |request: Request<&'static str>| {
        let (parts, body) = request.into_parts();
        let request = below.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        async move { request.send().await.map(|response| Response::new(response.status().as_u16())) }
    });
    let request = Request::get(&url).body("").expect("request").on_behalf_of(&alice);
    let response = outbound.layer().layer(below).oneshot(request).await;
    response.map(Response::into_body).map_err(|error| Refusal::find(error.as_ref()).expect("not sent").clone())
}

#[tokio::test]
async fn out_b7_whatever_the_token_endpoint_does_the_refusal_is_the_documented_one_and_nothing_is_sent() {
    for operation in OPERATIONS {
        for (name, does, kind, check) in faults() {
            let name = format!("{name} at {operation:?}");
            let world = World::new().await;
            let is_late = Arc::new(AtomicBool::new(false));
            let clock = Clock::new(Hasty { time: world.time.clone(), is_late: Arc::clone(&is_late) });
            let target = operation.of(world.payments.target().max_credential_bytes(4096));
            let outbound = world.builder().clock(clock).target(target).build().expect("outbound");

            world.authority.answers(bringing(&signed(&good())));
            let mut before = 0;
            if operation.has_token() {
                // This service's own: alice's shadow is still to be tried.
                let primed = match operation {
                    Operation::Shadow => {
                        client(&outbound).get(world.payments.url("/")).as_service().send().await.is_ok()
                    }
                    _ => send(operation, &outbound, &world).await.is_ok(),
                };
                assert!(primed, "{name}");
                before = 1;
                world.authority.called(if operation == Operation::Shadow { 2 } else { 1 }).await;
                world.time.advance(if operation == Operation::RefreshAhead { 250 } else { 0 });
            }
            let (asked, answers) = (world.authority.calls().len(), !matches!(does, Does::Silence));
            match does {
                Does::Answer(answer) => world.authority.answers(answer),
                Does::Silence => {
                    world.authority.closes();
                    is_late.store(true, Ordering::SeqCst);
                }
            }
            let result = send(operation, &outbound, &world).await;

            let got = world.payments.got();
            if operation.has_token() {
                assert_eq!(result.expect(&name), 200, "{name}");
                assert_eq!(got[0].authorization(), got[1].authorization(), "{name}: the token that was at hand");
                if answers {
                    world.authority.called(asked + 1).await;
                }
            } else {
                let refusal = result.expect_err(&name);
                assert_eq!((refusal.kind(), refusal.check()), (&kind, check), "{name}");
                let server_is_to_blame = !matches!(kind, RefusalKind::Misconfigured);
                assert_eq!(refusal.fault() == Fault::AuthorizationServer, server_is_to_blame, "{name}");
                assert_eq!(got.len(), before, "{name}: zero requests at the target");
            }
        }
    }
}
