//! A clock that moves by hand, and servers that answer what a test tells them to.

pub(crate) mod failing;

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::{mpsc, watch},
};
use tower_identity_core::{BoxFuture, Clock, Moment, TimeSource, Timestamp};
use tower_identity_oauth::Http;

/// Wall time at the start of every test.
pub(crate) const START: u64 = 1_800_000_000;

/// Time that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct ManualTime(Arc<watch::Sender<Duration>>);

impl ManualTime {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Duration::ZERO)))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    pub(crate) fn http(&self) -> Http {
        Http::new(self.clock()).expect("TLS can be set up")
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

impl TimeSource for ManualTime {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(START).saturating_add(*self.0.borrow())
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(*self.0.borrow())
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= moment.since_origin()).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// The output of a future that is expected to be ready; a test that waited for it instead could wait for ever.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// One request as it arrived.
pub(crate) struct Arrived {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Arrived {
    /// The form's fields in their order.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// A server that gives the answers it was told to, in turn (the last one again and again), and keeps what arrives.
#[derive(Clone)]
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    arrived: Mutex<Vec<Arrived>>,
}

type Answer = Arc<dyn Fn(&Arrived) -> Response + Send + Sync>;

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// Appends an answer to those that are given in turn.
    pub(crate) fn answer<R: IntoResponse>(&self, answer: impl Fn(&Arrived) -> R + Send + Sync + 'static) -> &Self {
        let answer: Answer = Arc::new(move |arrived| answer(arrived).into_response());
        self.shared.answers.lock().expect("not poisoned").push_back(answer);
        self
    }

    /// Forgets the answers that are left.
    pub(crate) fn forget_answers(&self) -> &Self {
        self.shared.answers.lock().expect("not poisoned").clear();
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What arrived since this was asked last.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.shared.arrived.lock().expect("not poisoned"))
    }

    /// The paths that were asked for since anything was asked last.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.arrived().iter().map(|arrived| arrived.uri.path().to_owned()).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a small body");
    let arrived = Arrived { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let answer = {
        let mut answers = shared.answers.lock().expect("not poisoned");
        match answers.len() {
            0 => None,
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        }
    };
    let response = answer.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |answer| answer(&arrived));
    shared.arrived.lock().expect("not poisoned").push(arrived);
    response
}

pub(crate) fn json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

pub(crate) fn html() -> Response {
    ([(header::CONTENT_TYPE, "text/html")], "<!doctype html><title>Sign in</title>").into_response()
}

/// A server below HTTP: for each connection it reads the head of a request, tells that it arrived, writes these bytes,
/// and hangs up, or else never says another word.
pub(crate) async fn raw_server(says: &'static [u8], hangs_up: bool) -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (arrived, arrivals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n")
                && connection.read_buf(&mut head).await.unwrap_or(0) > 0
            {}
            connection.write_all(says).await.expect("the client still reads");
            if arrived.send(()).is_err() {
                return;
            }
            if !hangs_up {
                silent.push(connection);
            }
        }
    });
    (url, arrivals)
}
