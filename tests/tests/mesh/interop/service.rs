//! A service of ours, started from a settings file alone, and tokens as text.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{Json, Router, routing::any};
use axum_identity::Caller;
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tower_identity::{AuthLayer, Settings};

use crate::{
    answers::{Answer, answer, refused},
    servers::Server,
};

/// Tells each caller whom it sees.
pub(crate) struct Service {
    server: Server,
    client: Client,
}

impl Service {
    /// Starts with a file of this text.
    pub(crate) async fn start(settings: &str) -> Self {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let name = format!("interop-{}-{}.toml", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, settings).expect("written");
        let read = Settings::from_path(&file);
        fs::remove_file(&file).expect("removed");

        let verifier = read.and_then(|settings| settings.verifier()).expect("a good file");
        let whoami = any(|caller: Caller| async { Json(caller) });
        let router = Router::new().fallback(whoami).layer(AuthLayer::new(verifier).realm("orders"));
        Self { server: Server::start(router).await, client: client() }
    }

    /// What the service's handler sees of who sends this token, or how the service refuses it.
    pub(crate) async fn ask(&self, token: &str) -> Result<Value, Answer> {
        let response =
            self.client.get(self.server.url("/")).bearer_auth(token).send().await.expect("the service is up");
        match response.status() {
            StatusCode::OK => Ok(response.json().await.expect("json")),
            _ => Err(answer(response).await),
        }
    }
}

/// 401, the same whatever is wrong with the token.
pub(crate) fn invalid_token() -> Result<Value, Answer> {
    let challenge = Some("Bearer realm=\"orders\", error=\"invalid_token\"");
    Err(refused(StatusCode::UNAUTHORIZED, challenge, None, "Unauthorized"))
}

/// Sees that an answer is 503 for want of keys, and returns when it says to come back: in this many seconds, less what
/// has passed of them on a busy machine.
#[track_caller]
pub(crate) fn unavailable(answer: Result<Value, Answer>, at_most: u64) -> Duration {
    let refusal = answer.expect_err("there are no keys");
    let retry_after = refusal.retry_after.clone().unwrap_or_default();
    assert_eq!(refusal, refused(StatusCode::SERVICE_UNAVAILABLE, None, Some(&retry_after), "Service Unavailable"));
    let seconds = retry_after.parse().expect("seconds");
    assert!((at_most.saturating_sub(3).max(1)..=at_most).contains(&seconds), "{seconds} s");
    Duration::from_secs(seconds)
}

/// A client that goes nowhere but where it is sent.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("client")
}

/// The claims of a token, as anybody can read them.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(payload).expect("base64url")).expect("json")
}

/// The same token, of the same signature, with one claim set to another value.
pub(crate) fn tampered(token: &str, claim: &str, value: &str) -> String {
    let mut claims = claims(token);
    claims[claim] = value.into();
    let payload = URL_SAFE_NO_PAD.encode_to_string(claims.to_string().as_bytes());
    let mut parts = token.split('.');
    let mut part = || parts.next().expect("a token has three parts");
    let (header, _, signature) = (part(), part(), part());
    format!("{header}.{payload}.{signature}")
}
