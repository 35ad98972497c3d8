//! A proxy, the edge that it asks, and the service that it stands before: all that docs/forward-auth.md shows.

use std::{
    fs,
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
    Algorithm, Audience, AuthLayer, Connection, EdgeLayer, ForwardAuthLayer, KeyRing, KeySetEndpoint, KeyedHash, Mint,
    OriginalRequest, Pairwise, ProxyPeer, RequireLayer, Rotation, SecretToken, Settings, Source, TrustDomain,
    TrustedIssuer, UserNames, Verifier, rule::scope, system_clock,
};
use tower_identity_testkit::{TestAuthority, TestCaller, TestCertificate, TestIssuer};

use super::{DOMAIN, Peer, client, install, put_gateway, settings, start};
use crate::{
    certificates::{self, acceptor},
    servers,
};

const INSIDE: &str = "shop.internal";
pub(super) const ANOTHER_SITE: &str = "https://evil.test";

/// A proxy, the edge that it asks, and the service that it stands before.
pub(super) struct Shop {
    login: TestIssuer,
    spire: TestAuthority,
    mint: Mint,
    asked: Asked,
    reached: Arc<AtomicUsize>,
    service: certificates::Server,
    proxy: Peer,
    port: u16,
    _keys: servers::Server,
    _folder: tempfile::TempDir,
}

/// The status, the challenge, and what came to the service behind, if anything did.
pub(super) type Sent = (u16, Option<String>, Option<Value>);

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

fn secret() -> KeyedHash {
    KeyedHash::new([7; 32]).expect("32 bytes")
}

/// What answers the proxy: `/orders` by a scope that crosses, `/stock` everybody who has signed in, and `/open` everybody.
fn edge(login: &TestIssuer, mint: &Mint, original: OriginalRequest) -> Router {
    let home = TrustedIssuer::discover(login.issuer().as_str()).audience("shop");
    let verifier = Verifier::builder(home).build().expect("valid");
    let sources = [Source::authorization(), Source::cookie("session").expect("a name")];
    let auth = AuthLayer::new(verifier.clone()).realm("shop").sources(sources).expect("valid");
    let edge = |auth: AuthLayer| EdgeLayer::new(auth.edge(), mint.clone(), INSIDE).expect("of the mint").answering();
    let may_pass = || any(|| async {});
    let routes = Router::new()
        .route("/orders/{*rest}", may_pass().layer(RequireLayer::new(scope("orders:place"))))
        .route("/stock", may_pass())
        .layer(edge(auth.clone()))
        .merge(Router::new().route("/open", may_pass()).layer(edge(auth.optional())));
    let asks = ForwardAuthLayer::new(verifier, original, [ProxyPeer::Loopback]).expect("valid");
    Router::new().fallback_service(asks.layer(routes))
}

/// Tells what came, and from whom, and counts it.
fn behind(reached: &Arc<AtomicUsize>, settings: &Settings) -> Router {
    let reached = Arc::clone(reached);
    let tell = any(|caller: Caller, method: Method, headers: HeaderMap, request: Request| async move {
        reached.fetch_add(1, Ordering::Relaxed);
        let field = |name: &str| headers.get_all(name).iter().count();
        Json(json!({
            "asked": format!("{method} {}", request.uri()),
            "caller": caller.workload().id,
            "user": caller.user().map(|user| [user.issuer.as_str(), user.id.as_str()]),
            "scopes": caller.scopes().to_string(),
            "credentials left": field("txn-token") + field("authorization"),
        }))
    });
    // That site is the edge's to keep out: here it would come in.
    let auth = settings.auth_layer().expect("inbound").allowed_origins([ANOTHER_SITE]).expect("an origin");
    Router::new().fallback(tell).layer(auth)
}

impl Shop {
    /// Starts all of it; `None` where no proxies of others are wanted.
    pub(super) async fn start(name: &'static str) -> Option<Self> {
        let python = install::proxies()?;
        let (login, spire) = (TestIssuer::start(), TestAuthority::new(&system_clock()));
        let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock()).expect("a rotation");
        let domain = TrustDomain::new(INSIDE, Pairwise::new(secret())).scope("orders:write", "orders:place");
        let mint = Mint::builder("edge", keys, secret()).trust_domain(domain).build().expect("a mint");
        let endpoint = KeySetEndpoint::new(mint.keys().clone());
        let keys = servers::Server::start(Router::new().route_service(KeySetEndpoint::PATH, endpoint)).await;

        let folder = tempfile::tempdir().expect("a folder");
        put_gateway(folder.path(), &spire);
        let text = settings::of_the_service_behind(&login, &keys.url(KeySetEndpoint::PATH));
        let file = folder.path().join("orders.toml");
        fs::write(&file, text).expect("written");
        let reached = Arc::<AtomicUsize>::default();
        let app = behind(&reached, &Settings::from_path(file).expect("a good file"));
        let own = spire.certificate().dns("orders.internal").common_name("orders").build();
        let service = certificates::Server::start(acceptor(&own, &[&spire]), app).await;

        let original = if name == "envoy" { OriginalRequest::AsAsked } else { OriginalRequest::Forwarded };
        let asked = Asked::start(edge(&login, &mint, original)).await;
        let settings = settings::of_one_that_asks(name, folder.path(), asked.addr, service.addr);
        let (proxy, port) = start(name, python, folder.path(), &settings).await;
        Some(Self { login, spire, mint, asked, reached, service, proxy, port, _keys: keys, _folder: folder })
    }

    /// The service that is asked is there no longer.
    pub(super) async fn stop_the_edge(&mut self) {
        self.asked.task.abort();
        _ = (&mut self.asked.task).await;
    }

    /// A user's credential for outside, as a field.
    pub(super) fn token(&self, user: &str, scopes: &str) -> String {
        format!("Authorization: Bearer {}\r\n", self.issued(user, scopes).expose())
    }

    /// The same, as a browser sends it.
    pub(super) fn cookie(&self, user: &str) -> String {
        format!("Cookie: session={}\r\n", self.issued(user, "orders:write").expose())
    }

    fn issued(&self, user: &str, scopes: &str) -> SecretToken {
        self.login.token().subject(user).client("app").audience("shop").scope(scopes).build()
    }

    /// A genuine internal identity of this user, as anybody has it who has seen one.
    pub(super) fn stolen(&self, user: &str) -> String {
        let caller = TestCaller::workload("app").user(user).scope("orders:write").context();
        let minted = self.mint.mint(&caller, &INSIDE.parse::<Audience>().expect("a name"));
        minted.expect("an identity").token().expose().to_owned()
    }

    /// Whom the service behind sees by way of the proxy: nobody, or a user of the login with these rights.
    pub(super) fn passed(&self, asked: &str, user: Option<&str>, scopes: &str) -> Sent {
        let name = |user: &str| {
            let caller = TestCaller::workload("app").issuer(self.login.issuer().as_str()).user(user).context();
            let audience = INSIDE.parse().expect("a name");
            Pairwise::new(secret()).name(caller.principal(), &audience).expect("everybody has one").to_string()
        };
        let told = json!({
            "asked": asked,
            "caller": format!("{DOMAIN}/gateway"),
            "user": user.map(|user| [INSIDE.to_owned(), name(user)]),
            "scopes": scopes,
            "credentials left": 0,
        });
        (200, None, Some(told))
    }

    /// As bytes: a client that is well meant writes no such paths.
    pub(super) async fn send(&self, line: &str, fields: &str) -> Sent {
        self.send_whole(line, &format!("Content-Length: 4\r\n{fields}"), "body").await
    }

    /// The same, without a body.
    pub(super) async fn get(&self, path: &str, fields: &str) -> Sent {
        self.send_whole(&format!("GET {path}"), fields, "").await
    }

    async fn send_whole(&self, line: &str, fields: &str, body: &str) -> Sent {
        let before = self.reached.load(Ordering::Relaxed);
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).await.expect("it listens");
        let request = format!("{line} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{fields}\r\n{body}");
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
        assert_eq!(field("txn-token"), None, "that is the proxy's to know, and not the client's");
        let has_come = self.reached.load(Ordering::Relaxed) != before;
        let json = body.find('{').zip(body.rfind('}')).map(|(from, to)| &body[from..=to]);
        let told = has_come.then(|| serde_json::from_str(json.expect("JSON")).expect("JSON"));
        (status, field("www-authenticate"), told)
    }

    /// What the service answers past the proxy to who has this certificate, or none, and a user's internal identity.
    pub(super) async fn send_directly(&self, own: Option<&TestCertificate>, identity: &str) -> (u16, Value) {
        let (host, port) = ("orders.internal", self.service.addr.port());
        let request = client(&self.spire, host, port, own).get(format!("https://{host}:{port}/stock"));
        let answer = request.header("txn-token", identity).send().await.expect("answered");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        (status, body["code"].clone())
    }

    /// The certificate of a workload that the service knows.
    pub(super) fn of(&self, name: &str) -> TestCertificate {
        self.spire.certificate().uri(&format!("{DOMAIN}/{name}")).common_name(name).build()
    }
}
