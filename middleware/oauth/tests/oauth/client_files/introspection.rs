//! The same credentials, where tokens are looked up by them.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tower_identity_core::SecretToken;
use tower_identity_oauth::{
    ClientAuth, ConfigurationProblem, Introspected, Introspection, IntrospectionClient, IntrospectionError,
    IntrospectionErrorKind, TargetService, TokenEndpoint,
};
use tower_identity_testkit::LogCapture;

use super::{Arrived, ISSUER, Stage, failed, secrets};
use crate::support::{self, Server};

impl Stage {
    fn looks_up(&self, auth: ClientAuth) -> IntrospectionClient {
        let introspection = Introspection::at(self.server.url("/introspect"), auth);
        introspection.connect(&ISSUER.parse().expect("an issuer"), &self.http).expect("usable")
    }
}

async fn ask(client: &IntrospectionClient) -> Result<(), IntrospectionError> {
    // The server says of no token that it is active.
    let said = client.introspect(&SecretToken::new("opaque")).await?;
    assert!(matches!(said, Introspected::Inactive), "{said:?}");
    Ok(())
}

fn problem(error: &IntrospectionError) -> String {
    match error.kind() {
        IntrospectionErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code) } => code.to_string(),
        IntrospectionErrorKind::OurConfiguration { problem: ConfigurationProblem::Status(status) } => {
            status.to_string()
        }
        other => other.as_str().to_owned(),
    }
}

#[tokio::test]
async fn cauth_b3_a_token_is_looked_up_by_the_next_once_and_it_stays_if_it_is_known() {
    let stage = Stage::new(&["old"]).await;
    let files = ["new", "old"].map(|name| stage.folder.write(name, name));
    let client = stage.looks_up(secrets(&files));
    stage.at_rest().await;
    let logs = LogCapture::start();
    for expected in [vec!["new", "old"], vec!["old"], vec!["old"]] {
        ask(&client).await.expect("known");
        assert_eq!(stage.presented(), expected);
    }
    assert_eq!(logs.text().matches("client credential refused").count(), 1, "told once");

    // The newest is not tried again before its file changes, although the server knows it by now.
    stage.knows(&["new"]);
    assert_eq!(problem(&ask(&client).await.expect_err("unknown")), "invalid_client");
    assert_eq!(stage.presented(), ["old"]);
    stage.knows(&["newest"]);
    stage.folder.write("new", "newest");
    stage.followed().await;
    ask(&client).await.expect("known");
    assert_eq!(stage.presented(), ["newest"]);
}

#[tokio::test]
async fn cauth_b3_where_the_next_is_no_better_no_token_is_looked_up_by_it_again() {
    let stage = Stage::new(&[]).await;
    let files = ["a", "b", "c"].map(|name| stage.folder.write(name, name));
    let client = stage.looks_up(secrets(&files));
    stage.at_rest().await;
    for expected in [vec!["a", "b"], vec!["a"], vec!["a"]] {
        assert_eq!(problem(&ask(&client).await.expect_err("unknown")), "invalid_client");
        assert_eq!(stage.presented(), expected);
    }
    stage.folder.write("c", "d");
    stage.followed().await;
    ask(&client).await.expect_err("unknown");
    assert_eq!(stage.presented(), ["a", "b"], "a file has changed");
}

#[tokio::test]
async fn cauth_b3_only_an_answer_about_who_asks_leads_to_the_next() {
    for (status, code, expected, told) in [
        (401, "invalid_client", vec!["new", "old"], "invalid_client"),
        (400, "invalid_client", vec!["new", "old"], "invalid_client"),
        (401, "unauthorized_client", vec!["new", "old"], "unauthorized_client"),
        // Of a gateway before the server.
        (401, "", vec!["new", "old"], "401 Unauthorized"),
        (403, "", vec!["new"], "403 Forbidden"),
        (400, "unauthorized_client", vec!["new"], "unauthorized_client"),
        (503, "invalid_client", vec!["new"], "unavailable"),
    ] {
        let stage = Stage::new(&[]).await;
        let status = StatusCode::from_u16(status).expect("a status");
        stage.server.forget_answers().answer(move |_| failed(status, code));
        let files = ["new", "old"].map(|name| stage.folder.write(name, name));
        let error = ask(&stage.looks_up(secrets(&files))).await.expect_err("refused");
        assert_eq!(stage.presented(), expected, "{status} {code}");
        assert_eq!(problem(&error), told, "{status} {code}");
    }
}

/// What is said of what we may ask says nothing of the token that proves who we are. And an endpoint that takes none costs
/// the server that issues them one call in five seconds.
#[tokio::test]
async fn cauth_b5_a_bearer_token_that_is_refused_is_not_presented_again() {
    for (status, expected) in [(401, [0, 1, 1, 1, 2]), (403, [0; 5])] {
        let stage = Stage::new(&[]).await;
        let tokens = Server::start().await;
        for number in 0..3 {
            let token = json!({"access_token": format!("bearer-{number}"), "token_type": "Bearer", "expires_in": 300});
            tokens.answer(move |_| support::json(token.to_string()));
        }
        stage.server.forget_answers().answer(move |_| failed(StatusCode::from_u16(status).expect("a status"), ""));
        let us = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
        let from = TokenEndpoint::at("https://login.example", tokens.url("/token"), us);
        let auth = ClientAuth::bearer("orders", from, TargetService::default()).expect("usable");
        let client = stage.looks_up(auth);
        for seconds in [0, 0, 4, 1, 0] {
            stage.clock.advance(Duration::from_secs(seconds));
            ask(&client).await.expect_err("refused");
        }
        let header = |arrived: &Arrived| arrived.headers["authorization"].to_str().expect("ascii").to_owned();
        let presented: Vec<_> = stage.server.arrived().iter().map(header).collect();
        assert_eq!(presented, expected.map(|number| format!("Bearer bearer-{number}")), "{status}");
    }
}
