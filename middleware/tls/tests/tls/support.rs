//! A service behind a listener, its folder of files, and its clients.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Extension, Router, routing::get};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::aws_lc_rs,
        time_provider::TimeProvider,
    },
};
use tower_identity_core::{CertificateThumbprint, Clock};
use tower_identity_inbound::{ClientCertificate, Connection};
use tower_identity_testkit::{LogCapture, ManualClock, TestAuthority, TestCertificate};
use tower_identity_tls::{EachConnection, ServerTls, ServerTlsBuilder, TlsListener};

/// The authorities of servers and of clients, and the files of a server.
pub(crate) struct House {
    pub(crate) time: ManualClock,
    pub(crate) servers: TestAuthority,
    pub(crate) clients: TestAuthority,
    folder: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let time = ManualClock::new();
        let [servers, clients] = [(); 2].map(|()| TestAuthority::new(&time.clock()));
        let house = Self { time, servers, clients, folder: tempfile::tempdir().expect("a folder") };
        house.put_server(&house.servers);
        house.put("clients.pem", &house.clients.pem());
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Another certificate of the server, of this authority.
    pub(crate) fn put_server(&self, authority: &TestAuthority) {
        let own = authority.certificate().dns("localhost").build();
        self.put("server.pem", &own.pem());
        self.put("server.key", &own.key_pem());
    }

    pub(crate) fn builder(&self) -> ServerTlsBuilder {
        ServerTls::builder(self.path("server.pem"), self.path("server.key")).clock(self.time.clock())
    }

    pub(crate) fn asking(&self, wanted: ClientCertificate) -> ServerTlsBuilder {
        self.builder().clients(wanted, self.path("clients.pem"))
    }

    pub(crate) fn client(&self) -> TestCertificate {
        self.clients.certificate().uri("spiffe://example.org/storefront").build()
    }

    pub(crate) async fn serve(&self, tls: ServerTlsBuilder) -> Served {
        self.serve_by(tls, |listener| listener).await
    }

    pub(crate) async fn serve_by(
        &self,
        tls: ServerTlsBuilder,
        change: impl FnOnce(TlsListener) -> TlsListener,
    ) -> Served {
        let calls = Arc::<AtomicUsize>::default();
        let app = Router::new().route("/", get(seen)).layer(Extension(Arc::clone(&calls)));
        Served { calls, ..self.start(tls, app, change).await }
    }

    /// Another service, behind the same listener.
    pub(crate) async fn serve_app(&self, tls: ServerTlsBuilder, app: Router) -> Served {
        self.start(tls, app, |listener| listener).await
    }

    async fn start(
        &self,
        tls: ServerTlsBuilder,
        app: Router,
        change: impl FnOnce(TlsListener) -> TlsListener,
    ) -> Served {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = tcp.local_addr().expect("bound");
        let listener = change(TlsListener::new(tcp, tls.build().expect("in order")));
        let serving =
            tokio::spawn(async move { axum::serve(listener, EachConnection::new(app)).await.expect("serves") });
        let (clock, roots) = (self.time.clock(), self.servers.pem());
        Served { addr, calls: Arc::default(), serving: Serving(serving), clock, roots }
    }
}

/// Tells which certificate it sees.
async fn seen(Extension(connection): Extension<Connection>, Extension(calls): Extension<Arc<AtomicUsize>>) -> String {
    calls.fetch_add(1, Ordering::Relaxed);
    assert!(connection.peer_addr().is_some_and(|peer| peer.ip().is_loopback()));
    connection.thumbprint().map_or_else(|| "nobody".to_owned(), |own| format!("{own:?}"))
}

/// What the service says of this client.
pub(crate) fn told(client: &TestCertificate) -> Option<String> {
    Some(format!("{:?}", CertificateThumbprint::of(&client.chain()[0])))
}

pub(crate) fn nobody() -> Option<String> {
    Some("nobody".to_owned())
}

pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    calls: Arc<AtomicUsize>,
    #[expect(dead_code, reason = "the service is there for as long as this is")]
    serving: Serving,
    clock: Clock,
    /// What its clients trust.
    pub(crate) roots: String,
}

/// Ends with this.
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Served {
    /// How many requests have reached the service.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn config(&self, client: Option<&TestCertificate>) -> ClientConfig {
        self.config_of(client, ALL_VERSIONS)
    }

    pub(crate) fn config_of(
        &self,
        client: Option<&TestCertificate>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(self.roots.as_bytes()) {
            roots.add(root.expect("a certificate")).expect("a root");
        }
        let time = Arc::new(Time(self.clock.clone()));
        let config = ClientConfig::builder_with_details(Arc::new(aws_lc_rs::default_provider()), time)
            .with_protocol_versions(versions)
            .expect("the provider has them")
            .with_root_certificates(roots);
        match client {
            Some(own) => config.with_client_auth_cert(own.chain().to_vec(), own.key()).expect("they match"),
            None => config.with_no_client_auth(),
        }
    }

    pub(crate) async fn connect(&self, config: ClientConfig) -> Option<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.addr).await.expect("listening");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()
    }

    /// What the service says over a connection of its own; `None` where that is closed without an answer.
    pub(crate) async fn ask(&self, client: Option<&TestCertificate>) -> Option<String> {
        ask_over(&mut self.connect(self.config(client)).await?).await
    }
}

/// One request over a connection that stays, which is answered well.
pub(crate) async fn ask_over(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let (status, body) = answer_over(stream, "").await?;
    assert_eq!(status, 200, "{body}");
    Some(body)
}

/// The status and the body of one request with these fields.
pub(crate) async fn answer_over(stream: &mut TlsStream<TcpStream>, fields: &str) -> Option<(u16, String)> {
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    loop {
        let mut some = [0; 1024];
        let read = stream.read(&mut some).await.ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if body.len() == length.parse::<usize>().expect("a number") {
            let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status");
            return Some((status.parse().expect("a number"), body.to_owned()));
        }
    }
}

/// The clock, for a client.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.wall().since_epoch()))
    }
}

/// What was told of the files, each without their names.
pub(crate) fn events(logs: &LogCapture) -> Vec<String> {
    let text = logs.text();
    let events = text.lines().filter_map(|line| line.trim_start().split_once(" tower_identity::tls: "));
    let events = events.filter(|(level, _)| *level != "DEBUG");
    events.map(|(level, rest)| format!("{level} {}", rest.split(" file=").next().expect("a message"))).collect()
}

/// Moves time on until so many events were told.
pub(crate) async fn until_told(time: &ManualClock, logs: &LogCapture, number: usize) {
    for _ in 0..20_000 {
        if events(logs).len() >= number {
            return;
        }
        time.advance(Duration::from_secs(1));
        for _ in 0..20 {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
    panic!("never told: {}", logs.text());
}
