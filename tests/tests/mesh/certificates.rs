//! Client certificates over real TLS: a service that is started with the file of docs/certificates.md, and what it makes of
//! a workload's certificate, with a user's token beside it and without.

use std::{fs, net::SocketAddr, sync::Arc};

use axum::{Extension, Json, Router, routing::get};
use axum_identity::Caller;
use base64_simd::STANDARD;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use tower_identity::{Connection, Revocation, SecretToken, Settings, Verifier, system_clock};
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer};

const DOCUMENT: &str = include_str!("../../../docs/certificates.md");
const ORDERS: &str = "spiffe://example.org/orders";

/// What a service with that file answers, and who may have issued what it is shown.
struct House {
    login: TestIssuer,
    spire: TestAuthority,
    pki: TestAuthority,
    stranger: TestAuthority,
    verifier: Verifier,
    server: Server,
}

/// A listener with TLS, until it is dropped.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The file that the document shows, of a service whose callers' users are the login's.
fn file(login: &TestIssuer) -> String {
    let (_, rest) = DOCUMENT.split_once("```toml\n").expect("it shows a file");
    let (shown, _) = rest.split_once("```").expect("to its end");
    format!("{shown}\n[[inbound.issuer]]\nissuer = \"{}\"\naudience = \"payments\"\n", login.issuer())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Who is at the other end of a connection, by what its acceptor saw, whoever issued it.
pub(crate) fn acceptor(own: &TestCertificate, authorities: &[&TestAuthority]) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
        roots.add(root).expect("an authority");
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).allow_unauthenticated();
    let tls = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_client_cert_verifier(clients.build().expect("roots"))
        .with_single_cert(own.chain().to_vec(), own.key())
        .expect("they match");
    TlsAcceptor::from(Arc::new(tls))
}

impl Server {
    /// Serves over TLS, at a free port of this machine.
    pub(crate) async fn start(acceptor: TlsAcceptor, app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        Self { addr, task: tokio::spawn(serve(listener, acceptor, app)) }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, app: Router) {
    while let Ok((tcp, peer)) = listener.accept().await {
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            let facts = Connection::new(peer, stream.get_ref().1.peer_certificates());
            let service = TowerToHyperService::new(app.layer(Extension(facts)));
            drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl House {
    async fn start() -> Self {
        let login = TestIssuer::start();
        let [spire, pki, stranger] = [(); 3].map(|()| TestAuthority::new(&system_clock()));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("payments.toml");
        for (name, text) in [("payments.toml", file(&login)), ("bundle.pem", spire.pem()), ("ca.pem", pki.pem())] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let settings = Settings::from_path(path).expect("a good file");
        let whoami = get(|caller: Caller| async { Json(caller) });
        let app = Router::new().route("/whoami", whoami).layer(settings.auth_layer().expect("inbound"));
        let own = spire.certificate().dns("payments.test").build();
        let server = Server::start(acceptor(&own, &[&spire, &pki, &stranger]), app).await;
        Self { login, spire, pki, stranger, verifier: settings.verifier().expect("inbound"), server }
    }

    /// Alice's token, issued to this client.
    fn alice_at(&self, client: &str) -> SecretToken {
        self.login
            .token()
            .subject("alice")
            .client(client)
            .audience("payments")
            .scope("charge")
            .claim("jti", "t-1")
            .build()
    }

    /// What this caller is answered, over a connection of its own: whom the service saw, or what it has against it.
    async fn ask(&self, certificate: Option<&TestCertificate>, token: Option<&SecretToken>) -> (u16, Value) {
        let root = Certificate::from_pem(self.spire.pem().as_bytes()).expect("a certificate");
        let client = Client::builder().no_proxy().tls_certs_only([root]).resolve("payments.test", self.server.addr);
        let client = certificate.into_iter().fold(client, |client, own| client.identity(identity(own)));
        let url = format!("https://payments.test:{}/whoami", self.server.addr.port());
        let request = client.build().expect("a client").get(url);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token.expose()));
        let response = request.send().await.expect("answered");
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.expect("JSON");
        if let Value::Object(problem) = &mut body {
            problem.retain(|member, _| status == 200 || member == "code");
        }
        (status, body)
    }
}

pub(crate) fn identity(own: &TestCertificate) -> Identity {
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode_to_string(der))
    };
    let chain: String = own.chain().iter().map(|der| pem("CERTIFICATE", der)).collect();
    let key = pem("PRIVATE KEY", own.key().secret_der());
    Identity::from_pem((chain + &key).as_bytes()).expect("a certificate and its key")
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "code": code }))
}

#[tokio::test]
async fn cert_a9_a_workload_by_its_certificate_and_the_user_of_the_token_beside_it() {
    let house = House::start().await;
    let login = house.login.issuer();
    let [orders, stock] = [ORDERS, "spiffe://example.org/stock"].map(|id| house.spire.certificate().uri(id).build());
    let alone = |id: &str, issuer: &str| {
        let seen = json!({
            "caller": {"id": id, "issuer": issuer}, "user": null, "actors": [], "scopes": [], "audience": [],
            "evidence": "proven", "binding": "same_token", "token_id": null,
        });
        (200, seen)
    };
    let for_alice = || {
        let seen = json!({
            "caller": {"id": "orders", "issuer": login}, "user": {"id": "alice", "issuer": login}, "actors": [],
            "scopes": ["charge"], "audience": "payments", "evidence": "proven", "binding": "issuer_named",
            "token_id": "t-1",
        });
        (200, seen)
    };

    assert_eq!(house.ask(Some(&orders), Some(&house.alice_at("orders"))).await, for_alice());
    assert_eq!(house.ask(Some(&orders), None).await, alone("orders", login.as_str()));
    assert_eq!(house.ask(Some(&stock), None).await, alone("spiffe://example.org/stock", "spiffe://example.org"));
    let gateway = house.pki.certificate().dns("gateway.internal").build();
    assert_eq!(house.ask(Some(&gateway), None).await, alone("gateway.internal", "https://pki.example.com"));

    // Stolen from orders, presented by another good workload; and from another, by orders.
    let unrelated = || refused(403, "unrelated_credentials");
    assert_eq!(house.ask(Some(&stock), Some(&house.alice_at("orders"))).await, unrelated());
    assert_eq!(house.ask(Some(&orders), Some(&house.alice_at("stock"))).await, unrelated());
    assert_eq!(house.ask(None, Some(&house.alice_at("orders"))).await, refused(401, "no_credential"));
    // The acceptor trusts them, and the service does not: another authority, and one for the names of the other.
    for authority in [&house.stranger, &house.pki] {
        let forged = authority.certificate().uri(ORDERS).build();
        for token in [None, Some(house.alice_at("orders"))] {
            assert_eq!(house.ask(Some(&forged), token.as_ref()).await, refused(401, "invalid_token"));
        }
    }

    // Revoked, though it was verified before; the others and what alice holds go on.
    let (issuer, id) = ("spiffe://example.org".parse().expect("an issuer"), ORDERS.parse().expect("a subject"));
    house.verifier.revocations().revoke(Revocation::subject(issuer, id));
    for token in [None, Some(house.alice_at("orders"))] {
        assert_eq!(house.ask(Some(&orders), token.as_ref()).await, refused(401, "invalid_token"));
    }
    assert_eq!(house.ask(Some(&stock), None).await, alone("spiffe://example.org/stock", "spiffe://example.org"));
}
