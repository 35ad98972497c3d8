//! Two users and two services through one pooled client: never mixed, and never more calls than needed.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use axum_identity::{Caller, Problem};
use futures_util::future::{join_all, try_join};

use serde_json::{Value, json};
use tokio::sync::Barrier;
use tower_identity::{AuthLayer, HttpClient};
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::servers::{Server, exchanging_client, leaf, verifier};

struct Mesh {
    issuer: TestIssuer,
    middle: Server,
    _leaves: [Server; 2],
}

#[derive(Clone)]
struct Calls {
    http: HttpClient,
    leaves: [String; 2],
}

/// Calls both leaves at once, and answers what each of them saw.
async fn fan_out(caller: Caller, State(calls): State<Calls>) -> Result<Json<Value>, Problem> {
    let ask = |leaf: &str| {
        let sent = calls.http.get(leaf).send();
        async { Ok::<Value, Problem>(sent.await?.json().await?) }
    };
    let (a, b) = try_join(ask(&calls.leaves[0]), ask(&calls.leaves[1])).await?;
    Ok(Json(json!({ "here": caller, "a": a, "b": b })))
}

impl Mesh {
    async fn start() -> Self {
        let issuer = TestIssuer::start();
        let leaves = [leaf(&issuer, "a").await, leaf(&issuer, "b").await];
        let origins = [leaves[0].origin(), leaves[1].origin()];
        let http = exchanging_client(&issuer, &[(&origins[0], "a"), (&origins[1], "b")]);
        let calls = Calls { http, leaves: [leaves[0].url("/whoami"), leaves[1].url("/whoami")] };
        let router = Router::new().route("/", get(fan_out)).with_state(calls);
        let middle = Server::start(router.layer(AuthLayer::new(verifier(&issuer, "middle")))).await;
        Self { issuer, middle, _leaves: leaves }
    }

    fn token_of(&self, user: &str) -> String {
        self.issuer.token().subject(user).client("web").audience("middle").build().expose().to_owned()
    }
}

/// Who a leaf must have seen: everything but the token's id.
fn seen(issuer: &TestIssuer, user: &str, audience: &str) -> Value {
    let named = |id: &str| json!({ "id": id, "issuer": issuer.issuer() });
    json!({
        "caller": named("middle"), "user": named(user), "actors": [named("middle")], "scopes": [],
        "audience": audience, "evidence": "actor", "binding": "same_token",
    })
}

fn without_token_id(principal: &Value) -> Value {
    let mut principal = principal.clone();
    principal.as_object_mut().expect("an object").remove("token_id").expect("a token id");
    principal
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_and_two_services_over_one_client_are_never_mixed() {
    let mesh = Mesh::start().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let users = ["alice", "bob"];
    let tokens = users.map(|user| mesh.token_of(user));

    for _ in 0..5 {
        let answers = join_all((0..40).map(|n| {
            let (user, token) = (users[n % 2], &tokens[n % 2]);
            let sent = client.get(mesh.middle.url("/")).bearer_auth(token).send();
            async move {
                let response = sent.await.expect("sent");
                assert_eq!(response.status(), 200);
                (user, response.json::<Value>().await.expect("json"))
            }
        }));
        for (user, answer) in answers.await {
            assert_eq!(answer["here"]["user"]["id"], user);
            assert_eq!(without_token_id(&answer["a"]), seen(&mesh.issuer, user, "a"));
            assert_eq!(without_token_id(&answer["b"]), seen(&mesh.issuer, user, "b"));
        }
    }

    let mut exchanged: Vec<_> =
        mesh.issuer.token_calls().iter().map(|call| call.field("audience").map(str::to_owned)).collect();
    exchanged.sort();
    let once_each = ["a", "a", "b", "b"].map(|audience| Some(audience.to_owned()));
    assert_eq!(exchanged, once_each, "two users, two services: four exchanges");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_b4_two_hundred_first_requests_of_one_user_cost_one_exchange() {
    const REQUESTS: usize = 200;
    let issuer = TestIssuer::start();
    let leaf = leaf(&issuer, "a").await;
    let http = exchanging_client(&issuer, &[(&leaf.origin(), "a")]);
    let (address, arrived) = (leaf.url("/whoami"), Arc::new(Barrier::new(REQUESTS + 1)));

    let handler = {
        let arrived = Arc::clone(&arrived);
        move || {
            let sent = http.get(&address).send();
            let arrived = Arc::clone(&arrived);
            async move {
                // Begun before the barrier: every request waits for the one exchange that is held.
                let mut sent = Box::pin(sent);
                assert!(futures_util::poll!(&mut sent).is_pending());
                arrived.wait().await;
                Ok::<_, Problem>(Json(sent.await?.json::<Value>().await?))
            }
        }
    };
    let router = Router::new().route("/", get(handler)).layer(AuthLayer::new(verifier(&issuer, "middle")));
    let middle = Server::start(router).await;
    let token = issuer.token().subject("alice").client("web").audience("middle").build();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");

    let held = issuer.hold(Endpoint::Token);
    let requests = tokio::spawn({
        let (url, token) = (middle.url("/"), token.expose().to_owned());
        async move { join_all((0..REQUESTS).map(|_| client.get(&url).bearer_auth(&token).send())).await }
    });
    arrived.wait().await;
    issuer.arrived(Endpoint::Token, 1).await;
    held.release();

    for response in requests.await.expect("no panic") {
        let principal: Value = response.expect("sent").json().await.expect("json");
        assert_eq!(without_token_id(&principal), seen(&issuer, "alice", "a"));
    }
    assert_eq!(issuer.calls(Endpoint::Token), 1);
}
