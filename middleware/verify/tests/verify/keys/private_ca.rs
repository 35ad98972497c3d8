//! Servers whose certificates are of an authority of one's own.

use std::{
    fs,
    path::{Path, PathBuf},
    pin::pin,
    process::Command,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
    server::TlsStream,
};
use tower_identity_core::{CallerContext, Refusal, RefusalKind};
use tower_identity_jose::{SigningKey, public_key_set};
use tower_identity_oauth::{ClientAuth, Introspection, TargetService, TokenEndpoint};
use tower_identity_testkit::ManualClock;
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{SECOND, accepted, claims, invalid, key, refused, sign, unavailable};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// An issuer on this machine, whose certificate is by this authority and for this name.
struct TlsIssuer {
    url: String,
    key: SigningKey,
    /// The requests that arrived, by method and path.
    requests: Arc<Mutex<Vec<String>>>,
}

/// Reads a request to its end, and returns its method and path.
async fn read(connection: &mut TlsStream<TcpStream>) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                break;
            }
        }
        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&request).split(" HTTP/").next().unwrap_or_default().to_owned()
}

impl TlsIssuer {
    async fn start(authority: &Authority, name: &str) -> Self {
        let own = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = certificate.signed_by(&own, authority).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(own.serialize_der().into()))
            .expect("they match");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let key = key();
        let metadata =
            format!(r#"{{"issuer": "{url}", "jwks_uri": "{url}/jwks", "introspection_endpoint": "{url}/introspect"}}"#);
        let keys = public_key_set([&key]).to_string();
        let mut answer = claims(&url, ManualClock::new().clock().wall());
        answer["active"] = true.into();
        let answer = answer.to_string();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let arrived = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Who does not trust the certificate says so in the handshake.
                let Ok(mut connection) = acceptor.accept(connection).await else { continue };
                let request = read(&mut connection).await;
                if request.is_empty() {
                    continue;
                }
                let document: &str = match request.as_str() {
                    "GET /jwks" => &keys,
                    "POST /introspect" => &answer,
                    "POST /token" => r#"{"access_token": "for-the-keys", "token_type": "Bearer", "expires_in": 60}"#,
                    _ => &metadata,
                };
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", document.len());
                arrived.lock().expect("no panic").push(request);
                _ = connection.write_all((head + document).as_bytes()).await;
                _ = connection.shutdown().await;
            }
        });
        Self { url, key, requests }
    }

    /// The requests that arrived since this was asked last.
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("no panic"))
    }

    fn discovered(&self) -> TrustedIssuer {
        TrustedIssuer::discover(&self.url).audience("orders")
    }

    fn at_a_url(&self) -> TrustedIssuer {
        TrustedIssuer::keys_at(&self.url, format!("{}/jwks", self.url)).audience("orders")
    }

    /// An issuer whose key set demands a token of its own.
    fn protected(&self) -> TrustedIssuer {
        let server = TokenEndpoint::at(&self.url, format!("{}/token", self.url), orders());
        self.at_a_url().keys_server(server, TargetService::default())
    }

    /// An issuer of opaque tokens, which is asked at its endpoint, or where its metadata says.
    fn opaque(&self) -> TrustedIssuer {
        TrustedIssuer::opaque(&self.url, Introspection::at(format!("{}/introspect", self.url), orders()))
            .audience("orders")
    }

    fn opaque_discovered(&self) -> TrustedIssuer {
        TrustedIssuer::opaque(&self.url, Introspection::discovered(orders())).audience("orders")
    }

    async fn judged(&self, trusted: TrustedIssuer) -> Result<CallerContext, Refusal> {
        let token = sign(&self.key, &claims(&self.url, ManualClock::new().clock().wall()));
        judged(trusted, &token).await
    }
}

fn orders() -> ClientAuth {
    ClientAuth::client_secret_basic("orders", "hunter2").expect("usable")
}

async fn judged(trusted: TrustedIssuer, token: &str) -> Result<CallerContext, Refusal> {
    let time = ManualClock::new();
    let verifier = Verifier::builder(trusted).clock(time.clock()).build().expect("valid");
    let mut verdict = pin!(verifier.bearer(token));
    loop {
        tokio::select! {
            biased;
            verdict = &mut verdict => return verdict,
            () = tokio::task::yield_now() => {}
        }
        // What could not be reached is tried again after a pause, which passes.
        if let Some(pause) = time.next_wake().filter(|wake| *wake < SECOND) {
            time.advance(pause);
        }
    }
}

/// Nobody could be asked about the token.
fn unasked() -> (RefusalKind, &'static str) {
    (RefusalKind::Unavailable { retry_after: 2 * SECOND }, "introspection")
}

fn write(folder: &Path, name: &str, authorities: &[&Authority]) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, authorities.iter().map(|authority| authority.pem()).collect::<String>()).expect("written");
    file
}

#[tokio::test]
async fn rfc8414_a5_a_server_of_an_authority_of_ones_own_is_trusted_by_it_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (authority(), authority());
    let [own_file, both, others] = [("own", &[&own][..]), ("both", &[&other, &own]), ("other", &[&other])]
        .map(|(name, authorities)| write(folder.path(), name, authorities));
    let issuer = TlsIssuer::start(&own, "127.0.0.1").await;
    for trusted in [issuer.discovered(), issuer.at_a_url()] {
        accepted(issuer.judged(trusted.clone().keys_ca_file(&own_file)).await);
        accepted(issuer.judged(trusted.clone().keys_ca_file(&both)).await);
        assert_eq!(refused(issuer.judged(trusted.clone().keys_ca_file(&others)).await), unavailable(2 * SECOND));
        assert_eq!(refused(issuer.judged(trusted).await), unavailable(2 * SECOND));
    }
    let misnamed = TlsIssuer::start(&own, "localhost").await;
    let refusal = misnamed.judged(misnamed.at_a_url().keys_ca_file(&own_file)).await;
    assert_eq!(refused(refusal), unavailable(2 * SECOND), "for another name");
}

/// Our client secret and users' tokens go there.
#[tokio::test]
async fn rfc8414_a5_an_issuer_is_asked_about_tokens_under_its_own_authorities_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (authority(), authority());
    let own_file = write(folder.path(), "own", &[&own]);
    let others = write(folder.path(), "other", &[&other]);
    let issuer = TlsIssuer::start(&own, "127.0.0.1").await;
    for (trusted, expected) in [
        (issuer.opaque(), &["POST /introspect"][..]),
        (issuer.opaque_discovered(), &["GET /.well-known/oauth-authorization-server", "POST /introspect"]),
    ] {
        assert_eq!(refused(judged(trusted.clone().keys_ca_file(&others), "opaque").await), unasked());
        assert_eq!(refused(judged(trusted.clone(), "opaque").await), unasked());
        assert_eq!(issuer.requests(), [""; 0]);
        accepted(judged(trusted.keys_ca_file(&own_file), "opaque").await);
        let mut arrived = issuer.requests();
        arrived.retain(|request| request != "GET /.well-known/openid-configuration");
        assert_eq!(arrived, expected);
    }
}

#[tokio::test]
async fn rfc8414_a5_the_server_of_a_key_sets_token_is_of_the_issuers_authorities_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (own, other) = (authority(), authority());
    let own_file = write(folder.path(), "own", &[&own]);
    let others = write(folder.path(), "other", &[&other]);
    let issuer = TlsIssuer::start(&own, "127.0.0.1").await;
    assert_eq!(refused(issuer.judged(issuer.protected().keys_ca_file(&others)).await), unavailable(2 * SECOND));
    assert_eq!(issuer.requests(), [""; 0]);
    accepted(issuer.judged(issuer.protected().keys_ca_file(&own_file)).await);
    assert_eq!(issuer.requests(), ["POST /token", "GET /jwks"]);
}

/// In a process of its own, whose system trusts the server's authority.
#[tokio::test]
async fn rfc8414_a5_authorities_of_ones_own_stand_in_the_place_of_the_systems() {
    const ISSUER: &str = "TEST_ISSUER_OF_THE_SYSTEMS_AUTHORITY";
    const OWN: &str = "TEST_AUTHORITY_OF_ONES_OWN";
    if let (Ok(url), Ok(own_file)) = (std::env::var(ISSUER), std::env::var(OWN)) {
        let issuer = TlsIssuer { url, key: key(), requests: Arc::default() };
        assert_eq!(refused(issuer.judged(issuer.at_a_url()).await), invalid("key"), "the control: keys are fetched");
        let trusting_another = issuer.judged(issuer.at_a_url().keys_ca_file(&own_file)).await;
        assert_eq!(refused(trusting_another), unavailable(2 * SECOND));
        accepted(judged(issuer.opaque(), "opaque").await);
        assert_eq!(refused(judged(issuer.opaque().keys_ca_file(&own_file), "opaque").await), unasked());
        assert_eq!(refused(judged(issuer.opaque_discovered().keys_ca_file(&own_file), "opaque").await), unasked());
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (systems, own) = (authority(), authority());
    let issuer = TlsIssuer::start(&systems, "127.0.0.1").await;
    let mut child = Command::new(std::env::current_exe().expect("this test binary"));
    child
        .args(["--exact", "keys::private_ca::rfc8414_a5_authorities_of_ones_own_stand_in_the_place_of_the_systems"])
        .env("SSL_CERT_FILE", write(folder.path(), "systems", &[&systems]))
        .env(OWN, write(folder.path(), "own", &[&own]))
        .env(ISSUER, &issuer.url);
    // The server lives on this thread.
    let output = tokio::task::spawn_blocking(move || child.output()).await.expect("no panic").expect("the child runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(issuer.requests(), ["GET /jwks", "POST /introspect"], "those of the controls");
}
