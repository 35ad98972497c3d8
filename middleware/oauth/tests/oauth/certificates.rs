//! Certificates of ours, as they arrive at a server that knows some of them.

use std::{error::Error, fs, net::Ipv4Addr, path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tower_identity_core::{CertificateThumbprint, SecretToken};
use tower_identity_oauth::{
    Authorities, ClientAuth, ClientCredentials, ConfigurationProblem, FetchError, Grant, Http, Introspection,
    IssuedToken, Standing, TargetService, TokenClient, TokenEndpoint, TokenError, TokenErrorKind, Urgency,
};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{
    ClientAuthentication, Endpoint, LogCapture, ManualClock, TestAuthority, TestCertificate, TestIssuer,
};

use crate::support::failing::until;

/// A server with a door for certificates, and a folder for those of its clients.
struct Stage {
    clock: ManualClock,
    http: Http,
    issuer: TestIssuer,
    clients: TestAuthority,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let (clock, folder) = (ManualClock::new(), tempfile::tempdir().expect("a folder"));
        // What TLS says of time, it says by the system's clock.
        let [servers, clients] = [(); 2].map(|()| TestAuthority::new(&system_clock()));
        let server = servers.certificate().address(Ipv4Addr::LOCALHOST.into()).build();
        let issuer = TestIssuer::builder().clock(clock.clock()).mtls(&server, &clients).start();
        let roots = folder.path().join("servers.pem");
        fs::write(&roots, servers.pem()).expect("written");
        let trusted = Authorities::from_file("roots", &roots).expect("a root");
        let http = Http::new(clock.clock()).and_then(|http| http.trusting(trusted)).expect("TLS can be set up");
        Self { clock, http, issuer, clients, folder }
    }

    fn certificate(&self) -> TestCertificate {
        self.clients.certificate().uri("spiffe://example.org/orders").build()
    }

    /// One that the server knows the client by.
    fn registered(&self) -> TestCertificate {
        let certificate = self.certificate();
        self.issuer.register_certificate("orders", &certificate);
        certificate
    }

    fn write(&self, name: &str, certificate: &TestCertificate) -> (PathBuf, PathBuf) {
        let [file, key] = ["pem", "key"].map(|kind| self.folder.path().join(format!("{name}.{kind}")));
        fs::write(&file, certificate.pem()).expect("written");
        fs::write(&key, certificate.key_pem()).expect("written");
        (file, key)
    }

    fn connect(&self, auth: ClientAuth) -> TokenClient {
        TokenEndpoint::discover(self.issuer.issuer().as_str(), auth).connect(&self.http).expect("usable")
    }

    /// How the client of the last call said who it is.
    fn client(&self) -> ClientAuthentication {
        self.issuer.token_calls().last().expect("a call").client().clone()
    }

    /// Lets the files be looked at, and once more, and whatever comes of it.
    async fn followed(&self) {
        for _ in 0..2 {
            self.clock.advance(self.at_rest().await);
        }
        self.at_rest().await;
    }

    async fn at_rest(&self) -> Duration {
        until(|| self.clock.next_wake().filter(|wake| !wake.is_zero())).await
    }
}

fn this(certificate: &TestCertificate) -> ClientAuth {
    ClientAuth::tls_client_auth("orders", pem(certificate)).expect("usable")
}

fn pem(certificate: &TestCertificate) -> SecretToken {
    SecretToken::new(format!("{}{}", certificate.pem(), certificate.key_pem()))
}

fn by(certificate: &TestCertificate) -> ClientAuthentication {
    let thumbprint = CertificateThumbprint::of(&certificate.chain()[0]);
    ClientAuthentication::Certificate { client_id: "orders".to_owned(), thumbprint }
}

fn grant() -> Grant {
    ClientCredentials::new(TargetService::default()).into()
}

fn code(error: &TokenError) -> &str {
    match error.kind() {
        TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code) } => code.as_str(),
        _ => panic!("{error}"),
    }
}

fn is_gone(token: &IssuedToken) -> bool {
    token.standing().is_some_and(Standing::is_gone)
}

#[tokio::test]
async fn rfc8705_b2_the_certificate_of_the_connection_says_who_we_are_and_the_form_whom_we_mean() {
    let stage = Stage::new();
    let (known, stranger) = (stage.registered(), stage.certificate());
    stage.connect(this(&known)).request(&grant()).await.expect("a token");
    assert_eq!(stage.client(), by(&known));
    let calls = stage.issuer.token_calls();
    let form = [("grant_type", "client_credentials"), ("client_id", "orders")].map(|(n, v)| (n.into(), v.into()));
    assert_eq!((calls[0].form(), calls[0].headers().get("authorization")), (&form[..], None));

    let refused = stage.connect(this(&stranger)).request(&grant()).await.expect_err("not known by this one");
    assert_eq!(code(&refused), "invalid_client");
    assert_eq!(stage.issuer.calls(Endpoint::Token), 2);
}

#[tokio::test]
async fn rfc8705_b2_a_certificate_that_the_handshake_refuses_is_our_fault_and_no_outage() {
    let stage = Stage::new();
    let others = TestAuthority::new(&system_clock());
    let certificate = others.certificate().uri("spiffe://example.org/orders").build();
    stage.issuer.register_certificate("orders", &certificate);
    let client = stage.connect(this(&certificate));
    // As often as would open a breaker.
    for _ in 0..6 {
        // By nobody who would wait for another attempt.
        let asked = client.request_with(&grant(), Urgency::Refresh).await;
        let refused = asked.expect_err("of an authority that the server does not know");
        let expected = TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Certificate };
        assert_eq!(*refused.kind(), expected, "{:?}", refused.source());
        let source = refused.source().and_then(|source| source.downcast_ref::<FetchError>()).expect("why");
        assert_eq!(source.to_string(), "the server refuses the client certificate (DecryptError)");
    }
    assert_eq!(stage.issuer.calls(Endpoint::Token), 0);
    stage.connect(this(&stage.registered())).request(&grant()).await.expect("the control: of one that it knows");
}

#[tokio::test]
async fn rfc8705_b1_the_alias_is_where_a_certificate_is_shown_and_the_issuer_stays_the_issuer() {
    let stage = Stage::new();
    let certificate = stage.registered();
    let client = stage.connect(this(&certificate));
    let token = client.request(&grant()).await.expect("a token, from an issuer without TLS whose alias has it");
    assert_eq!((client.issuer(), stage.client()), (stage.issuer.issuer(), by(&certificate)));
    assert_eq!(bound_to(&token), Some(CertificateThumbprint::of(&certificate.chain()[0])));

    // Who shows none goes where all others go.
    let secret = ClientAuth::client_secret_post("orders", "s3cr3t").expect("usable");
    let token = stage.connect(secret).request(&grant()).await.expect("a token");
    assert_eq!(bound_to(&token), None);

    let introspection = Introspection::discovered(this(&certificate));
    let client = introspection.connect(stage.issuer.issuer(), &stage.http).expect("usable");
    let opaque = stage.issuer.opaque(stage.issuer.token());
    client.introspect(&opaque).await.expect("an answer");
    assert_eq!(*stage.issuer.introspection_calls()[0].client(), by(&certificate));
}

/// The certificate that a token is bound to.
fn bound_to(token: &IssuedToken) -> Option<CertificateThumbprint> {
    let claims = token.access_token().expose().split('.').nth(1).expect("a JWT");
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    let thumbprint = claims.get("cnf")?["x5t#S256"].as_str().expect("a digest").to_owned();
    let thumbprint = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(thumbprint).expect("base64url");
    Some(CertificateThumbprint::from_bytes(thumbprint.try_into().expect("32 bytes")))
}

#[tokio::test]
async fn rfc8705_b2_without_tls_nothing_is_sent() {
    let stage = Stage::new();
    let certificate = stage.registered();
    let rule = "is not https, and a client certificate is shown over TLS alone";
    let at = |url: String, auth: ClientAuth| TokenEndpoint::at(stage.issuer.issuer().as_str(), url, auth);
    let plain = at(stage.issuer.url(Endpoint::Token), this(&certificate)).connect(&stage.http);
    assert_eq!(plain.expect_err("loopback, but http").to_string(), format!("token_endpoint: {rule}"));
    let plain = Introspection::at(stage.issuer.url(Endpoint::Introspection), this(&certificate));
    let plain = plain.connect(stage.issuer.issuer(), &stage.http);
    assert_eq!(plain.expect_err("loopback, but http").to_string(), format!("url: {rule}"));

    let with_tls = at(stage.issuer.mtls_url(Endpoint::Token), this(&certificate)).connect(&stage.http);
    with_tls.expect("https").request(&grant()).await.expect("the control");

    // Metadata that names no other endpoint.
    let without = TestIssuer::builder().clock(stage.clock.clock()).start();
    let client = TokenEndpoint::discover(without.issuer().as_str(), this(&certificate)).connect(&stage.http);
    let refused = client.expect("it is not known yet").request(&grant()).await.expect_err("no TLS");
    let source = refused.source().expect("why");
    assert_eq!(source.to_string(), "token_endpoint of the metadata is not usable");
    assert_eq!(source.source().expect("the rule").to_string(), rule);
    assert_eq!(without.calls(Endpoint::Token), 0);
}

#[tokio::test]
async fn rfc8705_b3_a_renewed_certificate_counts_with_its_key_and_ends_the_tokens_of_the_one_before() {
    let logs = LogCapture::start();
    let stage = Stage::new();
    let (old, new) = (stage.registered(), stage.registered());
    let files = stage.write("orders", &old);
    let client = stage.connect(ClientAuth::tls_client_auth_files("orders", [files.clone()]).expect("usable"));
    let token = client.request(&grant()).await.expect("a token");
    assert_eq!((stage.client(), is_gone(&token)), (by(&old), false));

    fs::write(&files.0, new.pem()).expect("written");
    stage.followed().await;
    client.request(&grant()).await.expect("a token");
    assert_eq!((stage.client(), is_gone(&token)), (by(&old), false), "a certificate without its key changes nothing");
    let kept = format!("{}: holds a private key that is not the certificate's", files.0.display());
    let log = logs.text();
    let told: Vec<_> = log.lines().filter(|line| line.contains("client credential kept")).collect();
    assert!(told.len() == 1 && told[0].contains(&kept), "{told:?}");

    fs::write(&files.1, new.key_pem()).expect("written");
    stage.followed().await;
    assert!(is_gone(&token), "it may be bound to a certificate that is shown no more");
    let token = client.request(&grant()).await.expect("a token");
    assert_eq!((stage.client(), is_gone(&token)), (by(&new), false), "the connection that was there is not used");
}

#[tokio::test]
async fn rfc8705_b3_of_several_the_next_is_shown_where_the_server_does_not_know_the_first() {
    let stage = Stage::new();
    let others = TestAuthority::new(&system_clock());
    let foreign = others.certificate().uri("spiffe://example.org/orders").build();
    let (unknown, known) = (stage.certificate(), stage.registered());
    for (name, first) in [("unknown", &unknown), ("foreign", &foreign)] {
        let files = [stage.write(name, first), stage.write("orders", &known)];
        let client = stage.connect(ClientAuth::tls_client_auth_files("orders", files).expect("usable"));
        let before = stage.issuer.calls(Endpoint::Token);
        client.request(&grant()).await.expect(name);
        client.request(&grant()).await.expect(name);
        assert_eq!(stage.client(), by(&known), "{name}");
        // A handshake that is refused is no call.
        let refused = usize::from(name == "unknown");
        assert_eq!(stage.issuer.calls(Endpoint::Token) - before, refused + 2, "the one that is known stays: {name}");
    }
}

#[tokio::test]
async fn rfc8705_b2_the_same_from_a_file() {
    let stage = Stage::new();
    let known = stage.registered();
    stage.write("orders", &known);
    let table = |more: serde_json::Value| {
        let mut table = json!({"issuer": stage.issuer.issuer(), "client_id": "orders"});
        table.as_object_mut().expect("a table").extend(more.as_object().expect("a table").clone());
        let settings: tower_identity_oauth::ServerSettings = serde_json::from_value(table).expect("the shape");
        settings.token_endpoint(stage.folder.path())
    };
    let files = json!({"certificate": "orders.pem", "key": "orders.key"});
    let in_code = |auth: ClientAuth| TokenEndpoint::discover(stage.issuer.issuer().as_str(), auth);
    let auth = || {
        let [file, key] = ["orders.pem", "orders.key"].map(|name| stage.folder.path().join(name));
        ClientAuth::tls_client_auth_files("orders", [(file, key)]).expect("usable")
    };
    let endpoint = table(json!({ "client_certificate": files })).expect("usable");
    assert_eq!((&endpoint, auth().method()), (&in_code(auth()), "tls_client_auth"));
    let self_signed =
        json!({"client_certificate": [files], "token_endpoint_auth_method": "self_signed_tls_client_auth"});
    let expected = auth().self_signed().expect("a certificate");
    assert_eq!(expected.method(), "self_signed_tls_client_auth");
    assert_eq!(table(self_signed).expect("usable"), in_code(expected));
    endpoint.connect(&stage.http).expect("usable").request(&grant()).await.expect("a token");
    assert_eq!(stage.client(), by(&known));

    let refused =
        |more| table(more).expect_err("refused").to_string().replace(&*stage.folder.path().to_string_lossy(), "");
    let missing = json!({"client_certificate": {"certificate": "orders.pem", "key": "none.key"}});
    let entity = "cannot read /none.key: No such file or directory (os error 2)";
    assert_eq!(refused(missing), format!("client_certificate: {entity}"));
    stage.write("other", &stage.certificate());
    let mixed = json!({"client_certificate": {"certificate": "orders.pem", "key": "other.key"}});
    let key = "client_certificate: /orders.pem: holds a private key that is not the certificate's";
    assert_eq!(refused(mixed), key);
    let none = json!({"client_certificate": {"certificate": "orders.key", "key": "orders.key"}});
    assert_eq!(refused(none), "client_certificate: /orders.key: holds no certificate with a private key in PEM");
    let two = json!({"client_certificate": files, "client_secret": "s3cr3t"});
    assert_eq!(refused(two), "client_secret: goes without client_certificate: who we are is proved in one way");
    let method = |method: &str, more: &str| json!({more: files, "token_endpoint_auth_method": method});
    let rule = "token_endpoint_auth_method: a client_certificate is for tls_client_auth or self_signed_tls_client_auth";
    assert_eq!(refused(method("private_key_jwt", "client_certificate")), rule);
    let secret = json!({"client_secret": "s3cr3t", "token_endpoint_auth_method": "tls_client_auth"});
    assert_eq!(refused(secret), "token_endpoint_auth_method: tls_client_auth needs a client_certificate");
}

#[test]
fn rfc8705_b2_what_is_no_pair_is_no_credential_and_no_key_prints() {
    let stage = Stage::new();
    let [one, other] = [(); 2].map(|()| stage.certificate());
    let refused = |pem: String| ClientAuth::tls_client_auth("orders", pem).expect_err("refused").to_string();
    let nothing = "client_certificate: holds no certificate with a private key in PEM";
    assert_eq!((refused(one.pem()), refused(one.key_pem())), (nothing.to_owned(), nothing.to_owned()));
    let mixed = "client_certificate: holds a private key that is not the certificate's";
    assert_eq!(refused(one.pem() + &other.key_pem()), mixed);

    let auth = this(&one);
    assert_eq!(format!("{auth:?}"), r#"ClientAuth { client_id: "orders", method: tls_client_auth }"#);
    assert_eq!((auth == this(&one), auth == this(&other)), (true, false));
    let fingerprint = |certificate: &TestCertificate| this(certificate).fingerprint();
    assert_eq!(fingerprint(&one), fingerprint(&one));
    assert_ne!(fingerprint(&one), fingerprint(&other), "tokens of another certificate are not found");
    let self_signed = ClientAuth::client_secret_basic("orders", "s3cr3t").expect("usable").self_signed();
    let rule = "token_endpoint_auth_method: is self_signed_tls_client_auth, which goes with a client_certificate only";
    assert_eq!(self_signed.expect_err("a secret").to_string(), rule);
}
