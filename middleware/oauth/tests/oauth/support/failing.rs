//! A server that fails, at one endpoint or at several, and time that passes when nothing else happens.

use std::time::Duration;

use tokio::task::JoinHandle;
use tower_identity_core::Scopes;
use tower_identity_oauth::{
    ClientAuth, ClientCredentials, Grant, Http, IssuedToken, TargetService, TokenClient, TokenEndpoint, TokenError,
    Urgency,
};
use tower_identity_testkit::{Endpoint, ManualClock, TestIssuer};

/// The name of the server, wherever it is.
pub(crate) const ISSUER: &str = "https://as.example";

/// Longer than any pause between two attempts, shorter than any deadline.
const PAUSES: Duration = Duration::from_millis(201);

/// How often a test lets others run while it waits for what has to come.
const PATIENCE: usize = 10_000_000;

/// One server, its endpoints in their order, and a client of it.
pub(crate) struct Failing {
    pub(crate) clock: ManualClock,
    pub(crate) http: Http,
    pub(crate) at: Vec<TestIssuer>,
    pub(crate) client: TokenClient,
}

impl Failing {
    pub(crate) fn new(endpoints: usize) -> Self {
        Self::with(endpoints, |endpoint| endpoint)
    }

    pub(crate) fn with(endpoints: usize, change: impl FnOnce(TokenEndpoint) -> TokenEndpoint) -> Self {
        let clock = ManualClock::new();
        let http = Http::new(clock.clock()).expect("TLS can be set up");
        let start = |_| TestIssuer::builder().named(ISSUER).clock(clock.clock()).start();
        let at: Vec<_> = (0..endpoints).map(start).collect();
        let client = change(endpoint(&at)).connect(&http).expect("loopback");
        Self { clock, http, at, client }
    }

    /// Another client of the same server.
    pub(crate) fn reconnected(&self, change: impl FnOnce(TokenEndpoint) -> TokenEndpoint) -> TokenClient {
        change(endpoint(&self.at)).connect(&self.http).expect("loopback")
    }

    /// How many calls each endpoint has had.
    pub(crate) fn calls(&self) -> Vec<usize> {
        self.at.iter().map(|issuer| issuer.calls(Endpoint::Token)).collect()
    }

    /// Asks, and lets the pauses between attempts pass. They are those that there were.
    pub(crate) async fn ask(&self) -> (Result<IssuedToken, TokenError>, Vec<Duration>) {
        self.ask_with(Urgency::Waiting).await
    }

    pub(crate) async fn ask_with(&self, urgency: Urgency) -> (Result<IssuedToken, TokenError>, Vec<Duration>) {
        let (asking, mut pauses) = (self.asks(urgency), Vec::new());
        let ended = || {
            pauses.extend(self.pass());
            asking.is_finished().then_some(())
        };
        until(ended).await;
        (asking.await.expect("no panic"), pauses)
    }

    /// Lets the pause pass that somebody makes, if somebody does.
    fn pass(&self) -> Option<Duration> {
        let pause = self.clock.next_wake().filter(|wake| *wake < PAUSES)?;
        self.clock.advance(pause);
        Some(pause)
    }

    /// Waits until so many calls have arrived at the first endpoint. A connection is given up after some time that the
    /// clock does not measure, when the machine is busy; it is made again after a pause, which passes.
    pub(crate) async fn arrived(&self, calls: usize) {
        let arrived = || {
            self.pass();
            (self.at[0].calls(Endpoint::Token) >= calls).then_some(())
        };
        until(arrived).await;
    }

    /// Asks, in a task of its own.
    pub(crate) fn asks(&self, urgency: Urgency) -> JoinHandle<Result<IssuedToken, TokenError>> {
        let client = self.client.clone();
        tokio::spawn(async move { client.request_with(&grant(), urgency).await })
    }

    /// Asks, and gets a token.
    pub(crate) async fn succeeds(&self) {
        let (issued, _) = self.ask().await;
        issued.expect("a token");
    }

    /// Asks, and gets none: why.
    pub(crate) async fn fails(&self) -> TokenError {
        self.ask().await.0.expect_err("no token")
    }
}

fn endpoint(at: &[TestIssuer]) -> TokenEndpoint {
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let mut urls = at.iter().map(|issuer| issuer.url(Endpoint::Token));
    let first = TokenEndpoint::at(ISSUER, urls.next().expect("one at least"), auth);
    urls.fold(first, TokenEndpoint::also_at)
}

pub(crate) fn grant() -> Grant {
    let scopes = Scopes::parse("charge").expect("scopes");
    ClientCredentials::new(TargetService { scopes, ..TargetService::default() }).into()
}

/// Lets others run until there is this.
pub(crate) async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE {
        if let Some(found) = found() {
            return found;
        }
        tokio::task::yield_now().await;
    }
    panic!("it still waits")
}

/// Lets everything happen that can happen without the test.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
