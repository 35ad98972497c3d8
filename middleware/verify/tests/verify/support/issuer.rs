use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};
use tower_identity_jose::{SigningKey, public_key_set};

use super::key;

/// Metadata and a key set, over HTTP on loopback, and the ways in which they fail.
pub(crate) struct LocalIssuer {
    url: String,
    served: Arc<Served>,
}

struct Served {
    keys: Mutex<Vec<SigningKey>>,
    answer: watch::Sender<Answer>,
    metadata: Mutex<String>,
    max_age: Mutex<Option<String>>,
    fetches: AtomicUsize,
}

/// How the key set is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Keys,
    /// Another status, without a body.
    Status(StatusCode),
    /// 503, and when to come back, in seconds.
    Busy(u64),
    /// Another document, with status 200.
    Document(&'static str),
    /// Nothing, until the answer is changed.
    Silence,
}

impl LocalIssuer {
    /// An issuer with one key.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let metadata = format!(r#"{{"issuer": "{url}", "jwks_uri": "{url}/jwks"}}"#);
        let served = Arc::new(Served {
            keys: Mutex::new(vec![key()]),
            answer: watch::Sender::new(Answer::Keys),
            metadata: Mutex::new(metadata),
            max_age: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata_document))
            .route("/jwks", get(key_set))
            .with_state(Arc::clone(&served));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, served }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// The newest key.
    pub(crate) fn key(&self) -> SigningKey {
        self.served.keys.lock().expect("no test panics with it").last().expect("an issuer has keys").clone()
    }

    /// These keys, and no others.
    pub(crate) fn publish(&self, keys: impl Into<Vec<SigningKey>>) {
        *self.served.keys.lock().expect("no test panics with it") = keys.into();
    }

    /// A new key in the place of all others.
    pub(crate) fn rotate(&self) {
        self.publish([key()]);
    }

    /// From now on; those who wait in silence get it too.
    pub(crate) fn answer(&self, answer: Answer) {
        self.served.answer.send_replace(answer);
    }

    pub(crate) fn go_down(&self) {
        self.answer(Answer::Status(StatusCode::SERVICE_UNAVAILABLE));
    }

    pub(crate) fn metadata(&self, document: impl Into<String>) {
        *self.served.metadata.lock().expect("no test panics with it") = document.into();
    }

    pub(crate) fn cache_control(&self, value: &str) {
        *self.served.max_age.lock().expect("no test panics with it") = Some(value.to_owned());
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.served.fetches.load(Ordering::SeqCst)
    }
}

async fn metadata_document(State(served): State<Arc<Served>>) -> String {
    served.metadata.lock().expect("no test panics with it").clone()
}

async fn key_set(State(served): State<Arc<Served>>) -> Response {
    served.fetches.fetch_add(1, Ordering::SeqCst);
    let answer = *served
        .answer
        .subscribe()
        .wait_for(|answer| *answer != Answer::Silence)
        .await
        .expect("the handler itself holds the sender");
    match answer {
        Answer::Keys | Answer::Silence => {
            let keys = served.keys.lock().expect("no test panics with it");
            let freshness = served.max_age.lock().expect("no test panics with it").clone();
            (freshness.map(|value| [(CACHE_CONTROL, value)]), public_key_set(keys.iter())).into_response()
        }
        Answer::Status(status) => status.into_response(),
        Answer::Busy(seconds) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds.to_string())]).into_response()
        }
        Answer::Document(document) => document.into_response(),
    }
}
