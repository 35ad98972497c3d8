//! A settings file that changes while a service takes requests: whom it trusts and who may follow, and nothing in between.

use std::{fs, path::Path, time::Duration};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use tower_identity::{LiveSettings, RequireLayer, SecretToken};
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestIssuer};

use crate::servers::Server;

/// A file by which these callers of these issuers may.
fn file(issuers: &[&TestIssuer], callers: &[&str]) -> String {
    let mut text = format!("[inbound.rule]\ncharge = {{ callers = {callers:?} }}\n");
    for issuer in issuers {
        text += &format!("[[inbound.issuer]]\nissuer = \"{}\"\naudience = \"orders\"\n", issuer.issuer());
    }
    // The partner's storefront is the storefront, where both are trusted.
    if let [login, partner] = issuers {
        let name = |issuer: &TestIssuer| format!("{{ issuer = \"{}\", id = \"storefront\" }}", issuer.issuer());
        text += &format!("[[inbound.workload]]\nis = [{}, {}]\n", name(login), name(partner));
    }
    text
}

fn app(settings: &LiveSettings) -> Router {
    let charge = RequireLayer::new(settings.rule("charge").expect("there is one"));
    Router::new().route("/", get(|| async {}).layer(charge)).layer(settings.auth_layer().expect("inbound"))
}

fn token(issuer: &TestIssuer, caller: &str) -> SecretToken {
    issuer.token().subject(caller).client(caller).audience("orders").build()
}

/// What is told of a file that was read again: what the contract of telemetry lists.
pub(crate) fn tell() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.toml");
    let login = TestIssuer::start();
    fs::write(&path, file(&[&login], &["storefront"])).expect("written");
    let settings = LiveSettings::from_path(&path).expect("a good file");
    settings.reload().expect("a good file");
    fs::write(&path, "").expect("written");
    settings.reload().expect_err("an empty file");
}

struct Service {
    server: Server,
    client: reqwest::Client,
    tokens: [SecretToken; 3],
}

impl Service {
    /// What the storefront, the stock, and the partner's storefront are answered.
    async fn answers(&self) -> [u16; 3] {
        let ask = async |token: &SecretToken| {
            let request = self.client.get(self.server.url("/")).bearer_auth(token.expose());
            request.send().await.expect("answered").status().as_u16()
        };
        let [one, two, three] = &self.tokens;
        [ask(one).await, ask(two).await, ask(three).await]
    }
}

/// Moves time on by what it takes until another text counts.
async fn look(clock: &ManualClock) {
    for seconds in [5, 1] {
        clock.sleepers(1).await;
        clock.advance(Duration::from_secs(seconds));
        while clock.next_wake().is_none_or(|wake| wake.is_zero()) {
            tokio::task::yield_now().await;
        }
    }
}

async fn put(path: &Path, text: &str, clock: &ManualClock) {
    fs::write(path, text).expect("written");
    look(clock).await;
}

#[tokio::test]
async fn whom_a_service_trusts_follows_its_file() {
    let (login, partner, clock) = (TestIssuer::start(), TestIssuer::start(), ManualClock::new());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.toml");
    fs::write(&path, file(&[&login], &["storefront", "stock"])).expect("written");
    let settings = LiveSettings::watched_by(&path, clock.clock()).expect("a good file");
    let service = Service {
        server: Server::start(app(&settings)).await,
        client: reqwest::Client::builder().no_proxy().build().expect("client"),
        tokens: [token(&login, "storefront"), token(&login, "stock"), token(&partner, "storefront")],
    };
    assert_eq!(service.answers().await, [200, 200, 401]);

    put(&path, &file(&[&login, &partner], &["storefront"]), &clock).await;
    assert_eq!(service.answers().await, [200, 403, 200], "an issuer and an alias more, and a caller less");

    // The login is out of reach, and the file is edited badly, and then well.
    for endpoint in [Endpoint::Keys, Endpoint::Metadata] {
        login.fail(endpoint, Failure::Close);
    }
    let before = (settings.generation(), settings.digest());
    put(&path, &file(&[&login, &login], &["stock"]), &clock).await;
    assert_eq!((service.answers().await, (settings.generation(), settings.digest())), ([200, 403, 200], before));
    put(&path, &file(&[&login], &["stock"]), &clock).await;
    assert_eq!(service.answers().await, [403, 200, 401]);
    assert_eq!(settings.generation(), before.0 + 1);
    assert_eq!((login.calls(Endpoint::Keys), partner.calls(Endpoint::Keys)), (1, 1));
}

/// Requests on many connections while the file is one and the other by turns. By the one the login's callers may, and by
/// the other the partner's: no request is let in by the one and kept out by the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_judged_by_one_file() {
    let (login, partner) = (TestIssuer::start(), TestIssuer::start());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.toml");
    let files = [file(&[&login], &["storefront"]), file(&[&partner], &["storefront"]).replace("storefront", "stock")];
    fs::write(&path, &files[0]).expect("written");
    let settings = LiveSettings::watched_by(&path, ManualClock::new().clock()).expect("a good file");
    let server = Server::start(app(&settings)).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let tokens = [token(&login, "storefront"), token(&partner, "stock")];
    let reloading = tokio::task::spawn_blocking(move || {
        for at in 1..=200 {
            fs::write(&path, &files[at % 2]).expect("written");
            settings.reload().expect("a good file");
        }
        settings.generation()
    });
    let asking = tokens.iter().map(async |token| {
        let mut met = Vec::new();
        while !reloading.is_finished() {
            let request = client.get(server.url("/")).bearer_auth(token.expose());
            met.push(request.send().await.expect("answered").status().as_u16());
        }
        met
    });
    let met = join_all(asking).await;
    assert!(met.iter().flatten().all(|status| [200, 401].contains(status)), "{met:?}");
    assert_eq!(reloading.await.expect("no panic"), 201);
}
