//! The demo's programs at free ports: their files, moved, and what a person does with them.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};

use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_identity::{Scopes, SecretToken, Settings, system_clock};
use tower_identity_oauth::{Grant, Http, ServerSettings, TargetService, TokenClient, TokenExchange};

/// The files that the README's command starts from.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo-services/settings");

/// The shop's programs.
pub(crate) const PARTS: [&str; 4] = ["authority", "storefront", "orders", "payments"];

/// All programs in the order of the ports in their files, which begin at 7000: the shop's, and the partner.
const PROGRAMS: [&str; 5] = ["authority", "storefront", "orders", "payments", "partner"];

/// A port that nobody listens on, below those that the system hands out for port 0: no other test gets it meanwhile.
fn unused_port() -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).expect("less than 8000");
    (0..100)
        .map(|_| first + TRIED.fetch_add(1, Ordering::Relaxed))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of a hundred ports is free")
}

/// A copy of the settings with ports that nobody listens on; removed on drop.
pub(crate) struct Moved {
    directory: PathBuf,
    ports: [u16; 5],
}

impl Moved {
    pub(crate) fn new() -> Self {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let copy = format!("mesh-{}-{}", std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed));
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(copy);
        fs::create_dir_all(directory.join("keys")).expect("a directory for the copy");
        fs::copy(Path::new(FILES).join("keys/orders.pem"), directory.join("keys/orders.pem")).expect("the demo's key");

        let ports = PROGRAMS.map(|_| unused_port());
        for program in PROGRAMS {
            let text = fs::read_to_string(Path::new(FILES).join(program).with_extension("toml")).expect("a file");
            let moved = ports.iter().enumerate().fold(text, |text, (at, port)| {
                text.replace(&format!("127.0.0.1:700{at}"), &format!("127.0.0.1:{port}"))
            });
            fs::write(directory.join(program).with_extension("toml"), moved).expect("written");
        }
        Self { directory, ports }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn file(&self, part: &str) -> PathBuf {
        self.directory.join(part).with_extension("toml")
    }

    pub(crate) fn origin(&self, part: &str) -> String {
        let at = PROGRAMS.iter().position(|name| *name == part).expect("one of the programs");
        format!("http://127.0.0.1:{}", self.ports[at])
    }

    pub(crate) fn url(&self, part: &str, path: &str) -> String {
        format!("{}{path}", self.origin(part))
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Somebody at a browser: signs in, and orders.
pub(crate) struct Person<'a> {
    pub(crate) shop: &'a Moved,
    pub(crate) client: Client,
}

impl<'a> Person<'a> {
    pub(crate) fn of(shop: &'a Moved) -> Self {
        Self { shop, client: Client::builder().no_proxy().build().expect("client") }
    }

    pub(crate) async fn sign_in(&self, user: &str) -> String {
        let request = self.client.post(self.shop.url("authority", "/dev/sign-in")).json(&json!({ "user": user }));
        let answer: Value = request.send().await.expect("sent").json().await.expect("json");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn order(&self, token: &str) -> Response {
        let basket = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] });
        let request = self.client.post(self.shop.url("storefront", "/orders")).bearer_auth(token).json(&basket);
        request.send().await.expect("the storefront is up")
    }

    pub(crate) async fn get(&self, part: &str, path: &str, token: &str) -> Response {
        self.client.get(self.shop.url(part, path)).bearer_auth(token).send().await.expect("the service is up")
    }
}

#[derive(Deserialize)]
struct OutboundTable {
    server: BTreeMap<String, ServerSettings>,
}

/// A service's own client at the authority, from the service's file.
pub(crate) fn client_of(part: &str, shop: &Moved) -> TokenClient {
    let settings = Settings::from_path(shop.file(part)).expect("a good file");
    let table: OutboundTable = settings.section("outbound").expect("a table");
    let server = table.server.into_values().next().expect("one server");
    let endpoint = server.token_endpoint(shop.directory()).expect("valid");
    endpoint.connect(&Http::new(system_clock()).expect("client")).expect("valid")
}

/// An audience, and scopes there.
pub(crate) fn service(audience: &str, scope: &str) -> TargetService {
    let scopes = Scopes::parse(scope).expect("scopes");
    TargetService { audience: Some(audience.parse().expect("audience")), scopes, ..TargetService::default() }
}

/// The token that a client gets for this one.
pub(crate) async fn exchanged(client: &TokenClient, subject: &str, target: TargetService) -> String {
    let exchange = TokenExchange::new(SecretToken::new(subject), target).expect("a subject");
    client.request(&Grant::from(exchange)).await.expect("policy allows it").access_token().expose().to_owned()
}
