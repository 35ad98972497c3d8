//! The table `[tls]` of a file: one certificate, and one list of roots, for whoever a service listens to and connects to.

use std::{
    fs,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tower_identity::{
    CertificateThumbprint, ClientCertificate, Connection, EachConnection, ServerTls, Settings, TlsListener,
    system_clock,
};
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer};

/// What was asked over TLS, and by which certificate.
type Asked = Arc<Mutex<Vec<(String, Option<CertificateThumbprint>)>>>;

/// An authorization server, and a service that it issues tokens for, behind one listener which asks everybody for a certificate.
struct House {
    login: TestIssuer,
    origin: String,
    own: TestCertificate,
    folder: TempDir,
    asked: Asked,
    serving: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a request past the listener finds.
#[derive(Clone)]
struct Behind {
    inside: String,
    origin: String,
    asked: Asked,
}

async fn metadata(State(behind): State<Behind>, connection: Extension<Connection>, at: Uri) -> Json<Value> {
    behind.note(&connection, &at);
    let at = |path: &str| format!("{}{path}", behind.origin);
    Json(json!({ "issuer": behind.origin, "jwks_uri": at("/jwks"), "token_endpoint": at("/token") }))
}

/// Passes a request on to the issuer, which has no TLS.
async fn pass_on(
    State(behind): State<Behind>,
    connection: Extension<Connection>,
    (method, at, headers): (Method, Uri, HeaderMap),
    body: Bytes,
) -> Response {
    behind.note(&connection, &at);
    let mut request = Client::new().request(method, format!("{}{}", behind.inside, at.path())).body(body);
    for name in ["authorization", "content-type"] {
        request = headers.get(name).into_iter().fold(request, |request, value| request.header(name, value));
    }
    let answer = request.send().await.expect("the issuer answers");
    (answer.status(), [("content-type", "application/json")], answer.bytes().await.expect("whole")).into_response()
}

impl Behind {
    fn note(&self, Extension(connection): &Extension<Connection>, at: &Uri) {
        self.asked.lock().expect("whole").push((at.path().to_owned(), connection.thumbprint()));
    }
}

impl House {
    async fn new() -> Self {
        let (folder, pki) = (tempfile::tempdir().expect("a folder"), TestAuthority::new(&system_clock()));
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
        let server = pki.certificate().address(Ipv4Addr::LOCALHOST.into()).of_a_server().build();
        let [own, other] = [(); 2].map(|()| pki.certificate().uri("spiffe://example.org/orders").build());
        put("mesh.pem", &pki.pem());
        put("strangers.pem", &TestAuthority::new(&system_clock()).pem());
        for (name, certificate) in [("server", &server), ("orders", &own), ("login", &other)] {
            put(&format!("{name}.pem"), &certificate.pem());
            put(&format!("{name}.key"), &certificate.key_pem());
        }
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("https://{}", tcp.local_addr().expect("bound"));
        let login = TestIssuer::builder().named(&origin).start();
        let inside = login.url(tower_identity_testkit::Endpoint::Token).replace("/token", "");
        let asked = Asked::default();
        let app = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", any(pass_on))
            .route("/token", any(pass_on))
            .route(
                "/charges",
                get(async |State(behind): State<Behind>, connection, at: Uri| behind.note(&connection, &at)),
            )
            .with_state(Behind { inside, origin: origin.clone(), asked: Arc::clone(&asked) });
        let at = |name: &str| folder.path().join(name);
        let tls = ServerTls::builder(at("server.pem"), at("server.key"));
        let tls = tls.clients(ClientCertificate::Required, at("mesh.pem")).build().expect("in order");
        let serving = tokio::spawn(async move {
            axum::serve(TlsListener::new(tcp, tls), EachConnection::new(app)).await.expect("serves");
        });
        Self { login, origin, own, folder, asked, serving }
    }

    fn settings(&self, tls: &str) -> Settings {
        let origin = &self.origin;
        let text = format!(
            "[[inbound.issuer]]\nissuer = '{origin}'\naudience = 'orders'\n\
             [outbound.server.login]\nissuer = '{origin}'\nclient_id = 'orders'\nclient_secret = 'hidden'\n\
             [[outbound.target]]\norigin = '{origin}'\naudience = 'payments'\nstrategy = 'client_credentials'\n{tls}"
        );
        Settings::parse(&text, self.folder.path().join("orders.toml").display().to_string()).expect("good")
    }

    /// What becomes of a token that arrives, and of a call onward; and what was asked meanwhile.
    async fn tried(&self, settings: &Settings) -> (Result<(), &'static str>, bool, Vec<String>) {
        let token = self.login.token().subject("alice").client("storefront").audience("orders").build();
        let verified = settings.verifier().expect("inbound").bearer(token.expose()).await;
        let mut builder = Client::builder();
        if let Some(tls) = settings.client_tls() {
            builder = builder.tls_backend_preconfigured(tls.config());
        }
        let http = settings.outbound().expect("outbound").reqwest(builder).expect("a client");
        let sent = http.get(format!("{}/charges", self.origin)).as_service().send().await;
        let asked = std::mem::take(&mut *self.asked.lock().expect("whole"));
        let own = CertificateThumbprint::of(&self.own.chain()[0]);
        assert!(asked.iter().all(|(_, by)| *by == Some(own)), "{asked:?}");
        let mut asked: Vec<_> = asked.into_iter().map(|(path, _)| path).collect();
        asked.sort_unstable();
        (verified.map(drop).map_err(|refusal| refusal.check()), sent.is_ok_and(|answer| answer.status() == 200), asked)
    }
}

const METADATA: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn tls_b3_issuers_servers_and_targets_are_asked_by_the_roots_and_with_the_certificate_of_one_table() {
    let house = House::new().await;
    let whole = "[tls]\nroots = 'mesh.pem'\ncertificate = 'orders.pem'\nkey = 'orders.key'\n";
    let tried = house.tried(&house.settings(whole)).await;
    let all = [METADATA, METADATA, "/charges", "/jwks", "/token"].map(str::to_owned).to_vec();
    assert_eq!(tried, (Ok(()), true, all));

    let nothing = (Err("key"), false, Vec::new());
    // Each differs in one thing: no certificate, other roots, none.
    for tls in [
        "[tls]\nroots = 'mesh.pem'\n",
        "[tls]\nroots = 'strangers.pem'\ncertificate = 'orders.pem'\nkey = 'orders.key'\n",
        "[tls]\ncertificate = 'orders.pem'\nkey = 'orders.key'\n",
    ] {
        assert_eq!(house.tried(&house.settings(tls)).await, nothing, "{tls}");
    }
}

/// Where a server knows us by a certificate of its own, forms alone are sent by that one.
#[tokio::test]
async fn tls_b3_rfc8705_b1_a_server_of_the_same_roots_is_shown_the_certificate_that_its_own_table_names() {
    let house = House::new().await;
    let whole = "[tls]\nroots = 'mesh.pem'\ncertificate = 'orders.pem'\nkey = 'orders.key'\n";
    let origin = &house.origin;
    let text = format!(
        "[outbound.server.login]\nissuer = '{origin}'\nclient_id = 'orders'\n\
         client_certificate = {{ certificate = 'login.pem', key = 'login.key' }}\n\
         [[outbound.target]]\norigin = '{origin}'\naudience = 'payments'\nstrategy = 'client_credentials'\n{whole}"
    );
    let settings = Settings::parse(&text, house.folder.path().join("orders.toml").display().to_string()).expect("good");
    let http = settings.outbound().expect("outbound").reqwest(Client::builder()).expect("a client");
    let unsent = http.get(format!("{origin}/charges")).as_service().send().await;
    assert!(unsent.is_err(), "the issuer knows no client by its certificate");
    let of = |name: &str| {
        let pem = fs::read(house.folder.path().join(name)).expect("there");
        CertificateThumbprint::of(&CertificateDer::from_pem_slice(&pem).expect("a certificate"))
    };
    let (own, of_table) = (Some(of("orders.pem")), Some(of("login.pem")));
    let asked = house.asked.lock().expect("whole").clone();
    assert_eq!(asked, [(METADATA.to_owned(), own), ("/token".to_owned(), of_table)]);
}

#[tokio::test]
async fn tls_b3_the_same_table_is_the_listeners() {
    let house = House::new().await;
    let listens =
        |tls: &str| house.settings(tls).server_tls().map(|tls| tls.is_some()).map_err(|error| error.to_string());
    let both = "certificate = 'orders.pem'\nkey = 'orders.key'\n";
    let asking = "client_certificate = 'required'\nclient_roots = 'mesh.pem'\n";
    let document = include_str!("../../../docs/certificates.md");
    let (_, shown) = document.split_once("```toml\n[tls]").expect("it shows a table");
    let shown = format!("[tls]{}", shown.split_once("```").expect("to its end").0);
    assert_eq!((listens(&shown), house.settings(&shown).client_tls().is_some()), (Ok(true), true));
    assert_eq!(listens(&format!("[tls]\nroots = 'mesh.pem'\n{both}{asking}")), Ok(true));
    assert_eq!(listens(&format!("[tls]\n{both}")), Ok(true));
    assert_eq!(listens("[tls]\nroots = 'mesh.pem'\n"), Ok(false));
    assert_eq!(listens(""), Ok(false));
    let file = house.folder.path().display();
    let refused = listens(&format!("[tls]\n{both}client_certificate = 'required'\n"));
    let rule = "client_roots: is missing: whose certificates are asked for";
    assert_eq!(refused, Err(format!("{file}/orders.toml:12: tls.{rule}")));
    let text = "[tls]\nroots = 'nowhere.pem'\n";
    let refused = Settings::parse(text, house.folder.path().join("orders.toml").display().to_string());
    let rule = format!("tls.roots: {file}/nowhere.pem cannot be read: entity not found");
    assert_eq!(refused.expect_err("no such file").to_string(), format!("{file}/orders.toml:2: {rule}"));
    // A table of the name that names no roots may be the service's own.
    assert!(Settings::parse("[tls]\nversion = 3\n", "orders.toml").is_ok());
}
