//! oidc-provider knows clients by their certificates, and binds its tokens to them (RFC 8705): our client toward it, and our
//! listener before what it issues.

use std::{fs, net::Ipv4Addr};

use axum::{Json, Router, routing::any};
use axum_identity::Caller;
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_identity::{
    AuthLayer, CertificateThumbprint, ClientAuth, ClientCertificate, EachConnection, Scopes, SecretToken, ServerTls,
    Settings, TlsListener, TokenEndpoint, system_clock,
};
use tower_identity_oauth::{Authorities, ClientCredentials, Http, TargetService};
use tower_identity_testkit::{TestAuthority, TestCertificate};

use super::{
    super::service::{claims, invalid_token},
    OPAQUE, OidcProvider,
};
use crate::{
    answers::{Answer, answer},
    certificates::identity,
    interop::asked::code,
};

const JWT: &str = "https://es256.orders.test";
const STOREFRONT: &str = "spiffe://example.org/storefront";

/// The server with a door for certificates, and who is known there: `storefront` by a name that its authority vouches for,
/// `kiosk` by a certificate of its own.
struct Stage {
    server: OidcProvider,
    spire: TestAuthority,
    kiosk: TestCertificate,
    http: Http,
    folder: tempfile::TempDir,
}

/// A listener of ours with TLS, until it is dropped.
struct Listener {
    port: u16,
    roots: Certificate,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stage {
    async fn start() -> Option<Self> {
        let mut server = OidcProvider::start().await?;
        let spire = TestAuthority::new(&system_clock());
        let kiosk = spire.certificate().common_name("kiosk").self_signed();
        let own = spire.certificate().address(Ipv4Addr::LOCALHOST.into()).common_name("login").build();
        let order = json!({
            "do": "certificates", "certificate": own.pem(), "key": own.key_pem(),
            "clients": spire.pem(), "registered": kiosk.pem(),
        });
        server.order(order).await;
        let folder = tempfile::tempdir().expect("a folder");
        let roots = folder.path().join("roots.pem");
        fs::write(&roots, spire.pem()).expect("written");
        let trusted = Authorities::from_file("roots", &roots).expect("a root");
        let http = Http::new(system_clock()).and_then(|http| http.trusting(trusted)).expect("TLS can be set up");
        Some(Self { server, spire, kiosk, http, folder })
    }

    fn of(&self, uri: &str) -> TestCertificate {
        self.spire.certificate().uri(uri).common_name("client").build()
    }

    /// What our client gets for this resource: a token, or whose fault it is that there is none.
    async fn token(&self, auth: ClientAuth, resource: &str) -> Result<String, (&'static str, String)> {
        let client = TokenEndpoint::discover(&self.server.issuer, auth).connect(&self.http).expect("usable");
        let target = TargetService {
            resource: Some(resource.parse().expect("a resource")),
            scopes: Scopes::parse("orders:read").expect("scopes"),
            ..TargetService::default()
        };
        match client.request(&ClientCredentials::new(target).into()).await {
            Ok(issued) => Ok(issued.access_token().expose().to_owned()),
            Err(error) => {
                let (whose, code) = code(error.kind());
                Err((whose, code.to_owned()))
            }
        }
    }

    /// A service of ours behind our own listener, which takes certificates of every authority.
    async fn listen(&self, introspection: &str) -> Listener {
        let own = self.spire.certificate().dns("orders.test").common_name("orders").build();
        let [certificate, key] = ["orders.pem", "orders.key"].map(|name| self.folder.path().join(name));
        fs::write(&certificate, own.pem()).expect("written");
        fs::write(&key, own.key_pem()).expect("written");
        let tls = ServerTls::builder(certificate, key).clients_of_any_authority(ClientCertificate::Optional);
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let listener = TlsListener::new(tcp, tls.build().expect("they match"));

        let issuer = &self.server.issuer;
        let text =
            format!("[[inbound.issuer]]\nissuer = {issuer:?}\naudience = [{JWT:?}, {OPAQUE:?}]\n{introspection}\n");
        let verifier = Settings::parse(&text, "orders.toml").and_then(|settings| settings.verifier());
        let auth = AuthLayer::new(verifier.expect("a good file")).realm("orders");
        let app = Router::new().fallback(any(|caller: Caller| async { Json(caller) })).layer(auth);
        let roots = Certificate::from_pem(self.spire.pem().as_bytes()).expect("a certificate");
        let task = tokio::spawn(async move { axum::serve(listener, EachConnection::new(app)).await });
        Listener { port, roots, task }
    }

    /// Whom the service sees: proven by the certificate, if the token is bound to one.
    fn seen(&self, client: &str, token: &str, resource: &str) -> Value {
        let mut seen = self.server.of_opaque(None, &["orders:read"]);
        seen["caller"]["id"] = client.into();
        seen["evidence"] = if client == "gateway" { "subject" } else { "proven" }.into();
        seen["audience"] = resource.into();
        if resource == JWT {
            seen["token_id"] = claims(token)["jti"].clone();
        }
        seen
    }
}

impl Listener {
    /// Over a connection of its own, with this certificate, or none.
    async fn ask(&self, own: Option<&TestCertificate>, token: &str) -> Result<Value, Answer> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([self.roots.clone()]);
        let client = client.resolve("orders.test", (Ipv4Addr::LOCALHOST, self.port).into());
        let client = own.into_iter().fold(client, |client, own| client.identity(identity(own)));
        let request = client.build().expect("a client").get(format!("https://orders.test:{}/", self.port));
        let response = request.bearer_auth(token).send().await.expect("answered");
        match response.status().as_u16() {
            200 => Ok(response.json().await.expect("json")),
            _ => Err(answer(response).await),
        }
    }
}

fn by(own: &TestCertificate, client: &str) -> ClientAuth {
    let pem = SecretToken::new(format!("{}{}", own.pem(), own.key_pem()));
    ClientAuth::tls_client_auth(client, pem).expect("usable")
}

fn by_itself(own: &TestCertificate) -> ClientAuth {
    by(own, "kiosk").self_signed().expect("a certificate")
}

fn thumbprint(own: &TestCertificate) -> String {
    URL_SAFE_NO_PAD.encode_to_string(CertificateThumbprint::of(&own.chain()[0]).as_bytes())
}

#[tokio::test]
async fn rfc8705_b2_oidc_provider_knows_our_client_by_its_certificate() {
    let Some(stage) = Stage::start().await else { return };
    let storefront = stage.of(STOREFRONT);
    let token = stage.token(by(&storefront, "storefront"), JWT).await.expect("a token");
    assert_eq!(claims(&token)["cnf"], json!({"x5t#S256": thumbprint(&storefront)}));
    // Renewed, it is the same client, whose tokens are of the new certificate.
    let renewed = stage.of(STOREFRONT);
    let token = stage.token(by(&renewed, "storefront"), JWT).await.expect("a token");
    assert_eq!(claims(&token)["cnf"], json!({"x5t#S256": thumbprint(&renewed)}));
    let token = stage.token(by_itself(&stage.kiosk), JWT).await.expect("a token");
    assert_eq!(claims(&token)["cnf"], json!({"x5t#S256": thumbprint(&stage.kiosk)}));

    let stranger = TestAuthority::new(&system_clock()).certificate().uri(STOREFRONT).common_name("client").build();
    let another = stage.spire.certificate().common_name("kiosk").self_signed();
    for (who, auth) in [
        ("another workload", by(&stage.of("spiffe://example.org/stock"), "storefront")),
        ("of another authority", by(&stranger, "storefront")),
        ("its name, by itself", by(&stage.spire.certificate().uri(STOREFRONT).self_signed(), "storefront")),
        ("another client's", by(&stage.kiosk, "storefront")),
        ("another certificate of its own", by_itself(&another)),
        ("a good one, in the name of another", by_itself(&storefront)),
    ] {
        let refused = Err(("ours", "invalid_client".to_owned()));
        assert_eq!(stage.token(auth, JWT).await, refused, "{who}");
    }
}

#[tokio::test]
async fn rfc8705_a1_what_oidc_provider_binds_to_a_certificate_is_good_over_its_connections_alone() {
    let Some(stage) = Stage::start().await else { return };
    let asks = "[inbound.issuer.introspection]\nclient_id = \"orders\"\nclient_secret = \"the secret of orders\"";
    let (storefront, renewed) = (stage.of(STOREFRONT), stage.of(STOREFRONT));
    for (resource, introspection) in [(JWT, ""), (OPAQUE, asks)] {
        let listener = stage.listen(introspection).await;
        let of_storefront = stage.token(by(&storefront, "storefront"), resource).await.expect("a token");
        let of_kiosk = stage.token(by_itself(&stage.kiosk), resource).await.expect("a token");
        let unbound = stage.server.token(resource).await;
        // Cold, and once it is remembered what the token is.
        for _ in 0..2 {
            for (token, client, own, others) in [
                (&of_storefront, "storefront", &storefront, [Some(&stage.kiosk), Some(&renewed), None]),
                (&of_kiosk, "kiosk", &stage.kiosk, [Some(&storefront), Some(&renewed), None]),
            ] {
                let seen = stage.seen(client, token, resource);
                assert_eq!(listener.ask(Some(own), token).await, Ok(seen), "{resource}: {client}");
                for other in others {
                    assert_eq!(listener.ask(other, token).await, invalid_token(), "{resource}: {client} {other:?}");
                }
            }
            for any in [Some(&storefront), Some(&stage.kiosk), None] {
                let seen = stage.seen("gateway", &unbound, resource);
                assert_eq!(listener.ask(any, &unbound).await, Ok(seen), "{resource}: bound to nothing");
            }
        }
        // Nor is it good where nobody says what the connection has proven.
        let service = stage.server.service(&[resource], introspection).await;
        assert_eq!(service.ask(&of_storefront).await, invalid_token(), "{resource}");
        assert_eq!(service.ask(&unbound).await, Ok(stage.seen("gateway", &unbound, resource)), "{resource}");
    }
}
