//! The client's side, against the listener.

use std::sync::Arc;

use rustls_pki_types::ServerName;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ClientConfig, HandshakeKind, ServerConfig, client::Resumption},
};
use tower_identity_inbound::ClientCertificate;
use tower_identity_testkit::{LogCapture, TestAuthority, TestCertificate};
use tower_identity_tls::{ClientTls, ClientTlsBuilder, TlsSettings};

use crate::support::{House, Served, ask_over, events, nobody, told, until_told};

fn put_own(house: &House, own: &TestCertificate) {
    house.put("own.pem", &own.pem());
    house.put("own.key", &own.key_pem());
}

fn trusting(house: &House) -> ClientTlsBuilder {
    house.put("roots.pem", &house.servers.pem());
    ClientTls::builder(house.path("roots.pem")).clock(house.time.clock())
}

fn showing(house: &House, own: &TestCertificate) -> ClientTls {
    put_own(house, own);
    trusting(house).certificate(house.path("own.pem"), house.path("own.key")).build().expect("in order")
}

async fn asked(served: &Served, tls: &ClientTls) -> Option<String> {
    ask_over(&mut served.connect(tls.config()).await?).await
}

#[tokio::test]
async fn tls_b1_the_certificate_of_its_file_is_shown_and_none_where_it_names_none() {
    let house = House::new();
    let served = house.serve(house.asking(ClientCertificate::Optional)).await;
    let own = house.client();
    assert_eq!(asked(&served, &showing(&house, &own)).await, told(&own));
    let bare = trusting(&house).build().expect("in order");
    assert_eq!(asked(&served, &bare).await, nobody());
    assert!(!format!("{bare:?}").contains("pem"));
}

#[tokio::test]
async fn tls_b1_servers_of_other_authorities_are_sent_nothing() {
    let house = House::new();
    let served = house.serve(house.builder()).await;
    let tls = trusting(&house);
    assert_eq!(asked(&served, &tls.clone().build().expect("in order")).await, nobody());
    house.put("roots.pem", &house.clients.pem());
    assert_eq!(asked(&served, &tls.build().expect("in order")).await, None);
    assert_eq!(served.calls(), 1);
}

#[tokio::test]
async fn tls_b2_what_its_files_say_counts_from_the_next_handshake_on() {
    let (house, logs) = (House::new(), LogCapture::start());
    let served = house.serve(house.asking(ClientCertificate::Required)).await;
    let (first, renewed) = (house.client(), house.client());
    let tls = showing(&house, &first);
    // Who has the configuration follows too: it is given away once.
    let config = tls.config();
    let mut before = served.connect(config.clone()).await.expect("a connection");
    assert_eq!(ask_over(&mut before).await, told(&first));

    put_own(&house, &renewed);
    until_told(&house.time, &logs, 1).await;
    assert_eq!(ask_over(&mut before).await, told(&first), "a connection that is there stays");
    assert_eq!(ask_over(&mut served.connect(config.clone()).await.expect("a connection")).await, told(&renewed));

    house.put("own.key", &house.client().key_pem());
    until_told(&house.time, &logs, 2).await;
    assert_eq!(asked(&served, &tls).await, told(&renewed), "the key of another certificate changes nothing");

    house.put("own.key", &renewed.key_pem());
    house.put("roots.pem", &TestAuthority::new(&house.time.clock()).pem());
    until_told(&house.time, &logs, 3).await;
    assert!(served.connect(config).await.is_none(), "the server's authority is trusted no longer");
    let read = "INFO certificate read";
    assert_eq!(events(&logs), [read, "WARN certificate refused: that before it stays", read]);
    logs.assert_hides([first.key_pem(), renewed.key_pem()]);
}

/// A certificate that was replaced would be good at this server for as long as a session is.
#[tokio::test]
async fn tls_b2_no_session_is_taken_up_again_where_the_server_offers_it() {
    let house = House::new();
    let own = house.servers.certificate().dns("localhost").build();
    let server = ServerConfig::builder().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(server.with_single_cert(own.chain().to_vec(), own.key()).expect("fit")));
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = tcp.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((peer, _)) = tcp.accept().await {
            let mut stream = acceptor.accept(peer).await.expect("a handshake");
            stream.write_all(b"x").await.expect("sent");
            stream.shutdown().await.expect("closed");
        }
    });
    let kinds = async |config: ClientConfig| {
        let (config, mut kinds) = (Arc::new(config), Vec::new());
        for _ in 0..2 {
            let tcp = TcpStream::connect(addr).await.expect("listening");
            let name = ServerName::try_from("localhost").expect("a name");
            let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, tcp).await.expect("a handshake");
            // What comes after the handshake is read, which is where sessions are offered.
            stream.read_to_end(&mut Vec::new()).await.expect("read");
            kinds.push(stream.get_ref().1.handshake_kind());
        }
        kinds
    };
    let config = trusting(&house).build().expect("in order").config();
    let mut resuming = config.clone();
    resuming.resumption = Resumption::in_memory_sessions(8);
    assert_eq!(kinds(resuming).await, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    assert_eq!(kinds(config).await, [Some(HandshakeKind::Full); 2]);
}

#[test]
fn tls_b2_what_is_wrong_from_the_start_is_refused_by_its_field() {
    let house = House::new();
    put_own(&house, &house.client());
    house.put("roots.pem", &house.servers.pem());
    house.put("empty", "");
    house.put("other.key", &house.client().key_pem());
    let of = |table: serde_json::Value| {
        let settings: TlsSettings = serde_json::from_value(table).expect("a table");
        let built = settings.beside(&house.path("")).client();
        let built = built.and_then(|builder| builder.map(ClientTlsBuilder::build).transpose());
        built.map(|tls| tls.is_some()).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(of(json!({ "roots": "roots.pem", "certificate": "own.pem", "key": "own.key" })), Ok(true));
    assert_eq!(of(json!({ "roots": "roots.pem" })), Ok(true));
    assert_eq!(of(json!({ "certificate": "own.pem", "key": "own.key" })), Ok(false));
    let wrong = |field: &str, file: &str, rule: &str| Err(format!("{field}: {} {rule}", house.path(file).display()));
    assert_eq!(of(json!({ "roots": "empty" })), wrong("roots", "empty", "holds none in PEM"));
    assert_eq!(of(json!({ "roots": "nowhere" })), wrong("roots", "nowhere", "cannot be read: entity not found"),);
    let other = of(json!({ "roots": "roots.pem", "certificate": "own.pem", "key": "other.key" }));
    assert_eq!(other, wrong("key", "other.key", "is not of the certificate: keys may not be consistent: KeyMismatch"),);
    let alone = of(json!({ "roots": "roots.pem", "certificate": "own.pem" }));
    assert_eq!(alone, Err("key: is missing: that of the certificate".to_owned()));
    let alone = of(json!({ "roots": "roots.pem", "key": "own.key" }));
    assert_eq!(alone, Err("certificate: is missing, of which there is a key".to_owned()));
}
