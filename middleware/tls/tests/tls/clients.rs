//! Whose connections reach the service, and what it learns of them.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::rustls::{
    HandshakeKind,
    client::Resumption,
    crypto::aws_lc_rs,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tower_identity_inbound::{ClientCertificate, Connection};
use tower_identity_testkit::TestAuthority;
use tower_identity_tls::EachConnection;

use crate::support::{House, ask_over, nobody, told};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn tls_a1_a_connection_without_a_good_certificate_reaches_no_service() {
    let house = House::new();
    let (good, now) = (house.client(), house.time.clock().wall());
    let stranger = TestAuthority::new(&house.time.clock()).certificate().uri("spiffe://example.org/storefront").build();
    let ended = house.clients.certificate().valid(now.saturating_sub(2 * DAY), now.saturating_sub(DAY)).build();
    let of_server = house.clients.certificate().dns("localhost").of_a_server().build();
    for (wanted, without) in [(ClientCertificate::Required, None), (ClientCertificate::Optional, nobody())] {
        let served = house.serve(house.asking(wanted)).await;
        for bad in [&stranger, &ended, &of_server] {
            assert_eq!(served.ask(Some(bad)).await, None, "{wanted:?}");
        }
        assert_eq!(served.calls(), 0);
        assert_eq!(served.ask(Some(&good)).await, told(&good), "the control");
        assert_eq!(served.ask(None).await, without);
    }
    // Where none is asked for, none is seen.
    let served = house.serve(house.builder()).await;
    assert_eq!((served.ask(None).await, served.ask(Some(&good)).await), (nobody(), nobody()));
}

#[tokio::test]
async fn tls_a1_plaintext_reaches_no_service() {
    let house = House::new();
    let served = house.serve(house.builder()).await;
    for text in ["GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut tcp = TcpStream::connect(served.addr).await.expect("listening");
        tcp.write_all(text.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        _ = tcp.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert_eq!(served.calls(), 0);
    assert_eq!((served.ask(None).await, served.calls()), (nobody(), 1), "the control");
}

#[tokio::test]
async fn tls_a2_each_connection_tells_of_its_own_peer_in_every_request() {
    let house = House::new();
    let served = house.serve(house.asking(ClientCertificate::Optional)).await;
    let (one, other) = (house.client(), house.client());
    assert_ne!(told(&one), told(&other));
    let open = async |client| served.connect(served.config(client)).await.expect("a connection");
    let (mut of_one, mut of_other, mut of_none) = (open(Some(&one)).await, open(Some(&other)).await, open(None).await);
    for _ in 0..3 {
        assert_eq!(ask_over(&mut of_one).await, told(&one));
        assert_eq!(ask_over(&mut of_none).await, nobody());
        assert_eq!(ask_over(&mut of_other).await, told(&other));
    }
    for protocol in ["h2", "http/1.1"] {
        let mut config = served.config(Some(&one));
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = served.connect(config).await.expect("a connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    }
}

/// Where there is no TLS, the same service learns that there are no certificates.
#[tokio::test]
async fn tls_a2_a_connection_without_tls_tells_that_it_has_no_certificates() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let seen = async |Extension(connection): Extension<Connection>| {
        assert!(connection.peer_addr().is_some() && !connection.is_by_unix_socket());
        connection.peer_certificates().len().to_string()
    };
    let app = Router::new().route("/", get(seen));
    let serving = tokio::spawn(async move { axum::serve(listener, EachConnection::new(app)).await });
    let mut tcp = TcpStream::connect(addr).await.expect("listening");
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    tcp.write_all(request).await.expect("sent");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n0"), "{answer}");
    serving.abort();
}

/// Who may reach the socket is said by its permissions, and nobody there has an address.
#[cfg(unix)]
#[tokio::test]
async fn tls_a2_a_connection_by_a_unix_socket_tells_that_it_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let seen = async |Extension(connection): Extension<Connection>| {
        let (addr, certificates) = (connection.peer_addr(), connection.peer_certificates().len());
        format!("{} {addr:?} {certificates}", connection.is_by_unix_socket())
    };
    let app = Router::new().route("/", get(seen));
    let serving = tokio::spawn(async move { axum::serve(listener, EachConnection::new(app)).await });
    let mut socket = tokio::net::UnixStream::connect(&path).await.expect("listening");
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\ntrue None 0"), "{answer}");
    serving.abort();
}

/// What is taken up again would bring a certificate that nobody looked at.
#[tokio::test]
async fn tls_a6_no_session_is_taken_up_again() {
    let house = House::new();
    let served = house.serve(house.asking(ClientCertificate::Required)).await;
    let client = house.client();
    for version in [&TLS13, &TLS12] {
        let mut config = served.config_of(Some(&client), &[version]);
        config.resumption = Resumption::in_memory_sessions(8);
        for _ in 0..3 {
            let mut stream = served.connect(config.clone()).await.expect("a connection");
            assert_eq!(ask_over(&mut stream).await, told(&client));
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
        }
    }
}

/// Whom a certificate of any authority names, the verifier says; that its key is the peer's is asked here.
#[tokio::test]
async fn tls_a7_any_authoritys_certificate_is_taken_and_told_but_none_whose_key_is_not_proven() {
    let house = House::new();
    let known = house.client();
    let stranger = TestAuthority::new(&house.time.clock()).certificate().uri("spiffe://other.example/orders").build();
    let provider = aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(known.key()).expect("a key");
    let stolen = Arc::new(SingleCertAndKey::from(CertifiedKey::new(stranger.chain().to_vec(), key)));
    for (wanted, without) in [(ClientCertificate::Required, None), (ClientCertificate::Optional, nobody())] {
        let served = house.serve(house.builder().clients_of_any_authority(wanted)).await;
        for version in [&TLS13, &TLS12] {
            let mut config = served.config_of(Some(&stranger), &[version]);
            let mut stream = served.connect(config.clone()).await.expect("a connection");
            assert_eq!(ask_over(&mut stream).await, told(&stranger), "the control, {wanted:?}");
            config.client_auth_cert_resolver = Arc::clone(&stolen) as _;
            let answer = match served.connect(config).await {
                Some(mut stream) => ask_over(&mut stream).await,
                None => None,
            };
            assert_eq!(answer, None, "the certificate is another's, {wanted:?}");
        }
        assert_eq!((served.ask(None).await, served.ask(Some(&known)).await), (without, told(&known)));
    }
    // Where roots are named, they still count.
    let served = house.serve(house.asking(ClientCertificate::Required)).await;
    assert_eq!((served.ask(Some(&stranger)).await, served.ask(Some(&known)).await), (None, told(&known)));
}
