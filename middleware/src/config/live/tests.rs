//! Settings that are read again while the service runs: whole or not at all, and told once.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, header::AUTHORIZATION},
    routing::get,
};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_identity_refresh::FileText;
use tower_identity_testkit::{Endpoint, Failure, LogCapture, ManualClock, TestIssuer};

mod outbound;

use crate::{LiveSettings, RequireLayer, SecretToken, Settings};

const SERVICE: &str = "[service]\ncolour = \"blue\"\n";

/// A file, the issuers that it may name, and a service that is made from it.
struct World {
    folder: TempDir,
    clock: ManualClock,
    login: TestIssuer,
    partner: TestIssuer,
    settings: LiveSettings,
    app: Router,
}

impl World {
    fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
        let (login, partner) = (TestIssuer::start(), TestIssuer::start());
        let file = folder.path().join("orders.toml");
        fs::write(&file, text(&[&login], "callers = ['storefront', 'stock']")).expect("written");
        let settings = LiveSettings::watched_by(&file, clock.clock()).expect("a good file");
        let app = app(&settings);
        Self { folder, clock, login, partner, settings, app }
    }

    /// The same, with a watcher that has had its first look, and the keys of the issuer at hand.
    async fn warm() -> Self {
        let world = Self::new();
        assert_eq!(world.status("storefront").await, 200);
        world.clock.sleepers(1).await;
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("orders.toml")
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.file(), text).expect("written");
    }

    /// Moves time on, and waits until the watcher has done what it does then and sleeps again.
    async fn after(&self, seconds: u64) {
        self.clock.sleepers(1).await;
        self.clock.advance(Duration::from_secs(seconds));
        while self.clock.next_wake().is_none_or(|wake| wake.is_zero()) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until another text has been looked at, and has stood for a second.
    async fn look(&self) {
        self.after(5).await;
        self.after(1).await;
    }

    /// What a caller of the login is answered.
    async fn status(&self, caller: &str) -> u16 {
        status(&self.app, &token(&self.login, caller)).await
    }

    async fn statuses(&self) -> [u16; 3] {
        let partner = token(&self.partner, "storefront");
        [self.status("storefront").await, self.status("stock").await, status(&self.app, &partner).await]
    }
}

fn text(issuers: &[&TestIssuer], who_may: &str) -> String {
    let issuers: String = issuers
        .iter()
        .map(|issuer| format!("\n[[inbound.issuer]]\nissuer = \"{}\"\naudience = \"orders\"\n", issuer.issuer()))
        .collect();
    format!("{SERVICE}\n[inbound]\nrealm = \"orders\"\n\n[inbound.rule]\ncharge = {{ {who_may} }}\n{issuers}")
}

fn app(settings: &LiveSettings) -> Router {
    let charge = RequireLayer::new(settings.rule("charge").expect("there is one"));
    Router::new().route("/", get(|| async {}).layer(charge)).layer(settings.auth_layer().expect("inbound"))
}

fn token(issuer: &TestIssuer, caller: &str) -> SecretToken {
    issuer.token().subject(caller).client(caller).audience("orders").build()
}

async fn status(app: &Router, token: &SecretToken) -> u16 {
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {}", token.expose()));
    let Ok(response) = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
    response.status().as_u16()
}

fn events(logs: &LogCapture) -> Vec<String> {
    let text = logs.text();
    let of_settings = text.lines().filter_map(|line| line.trim_start().split_once(" tower_identity::settings: "));
    of_settings.map(|(level, rest)| format!("{level} {}", rest.split(" file=").next().expect("a message"))).collect()
}

const RELOADED: &str = "INFO settings reloaded";
const REFUSED: &str = "WARN settings refused: those before them stay";

#[tokio::test]
async fn a_caller_that_leaves_the_list_is_refused_from_the_next_request_on() {
    let world = World::warm().await;
    assert_eq!(world.statuses().await, [200, 200, 401]);
    world.write(text(&[&world.login], "callers = ['stock']"));
    assert_eq!(world.settings.reload().expect("good"), 2);
    assert_eq!(world.statuses().await, [403, 200, 401]);
}

#[tokio::test]
async fn an_issuer_comes_and_goes_and_the_other_is_not_asked_again() {
    let world = World::warm().await;
    world.write(text(&[&world.login, &world.partner], "callers_of = ["));
    world.settings.reload().expect_err("cut short");
    let of_both = format!("callers_of = ['{}', '{}']", world.login.issuer(), world.partner.issuer());
    world.write(text(&[&world.login, &world.partner], &of_both));
    assert_eq!(world.settings.reload().expect("good"), 2);
    assert_eq!(world.statuses().await, [200, 200, 200]);
    world.write(text(&[&world.login], &of_both));
    assert_eq!(world.settings.reload().expect("good"), 3);
    assert_eq!(world.statuses().await, [200, 200, 401]);
    assert_eq!((world.login.calls(Endpoint::Keys), world.partner.calls(Endpoint::Keys)), (1, 1));
}

#[tokio::test]
async fn a_reload_in_an_outage_is_not_felt() {
    let world = World::warm().await;
    for endpoint in [Endpoint::Keys, Endpoint::Metadata] {
        world.login.fail(endpoint, Failure::Close);
    }
    world.write(text(&[&world.login, &world.partner], "callers = ['storefront']"));
    assert_eq!(world.settings.reload().expect("good"), 2);
    assert_eq!(world.statuses().await, [200, 403, 403]);
}

#[tokio::test]
async fn the_file_is_looked_at_and_counts_when_it_has_stood_for_a_second() {
    let world = World::warm().await;
    let logs = LogCapture::start();
    let good = text(&[&world.login], "callers = ['stock']");
    world.write(&good[..good.len() / 2]);
    world.after(5).await;
    world.write(&good);
    world.after(1).await;
    assert_eq!((world.statuses().await, events(&logs).len()), ([200, 200, 401], 0), "it may be half written");
    world.after(1).await;
    assert_eq!((world.statuses().await, events(&logs)), ([403, 200, 401], vec![RELOADED.to_owned()]));
    // What was read by hand is not read again.
    world.write(text(&[&world.login], "callers = ['storefront']"));
    world.settings.reload().expect("good");
    for _ in 0..3 {
        world.after(5).await;
    }
    assert_eq!((world.settings.generation(), events(&logs).len()), (3, 2));
}

#[tokio::test]
async fn a_reading_that_was_overtaken_is_not_taken() {
    let world = World::warm().await;
    let both = text(&[&world.login, &world.partner], "callers = ['storefront']");
    let overtaken = || FileText { text: Ok(both.clone().into_bytes()), number: 2 };
    world.settings.reload().expect("the second reading");
    assert!(world.settings.state.reload(overtaken).is_none());
    assert_eq!((world.settings.generation(), world.statuses().await), (2, [200, 200, 401]));
    let newer = || FileText { number: 3, ..overtaken() };
    assert!(world.settings.state.reload(newer).is_some_and(|outcome| outcome.is_ok()));
    assert_eq!((world.settings.generation(), world.statuses().await), (3, [200, 403, 403]));
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_told_once() {
    let world = World::warm().await;
    let (good, name) = (text(&[&world.login], "callers = ['stock']"), world.file().display().to_string());
    let issuer = world.login.issuer();
    let twice = format!("{good}\n[[inbound.issuer]]\nissuer = \"{issuer}\"\naudience = \"orders\"\n");
    let restart = "takes effect at a restart only, and nothing else that this file says does before";
    let outbound =
        "[outbound.server.login]\nissuer = \"https://a.example\"\nclient_id = \"a\"\nclient_secret = \"s\"\n";
    let bad = [
        (good.replace("[inbound]", "[inbound"), ":4: ".to_owned()),
        (good.replace("realm", "relam"), ":5: inbound.relam: unknown field `relam`".to_owned()),
        (good.replace("realm = \"orders\"", "realm = \"stock\""), format!(":5: inbound.realm: {restart}")),
        (good.replace("realm = \"orders\"\n", ""), format!(":4: inbound.realm: {restart}")),
        (format!("{good}\n{outbound}"), format!(":14: outbound: {restart}")),
        (text(&[&world.login], "all = ['user', 'no_user']"), ":8: inbound.rule.charge: ".to_owned()),
        (good.replace("charge", "refund"), ": inbound.rule.charge: the file has no such rule".to_owned()),
        (twice, ":15: inbound.issuer[1].issuer: is trusted twice".to_owned()),
        (String::new(), ": inbound: is gone, and this service has callers".to_owned()),
        (good[..good.find("[[inbound").expect("there")].to_owned(), ":4: inbound: missing field `issuer`".to_owned()),
        (format!("{good}#{}", " ".repeat(1024 * 1024)), ": is larger than 1048576 bytes".to_owned()),
    ];
    let digest = world.settings.digest();
    for (text, expected) in bad {
        let logs = LogCapture::start();
        world.write(&text);
        world.look().await;
        for _ in 0..3 {
            world.after(5).await;
        }
        assert_eq!(world.statuses().await, [200, 200, 401], "{expected}");
        assert_eq!((world.settings.generation(), world.settings.digest()), (1, digest), "{expected}");
        assert_eq!(events(&logs), [REFUSED], "{expected}");
        let refused = world.settings.reload().expect_err(&expected).to_string();
        assert!(refused.starts_with(&format!("{name}{expected}")), "expected {name}{expected}\n     got {refused}");
        assert!(logs.text().contains(&refused), "{refused} is not told in {}", logs.text());
    }
    let logs = LogCapture::start();
    world.write([0xff, b'\n']);
    assert_eq!(world.settings.reload().expect_err("no text").rule(), "is not text in UTF-8");
    fs::remove_file(world.file()).expect("removed");
    world.look().await;
    assert_eq!(world.settings.reload().expect_err("gone").rule(), "cannot be read");
    assert_eq!((world.statuses().await, events(&logs)), ([200, 200, 401], vec![REFUSED.to_owned(); 3]));
    // It is told when all is good again.
    let logs = LogCapture::start();
    world.write(&good);
    world.look().await;
    assert_eq!((world.statuses().await, events(&logs)), ([403, 200, 401], vec![RELOADED.to_owned()]));
}

#[tokio::test]
async fn a_text_that_was_refused_for_a_file_that_it_names_takes_effect_when_that_is_there() {
    let world = World::warm().await;
    let logs = LogCapture::start();
    let callers = world.folder.path().join("callers.txt");
    world.write(text(&[&world.login], "callers_file = 'callers.txt'"));
    world.look().await;
    for _ in 0..3 {
        world.after(5).await;
    }
    assert_eq!((world.statuses().await, events(&logs)), ([200, 200, 401], vec![REFUSED.to_owned()]), "told once");
    // Wrong in another way, which is news.
    fs::write(&callers, "a name").expect("written");
    for _ in 0..2 {
        world.after(5).await;
    }
    assert_eq!((world.statuses().await, events(&logs)), ([200, 200, 401], vec![REFUSED.to_owned(); 2]));
    fs::write(&callers, "stock\n").expect("written");
    world.after(5).await;
    assert_eq!((world.statuses().await, world.settings.generation()), ([403, 200, 401], 2));
    for _ in 0..3 {
        world.after(5).await;
    }
    assert_eq!(events(&logs), [REFUSED, REFUSED, RELOADED]);
    assert_eq!(world.settings.generation(), 2, "and nothing is tried again");
}

#[tokio::test]
async fn a_rule_is_in_use_from_its_first_handle_on() {
    let world = World::warm().await;
    let both = text(&[&world.login], "callers = ['stock']").replace("charge", "refund = 'user'\ncharge");
    world.write(&both);
    assert_eq!(world.settings.reload().expect("good"), 2);
    world.write(text(&[&world.login], "callers = ['stock']"));
    assert_eq!(world.settings.reload().expect("nobody uses it"), 3);
    assert_eq!(world.settings.rule("refund").map(drop).expect_err("gone").field(), "inbound.rule.refund");
    world.write(&both);
    assert_eq!(world.settings.reload().expect("good"), 4);
    let refund = world.settings.rule("refund").expect("there");
    world.write(text(&[&world.login], "callers = ['stock']"));
    assert_eq!(world.settings.reload().expect_err("in use").field(), "inbound.rule.refund");
    assert_eq!(refund.current().to_string(), "a user");
}

#[tokio::test]
async fn tables_of_the_service_are_read_anew() {
    #[derive(serde::Deserialize)]
    struct Service {
        colour: String,
    }
    let world = World::warm().await;
    let colour = || world.settings.section::<Service>("service").map(|service| service.colour);
    assert_eq!(colour().expect("there"), "blue");
    world.write(text(&[&world.login], "callers = ['stock']").replace("blue", "red"));
    assert_eq!(colour().expect("there"), "blue");
    world.settings.reload().expect("good");
    assert_eq!(colour().expect("there"), "red");
    let first: Service = world.settings.settings().section("service").expect("there");
    assert_eq!(first.colour, "blue");

    // A number that tables cannot hold is refused, and told.
    let large = text(&[&world.login], "callers = ['stock']").replace("\"blue\"", "9223372036854775808");
    world.write(large);
    let refused = world.settings.reload().expect_err("too large").to_string();
    assert!(refused.contains("u64") || refused.contains("i64") || refused.contains("range"), "{refused}");
    assert_eq!(colour().expect("there"), "red");
}

#[tokio::test]
async fn a_digest_tells_settings_apart_and_no_secret() {
    let world = World::warm().await;
    let first = world.settings.digest();
    world.write(format!("# ours\n{}", text(&[&world.login], "callers = [ 'storefront', 'stock' ]")));
    world.settings.reload().expect("good");
    assert_eq!((world.settings.generation(), world.settings.digest()), (2, first));
    world.write(text(&[&world.login], "callers = ['stock']"));
    let logs = LogCapture::start();
    world.settings.reload().expect("good");
    assert_ne!(world.settings.digest(), first);
    assert!(logs.text().contains(&format!("generation=3 digest={}", world.settings.digest())), "{}", logs.text());
    assert!(!format!("{:?}", world.settings).contains("storefront"));
}

#[test]
fn the_watcher_begins_with_the_first_request_and_ends_with_the_last_layer() {
    let world = World::new();
    assert_eq!(world.clock.asleep(), 0, "there was no runtime");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        assert_eq!(world.status("storefront").await, 200);
        world.clock.sleepers(1).await;
        let World { clock, settings, app, folder: _folder, .. } = world;
        drop(settings);
        tokio::task::yield_now().await;
        assert_eq!(clock.asleep(), 1, "the layer looks at the file");
        drop(app);
        while clock.asleep() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_file_without_callers_may_be_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("job.toml");
    fs::write(&file, SERVICE).expect("written");
    let settings = LiveSettings::from_path(&file).expect("a good file");
    assert_eq!(settings.reload().expect("good"), 2);
    let inbound = format!("{SERVICE}[[inbound.issuer]]\nissuer = \"https://login.example.com\"\naudience = \"a\"\n");
    Settings::parse(&inbound, "job.toml").expect("good by itself");
    fs::write(&file, inbound).expect("written");
    assert_eq!(settings.reload().expect_err("at a restart").field(), "inbound");
    assert!(settings.auth_layer().is_err());
}

/// Two files: by one the login's callers may, by the other the partner's. Whatever takes whose place, no token of either
/// gets an answer that neither file gives: 401 where its issuer is not trusted, 200 where it is.
#[test]
fn no_request_meets_a_mixture_of_two_files() {
    let world = World::new();
    let files =
        [&world.login, &world.partner].map(|issuer| text(&[issuer], &format!("callers_of = ['{}']", issuer.issuer())));
    let tokens = [token(&world.login, "storefront"), token(&world.partner, "storefront")];
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let mut met = [0; 4];
                    runtime().block_on(async {
                        while !done.load(Ordering::Relaxed) {
                            for (at, token) in tokens.iter().enumerate() {
                                match status(&world.app, token).await {
                                    200 => met[2 * at] += 1,
                                    401 => met[2 * at + 1] += 1,
                                    other => panic!("{other}: by neither file"),
                                }
                            }
                        }
                    });
                    met
                })
            })
            .collect();
        for at in 0..1_000 {
            world.write(&files[at % 2]);
            assert_eq!(world.settings.reload().expect("good"), u64::try_from(at).expect("few") + 2);
        }
        done.store(true, Ordering::Relaxed);
        let met: Vec<_> = asking.into_iter().map(|asking| asking.join().expect("no mixture")).collect();
        assert!(met.iter().any(|met| met.iter().any(|times| *times > 0)), "{met:?}");
    });
}
