//! The layer behind a listener with TLS, by HTTP/1.1 and HTTP/2: what the acceptor saw of a client is what the layer
//! judges.

use std::{net::SocketAddr, sync::Arc};

use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use tower_identity_core::CallerName;
use tower_identity_inbound::{AuthLayer, ClientCertificate, Connection, Inbound};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer};
use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier};

const STOREFRONT: &str = "spiffe://example.org/storefront";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(authorities: &[&TestAuthority]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
        roots.add(root).expect("an authority");
    }
    Arc::new(roots)
}

/// A service whose acceptor trusts more authorities than the service does.
struct House {
    issuer: TestIssuer,
    spire: TestAuthority,
    others: TestAuthority,
    addr: SocketAddr,
}

async fn whoami(Extension(inbound): Extension<Inbound>, Extension(connection): Extension<Connection>) -> String {
    assert!(connection.peer_addr().is_some_and(|peer| peer.ip().is_loopback()));
    let caller = inbound.caller().expect("nobody is anonymous here");
    let principal = caller.principal();
    format!("{} for {}", principal.workload().id, principal.user().map_or("nobody", |user| user.id.as_str()))
}

impl House {
    async fn start(wanted: ClientCertificate) -> Self {
        let issuer = TestIssuer::start();
        let [spire, others] = [(); 2].map(|()| TestAuthority::new(&system_clock()));
        let in_spire = CallerName::of_issuer("spiffe://example.org", STOREFRONT).expect("a name");
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let verifier = Verifier::builder(home)
            .certificates(CertificateAnchor::trust_domain("example.org", spire.pem()))
            .workload(["storefront".try_into().expect("a name"), in_spire])
            .build()
            .expect("valid");
        let layer = AuthLayer::new(verifier).client_certificate(wanted).expect("valid");
        let app = Router::new().route("/", get(whoami)).layer(layer);

        let own = spire.certificate().dns("localhost").build();
        let clients = WebPkiClientVerifier::builder_with_provider(roots(&[&spire, &others]), provider());
        let mut tls = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_client_cert_verifier(clients.allow_unauthenticated().build().expect("roots"))
            .with_single_cert(own.chain().to_vec(), own.key())
            .expect("they match");
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), app));
        Self { issuer, spire, others, addr }
    }

    fn storefront(&self) -> TestCertificate {
        self.spire.certificate().uri(STOREFRONT).build()
    }

    fn alice_at(&self, client: &str) -> Option<HeaderValue> {
        Some(self.issuer.token().subject("alice").client(client).audience("orders").bearer())
    }

    /// What becomes of these requests over one connection.
    async fn over<const N: usize>(
        &self,
        protocol: &str,
        certificate: Option<&TestCertificate>,
        tokens: [Option<HeaderValue>; N],
    ) -> [(u16, String); N] {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots(&[&self.spire]));
        let mut config = match certificate {
            Some(own) => config.with_client_auth_cert(own.chain().to_vec(), own.key()).expect("they match"),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let tcp = TcpStream::connect(self.addr).await.expect("listening");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        let mut client = Client::of(protocol, TokioIo::new(stream)).await;
        let mut seen = Vec::new();
        for token in tokens {
            let mut request = Request::new(Full::default());
            *request.uri_mut() = "https://localhost/".parse().expect("a URI");
            if let Some(token) = token {
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            let response = client.send(request).await;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            seen.push((
                status,
                if status == 200 { String::from_utf8_lossy(&body).into_owned() } else { String::new() },
            ));
        }
        seen.try_into().expect("as many")
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, app: Router) {
    while let Ok((tcp, peer)) = listener.accept().await {
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(tcp).await else { return };
            let facts = Connection::new(peer, stream.get_ref().1.peer_certificates());
            let service = TowerToHyperService::new(app.layer(Extension(facts)));
            _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

enum Client {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Client {
    async fn of(protocol: &str, io: TokioIo<tokio_rustls::client::TlsStream<TcpStream>>) -> Self {
        if protocol == "h2" {
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
            let (client, connection) = handshake.await.expect("a connection");
            tokio::spawn(connection);
            Self::Http2(client)
        } else {
            let (client, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
            tokio::spawn(connection);
            Self::Http1(client)
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        match self {
            Self::Http1(client) => client.send_request(request).await,
            Self::Http2(client) => client.send_request(request).await,
        }
        .expect("an answer")
    }
}

fn ok(told: &str) -> (u16, String) {
    (200, told.to_owned())
}

fn refused(status: u16) -> (u16, String) {
    (status, String::new())
}

#[tokio::test]
async fn cert_a5_the_certificate_of_the_connection_is_the_callers_credential() {
    let house = House::start(ClientCertificate::Required).await;
    let (storefront, stolen) = (house.storefront(), || house.alice_at("payments"));
    let alice = || house.alice_at("storefront");
    for protocol in ["http/1.1", "h2"] {
        assert_eq!(
            house.over(protocol, Some(&storefront), [None, alice(), stolen(), alice(), None]).await,
            [
                ok("storefront for nobody"),
                ok("storefront for alice"),
                refused(403),
                ok("storefront for alice"),
                ok("storefront for nobody"),
            ],
            "{protocol}"
        );
        assert_eq!(house.over(protocol, None, [None, alice()]).await, [refused(401), refused(401)], "{protocol}");
    }
}

/// The acceptor trusts this authority, and the service does not: also where certificates are optional.
#[tokio::test]
async fn cert_a6_an_acceptors_trust_is_not_the_services() {
    for wanted in [ClientCertificate::Required, ClientCertificate::Optional] {
        let house = House::start(wanted).await;
        let same_name = house.others.certificate().uri(STOREFRONT).build();
        let alice = || house.alice_at("storefront");
        for protocol in ["http/1.1", "h2"] {
            let seen = house.over(protocol, Some(&same_name), [None, alice()]).await;
            assert_eq!(seen, [refused(401), refused(401)], "{protocol}");
            let own = house.over(protocol, Some(&house.storefront()), [alice()]).await;
            assert_eq!(own, [ok("storefront for alice")], "the control: {protocol}");
        }
    }
}
