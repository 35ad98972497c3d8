//! The acts of the contract, whoever the servers are: those of our own tests here, and those of others in the tests of the
//! whole house, which take this file as it stands. What differs, the module above says.

use std::time::Duration;

use super::{CallerContext, HttpClient, OutboundBuilder, RequestBuilder, SendError, Target};

/// The longest credential of a row, in bytes.
const LIMIT: usize = 1100;

/// More than that.
pub(crate) const LARGE: usize = 1500;

/// What a contract is played in, anew for each act: servers, one target, and time.
pub(crate) trait Scene {
    /// A row of the target with nothing but its address.
    fn target(&self) -> Target;

    /// Where a path of the target is.
    fn url(&self, path: &str) -> String;

    /// What the target got in `Authorization`, for each request.
    fn arrived(&self) -> Vec<String>;

    /// An outbound's builder with all servers. Pauses between attempts are over at once.
    fn builder(&self) -> OutboundBuilder;

    /// The same, but that no time passes unless by [`pass`](Self::pass).
    fn timed(&self) -> OutboundBuilder;

    /// Lets time pass.
    fn pass(&self, time: Duration);

    /// The servers keep waiting whoever asks them.
    fn closes(&self);

    /// And do so no more.
    fn opens(&self);

    /// Waits until a server was asked.
    async fn was_asked(&self);

    /// How often the servers were asked.
    fn asked(&self) -> usize;

    /// What was made in this scene that nobody is to see.
    fn secrets(&self) -> Vec<String>;
}

/// A row with this strategy, given one that has everything else.
type Row<S> = fn(&S, Target) -> Target;

/// Brings about a case, and gives a caller of it.
pub(crate) type Case<S> = fn(&S) -> CallerContext;

/// What is known of a strategy.
pub(crate) struct Contract<S: 'static> {
    pub(crate) name: &'static str,
    /// Whether it takes its caller's token, so that two users have two. Else it is this service's own.
    pub(crate) is_callers: bool,
    /// Whether it asks a server, which may keep it waiting.
    pub(crate) asks: bool,
    pub(crate) row: Row<S>,
    /// The same, but for one setting that decides which token comes, or whether any does.
    pub(crate) other: Row<S>,
    /// A caller with this user, for whom there is a token.
    pub(crate) caller: fn(&S, &str) -> CallerContext,
    /// Its source fails.
    pub(crate) fails: Case<S>,
    /// What it gets is what it must not send: each with the check that finds it.
    pub(crate) wrong: &'static [(&'static str, Case<S>)],
}

impl<S: Scene> Contract<S> {
    fn client(&self, scene: &S) -> HttpClient {
        client(scene.builder().target(self.row(scene)))
    }

    fn row(&self, scene: &S) -> Target {
        (self.row)(scene, scene.target()).max_credential_bytes(LIMIT)
    }

    fn request(&self, scene: &S, http: &HttpClient, path: &str, caller: &CallerContext) -> RequestBuilder {
        let request = http.get(scene.url(path));
        if self.is_callers { request.on_behalf_of(caller) } else { request }
    }

    /// What the target got, or the failing check.
    async fn sent(
        &self,
        scene: &S,
        http: &HttpClient,
        path: &str,
        caller: &CallerContext,
    ) -> Result<String, &'static str> {
        got(scene, self.request(scene, http, path, caller).send().await)
    }

    /// How often its servers are asked for one token.
    async fn calls_for_one(&self, scene: &S) -> usize {
        let alice = (self.caller)(scene, "alice");
        self.sent(scene, &self.client(scene), "/", &alice).await.expect("there is a token");
        scene.asked()
    }
}

fn client(builder: OutboundBuilder) -> HttpClient {
    builder.build().expect("outbound").reqwest(reqwest::Client::builder()).expect("client")
}

fn got(scene: &impl Scene, sent: Result<reqwest::Response, SendError>) -> Result<String, &'static str> {
    match sent {
        Ok(response) => {
            assert_eq!(response.status(), 200);
            Ok(scene.arrived().pop().expect("it answered"))
        }
        Err(error) => Err(error.refusal().expect("refused before it was sent").check()),
    }
}

/// It fails closed.
pub(crate) async fn fails_closed<S: Scene>(contract: &Contract<S>, anew: impl AsyncFn() -> S) {
    let scene = anew().await;
    let caller = (contract.fails)(&scene);
    let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
    assert!(sent.is_err(), "{}: {sent:?}", contract.name);
    assert_eq!(scene.arrived().len(), 0, "{}: nothing arrives", contract.name);

    let scene = anew().await;
    let caller = (contract.caller)(&scene, "alice");
    let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
    assert!(sent.as_ref().is_ok_and(|sent| sent.starts_with("Bearer ")), "{}: {sent:?}", contract.name);
}

/// Its key is complete.
pub(crate) async fn has_a_complete_key<S: Scene>(contract: &Contract<S>, anew: impl AsyncFn() -> S) {
    let scene = anew().await;
    let row = |path: &str| scene.target().path_prefix(path);
    let rows = [(contract.row)(&scene, row("/one")), (contract.other)(&scene, row("/other"))];
    let http = client(rows.into_iter().fold(scene.builder(), OutboundBuilder::target));
    let [alice, bob] = ["alice", "bob"].map(|user| (contract.caller)(&scene, user));
    let mut sent = Vec::new();
    for (path, caller) in [("/one", &alice), ("/one", &bob), ("/other", &alice), ("/one", &alice)] {
        sent.push(contract.sent(&scene, &http, path, caller).await);
    }
    let [of_alice, of_bob, of_other, again] = &*sent else { unreachable!("four were sent") };
    assert!(of_alice.is_ok() && of_alice == again, "{}: {sent:?}", contract.name);
    assert_eq!(of_alice != of_bob, contract.is_callers, "{}: {sent:?}", contract.name);
    assert_ne!(of_alice, of_other, "{}", contract.name);
}

/// It checks what it gets.
pub(crate) async fn checks_what_it_gets<S: Scene>(contract: &Contract<S>, anew: impl AsyncFn() -> S) {
    assert!(contract.wrong.iter().any(|(check, _)| *check == "credential_bytes"), "{}", contract.name);
    for (check, wrong) in contract.wrong {
        let scene = anew().await;
        let caller = wrong(&scene);
        let sent = contract.sent(&scene, &contract.client(&scene), "/", &caller).await;
        assert_eq!(sent, Err(*check), "{}", contract.name);
        assert_eq!(scene.arrived().len(), 0, "{}: {check}", contract.name);
    }
}

/// It keeps the deadline.
pub(crate) async fn keeps_the_deadline<S: Scene>(contract: &Contract<S>, anew: impl AsyncFn() -> S) {
    let scene = anew().await;
    let row = (contract.row)(&scene, scene.target()).deadline(Duration::from_secs(2));
    let http = client(scene.timed().target(row));
    let alice = (contract.caller)(&scene, "alice");
    scene.closes();
    if !contract.asks {
        // It waits for nobody.
        assert!(contract.sent(&scene, &http, "/", &alice).await.is_ok(), "{}", contract.name);
        return;
    }
    let sending = tokio::spawn(contract.request(&scene, &http, "/", &alice).send());
    scene.was_asked().await;
    scene.pass(Duration::from_millis(1999));
    tokio::task::yield_now().await;
    assert!(!sending.is_finished(), "{}: it is not time yet", contract.name);
    scene.pass(Duration::from_millis(1));
    assert_eq!(got(&scene, sending.await.expect("joined")), Err("deadline"), "{}", contract.name);
    assert_eq!(scene.arrived().len(), 0, "{}", contract.name);
    // What comes then is kept.
    scene.opens();
    let sent = contract.sent(&scene, &http, "/", &alice).await;
    assert!(sent.is_ok(), "{}: {sent:?}", contract.name);
    assert_eq!(scene.asked(), contract.calls_for_one(&anew().await).await, "{}", contract.name);
}

/// Who goes away harms nobody.
pub(crate) async fn is_harmed_by_nobody<S: Scene>(contract: &Contract<S>, anew: impl AsyncFn() -> S) {
    let scene = anew().await;
    let http = contract.client(&scene);
    let alice = (contract.caller)(&scene, "alice");
    scene.closes();
    let send = || tokio::spawn(contract.request(&scene, &http, "/", &alice).send());
    let (first, second) = (send(), send());
    if contract.asks {
        scene.was_asked().await;
    }
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    scene.opens();
    let sent = got(&scene, second.await.expect("joined"));
    assert!(sent.as_ref().is_ok_and(|sent| sent.starts_with("Bearer ")), "{}: {sent:?}", contract.name);
    assert_eq!(scene.arrived().len(), 1, "{}", contract.name);
    assert_eq!(scene.asked(), contract.calls_for_one(&anew().await).await, "{}", contract.name);
}

/// It shows no secret, neither where it prints nor in what is logged by the end.
pub(crate) async fn shows_no_secret<S: Scene>(
    contract: &Contract<S>,
    anew: impl AsyncFn() -> S,
    log: impl Fn() -> String,
) {
    let (mut shown, mut secrets) = (String::new(), Vec::new());
    let wrong = contract.wrong.iter().map(|(_, wrong)| *wrong);
    for case in wrong.chain([contract.fails]) {
        let scene = anew().await;
        let caller = case(&scene);
        let error = contract.request(&scene, &contract.client(&scene), "/", &caller).send().await.expect_err("refused");
        shown += &said(&error);
        secrets.append(&mut scene.secrets());
    }
    let scene = anew().await;
    let alice = (contract.caller)(&scene, "alice");
    let row = (contract.row)(&scene, scene.target());
    let builder = scene.builder().target(row.clone());
    shown += &format!("{row:?} {builder:#?}");
    let outbound = builder.build().expect("outbound");
    let http = outbound.reqwest(reqwest::Client::builder()).expect("client");
    let sent = contract.sent(&scene, &http, "/", &alice).await.expect("there is a token");
    shown += &format!("{outbound:?} {outbound:#?} {http:?} {:?}", contract.request(&scene, &http, "/", &alice));
    secrets.push(sent.strip_prefix("Bearer ").expect("a bearer token").to_owned());
    secrets.append(&mut scene.secrets());

    let log = log();
    assert!(log.contains("token obtained") && log.contains("request not sent"), "{}: it was heard", contract.name);
    for secret in secrets {
        assert!(!shown.contains(&secret) && !log.contains(&secret), "{}: {secret} is seen", contract.name);
    }
}

/// Everything that an error says, down to its last cause.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("\n{error}");
        next = error.source();
    }
    text
}
