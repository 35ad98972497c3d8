//! Revocations that are pulled: from where the last pull ended, also after an outage, and none twice.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_identity_core::{BoxFuture, RefusalKind, Revocation, Revocations};
use tower_identity_testkit::{ManualClock, TestIssuer};
use tower_identity_verify::{FeedError, Pulled, RevocationFeed, TrustedIssuer, Verifier, VerifierBuilder};

use crate::support::{accepted, invalid, refused};

/// Answers what is scripted, and then nothing new; remembers what it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    answers: VecDeque<Result<Pulled, FeedError>>,
    asked: Vec<Option<String>>,
    hangs: bool,
    panics: bool,
}

impl Script {
    pub(crate) fn says(&self, answer: Result<Pulled, FeedError>) {
        self.0.lock().expect("no panic").answers.push_back(answer);
    }

    fn asked(&self) -> Vec<Option<String>> {
        self.0.lock().expect("no panic").asked.clone()
    }
}

impl RevocationFeed for Script {
    fn since<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Pulled, FeedError>> {
        let mut lines = self.0.lock().expect("no panic");
        lines.asked.push(cursor.map(str::to_owned));
        if lines.hangs {
            return Box::pin(std::future::pending());
        }
        if lines.panics {
            drop(lines);
            panic!("a row that cannot be read");
        }
        let answer = lines.answers.pop_front().unwrap_or_else(|| Ok(Pulled::default()));
        Box::pin(std::future::ready(answer))
    }
}

struct House {
    clock: ManualClock,
    issuer: TestIssuer,
    list: Revocations,
    feed: Script,
}

impl House {
    fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        Self { list: Revocations::new(clock.clock()), clock, issuer, feed: Script::default() }
    }

    fn builder(&self) -> VerifierBuilder {
        let home = TrustedIssuer::discover(self.issuer.issuer().as_str()).audience("orders");
        Verifier::builder(home).clock(self.clock.clock()).revocations(self.list.clone())
    }

    fn of(&self, user: &str) -> String {
        let token = self.issuer.token().subject(user).client("storefront").audience("orders");
        token.build().expose().to_owned()
    }

    fn revoking(&self, user: &str, cursor: &str) -> Pulled {
        let what = Revocation::subject(self.issuer.issuer().clone(), user.parse().expect("subject"));
        let revocations = vec![what.issued_before(self.clock.clock().wall())];
        Pulled { revocations, cursor: Some(cursor.to_owned()), more: false }
    }

    /// Lets the puller do what it can do now.
    async fn settle(&self) {
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
    }

    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }
}

fn down() -> Result<Pulled, FeedError> {
    Err(FeedError::new(std::io::Error::other("the database is down")))
}

#[tokio::test]
async fn ssf_a2_a_feed_is_pulled_from_the_first_use_on_and_caught_up_with_after_an_outage() {
    let house = House::new();
    house.feed.says(Ok(Pulled { more: true, ..house.revoking("alice", "1") }));
    house.feed.says(Ok(house.revoking("carol", "2")));
    let verifier = house.builder().revocation_feed(house.feed.clone()).build().expect("valid");
    house.settle().await;
    assert_eq!(house.feed.asked(), [] as [Option<String>; 0], "nothing before the first use");

    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|user| house.of(user));
    accepted(verifier.bearer(&bob).await);
    house.settle().await;
    let cursor = |at: &str| Some(at.to_owned());
    assert_eq!(house.feed.asked(), [None, cursor("1")], "and at once where there is more");
    for token in [&alice, &carol] {
        assert_eq!(refused(verifier.bearer(token).await), invalid("revoked"));
    }

    // Down for some pulls: what was revoked meanwhile comes with the first that succeeds.
    for _ in 0..3 {
        house.feed.says(down());
    }
    house.feed.says(Ok(house.revoking("dave", "3")));
    house.pass(5).await;
    accepted(verifier.bearer(&dave).await);
    for _ in 0..3 {
        house.pass(35).await;
    }
    assert_eq!(house.feed.asked()[2..], [cursor("2"), cursor("2"), cursor("2"), cursor("2")]);
    assert_eq!(refused(verifier.bearer(&dave).await), invalid("revoked"));
    let epoch = house.list.epoch();

    // What is told again changes nothing; nothing new leaves the cursor where it is.
    house.feed.says(Ok(Pulled { cursor: None, ..house.revoking("bob", "") }));
    house.feed.says(Ok(Pulled { revocations: Vec::new(), cursor: None, more: true }));
    house.pass(5).await;
    assert_eq!((house.list.epoch(), house.feed.asked().len()), (epoch + 1, 7));
    house.pass(5).await;
    assert_eq!(house.feed.asked()[6..], [cursor("3"), cursor("3")], "more that does not move on waits its turn");

    // Other settings go on with it.
    let other = TrustedIssuer::discover(house.issuer.issuer().as_str()).audience("orders");
    verifier.replace(Verifier::builder(other)).expect("valid");
    accepted(verifier.bearer(&house.of("erin")).await);
    house.pass(5).await;
    assert_eq!(house.feed.asked()[8..], [cursor("3")]);

    drop(verifier);
    house.pass(60).await;
    assert_eq!(house.feed.asked().len(), 9, "it ends with the last clone");
}

#[tokio::test]
async fn ssf_a2_before_the_first_pull_tokens_are_accepted_or_wait_as_it_is_asked_for() {
    let house = House::new();
    house.feed.says(down());
    let open = house.builder().revocation_feed(house.feed.clone()).build().expect("valid");
    let bob = house.of("bob");
    accepted(open.bearer(&bob).await);
    drop(open);

    let house = House::new();
    let bob = house.of("bob");
    for _ in 0..2 {
        house.feed.says(down());
    }
    let closed = house.builder().require_revocation_feed(house.feed.clone()).build().expect("valid");
    let undecided = (RefusalKind::Unavailable { retry_after: Duration::from_secs(1) }, "revoked");
    for _ in 0..2 {
        assert_eq!(refused(closed.bearer(&bob).await), undecided);
        house.settle().await;
    }
    house.pass(35).await;
    assert_eq!(refused(closed.bearer(&bob).await), undecided, "it failed twice");
    house.pass(35).await;
    accepted(closed.bearer(&bob).await);
    // Later on an outage is none.
    house.feed.says(down());
    house.pass(5).await;
    accepted(closed.bearer(&bob).await);
}

#[tokio::test]
async fn ssf_a2_a_feed_that_never_answers_is_asked_again() {
    let house = House::new();
    house.feed.0.lock().expect("no panic").hangs = true;
    let verifier = house.builder().revocation_feed(house.feed.clone()).build().expect("valid");
    let bob = house.of("bob");
    accepted(verifier.bearer(&bob).await);
    house.settle().await;
    assert_eq!(house.feed.asked().len(), 1);
    house.feed.0.lock().expect("no panic").hangs = false;
    house.feed.says(Ok(house.revoking("bob", "1")));
    house.pass(10).await;
    house.pass(10).await;
    assert_eq!(refused(verifier.bearer(&bob).await), invalid("revoked"));
}

/// As where each test, or each attempt to start, has a runtime of its own.
#[test]
fn ssf_a2_a_feed_is_pulled_again_where_its_runtime_has_ended_and_tokens_are_remembered() {
    let house = House::new();
    let verifier = house.builder().revocation_feed(house.feed.clone()).build().expect("valid");
    let bob = house.of("bob");
    for pulls in 1..=3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            accepted(verifier.bearer(&bob).await);
            house.settle().await;
        });
        assert_eq!(house.feed.asked().len(), pulls);
    }
}

#[tokio::test]
async fn ssf_a2_a_feed_that_panics_is_one_that_does_not_answer() {
    let house = House::new();
    house.feed.0.lock().expect("no panic").panics = true;
    let verifier = house.builder().revocation_feed(house.feed.clone()).build().expect("valid");
    let bob = house.of("bob");
    for _ in 0..3 {
        accepted(verifier.bearer(&bob).await);
        house.settle().await;
    }
    assert_eq!(house.feed.asked().len(), 1, "no request asks it again");
    house.feed.0.lock().expect("no panic").panics = false;
    house.feed.says(Ok(house.revoking("bob", "1")));
    house.pass(30).await;
    assert_eq!(house.feed.asked(), [None, None]);
    assert_eq!(refused(verifier.bearer(&bob).await), invalid("revoked"));
}
