//! A sign-in that somebody further on wants of the user reaches whoever can ask the user for it.

use std::time::Duration;

use axum::{
    Json, Router,
    routing::{get, post},
};
use axum_identity::{Caller, Problem};
use reqwest::StatusCode;
use serde_json::json;
use tower_identity::{
    AuthLayer, ClientAuth, HttpClient, Outbound, Plaintext, RequireLayer, ResponseExt, Target, TokenEndpoint,
    rule::{acr, max_age},
};
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::{
    answers::{Answer, PASSED, answer, refused},
    servers::{Recorder, Server, verifier},
};

/// The challenge to sign in by what [`authority`] wants.
pub(crate) const AGAIN: &str =
    "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:example:mfa\", max_age=\"300\"";

fn again() -> Answer {
    refused(StatusCode::UNAUTHORIZED, Some(AGAIN), None, "Unauthorized")
}

/// An authorization server that gives orders no token, but says what the user has to do for one.
pub(crate) async fn authority() -> Server {
    let says = || async {
        let demand = json!({
            "error": "insufficient_user_authentication", "acr_values": "urn:example:mfa", "max_age": 300
        });
        (StatusCode::BAD_REQUEST, Json(demand))
    };
    Server::start(Router::new().route("/token", post(says))).await
}

/// What orders calls on with, at one target.
pub(crate) fn outbound(issuer: &TestIssuer, token: &str, target: &str) -> Outbound {
    let auth = ClientAuth::client_secret_basic("orders", "secret").expect("a client");
    let server = TokenEndpoint::at(issuer.issuer().as_str(), token, auth);
    let target = Target::origin(target).expect("an origin").audience("payments").token_exchange();
    Outbound::builder(server).plaintext(Plaintext::Loopback).target(target).build().expect("outbound")
}

/// Calls on to payments for its caller, and answers what payments did.
async fn orders(issuer: &TestIssuer, http: HttpClient, payments: String) -> Server {
    let call_on = move |_: Caller| {
        let sent = http.get(&payments).send();
        async move { Ok::<_, Problem>(Json(sent.await?.successful()?.text().await?)) }
    };
    let auth = AuthLayer::new(verifier(issuer, "orders")).realm("orders");
    Server::start(Router::new().route("/", get(call_on)).layer(auth)).await
}

async fn ask(issuer: &TestIssuer, orders: &Server, signed_in: Option<&str>) -> Answer {
    let token = issuer.token().subject("alice").client("storefront").audience("orders");
    let now = token.claims()["iat"].as_u64().expect("a time");
    let token = match signed_in {
        Some(class) => token.claim("acr", class).claim("auth_time", now),
        None => token,
    };
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    answer(client.get(orders.url("/")).bearer_auth(token.build().expose()).send().await.expect("sent")).await
}

#[tokio::test]
async fn out_b7_what_the_authorization_server_wants_of_the_user_reaches_our_caller_with_what_would_do() {
    let issuer = TestIssuer::start();
    let (authority, payments) = (authority().await, Recorder::start().await);
    let at = |token: String| {
        let outbound = outbound(&issuer, &token, &payments.server.origin());
        outbound.reqwest(reqwest::Client::builder()).expect("a client")
    };
    let refusing = orders(&issuer, at(authority.url("/token")), payments.server.url("/")).await;
    assert_eq!(ask(&issuer, &refusing, None).await, again());
    assert_eq!(payments.seen().len(), 0, "nothing is sent");

    let control = orders(&issuer, at(issuer.url(Endpoint::Token)), payments.server.url("/")).await;
    assert_eq!((ask(&issuer, &control, None).await, payments.seen().len()), (PASSED, 1));
}

#[tokio::test]
async fn rfc9470_b1_what_a_target_wants_of_the_user_reaches_our_caller_and_no_other_token_is_tried() {
    let issuer = TestIssuer::start();
    let stronger = RequireLayer::new(acr(["urn:example:mfa"]).and(max_age(Duration::from_secs(300))));
    let payments = Router::new().route("/", get(async || "charged").layer(stronger));
    let payments = Server::start(payments.layer(AuthLayer::new(verifier(&issuer, "payments")).realm("payments"))).await;
    let outbound = outbound(&issuer, &issuer.url(Endpoint::Token), &payments.origin());
    let http = outbound.reqwest(reqwest::Client::builder()).expect("a client");
    let orders = orders(&issuer, http, payments.url("/")).await;

    assert_eq!(ask(&issuer, &orders, None).await, again());
    assert_eq!(issuer.calls(Endpoint::Token), 1);
    assert_eq!(ask(&issuer, &orders, Some("urn:example:mfa")).await, PASSED);
}
