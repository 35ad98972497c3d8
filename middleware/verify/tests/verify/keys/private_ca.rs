//! Servers whose certificates are of an authority of one's own.

use std::{fs, path::Path, process::Command, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};
use tower_identity_core::{CallerContext, Refusal};
use tower_identity_jose::{SigningKey, public_key_set};
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
        let metadata = format!(r#"{{"issuer": "{url}", "jwks_uri": "{url}/jwks"}}"#);
        let keys = public_key_set([&key]).to_string();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // Who does not trust the certificate says so in the handshake.
                let Ok(mut connection) = acceptor.accept(connection).await else { continue };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && connection.read_buf(&mut request).await.unwrap_or(0) > 0 {}
                let document = if request.starts_with(b"GET /jwks ") { &keys } else { &metadata };
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", document.len());
                _ = connection.write_all((head + document).as_bytes()).await;
                _ = connection.shutdown().await;
            }
        });
        Self { url, key }
    }

    fn discovered(&self) -> TrustedIssuer {
        TrustedIssuer::discover(&self.url).audience("orders")
    }

    fn at_a_url(&self) -> TrustedIssuer {
        TrustedIssuer::keys_at(&self.url, format!("{}/jwks", self.url)).audience("orders")
    }

    async fn judged(&self, trusted: TrustedIssuer) -> Result<CallerContext, Refusal> {
        let clock = ManualClock::new();
        let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("valid");
        verifier.bearer(&sign(&self.key, &claims(&self.url, clock.clock().wall()))).await
    }
}

fn write(folder: &Path, name: &str, authorities: &[&Authority]) -> std::path::PathBuf {
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

/// In a process of its own, whose system trusts the server's authority.
#[tokio::test]
async fn rfc8414_a5_authorities_of_ones_own_stand_in_the_place_of_the_systems() {
    const ISSUER: &str = "TEST_ISSUER_OF_THE_SYSTEMS_AUTHORITY";
    const OWN: &str = "TEST_AUTHORITY_OF_ONES_OWN";
    if let (Ok(url), Ok(own_file)) = (std::env::var(ISSUER), std::env::var(OWN)) {
        let issuer = TlsIssuer { url, key: key() };
        assert_eq!(refused(issuer.judged(issuer.at_a_url()).await), invalid("key"), "the control: keys are fetched");
        let trusting_another = issuer.judged(issuer.at_a_url().keys_ca_file(own_file)).await;
        assert_eq!(refused(trusting_another), unavailable(2 * SECOND));
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
}
