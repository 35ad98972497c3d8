//! A way to a server, which counts what goes over it, keeps it waiting, and changes what comes back.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{
        StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Response},
};
use reqwest::Client;
use serde_json::Value;
use tokio::sync::watch;

use crate::{interop::service::client, servers::Server};

/// What whoever asks is answered.
#[derive(Clone, Copy)]
pub(super) enum Answers {
    /// What the server says.
    True,
    /// What it says, changed in one thing.
    Changed(fn(&mut Value)),
    /// A page that is for people.
    Page,
}

pub(super) struct Way {
    shared: Arc<Shared>,
    server: Mutex<Option<Server>>,
    origin: String,
}

struct Shared {
    to: String,
    client: Client,
    asked: watch::Sender<usize>,
    is_open: watch::Sender<bool>,
    answers: Mutex<Answers>,
}

impl Way {
    /// To a server of this origin.
    pub(super) async fn to(origin: &str) -> Self {
        let shared = Arc::new(Shared {
            to: origin.to_owned(),
            client: client(),
            asked: watch::Sender::default(),
            is_open: watch::Sender::new(true),
            answers: Mutex::new(Answers::True),
        });
        let server = Server::start(Router::new().fallback(carry).with_state(Arc::clone(&shared))).await;
        Self { shared, origin: server.origin(), server: Mutex::new(Some(server)) }
    }

    pub(super) fn token_endpoint(&self) -> String {
        format!("{}/token", self.origin)
    }

    pub(super) fn answers(&self, answers: Answers) {
        *self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }

    /// Nobody listens any more.
    pub(super) fn stops(&self) {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether whoever asks is answered at once, or waits until it is.
    pub(super) fn is_open(&self, is_open: bool) {
        self.shared.is_open.send_replace(is_open);
    }

    pub(super) fn asked(&self) -> usize {
        *self.shared.asked.borrow()
    }

    pub(super) async fn was_asked(&self) {
        self.shared.asked.subscribe().wait_for(|asked| *asked > 0).await.expect("its sender is here");
    }
}

async fn carry(State(way): State<Arc<Shared>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let form = to_bytes(body, 64 * 1024).await.expect("a form");
    way.asked.send_modify(|asked| *asked += 1);
    way.is_open.subscribe().wait_for(|is_open| *is_open).await.expect("its sender is here");

    let answers = *way.answers.lock().unwrap_or_else(PoisonError::into_inner);
    let mut asking = way.client.post(format!("{}{}", way.to, head.uri)).body(form);
    for name in [AUTHORIZATION, CONTENT_TYPE] {
        if let Some(value) = head.headers.remove(&name) {
            asking = asking.header(name, value);
        }
    }
    let change = match answers {
        Answers::True => None,
        Answers::Changed(change) => Some(change),
        Answers::Page => return Html("<h1>Down for maintenance</h1>").into_response(),
    };
    let answer = asking.send().await.expect("the server is up");
    let (status, content_type) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let mut body = answer.bytes().await.expect("an answer");
    if let (StatusCode::OK, Some(change)) = (status, change) {
        let mut members: Value = serde_json::from_slice(&body).expect("json");
        change(&mut members);
        body = members.to_string().into();
    }
    let mut response = (status, body).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().extend(content_type.map(|value| (CONTENT_TYPE, value)));
    response
}
