//! The caller's context goes where the handler's code goes, and nowhere else.

use std::{convert::Infallible, future::Future, pin::Pin};

use axum::{Router, body::Body, extract::State, routing::get};
use axum_identity::{Caller, Problem};
use futures_util::{StreamExt, poll, stream};
use serde_json::Value;
use tower_identity::{AuthLayer, HttpClient, OutboundError, SendError, ambient};
use tower_identity_testkit::{Endpoint, TestCaller, TestIssuer};

use crate::servers::{Recorder, Server, exchanging_client, leaf, verifier};

#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) http: HttpClient,
    pub(crate) address: String,
}

impl Leaf {
    /// Whom the leaf saw, or why nothing was sent.
    pub(crate) async fn user(&self) -> String {
        match self.http.get(&self.address).send().await {
            Ok(response) => response.json::<Value>().await.expect("json")["user"]["id"].to_string(),
            Err(SendError::Refused(refused)) => refused.refusal().check().to_owned(),
            Err(failed) => panic!("the leaf is up: {failed:?}"),
        }
    }
}

async fn handler_only(State(leaf): State<Leaf>) -> String {
    leaf.user().await
}

async fn spawned(State(leaf): State<Leaf>) -> Result<String, Problem> {
    Ok(tokio::spawn(async move { leaf.user().await }).await?)
}

async fn spawned_and_carried(caller: Caller, State(leaf): State<Leaf>) -> Result<String, Problem> {
    Ok(tokio::spawn(caller.scope(async move { leaf.user().await })).await?)
}

/// Calls on when the body is read: after the handler has returned.
fn late(leaf: Leaf) -> impl futures_util::Stream<Item = Result<String, Infallible>> + Send {
    stream::once(async move { Ok(leaf.user().await) }).boxed()
}

async fn streamed(State(leaf): State<Leaf>) -> Body {
    Body::from_stream(late(leaf))
}

async fn streamed_and_carried(caller: Caller, State(leaf): State<Leaf>) -> Body {
    Body::from_stream(caller.scope_stream(late(leaf)))
}

#[tokio::test]
async fn out_b8_a_task_or_a_stream_has_the_context_only_if_it_is_carried_there() {
    let issuer = TestIssuer::start();
    let leaf = leaf(&issuer, "a").await;
    let http = exchanging_client(&issuer, &[(&leaf.origin(), "a")]);
    let router = Router::new()
        .route("/handler", get(handler_only))
        .route("/spawned", get(spawned))
        .route("/spawned-and-carried", get(spawned_and_carried))
        .route("/streamed", get(streamed))
        .route("/streamed-and-carried", get(streamed_and_carried))
        .layer(AuthLayer::new(verifier(&issuer, "middle")))
        .with_state(Leaf { http, address: leaf.url("/whoami") });
    let middle = Server::start(router).await;
    let token = issuer.token().subject("alice").client("web").audience("middle").build();
    let client = reqwest::Client::builder().no_proxy().build().expect("client");

    let nobody = "no_caller";
    let alice = "\"alice\"";
    for (path, expected, exchanges) in [
        ("/spawned", nobody, 0),
        ("/streamed", nobody, 0),
        ("/handler", alice, 1),
        ("/spawned-and-carried", alice, 1),
        ("/streamed-and-carried", alice, 1),
    ] {
        let response = client.get(middle.url(path)).bearer_auth(token.expose()).send().await.expect("sent");
        assert_eq!(response.text().await.expect("text"), expected, "{path}");
        assert_eq!(issuer.calls(Endpoint::Token), exchanges, "{path}: without a context nothing is asked for");
    }
}

/// A call belongs to whoever's code made it: it is decided when the call is made, and never by who polls it.
#[tokio::test]
async fn a_call_made_in_one_scope_and_polled_in_another_acts_for_the_first() {
    let issuer = TestIssuer::start();
    let leaf = leaf(&issuer, "a").await;
    let http = exchanging_client(&issuer, &[(&leaf.origin(), "a")]);
    let context = |user: &str| TestCaller::workload("web").user(user).signed_by(&issuer).context();
    let (alice, bob) = (context("alice"), context("bob"));

    let call = || {
        let sent = http.get(leaf.url("/whoami")).send();
        async { sent.await.expect("sent").json::<Value>().await.expect("json")["user"]["id"].clone() }
    };
    let made_for_alice = ambient::enter(&mut Some(alice.clone()), call);
    assert_eq!(bob.scope(made_for_alice).await, "alice");

    // One scope within another, polled in turns: each sees its own, before and after the other ran.
    let observed = bob.scope(async {
        let who = || ambient::current().map(|context| context.principal().user().expect("a user").id.to_string());
        let mut inner: Pin<Box<dyn Future<Output = Option<String>>>> = Box::pin(alice.scope(async {
            tokio::task::yield_now().await;
            who()
        }));
        assert!(poll!(&mut inner).is_pending());
        let between = who();
        (between, inner.await, who())
    });
    let named = |user: &str| Some(user.to_owned());
    assert_eq!(observed.await, (named("bob"), named("alice"), named("bob")));
}

/// A call that nobody's code made acts for nobody, also when somebody polls it.
#[tokio::test]
async fn a_call_made_outside_of_every_scope_and_polled_in_one_acts_for_nobody() {
    let issuer = TestIssuer::start();
    let target = Recorder::start().await;
    let http = exchanging_client(&issuer, &[(&target.server.origin(), "a")]);
    let alice = TestCaller::workload("web").user("alice").issuer(issuer.issuer()).context();

    let made_for_nobody = http.get(target.server.url("/")).send();
    let refused = alice.scope(made_for_nobody).await.expect_err("nobody");

    let SendError::Refused(refused) = refused else { panic!("sent for alice: {refused:?}") };
    assert_eq!(<OutboundError>::refusal(&refused).check(), "no_caller");
    assert_eq!((target.seen().len(), issuer.calls(Endpoint::Token)), (0, 0));
}
