//! A token of our own: asked for once, kept, replaced ahead of its end, and dropped when its target refuses it.

use std::{sync::Arc, time::Duration};

use axum::http::{StatusCode, header};
use serde_json::json;
use tower_identity_core::Scopes;
use tower_identity_oauth::{ClientAuth, Endpoint, OwnToken, TargetService, TokenEndpoint};

use crate::support::{self, Arrived, ManualTime, Server};

fn own_token(server: &Server, time: &ManualTime) -> OwnToken {
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let endpoint = TokenEndpoint::at("https://as.example", server.url("/token"), auth);
    let target = TargetService { scopes: Scopes::parse("keys:read").expect("scopes"), ..TargetService::default() };
    OwnToken::new(endpoint.connect(&time.http()).expect("loopback"), target)
}

/// Issues this token, which is good for five minutes.
fn issues(token: &'static str) -> impl Fn(&Arrived) -> axum::response::Response {
    move |_| support::json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 300}).to_string())
}

async fn text(own: &OwnToken) -> Result<String, String> {
    own.token().await.map(|token| token.access_token().expose().to_owned()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn out_b4_it_is_asked_for_once_for_all_who_want_it_and_kept() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(issues("first")).answer(issues("second"));
    let own = own_token(&server, &time);
    let (one, other) = (own.clone(), own.clone());
    let (one, other) = tokio::join!(text(&one), text(&other));
    assert_eq!((one, other), (Ok("first".to_owned()), Ok("first".to_owned())));
    let arrived = server.arrived();
    let [request] = &arrived[..] else { panic!("{} requests", arrived.len()) };
    let field = |name: &str| request.form().into_iter().find(|(n, _)| n == name).map(|(_, value)| value);
    assert_eq!(field("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(field("scope").as_deref(), Some("keys:read"));

    time.advance(Duration::from_secs(200));
    assert_eq!(text(&own).await, Ok("first".to_owned()));
    assert_eq!(server.arrived().len(), 0);
    time.advance(Duration::from_secs(90));
    assert_eq!(text(&own).await, Ok("second".to_owned()), "ten seconds before its end");
}

#[tokio::test]
async fn rfc6750_b2_a_token_that_its_target_refused_is_dropped_and_no_other() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(issues("first")).answer(issues("second"));
    let own = own_token(&server, &time);
    let first = own.token().await.expect("a token");
    own.forget(&first);
    let second = own.token().await.expect("another");
    assert_eq!(second.access_token().expose(), "second");
    own.forget(&first);
    assert!(Arc::ptr_eq(&own.token().await.expect("kept"), &second), "who was late drops nothing");
    assert_eq!(server.arrived().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_two_seconds() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(|_| (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "40")])).answer(issues("first"));
    let own = own_token(&server, &time);
    let down = text(&own).await;
    let unavailable = "the server is unavailable, to be asked again after 40 s";
    assert!(down.as_ref().is_err_and(|why| why.ends_with(unavailable)), "{down:?}");
    assert_eq!(text(&own).await, down);
    assert_eq!(server.arrived().len(), 1);
    time.advance(Duration::from_secs(2));
    assert_eq!(text(&own).await, Ok("first".to_owned()));
}

#[tokio::test]
async fn rfc6750_b1_it_goes_into_one_header_and_into_no_debug_output() {
    let (server, time) = (Server::start().await, ManualTime::new());
    server.answer(issues("s3cr3t-token")).answer(|_| support::json("{}"));
    let own = own_token(&server, &time);
    let token = own.token().await.expect("a token");
    let (http, url) = (time.http(), server.url("/keys").parse::<Endpoint>().expect("loopback"));
    let get = http.get(&url).bearer(&token);
    assert!(!format!("{get:?} {own:?}").contains("s3cr3t"));
    get.send().await.expect("a document");
    let arrived = server.arrived();
    let values: Vec<_> = arrived[1].headers.get_all(header::AUTHORIZATION).iter().collect();
    assert_eq!(values, ["Bearer s3cr3t-token"]);
}
