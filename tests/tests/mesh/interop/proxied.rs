//! Proxies of others in front of a service of ours, as docs/certificates.md has them: what they say of the client's
//! certificate, whatever the client says itself. And, in `asked`, those that ask first.

mod asked;
mod settings;
mod shop;

use std::{fs, path::Path};

use axum::{Json, Router, routing::get};
use axum_identity::Caller;
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_identity::{CertificateThumbprint, SecretToken, Settings, system_clock};
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer};

use super::{install, peer::Peer};
use crate::certificates::{Server, acceptor, identity};

const SCRIPT: &str = include_str!("../../../interop/proxy.py");
const DOMAIN: &str = "spiffe://example.org";

/// A service, the proxy in front of it, and who knows whom.
struct House {
    login: TestIssuer,
    spire: TestAuthority,
    stranger: TestAuthority,
    service: Server,
    proxy: Peer,
    port: u16,
    _folder: TempDir,
}

/// Writes what a proxy shows to the service behind it, and whom it trusts there.
fn put_gateway(folder: &Path, spire: &TestAuthority) {
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    let gateway = spire.certificate().uri(&format!("{DOMAIN}/gateway")).common_name("gateway").build();
    put("bundle.pem", &spire.pem());
    put("gateway.pem", &gateway.pem());
    put("gateway.key", &gateway.key_pem());
    put("gateway-and-key.pem", &(gateway.pem() + &gateway.key_pem()));
}

/// A client with this certificate, or none, that knows this host at this port of this machine.
fn client(roots: &TestAuthority, host: &str, port: u16, own: Option<&TestCertificate>) -> Client {
    let root = Certificate::from_pem(roots.pem().as_bytes()).expect("a certificate");
    let client = Client::builder().no_proxy().tls_certs_only([root]).resolve(host, ([127, 0, 0, 1], port).into());
    own.into_iter().fold(client, |client, own| client.identity(identity(own))).build().expect("a client")
}

/// Starts a proxy with these settings, and says where it listens.
async fn start(name: &'static str, python: &Path, folder: &Path, settings: &str) -> (Peer, u16) {
    let file = folder.join("proxy.yaml");
    fs::write(&file, settings).expect("written");
    let (proxy, says) = Peer::python(name, python, SCRIPT, &[name, file.to_str().expect("text")]).await;
    let port = says["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
    (proxy, port)
}

/// Who the service saw: the caller, and its user; or the status and the code of the problem.
type Seen = Result<(String, Option<String>), (u16, String)>;

impl House {
    /// Starts both; `None` where no proxies of others are wanted.
    async fn start(name: &'static str) -> Option<Self> {
        let python = install::proxies()?;
        let login = TestIssuer::start();
        let [spire, stranger] = [(); 2].map(|()| TestAuthority::new(&system_clock()));
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        let outside = spire.certificate().dns("shop.test").common_name("shop").build();
        put_gateway(folder.path(), &spire);
        put("server.pem", &outside.pem());
        put("server.key", &outside.key_pem());
        put("server-and-key.pem", &(outside.pem() + &outside.key_pem()));
        put("orders.toml", &settings::of_the_service(name, &login));

        let settings = Settings::from_path(folder.path().join("orders.toml")).expect("a good file");
        let whoami = get(|caller: Caller| async { Json(caller) });
        let app = Router::new().route("/whoami", whoami).layer(settings.auth_layer().expect("inbound"));
        // By names of their own, as OpenSSL takes what is called like its issuer for signed by itself.
        let own = spire.certificate().dns("orders.internal").common_name("orders").build();
        let service = Server::start(acceptor(&own, &[&spire, &stranger]), app).await;

        let settings = settings::of_the_proxy(name, folder.path(), service.addr);
        let (proxy, port) = start(name, python, folder.path(), &settings).await;
        Some(Self { login, spire, stranger, service, proxy, port, _folder: folder })
    }

    fn of(&self, name: &str) -> TestCertificate {
        self.spire.certificate().uri(&format!("{DOMAIN}/{name}")).common_name(name).build()
    }

    /// Alice's token, issued to storefront, and bound to this certificate if to one.
    fn alice(&self, bound_to: Option<&TestCertificate>) -> SecretToken {
        let token = self.login.token().subject("alice").client("storefront").audience("orders");
        let digest = bound_to.map(|own| CertificateThumbprint::of(&own.chain()[0]));
        let cnf = digest.map(|digest| json!({"x5t#S256": URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())}));
        cnf.into_iter().fold(token, |token, cnf| token.claim("cnf", cnf)).build()
    }

    /// By way of the proxy.
    async fn ask(&self, own: Option<&TestCertificate>, fields: &[(&str, &str)], token: Option<&SecretToken>) -> Seen {
        self.ask_at("shop.test", self.port, own, fields, token).await
    }

    /// Past the proxy.
    async fn ask_directly(&self, own: Option<&TestCertificate>, fields: &[(&str, &str)]) -> Seen {
        self.ask_at("orders.internal", self.service.addr.port(), own, fields, None).await
    }

    async fn ask_at(
        &self,
        host: &str,
        port: u16,
        own: Option<&TestCertificate>,
        fields: &[(&str, &str)],
        token: Option<&SecretToken>,
    ) -> Seen {
        let request = client(&self.spire, host, port, own).get(format!("https://{host}:{port}/whoami"));
        let request = fields.iter().fold(request, |request, (name, text)| request.header(*name, *text));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token.expose()));
        let response = request.send().await.expect("answered");
        let status = response.status().as_u16();
        let body = response.text().await.expect("whole");
        let body: Value =
            serde_json::from_str(&body).unwrap_or_else(|_| self.proxy.give_up(&format!("answers {body}")));
        let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        match status {
            200 => Ok((text("/caller/id").expect("a caller"), text("/user/id"))),
            _ => Err((status, text("/code").unwrap_or_default())),
        }
    }
}

fn seen(caller: &str, user: Option<&str>) -> Seen {
    Ok((caller.to_owned(), user.map(str::to_owned)))
}

fn refused(status: u16, code: &str) -> Seen {
    Err((status, code.to_owned()))
}

/// One field for each form, all of which say that this is the client.
fn forged(victim: &TestCertificate) -> Vec<(&'static str, String)> {
    let base64 = STANDARD.encode_to_string(&victim.chain()[0]);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let escaped: String = pem.bytes().map(|byte| format!("%{byte:02X}")).collect();
    vec![
        ("Client-Cert", format!(":{base64}:")),
        ("X-SSL-Client-Cert", escaped.clone()),
        ("X-Forwarded-Client-Cert", format!("Cert=\"{escaped}\"")),
    ]
}

/// What each proxy hands on is what it saw; and what its client wrote into the fields is gone.
async fn shows_whom_it_serves(name: &'static str) {
    let Some(house) = House::start(name).await else { return };
    let [storefront, stock] = ["storefront", "stock"].map(|name| house.of(name));
    let forged_fields = forged(&storefront);
    let forged: Vec<_> = forged_fields.iter().map(|(name, text)| (*name, &**text)).collect();
    let stranger = house.stranger.certificate().uri(&format!("{DOMAIN}/storefront")).build();
    let stock_id = format!("{DOMAIN}/stock");
    let no_one: &[(&str, &str)] = &[];

    for fields in [no_one, &forged] {
        assert_eq!(house.ask(Some(&storefront), fields, None).await, seen("storefront", None));
        assert_eq!(house.ask(Some(&stock), fields, None).await, seen(&stock_id, None));
        assert_eq!(house.ask(None, fields, None).await, refused(401, "no_credential"));
        assert_eq!(house.ask(None, fields, Some(&house.alice(None))).await, refused(401, "no_credential"));
        // The proxy lets it in, and we do not.
        assert_eq!(house.ask(Some(&stranger), fields, None).await, refused(401, "invalid_token"));
        let for_alice = seen("storefront", Some("alice"));
        assert_eq!(house.ask(Some(&storefront), fields, Some(&house.alice(None))).await, for_alice);
        assert_eq!(
            house.ask(Some(&stock), fields, Some(&house.alice(None))).await,
            refused(403, "unrelated_credentials")
        );
        let bound = house.alice(Some(&storefront));
        assert_eq!(house.ask(Some(&storefront), fields, Some(&bound)).await, for_alice);
        let renewed = house.of("storefront");
        assert_eq!(house.ask(Some(&renewed), fields, Some(&bound)).await, refused(401, "invalid_token"));
    }
    // Each field alone, too: none is mistaken for the proxy's own, and none is left for us to refuse.
    for field in &forged {
        assert_eq!(house.ask(Some(&stock), &[*field], None).await, seen(&stock_id, None), "{}", field.0);
    }

    assert_eq!(house.ask_directly(None, &forged).await, refused(401, "no_credential"));
    assert_eq!(house.ask_directly(Some(&stock), &forged).await, seen(&stock_id, None));
}

#[tokio::test]
async fn fwd_a1_nginx_says_whose_certificate_it_was_shown() {
    shows_whom_it_serves("nginx").await;
}

#[tokio::test]
async fn fwd_a1_haproxy_says_whose_certificate_it_was_shown() {
    shows_whom_it_serves("haproxy").await;
}

#[tokio::test]
async fn fwd_a1_envoy_says_whose_certificate_it_was_shown() {
    shows_whom_it_serves("envoy").await;
}
