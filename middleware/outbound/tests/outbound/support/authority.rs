//! An authorization server that answers what a test says, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    sync::{Arc, Mutex},
    task::Poll,
};

use axum::{
    Form, Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use tokio::{net::TcpListener, sync::Semaphore};
use tower_identity_core::SecretToken;
use tower_identity_oauth::{ClientAuth, TokenEndpoint};

use super::soon;

/// The parameters of one call of a token endpoint, and `client`, who authenticated.
pub(crate) type Call = BTreeMap<String, String>;

pub(crate) fn call<const N: usize>(pairs: [(&str, &str); N]) -> Call {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What a token endpoint answers: a status, a content type, headers, a body with `{token}` for a token of its own.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, headers: vec![("content-type", "application/json")], body: body.into() }
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        let status = StatusCode::from_u16(status).expect("status");
        Self { status, ..Self::ok(format!(r#"{{"error":"{code}"}}"#)) }
    }

    /// The head of an answer, and no body: the connection is closed.
    pub(crate) fn broken_off() -> Self {
        Self::ok("{break off}")
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }
}

/// The answer of a good server, to an exchange and to client credentials, for so many seconds.
pub(crate) fn issued(seconds: u64) -> Answer {
    Answer::ok(format!(
        r#"{{"access_token":"{{token}}","token_type":"Bearer","expires_in":{seconds},
            "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}}"#
    ))
}

#[derive(Clone)]
pub(crate) struct Authority(Arc<AuthorityInner>);

struct AuthorityInner {
    url: String,
    calls: Mutex<Vec<Call>>,
    answer: Mutex<Answer>,
    /// Of exchanges, where that is another.
    exchanged: Mutex<Option<Answer>>,
    /// One permit lets one call be answered.
    gate: Semaphore,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let inner = AuthorityInner {
            url,
            calls: Mutex::default(),
            answer: Mutex::new(issued(300)),
            exchanged: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        };
        let authority = Self(Arc::new(inner));
        let app = Router::new().route("/token", post(token)).with_state(authority.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        authority
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.url
    }

    /// What it is from now on that every call is answered.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.0.answer.lock().expect("unpoisoned") = answer;
    }

    /// The same, of exchanges alone.
    #[cfg(feature = "transaction-tokens")]
    pub(crate) fn answers_exchanges(&self, answer: Answer) {
        *self.0.exchanged.lock().expect("unpoisoned") = Some(answer);
    }

    /// From now on calls wait, until [`opens`](Self::opens).
    pub(crate) fn closes(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn opens(&self) {
        self.0.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().expect("unpoisoned").clone()
    }

    /// Waits until it has had so many calls.
    pub(crate) async fn called(&self, times: usize) {
        let enough = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if self.calls().len() < times { Poll::Pending } else { Poll::Ready(()) }
        });
        soon(enough).await;
    }

    /// The call that a token was issued for.
    pub(crate) fn call_of(&self, authorization: &str) -> Call {
        let number = authorization.strip_prefix("Bearer token-").expect("a token of this server");
        self.calls()[number.parse::<usize>().expect("its number")].clone()
    }

    pub(crate) fn endpoint(&self, client: &str) -> TokenEndpoint {
        let auth = ClientAuth::client_secret_post(client, SecretToken::new("s3cret-of-ours")).expect("client");
        TokenEndpoint::at(self.issuer(), format!("{}/token", self.issuer()), auth)
    }
}

async fn token(State(authority): State<Authority>, Form(mut call): Form<Call>) -> Response {
    call.remove("client_secret");
    let is_exchange = call.contains_key("subject_token");
    let number = {
        let mut calls = authority.0.calls.lock().expect("unpoisoned");
        calls.push(call);
        calls.len() - 1
    };
    authority.0.gate.acquire().await.expect("never closed").forget();
    authority.0.gate.add_permits(1);
    let exchanged = authority.0.exchanged.lock().expect("unpoisoned").clone().filter(|_| is_exchange);
    let answer = exchanged.unwrap_or_else(|| authority.0.answer.lock().expect("unpoisoned").clone());
    let body = answer.body.replace("{token}", &format!("token-{number}"));
    let mut response = (answer.status, body.clone()).into_response();
    if body == "{break off}" {
        let broken = stream::once(async { Err::<Bytes, _>(io::Error::other("closed")) });
        *response.body_mut() = Body::from_stream(broken);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        response.headers_mut().append(name, value.parse().expect("value"));
    }
    response
}
