//! One event for each token request, and no secret in it or around it.

use std::{cell::RefCell, io};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_identity_core::SecretToken;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::{ClientAuth, ClientCredentials, TargetService, TokenEndpoint, TokenExchange};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{self, ManualTime, Server};

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a thread logs with that thread. A subscriber for the whole process, because one for a thread misses the
/// events whose place another thread, without one, reached first.
struct ThisThread;

impl io::Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The fields of each event about a token request, without the duration.
fn token_requests(log: &str) -> Vec<Value> {
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
    let ours = events.filter(|event| event["fields"]["message"] == "token request");
    ours.map(|mut event| {
        let level = event["level"].take();
        let fields = event["fields"].as_object_mut().expect("fields");
        assert!(fields.remove("duration_ms").is_some_and(|duration| duration.is_number()));
        fields.remove("message");
        fields.insert("level".into(), level);
        event["fields"].take()
    })
    .collect()
}

#[tokio::test]
async fn one_event_says_server_grant_outcome_and_duration_and_nothing_secret_is_logged_at_any_level() {
    let subscriber = tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE).with_writer(|| ThisThread);
    tracing::subscriber::set_global_default(subscriber.finish()).expect("no other test sets one");

    let server = Server::start().await;
    let issued = json!({
        "access_token": "ISSUED-TOKEN",
        "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    let denied = json!({"error": "invalid_grant", "error_description": "FREE-TEXT"}).to_string();
    server
        .answer(move |_| support::json(issued.to_string()))
        .answer(move |_| (StatusCode::BAD_REQUEST, support::json(denied.clone())));

    let time = ManualTime::new();
    let connect = |auth| TokenEndpoint::at("https://as.example", server.url("/token"), auth).connect(&time.http());
    let basic = connect(ClientAuth::client_secret_basic("orders", "BASIC-SECRET").expect("usable"));
    let post = connect(ClientAuth::client_secret_post("orders", "POST-SECRET").expect("usable"));
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let jwt = connect(ClientAuth::private_key_jwt("orders", key).expect("usable")).expect("loopback");

    let exchange = TokenExchange::new(SecretToken::new("SUBJECT-TOKEN"), TargetService::default());
    let exchange = exchange.expect("exchangeable").into();
    jwt.request(&exchange).await.expect("a token");
    basic.expect("loopback").request(&exchange).await.expect_err("invalid_grant");
    post.expect("loopback")
        .request(&ClientCredentials::new(TargetService::default()).into())
        .await
        .expect_err("the same");

    let log = String::from_utf8(LOG.take()).expect("utf-8");
    assert_eq!(
        token_requests(&log),
        [
            json!({
                "level": "INFO", "server": "https://as.example", "grant": "token_exchange", "outcome": "issued",
                "attempts": 1,
            }),
            json!({
                "level": "WARN", "server": "https://as.example", "grant": "token_exchange", "outcome": "rejected",
                "attempts": 1,
                "error": "no token by token_exchange from https://as.example: the caller's token is not accepted there, \
                          or no longer: invalid_grant; the caller needs a new one",
            }),
            json!({
                "level": "WARN", "server": "https://as.example", "grant": "client_credentials",
                "outcome": "our_configuration",
                "attempts": 1,
                "error": "no token by client_credentials from https://as.example: our configuration is not accepted \
                          there: it answers invalid_grant; check the client, and what it asks for",
            }),
        ]
    );
    let arrived = server.arrived();
    let assertion = arrived[0].form().into_iter().find(|(name, _)| name == "client_assertion").expect("an assertion").1;
    let basic = arrived[1].headers["authorization"].to_str().expect("ascii").trim_start_matches("Basic ").to_owned();
    let secrets = ["ISSUED-TOKEN", "SUBJECT-TOKEN", "BASIC-SECRET", "POST-SECRET", "FREE-TEXT", &assertion, &basic];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is logged");
    }
}
