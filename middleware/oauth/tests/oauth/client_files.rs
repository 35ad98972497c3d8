//! Secrets, keys and assertions in files that change while a client is in use, as they arrive at a server that knows some
//! of them.

mod introspection;

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_identity_core::Scopes;
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_oauth::{
    AssertionAudience, AssertionStyle, ClientAuth, ClientCredentials, ConfigurationProblem, Grant, Http, OwnToken,
    Standing, TargetService, TokenClient, TokenEndpoint, TokenError, TokenErrorKind,
};
use tower_identity_testkit::{LogCapture, ManualClock};

use crate::support::{self, Arrived, Server, failing::until};

const ISSUER: &str = "https://as.example";

/// A folder of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("tower-identity-files-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that knows some secrets, and a clock that moves by hand.
struct Stage {
    clock: ManualClock,
    http: Http,
    server: Server,
    known: Arc<Mutex<Vec<String>>>,
    folder: Folder,
}

impl Stage {
    async fn new(known: &[&str]) -> Self {
        let (clock, server) = (ManualClock::new(), Server::start().await);
        let http = Http::new(clock.clock()).expect("TLS can be set up");
        let stage = Self { clock, http, server, known: Arc::default(), folder: Folder::new() };
        stage.knows(known);
        let known = Arc::clone(&stage.known);
        stage.server.answer(move |arrived: &Arrived| {
            let presented = presented(arrived);
            let is_known = known.lock().expect("no panic").contains(&presented);
            if is_known { issued() } else { failed(StatusCode::UNAUTHORIZED, "invalid_client") }
        });
        stage
    }

    /// From now on, these and no others.
    fn knows(&self, known: &[&str]) {
        *self.known.lock().expect("no panic") = known.iter().map(|&secret| secret.to_owned()).collect();
    }

    fn connect(&self, auth: ClientAuth) -> TokenClient {
        let endpoint = TokenEndpoint::at(ISSUER, self.server.url("/token"), auth);
        endpoint.connect(&self.http).expect("usable")
    }

    /// What was presented since this was asked last.
    fn presented(&self) -> Vec<String> {
        self.server.arrived().iter().map(presented).collect()
    }

    /// Lets the files be looked at, and once more, and whatever comes of it; says how long that took.
    async fn followed(&self) -> Duration {
        let mut passed = Duration::ZERO;
        for _ in 0..2 {
            let wake = self.at_rest().await;
            self.clock.advance(wake);
            passed += wake;
        }
        self.at_rest().await;
        assert!(passed <= Duration::from_secs(5), "{passed:?}");
        passed
    }

    /// Until nothing goes on but the wait for the next look.
    async fn at_rest(&self) -> Duration {
        until(|| self.clock.next_wake().filter(|wake| !wake.is_zero())).await
    }
}

fn presented(arrived: &Arrived) -> String {
    let form = arrived.form();
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    field("client_secret").or_else(|| field("client_assertion")).expect("a credential")
}

fn issued() -> axum::response::Response {
    support::json(json!({"access_token": "issued-token", "token_type": "Bearer", "expires_in": 300}).to_string())
}

fn failed(status: StatusCode, code: &str) -> axum::response::Response {
    let mut response = support::json(json!({ "error": code }).to_string());
    *response.status_mut() = status;
    response
}

fn grant() -> Grant {
    let scopes = Scopes::parse("charge").expect("scopes");
    ClientCredentials::new(TargetService { scopes, ..TargetService::default() }).into()
}

fn secrets(files: &[PathBuf]) -> ClientAuth {
    ClientAuth::client_secret_post_files("orders", files).expect("usable")
}

fn is_invalid_client(error: &TokenError) -> bool {
    matches!(error.kind(),
        TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code) } if code.as_str() == "invalid_client")
}

#[tokio::test]
async fn cauth_b2_a_secret_gone_from_its_file_is_not_presented_again_and_its_tokens_are_gone_within_5_s() {
    let stage = Stage::new(&["one", "two"]).await;
    let file = stage.folder.write("secret", "one\n");
    let client = stage.connect(secrets(&[file]));
    let own = OwnToken::new(client.clone(), TargetService::default());
    stage.at_rest().await;
    let (token, kept) = (client.request(&grant()).await.expect("a token"), own.token().await.expect("a token"));
    let is_gone = |token: &tower_identity_oauth::IssuedToken| token.standing().map(Standing::is_gone);
    assert_eq!((is_gone(&token), is_gone(&kept)), (Some(false), Some(false)));

    // The same secret, written anew.
    stage.folder.write("secret", "  one");
    stage.followed().await;
    assert_eq!((is_gone(&token), is_gone(&kept)), (Some(false), Some(false)), "the control");
    assert!(Arc::ptr_eq(&own.token().await.expect("kept"), &kept));

    stage.folder.write("secret", "two\n");
    stage.followed().await;
    assert_eq!((is_gone(&token), is_gone(&kept)), (Some(true), Some(true)));
    assert_eq!(stage.presented(), ["one", "one"]);
    let another = own.token().await.expect("another");
    assert_eq!((Arc::ptr_eq(&another, &kept), is_gone(&another)), (false, Some(false)));
    client.request(&grant()).await.expect("a token");
    assert_eq!(stage.presented(), ["two", "two"]);

    // And once nobody looks at the file any more, nobody knows.
    let last = client.request(&grant()).await.expect("a token");
    drop((client, own));
    until(|| is_gone(&last).filter(|gone| *gone)).await;
}

#[tokio::test]
async fn cauth_b2_what_moves_to_the_second_file_is_the_same_and_keeps_its_tokens() {
    let stage = Stage::new(&["one", "two"]).await;
    let files = [stage.folder.write("current", "one"), stage.folder.write("previous", "zero")];
    let client = stage.connect(secrets(&files));
    stage.at_rest().await;
    let token = client.request(&grant()).await.expect("a token");
    stage.folder.write("current", "two");
    stage.folder.write("previous", "one");
    stage.followed().await;
    assert!(!token.standing().expect("of a file").is_gone(), "its secret is there yet");
    client.request(&grant()).await.expect("a token");
    assert_eq!(stage.presented(), ["one", "two"]);
    stage.folder.write("previous", "two");
    stage.followed().await;
    assert!(token.standing().expect("of a file").is_gone());
}

#[tokio::test]
async fn cauth_b3_after_invalid_client_the_next_is_tried_once_and_stays_if_it_is_known() {
    let stage = Stage::new(&["old"]).await;
    let files = [stage.folder.write("new", "new"), stage.folder.write("old", "old")];
    let client = stage.connect(secrets(&files));
    stage.at_rest().await;
    let logs = LogCapture::start();
    for expected in [vec!["new", "old"], vec!["old"], vec!["old"]] {
        client.request(&grant()).await.expect("a token");
        assert_eq!(stage.presented(), expected);
    }
    assert_eq!(logs.text().matches("client credential refused").count(), 1, "told once");
    logs.assert_hides(["issued-token"]);

    // The newest is not tried again before its file changes, although the server knows it by now.
    stage.knows(&["new"]);
    let error = client.request(&grant()).await.expect_err("unknown");
    assert!(is_invalid_client(&error), "{error}");
    assert_eq!(stage.presented(), ["old"]);
    stage.knows(&["newest"]);
    stage.folder.write("new", "newest");
    stage.followed().await;
    client.request(&grant()).await.expect("a token");
    assert_eq!(stage.presented(), ["newest"]);
}

#[tokio::test]
async fn cauth_b3_where_the_next_is_no_better_it_is_not_tried_again() {
    let stage = Stage::new(&[]).await;
    let files = ["a", "b", "c"].map(|name| stage.folder.write(name, name));
    let client = stage.connect(secrets(&files));
    stage.at_rest().await;
    for expected in [vec!["a", "b"], vec!["a"], vec!["a"]] {
        let error = client.request(&grant()).await.expect_err("unknown");
        assert!(is_invalid_client(&error), "{error}");
        assert_eq!(stage.presented(), expected);
    }
    stage.folder.write("c", "d");
    stage.followed().await;
    client.request(&grant()).await.expect_err("unknown");
    assert_eq!(stage.presented(), ["a", "b"], "a file has changed");

    // One alone is presented again, as it always was.
    let alone = stage.connect(secrets(&files[..1]));
    for _ in 0..2 {
        alone.request(&grant()).await.expect_err("unknown");
        assert_eq!(stage.presented(), ["a"]);
    }
}

#[tokio::test]
async fn cauth_b3_only_an_answer_about_the_client_leads_to_the_next() {
    for (status, code, expected) in [
        (401, "invalid_client", vec!["new", "old"]),
        (400, "invalid_client", vec!["new", "old"]),
        (401, "unauthorized_client", vec!["new", "old"]),
        // Of a gateway before the server.
        (401, "", vec!["new", "old"]),
        (403, "", vec!["new"]),
        (400, "unauthorized_client", vec!["new"]),
        (400, "invalid_scope", vec!["new"]),
        (403, "access_denied", vec!["new"]),
    ] {
        let stage = Stage::new(&[]).await;
        let status = StatusCode::from_u16(status).expect("a status");
        stage.server.forget_answers().answer(move |_| failed(status, code));
        let files = ["new", "old"].map(|name| stage.folder.write(name, name));
        stage.connect(secrets(&files)).request(&grant()).await.expect_err("refused");
        assert_eq!(stage.presented(), expected, "{status} {code}");
    }
}

#[tokio::test]
async fn cauth_b4_what_cannot_be_used_leaves_the_last_that_could_and_is_told_once() {
    let key = || SigningKey::generate(Algorithm::Es256).expect("key").to_pem().expect("pem");
    let (one, two) = (key(), key());
    let stage = Stage::new(&[]).await;
    stage.server.forget_answers().answer(|_| issued());
    let file = stage.folder.write("key.pem", one.expose());
    let client = stage.connect(ClientAuth::private_key_jwt_files("orders", [&file]).expect("usable"));
    let kid = |assertion: &str| {
        let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(assertion.split('.').next().expect("a header"));
        serde_json::from_slice::<Value>(&header.expect("base64url")).expect("JSON")["kid"].clone()
    };
    let signs = async || {
        let token = client.request(&grant()).await.expect("a token");
        let presented = stage.presented();
        assert_eq!((presented.len(), token.standing().map(Standing::is_gone)), (1, Some(false)));
        kid(&presented[0])
    };
    stage.at_rest().await;
    let logs = LogCapture::start();
    let first = signs().await;
    let spoilt = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", "hunter2");
    for (text, told) in [
        (Some(""), "is empty"),
        (Some("hunter2"), "not an unencrypted PKCS#8 private key in PEM"),
        (Some(&*spoilt), "key.pem: "),
        (None, "cannot read"),
    ] {
        match text {
            Some(text) => drop(stage.folder.write("key.pem", text)),
            None => fs::remove_file(&file).expect("removed"),
        }
        let before = logs.text().matches("client credential kept").count();
        stage.followed().await;
        stage.followed().await;
        assert_eq!(signs().await, first, "{text:?}");
        let log = logs.text();
        assert_eq!(log.matches("client credential kept").count(), before + 1, "{text:?}: told once: {log}");
        let line = log.lines().rfind(|line| line.contains("client credential kept")).expect("a line").to_owned();
        assert!(line.contains(told), "{line}");
    }
    stage.folder.write("key.pem", two.expose());
    stage.followed().await;
    assert_ne!(signs().await, first, "the control");
    assert_eq!(logs.text().matches("client credential taken").count(), 1);
    let body = one.expose().lines().nth(1).expect("base64").to_owned();
    logs.assert_hides(["hunter2", &body]);
    assert!(!format!("{client:?}").contains(&body));
}

#[tokio::test]
async fn cauth_b4_a_text_that_is_still_being_written_does_not_count() {
    let stage = Stage::new(&["one", "two"]).await;
    let file = stage.folder.write("secret", "one");
    let client = stage.connect(secrets(&[file]));
    let wake = stage.at_rest().await;
    stage.folder.write("secret", "t");
    stage.clock.advance(wake);
    let settles = stage.at_rest().await;
    assert!(settles < wake, "it is looked at again sooner");
    stage.folder.write("secret", "two");
    stage.clock.advance(settles);
    let settles = stage.at_rest().await;
    assert!(settles < wake, "it is another text again");
    client.request(&grant()).await.expect("a token");
    stage.clock.advance(settles);
    stage.at_rest().await;
    client.request(&grant()).await.expect("a token");
    assert_eq!(stage.presented(), ["one", "two"]);
}

/// A token of a cluster or of a trust domain.
fn given(audience: &Value, exp: u64, number: u64) -> String {
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    let claims = json!({"iss": "https://cluster.example", "sub": "system:serviceaccount:shop:orders", "aud": audience,
        "exp": exp, "n": number});
    key.sign(&MediaType::JWT, &claims).expect("signed").expose().to_owned()
}

#[tokio::test]
async fn k8s_b1_a_projected_token_is_read_again_when_its_folder_is_replaced() {
    let stage = Stage::new(&[]).await;
    stage.server.forget_answers().answer(|_| issued());
    let end = stage.clock.clock().wall().as_secs() + 600;
    let tokens = [1, 2].map(|number| given(&json!([ISSUER]), end, number));
    // As the kubelet lays it out: the file is a link into `..data`, which is a link that is replaced.
    let root = &stage.folder.0;
    for (name, token) in ["..2026_1", "..2026_2"].iter().zip(&tokens) {
        fs::create_dir(root.join(name)).expect("a folder");
        fs::write(root.join(name).join("token"), token).expect("written");
    }
    symlink("..2026_1", root.join("..data")).expect("linked");
    symlink("..data/token", root.join("token")).expect("linked");

    let auth = ClientAuth::assertion_file("orders", root.join("token")).expect("usable");
    let client = stage.connect(auth);
    stage.at_rest().await;
    let token = client.request(&grant()).await.expect("a token");
    symlink("..2026_2", root.join("..data_tmp")).expect("linked");
    fs::rename(root.join("..data_tmp"), root.join("..data")).expect("replaced");
    stage.followed().await;
    client.request(&grant()).await.expect("a token");
    assert!(token.standing().expect("of a file").is_gone());
    let arrived = stage.server.arrived();
    let sent: Vec<_> = arrived.iter().map(Arrived::form).collect();
    let fields = |token: &str| {
        let type_of = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        [("client_id", "orders"), ("client_assertion_type", type_of), ("client_assertion", token)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    assert_eq!([&sent[0][2..], &sent[1][2..]], [&fields(&tokens[0])[..], &fields(&tokens[1])[..]]);
}

/// Why nothing is sent of what is in the file; or that it is.
async fn refused(stage: &Stage, auth: ClientAuth) -> Result<(), String> {
    let asked = stage.connect(auth).request(&grant()).await;
    let arrived = stage.server.arrived().len();
    asked.map(|_| assert_eq!(arrived, 1)).map_err(|error| {
        assert_eq!(arrived, 0, "nothing is sent");
        let problem = ConfigurationProblem::Credential;
        assert_eq!(error.kind(), &TokenErrorKind::OurConfiguration { problem });
        let why = std::error::Error::source(&error).expect("a cause").to_string();
        why.replace(stage.folder.0.to_str().expect("utf-8"), "$folder")
    })
}

#[tokio::test]
async fn k8s_b2_an_assertion_goes_only_where_it_is_for_and_while_it_lasts() {
    let stage = Stage::new(&[]).await;
    stage.server.forget_answers().answer(|_| issued());
    let now = stage.clock.clock().wall().as_secs();
    let file = |audience: Value, exp: u64| {
        let path = stage.folder.write("token", given(&audience, exp, 1));
        ClientAuth::assertion_file("orders", path).expect("usable")
    };
    let entra = |auth: ClientAuth| {
        let audience = AssertionAudience::Other("api://AzureADTokenExchange".to_owned());
        auth.assertion(AssertionStyle::new().audience(audience)).expect("usable")
    };
    let is_for = |found: &str, expected: &str| {
        Err(format!(
            "the client assertion in $folder/token is for {found}, and for this server it has to be for {expected} alone; \
             have it written for that audience, or say which in assertion.audience"
        ))
    };
    let api = "https://kubernetes.default.svc";
    assert_eq!(refused(&stage, file(json!(api), now + 600)).await, is_for(api, ISSUER));
    let both = json!([ISSUER, api]);
    assert_eq!(refused(&stage, file(both, now + 600)).await, is_for(&format!("{ISSUER}, {api}"), ISSUER));
    assert_eq!(refused(&stage, file(json!(ISSUER), now + 600)).await, Ok(()), "the control");
    let ended = "the client assertion in $folder/token has expired; see why it is not renewed there";
    assert_eq!(refused(&stage, file(json!(ISSUER), now)).await, Err(ended.to_owned()));

    let cloud = "api://AzureADTokenExchange";
    assert_eq!(refused(&stage, entra(file(json!([cloud]), now + 600))).await, Ok(()));
    assert_eq!(refused(&stage, entra(file(json!(ISSUER), now + 600))).await, is_for(ISSUER, cloud));

    fs::remove_file(stage.folder.0.join("token")).expect("removed");
    let absent = ClientAuth::assertion_file("orders", stage.folder.0.join("token")).expect("usable");
    let client = stage.connect(absent.clone());
    let missing = "there is no client assertion in $folder/token; see that it is written there";
    assert_eq!(refused(&stage, absent).await, Err(missing.to_owned()));
    stage.at_rest().await;
    stage.folder.write("token", given(&json!(ISSUER), now + 600, 2));
    stage.followed().await;
    client.request(&grant()).await.expect("it has come");
    let found = TokenEndpoint::discover(ISSUER, entra(file(json!(cloud), now + 600))).connect(&stage.http);
    let rule = "is missing: an assertion for another audience than the issuer goes nowhere that metadata says";
    assert_eq!(found.expect_err("refused").to_string(), format!("token_endpoint: {rule}"));
}

#[tokio::test]
async fn spiffe_b1_a_jwt_svid_says_that_it_is_one() {
    let stage = Stage::new(&[]).await;
    stage.server.forget_answers().answer(|_| issued());
    let end = stage.clock.clock().wall().as_secs() + 600;
    let svid = given(&json!([ISSUER]), end, 1);
    let path = stage.folder.write("svid.jwt", &svid);
    let auths = [ClientAuth::jwt_svid_file("orders", &path), ClientAuth::assertion_file("orders", &path)];
    for (auth, kind) in auths.into_iter().zip(["jwt-spiffe", "jwt-bearer"]) {
        stage.connect(auth.expect("usable")).request(&grant()).await.expect("a token");
        let arrived = stage.server.arrived();
        let form = arrived[0].form();
        let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let type_of = format!("urn:ietf:params:oauth:client-assertion-type:{kind}");
        assert_eq!((field("client_assertion_type"), field("client_assertion")), (Some(&*type_of), Some(&*svid)));
        assert_eq!(arrived[0].headers.get("authorization"), None);
    }
}

#[tokio::test]
async fn what_is_read_now_counts_at_once() {
    let stage = Stage::new(&["one", "two"]).await;
    let file = stage.folder.write("secret", "one");
    let client = stage.connect(secrets(&[file]));
    stage.at_rest().await;
    let token = client.request(&grant()).await.expect("a token");
    stage.folder.write("secret", "two");
    client.read_credentials();
    assert!(token.standing().expect("of a file").is_gone());
    client.request(&grant()).await.expect("a token");
    assert_eq!(stage.presented(), ["one", "two"]);
}
