//! Proxies that ask a service of ours whether a request may pass, as docs/forward-auth.md has them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Extension, Json, Router,
    extract::Request,
    http::{HeaderMap, Method},
    routing::any,
};
use axum_identity::Caller;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tower::Layer;
use tower_identity::{
    AuthLayer, Connection, ForwardAuthLayer, OriginalRequest, ProxyPeer, RequireLayer, TrustedIssuer, Verifier,
    rule::scope,
};
use tower_identity_testkit::TestIssuer;

use super::{Peer, install, settings, start};

/// A proxy, the service that it asks, and the one that it stands before.
struct Shop {
    login: TestIssuer,
    asked: Asked,
    reached: Arc<AtomicUsize>,
    _service: Asked,
    proxy: Peer,
    port: u16,
    _folder: tempfile::TempDir,
}

/// A listener without TLS, whose connections end with it.
struct Asked {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Asked {
    async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        Self { addr, task: tokio::spawn(serve(listener, app)) }
    }

    async fn stop(&mut self) {
        self.task.abort();
        _ = (&mut self.task).await;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, app: Router) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, peer)) = listener.accept().await {
        let service = TowerToHyperService::new(app.clone().layer(Extension(Connection::new(peer, None))));
        connections.spawn(async move {
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tcp), service).await);
        });
    }
}

/// Tells what came, and counts it.
fn behind(reached: &Arc<AtomicUsize>) -> Router {
    let reached = Arc::clone(reached);
    Router::new().fallback(any(|method: Method, headers: HeaderMap, request: Request| async move {
        reached.fetch_add(1, Ordering::Relaxed);
        let field =
            |name: &str| headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect::<Vec<_>>();
        let told = json!({
            "asked": format!("{method} {}", request.uri()),
            "txn-token": field("txn-token"),
            "authorization": field("authorization"),
        });
        Json(told)
    }))
}

impl Shop {
    async fn start(name: &'static str) -> Option<Self> {
        let python = install::proxies()?;
        let login = TestIssuer::start();
        let home = TrustedIssuer::discover(login.issuer().as_str()).audience("shop");
        let verifier = Verifier::builder(home).build().expect("valid");
        // In the place of an internal identity: what the answer says, the proxy hands on.
        let may_pass = || any(|caller: Caller| async move { [("txn-token", format!("of-{}", caller.workload().id))] });
        let routes = Router::new()
            .route("/orders/{*rest}", may_pass().layer(RequireLayer::new(scope("orders:write"))))
            .route("/stock", may_pass())
            .layer(AuthLayer::new(verifier.clone()).realm("shop").edge());
        let original = if name == "envoy" { OriginalRequest::AsAsked } else { OriginalRequest::Forwarded };
        let layer = ForwardAuthLayer::new(verifier, original, [ProxyPeer::Loopback]).expect("valid");
        let asked = Asked::start(Router::new().fallback_service(layer.layer(routes))).await;
        let reached = Arc::<AtomicUsize>::default();
        let service = Asked::start(behind(&reached)).await;

        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings::of_one_that_asks(name, folder.path(), asked.addr, service.addr);
        let (proxy, port) = start(name, python, folder.path(), &settings).await;
        Some(Self { login, asked, reached, _service: service, proxy, port, _folder: folder })
    }

    fn token(&self, scopes: &str) -> String {
        let token = self.login.token().subject("alice").client("app").audience("shop").scope(scopes).build();
        format!("Authorization: Bearer {}\r\n", token.expose())
    }

    /// As bytes: a client that is well meant writes no such paths. The status, the challenge, and what came to the service
    /// behind.
    async fn send(&self, line: &str, fields: &str) -> (u16, Option<String>, Option<Value>) {
        let before = self.reached.load(Ordering::Relaxed);
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
        let request =
            format!("{line} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 4\r\n{fields}\r\nbody");
        tcp.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) =
            answer.split_once("\r\n\r\n").unwrap_or_else(|| self.proxy.give_up(&format!("answers {answer}")));
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let has_come = self.reached.load(Ordering::Relaxed) != before;
        let json = body.find('{').zip(body.rfind('}')).map(|(from, to)| &body[from..=to]);
        let told = has_come.then(|| serde_json::from_str(json.expect("JSON")).expect("JSON"));
        (status, field("www-authenticate"), told)
    }
}

fn passed(asked: &str) -> (u16, Option<String>, Option<Value>) {
    (200, None, Some(json!({"asked": asked, "txn-token": ["of-app"], "authorization": []})))
}

/// What a client would like the question to say, and the answer.
const FORGED: &str = "X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: other.test\r\n\
    X-Forwarded-Uri: /stock\r\nX-Original-URI: /stock\r\nX-Original-Method: GET\r\nTxn-Token: forged\r\n\
    Content-Type: application/grpc\r\n";

async fn asks_first(name: &'static str) {
    let Some(mut shop) = Shop::start(name).await else { return };
    let (writes, reads) = (shop.token("orders:write"), shop.token("orders:read"));
    let challenge = Some("Bearer realm=\"shop\"".to_owned());
    for forged in ["", FORGED] {
        let with = |token: &str| format!("{token}{forged}");
        // A refusal of gRPC is rendered by some as such.
        let sent = shop.send("POST /orders/7?all=1", forged).await;
        if name != "envoy" || forged.is_empty() {
            assert_eq!(sent, (401, challenge.clone(), None), "{name}");
        }
        assert_eq!((&sent.1, &sent.2), (&challenge, &None), "{name}");
        assert_eq!(shop.send("POST /orders/7?all=1", &with(&writes)).await, passed("POST /orders/7?all=1"), "{name}");
        assert_eq!(shop.send("GET /stock", &with(&reads)).await, passed("GET /stock"), "{name}");
        let sent = shop.send("POST /orders/7", &with(&reads)).await;
        assert_eq!(sent.2, None, "{name}: a rule of the path that was asked for");
        assert!(sent.0 == 403 || (name == "envoy" && !forged.is_empty()), "{name}: {sent:?}");
    }
    for path in ["/stock/../orders/7", "/stock/%2e%2e/orders/7", "//orders/7", "/%6frders/7", "/stock%2f..%2forders/7"]
    {
        let (status, _, told) = shop.send(&format!("GET {path}"), &reads).await;
        assert_eq!(told, None, "{name}: {path}");
        assert!(status >= 400, "{name}: {path} {status}");
    }
    let (status, _, told) = shop.send("GET /nowhere", &writes).await;
    assert!(status >= 400 && told.is_none(), "{name}: {status}");

    shop.asked.stop().await;
    let closed = if name == "nginx" { 500 } else { 503 };
    assert_eq!(shop.send("GET /stock", &reads).await, (closed, None, None), "{name}");
}

#[tokio::test]
async fn fauth_a4_nginx_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("nginx").await;
}

#[tokio::test]
async fn fauth_a4_haproxy_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("haproxy").await;
}

#[tokio::test]
async fn fauth_a4_envoy_asks_first_and_lets_nobody_pass_unanswered() {
    asks_first("envoy").await;
}
