//! Cookies that hold the id of a session, and the store behind them.

use std::{
    collections::HashMap,
    future::{pending, ready},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, Method, Request,
    header::{AUTHORIZATION, COOKIE, HOST, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full};
use tower_identity_core::{BoxFuture, Refusal, SecretToken};
use tower_identity_inbound::{
    AuthLayer, SessionCookie, SessionStore, Source, danger,
    session::{MAX_ID_BYTES, StoreError},
};
use tower_identity_testkit::{LogCapture, ManualClock, TestIssuer};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{eventually, found, issuer_token, refused, request, through, value};

const ID: &str = "9hQ:s~8a{Zt}/b|W2='x'";

/// As many as may be looked up at one time.
const AT_ONE_TIME: usize = 64;

type Fields<'a> = &'a [(&'static str, &'a str)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Fails,
    IsSilent,
}

#[derive(Clone)]
struct Store(Arc<Kept>);

struct Kept {
    sessions: Mutex<HashMap<String, SecretToken>>,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Store {
    fn sign_in(&self, id: &str, token: SecretToken) {
        self.0.sessions.lock().expect("no panic").insert(id.to_owned(), token);
    }

    fn sign_out(&self, id: &str) {
        self.0.sessions.lock().expect("no panic").remove(id);
    }

    fn be(&self, mood: Mood) {
        *self.0.mood.lock().expect("no panic") = mood;
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }
}

impl SessionStore for Store {
    fn token(&self, session: SessionCookie) -> BoxFuture<'_, Result<Option<SecretToken>, StoreError>> {
        assert_eq!(format!("{session:?}"), "SessionCookie(..)");
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        match *self.0.mood.lock().expect("no panic") {
            Mood::Answers => {
                Box::pin(ready(Ok(self.0.sessions.lock().expect("no panic").get(session.expose()).cloned())))
            }
            Mood::Fails => Box::pin(ready(Err(StoreError::new(io::Error::other("the disk is full"))))),
            Mood::IsSilent => Box::pin(pending()),
        }
    }
}

/// A service whose users have sessions, and alice has one.
struct Shop {
    clock: ManualClock,
    login: TestIssuer,
    store: Store,
    layer: AuthLayer,
}

impl Shop {
    async fn open() -> Self {
        let clock = ManualClock::new();
        let login = TestIssuer::builder().clock(clock.clock()).start();
        let kept = Kept { sessions: Mutex::default(), mood: Mutex::new(Mood::Answers), asked: AtomicUsize::new(0) };
        let store = Store(Arc::new(kept));
        let home = TrustedIssuer::discover(login.issuer().as_str()).audience("orders");
        let plain = AuthLayer::new(Verifier::builder(home).clock(clock.clock()).build().expect("a verifier"));
        assert_eq!(through(&plain, request([issuer_token(&login).bearer()])).await.status(), 200, "it has the keys");
        let layer = plain.sources(sources()).expect("valid").sessions(store.clone()).expect("a cookie");
        store.sign_in(ID, issuer_token(&login).build());
        Self { clock, login, store, layer }
    }

    async fn refusal(&self, request: Request<Full<Bytes>>) -> (u16, String, &'static str, Option<String>) {
        refusal(&self.layer, request).await
    }

    async fn status(&self, request: Request<Full<Bytes>>) -> u16 {
        through(&self.layer, request).await.status().as_u16()
    }
}

fn sources() -> [Source; 2] {
    [Source::authorization(), Source::cookie("__Host-session").expect("a cookie")]
}

/// Status, code, check, and when to come back.
async fn refusal(layer: &AuthLayer, request: Request<Full<Bytes>>) -> (u16, String, &'static str, Option<String>) {
    let response = through(layer, request).await;
    let check = response.extensions().get::<Refusal>().expect("a refusal").check();
    let again = response.headers().get(RETRY_AFTER).map(|at| at.to_str().expect("a number").to_owned());
    let (status, _, code) = refused(response).await;
    (status, code, check, again)
}

fn with(session: &str) -> Request<Full<Bytes>> {
    let mut request = request([]);
    request.headers_mut().insert(HOST, value("shop.example"));
    request.headers_mut().insert(COOKIE, value(&format!("theme=dark; __Host-session={session}")));
    request
}

fn post(fields: Fields<'_>) -> Request<Full<Bytes>> {
    let mut request = with(ID);
    *request.method_mut() = Method::POST;
    for (name, text) in fields {
        request.headers_mut().insert(HeaderName::from_static(name), value(text));
    }
    request
}

fn no_session() -> (u16, String, &'static str, Option<String>) {
    (401, "invalid_token".to_owned(), "session", None)
}

fn later() -> (u16, String, &'static str, Option<String>) {
    (503, "unavailable".to_owned(), "session", Some("2".to_owned()))
}

fn malformed(check: &'static str) -> (u16, String, &'static str, Option<String>) {
    (400, "malformed_request".to_owned(), check, None)
}

#[tokio::test]
async fn sess_a1_a_session_is_the_caller_of_its_token_and_neither_goes_on() {
    let shop = Shop::open().await;
    for asked in 1..=2 {
        let found = found(&through(&shop.layer, with(ID)).await).expect("the handler was called");
        assert_eq!((found.user.as_deref(), found.ambient.as_deref()), (Some("alice"), Some("alice")));
        assert_eq!((&found.headers[COOKIE], found.headers.get(AUTHORIZATION)), (&value("theme=dark"), None));
        assert_eq!(found.headers.len(), 2, "the host and the other cookie");
        assert_eq!(shop.store.asked(), asked, "its answers are not remembered");
    }
    let bob = issuer_token(&shop.login).subject("bob").build();
    shop.store.sign_in(ID, bob);
    assert_eq!(found(&through(&shop.layer, with(ID)).await).expect("called").user.as_deref(), Some("bob"));
}

#[tokio::test]
async fn sess_a1_what_a_session_stands_for_is_judged_as_any_token() {
    let shop = Shop::open().await;
    shop.store.sign_in("other", issuer_token(&shop.login).audience("payments").build());
    shop.store.sign_in("long", SecretToken::new("x".repeat(8193)));
    shop.store.sign_in("text", SecretToken::new("no token"));
    assert_eq!(shop.refusal(with("other")).await, (401, "invalid_token".to_owned(), "aud", None));
    assert_eq!(shop.refusal(with("long")).await, no_session());
    assert_eq!(shop.refusal(with("text")).await, no_session());
    assert_eq!(shop.status(with(ID)).await, 200);
    shop.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(shop.refusal(with(ID)).await, (401, "invalid_token".to_owned(), "exp", None));
}

#[tokio::test]
async fn sess_a1_a_token_in_the_cookie_is_no_session() {
    let shop = Shop::open().await;
    let token = issuer_token(&shop.login).build();
    assert_eq!(shop.refusal(with(token.expose())).await, malformed("length"));
    assert_eq!(shop.refusal(with("opaque-token")).await, no_session());
    assert_eq!(shop.status(request([issuer_token(&shop.login).bearer()])).await, 200);
    assert_eq!(shop.store.asked(), 1, "of the one that may be an id");
}

#[tokio::test]
async fn sess_a2_an_unknown_session_is_never_anonymous() {
    let shop = Shop::open().await;
    let optional = shop.layer.clone().optional();
    for layer in [&shop.layer, &optional] {
        assert_eq!(refusal(layer, with("made-up")).await, no_session());
        assert_eq!(through(layer, with(ID)).await.status(), 200);
    }
    let found = found(&through(&optional, request([])).await).expect("the handler was called");
    assert_eq!(found.user, None);
    assert_eq!(shop.refusal(request([])).await, (401, "no_credential".to_owned(), "credential", None));
    assert_eq!(shop.store.asked(), 4);
}

#[tokio::test]
async fn sess_a2_who_signs_out_is_out_with_the_next_request() {
    let shop = Shop::open().await;
    assert_eq!(shop.status(with(ID)).await, 200);
    shop.store.sign_out(ID);
    assert_eq!(shop.refusal(with(ID)).await, no_session());
}

#[tokio::test]
async fn sess_a3_what_is_no_id_alone_is_refused_and_not_asked_about() {
    let shop = Shop::open().await;
    let (longest, longer) = ("x".repeat(MAX_ID_BYTES), "x".repeat(MAX_ID_BYTES + 1));
    for id in [&longest, &longer] {
        shop.store.sign_in(id, issuer_token(&shop.login).build());
    }
    let cases = [
        ("", "cookie"),
        ("\"quoted\"", "cookie"),
        ("a,b", "cookie"),
        ("a\\b", "cookie"),
        ("a b", "cookie"),
        ("caf\u{e9}", "cookie"),
        (&longer, "length"),
    ];
    for (id, check) in cases {
        assert_eq!(shop.refusal(with(id)).await, malformed(check), "{id}");
    }
    let mut twice = with(ID);
    twice.headers_mut().append(COOKIE, value(&format!("__Host-session={ID}")));
    assert_eq!(shop.refusal(twice).await, malformed("cookie"));
    let mut both = with(ID);
    both.headers_mut().insert(AUTHORIZATION, issuer_token(&shop.login).bearer());
    assert_eq!(shop.refusal(both).await, malformed("sources"));
    assert_eq!(shop.store.asked(), 0);
    assert_eq!(shop.status(with(&longest)).await, 200);
    assert_eq!(shop.status(with(ID)).await, 200);
    assert_eq!(shop.store.asked(), 2);
}

#[tokio::test]
async fn sess_a4_what_another_site_sends_is_refused_before_the_store_is_asked() {
    let shop = Shop::open().await;
    let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let own = [("sec-fetch-site", "same-origin"), ("origin", "https://shop.example")];
    assert_eq!(shop.refusal(post(&foreign)).await, (403, "denied".to_owned(), "cross_site", None));
    assert_eq!(shop.store.asked(), 0);
    assert_eq!(shop.status(post(&own)).await, 200);
    assert_eq!(shop.store.asked(), 1);
}

#[tokio::test]
async fn sess_a5_a_store_that_fails_or_is_silent_is_no_verdict() {
    let shop = Shop::open().await;
    let optional = shop.layer.clone().optional();
    shop.store.be(Mood::Fails);
    assert_eq!(shop.refusal(with(ID)).await, later());
    assert_eq!(refusal(&optional, with(ID)).await, later());
    shop.store.be(Mood::IsSilent);
    let layer = shop.layer.clone();
    let waiting = tokio::spawn(async move { refusal(&layer, with(ID)).await });
    eventually(|| shop.store.asked() == 3).await;
    shop.clock.advance(Duration::from_millis(4_999));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    shop.clock.advance(Duration::from_millis(1));
    assert_eq!(waiting.await.expect("no panic"), later());
    shop.store.be(Mood::Answers);
    assert_eq!(shop.status(with(ID)).await, 200);
}

#[tokio::test]
async fn sess_a5_beyond_so_many_lookups_others_are_told_to_come_back() {
    let shop = Shop::open().await;
    shop.store.be(Mood::IsSilent);
    let under_way: Vec<_> = (0..AT_ONE_TIME)
        .map(|number| {
            let layer = shop.layer.clone();
            tokio::spawn(async move { refusal(&layer, with(&format!("made-up-{number}"))).await })
        })
        .collect();
    eventually(|| shop.store.asked() == AT_ONE_TIME).await;
    shop.store.be(Mood::Answers);
    assert_eq!(shop.refusal(with(ID)).await, later());
    assert_eq!(shop.store.asked(), AT_ONE_TIME);
    // Who presents a token asks no store.
    assert_eq!(shop.status(request([issuer_token(&shop.login).bearer()])).await, 200);
    for lookup in under_way {
        lookup.abort();
        assert!(lookup.await.expect_err("given up").is_cancelled());
    }
    assert_eq!(shop.status(with(ID)).await, 200);
}

#[tokio::test]
async fn sess_a6_an_id_is_in_no_log_and_no_answer() {
    let logs = LogCapture::start();
    let shop = Shop::open().await;
    let (id, unknown, longer) = ("kA7xQ2mZ9rT4", "pW3vN8cY6sB1", "q".repeat(MAX_ID_BYTES + 1));
    let token = issuer_token(&shop.login).build();
    shop.store.sign_in(id, token.clone());
    assert_eq!(shop.status(with(id)).await, 200);
    let mut told = format!("{:?} {:?}", shop.layer, shop.layer.clone());
    for mood in [Mood::Answers, Mood::Fails] {
        shop.store.be(mood);
        for session in [unknown, &longer] {
            let response = through(&shop.layer, with(session)).await;
            told += &format!("{:?} {:?}", response.headers(), response.extensions().get::<Refusal>());
            told += &String::from_utf8_lossy(&response.into_body().collect().await.expect("a body").to_bytes());
        }
    }
    logs.assert_hides([id, unknown, &longer, token.expose()]);
    assert!(logs.text().contains("check=\"session\""), "{}", logs.text());
    assert!([id, unknown, &longer, token.expose()].iter().all(|secret| !told.contains(*secret)), "{told}");
}

#[tokio::test]
async fn sess_a6_development_explains_no_id() {
    let shop = Shop::open().await;
    let layer = danger::explain_refusals(shop.layer.clone()).expect("a build for development");
    let explained = async |request| {
        let body = through(&layer, request).await.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8_lossy(&body).contains("\"explanation\":{")
    };
    assert!(!explained(with("made-up")).await);
    assert!(explained(request([issuer_token(&shop.login).audience("payments").bearer()])).await);
}

#[tokio::test]
async fn sess_a7_a_layer_that_observes_tells_of_sessions_and_changes_nothing() {
    let shop = Shop::open().await;
    let logs = LogCapture::start();
    let handler = tower::service_fn(async |request: Request<Full<Bytes>>| {
        tokio::task::yield_now().await;
        Ok::<_, std::convert::Infallible>(http::Response::new(request.headers()[COOKIE].clone()))
    });
    let service = tower::Layer::layer(&shop.layer.clone().observe(), handler);
    for session in [ID, "made-up"] {
        let request = with(session);
        let cookie = request.headers()[COOKIE].clone();
        let mut future = std::pin::pin!(tower::ServiceExt::oneshot(service.clone(), request));
        assert_eq!(future.as_mut().await.map(|response| response.status().as_u16()), Ok(200), "{cookie:?}");
    }
    assert_eq!(shop.store.asked(), 2);
    let text = logs.text();
    let told = |what: &str| text.lines().filter(|line| line.contains("enforced=false") && line.contains(what)).count();
    assert_eq!((told("outcome=\"accepted\""), told("check=\"session\"")), (1, 1), "{text}");
}

#[tokio::test]
async fn sess_a8_a_layer_with_a_store_has_a_cookie_for_it_and_for_nothing_else() {
    let shop = Shop::open().await;
    let layer = || shop.layer.clone();
    let cookie = || Source::cookie("user").expect("a cookie");
    let said = |result: Result<AuthLayer, tower_identity_core::InvalidSetting>| result.expect_err("wrong").to_string();
    let no_cookie = "sources: names no cookie, and a session is known by one";
    let user = "user_source: is a cookie, which is a caller's session here";
    let plain = AuthLayer::new(
        Verifier::builder(TrustedIssuer::discover(shop.login.issuer().as_str()).audience("orders"))
            .build()
            .expect("a verifier"),
    );
    assert_eq!(said(plain.clone().sessions(shop.store.clone())), no_cookie);
    assert_eq!(said(layer().sources([Source::authorization()])), no_cookie);
    assert_eq!(said(layer().user_source(cookie())), user);
    let pair = plain.sources(sources()).expect("valid").user_source(cookie()).expect("valid");
    assert_eq!(said(pair.sessions(shop.store.clone())), user);
    // What is said later of the sources leaves them ids.
    let renamed = layer().sources([Source::cookie("sid").expect("a cookie")]).expect("a cookie");
    let mut request = request([]);
    request.headers_mut().insert(COOKIE, value(&format!("sid={ID}")));
    assert_eq!(through(&renamed, request).await.status(), 200);
    assert!(layer().user_source(Source::header("x-user-token").expect("a field")).is_ok());
}
