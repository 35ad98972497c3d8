//! When a caller's credential is good no longer: by the clock, which these tests move by hand, and by the list.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tower_identity_core::{
    AuthenticationContext, BoxFuture, CallerContext, Clock, EndReason, Ended, Moment, Revocation, Revocations,
    TimeSource, Timestamp,
};
use tower_identity_testkit::{ManualClock, TestCaller};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const EXPIRED: Poll<EndReason> = Poll::Ready(EndReason::Expired);
const REVOKED: Poll<EndReason> = Poll::Ready(EndReason::Revoked);

/// A future that is polled when it was woken, as by a runtime.
struct Task {
    ended: Ended,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Task {
    fn new(ended: Ended) -> Self {
        Self { ended, woken: Arc::default() }
    }

    fn start(ended: Ended) -> Self {
        let mut task = Self::new(ended);
        assert_eq!(task.poll(), Poll::Pending, "at the start");
        task
    }

    fn poll(&mut self) -> Poll<EndReason> {
        let waker = Waker::from(Arc::clone(&self.woken));
        Pin::new(&mut self.ended).poll(&mut Context::from_waker(&waker))
    }

    fn was_woken(&self) -> bool {
        self.woken.0.swap(0, Ordering::Relaxed) > 0
    }

    fn run(&mut self) -> Poll<EndReason> {
        if self.was_woken() { self.poll() } else { Poll::Pending }
    }
}

/// Somebody's tokens, on a list whose time the test moves.
struct Stage {
    manual: ManualClock,
    list: Revocations,
}

impl Stage {
    fn new() -> Self {
        let manual = ManualClock::new();
        Self { list: Revocations::new(manual.clock()), manual }
    }

    fn later_by(&self, by: Duration) -> Timestamp {
        self.manual.clock().wall().saturating_add(by)
    }

    /// A caller for this user, with a token of one minute.
    fn caller(&self, user: &str) -> TestCaller {
        let caller = TestCaller::workload("storefront").user(user).token_id(format!("token-of-{user}"));
        let session = format!("session-of-{user}").parse().expect("session");
        let signed_in = AuthenticationContext { session: Some(session), ..AuthenticationContext::default() };
        let caller = caller.authentication(signed_in).issued_at(self.manual.clock().wall());
        caller.expires_at(self.later_by(MINUTE)).revocations(&self.list)
    }

    fn context(&self, user: &str) -> CallerContext {
        self.caller(user).context()
    }
}

fn issuer() -> tower_identity_core::Issuer {
    "https://issuer.test".parse().expect("issuer")
}

fn subject(id: &str) -> Revocation {
    Revocation::subject(issuer(), id.parse().expect("subject"))
}

fn alice() -> Revocation {
    subject("alice")
}

#[test]
fn long_a1_it_ends_at_the_expiry_and_not_before() {
    let stage = Stage::new();
    let mut task = Task::start(stage.context("alice").ended());
    for _ in 0..59 {
        stage.manual.advance(SECOND);
        assert_eq!(task.run(), Poll::Pending);
    }
    stage.manual.advance(SECOND - Duration::from_nanos(1));
    assert_eq!((task.run(), task.poll(), task.ended.try_now()), (Poll::Pending, Poll::Pending, None));
    stage.manual.advance(Duration::from_nanos(1));
    assert_eq!((task.run(), task.ended.try_now()), (EXPIRED, Some(EndReason::Expired)));
    assert_eq!(task.poll(), EXPIRED, "and says so again");

    let stage = Stage::new();
    let sooner = stage.caller("bob").expires_at(stage.later_by(MINUTE / 3)).context();
    let _task = Task::start(sooner.ended());
    assert_eq!(stage.manual.next_wake(), Some(MINUTE / 3), "no later than that");
}

#[test]
fn long_a1_of_two_tokens_the_earlier_end_counts() {
    let stage = Stage::new();
    let later = stage.later_by(10 * MINUTE);
    let cases = [
        (stage.caller("alice"), stage.caller("alice").expires_at(later)),
        (stage.caller("alice").expires_at(later), stage.caller("alice")),
    ];
    let mut tasks = cases.map(|(caller, user)| Task::start(caller.beside(user).context().ended()));
    stage.manual.advance(MINUTE);
    assert_eq!(tasks.each_mut().map(Task::run), [EXPIRED; 2]);
}

#[test]
fn long_a1_it_ends_at_once_when_a_token_is_revoked_and_another_users_goes_on() {
    let revocations = [
        Revocation::token(issuer(), "token-of-alice".parse().expect("id")),
        Revocation::session(issuer(), "session-of-alice".parse().expect("session")),
        alice(),
    ];
    for revocation in revocations {
        let stage = Stage::new();
        let mut of_alice = Task::start(stage.context("alice").ended());
        let mut of_bob = Task::start(stage.context("bob").ended());
        stage.list.revoke(revocation.clone());
        assert_eq!((of_alice.run(), of_bob.run()), (REVOKED, Poll::Pending), "{revocation:?}");
        assert_eq!(of_alice.poll(), REVOKED, "and says so again");
        // What comes within a second of that is seen after the second, and what comes later at once again.
        assert_eq!(stage.manual.next_wake(), Some(SECOND));
        stage.list.revoke(subject("bob"));
        assert_eq!(of_bob.run(), Poll::Pending, "{revocation:?}");
        stage.manual.advance(SECOND);
        assert_eq!(of_bob.run(), REVOKED, "{revocation:?}");
        stage.manual.advance(SECOND);
        let mut of_carol = Task::start(stage.context("carol").ended());
        stage.list.revoke(subject("dave"));
        assert_eq!(of_carol.run(), Poll::Pending);
        stage.manual.advance(SECOND);
        assert_eq!(of_carol.run(), Poll::Pending, "the pause is over");
        stage.list.revoke(subject("carol"));
        assert_eq!(of_carol.run(), REVOKED, "{revocation:?}");
    }
}

#[test]
fn long_a1_of_two_tokens_either_may_be_revoked_on_whichever_list() {
    for (of_caller, what) in [(true, subject("storefront")), (false, alice())] {
        let (first, second) = (Stage::new(), Stage::new());
        let workload = TestCaller::workload("storefront").revocations(&first.list).expires_at(first.later_by(MINUTE));
        let context = workload.beside(second.caller("alice").evidence(tower_identity_core::Evidence::Actor)).context();
        let mut task = Task::start(context.ended());
        if of_caller { &first } else { &second }.list.revoke(what);
        assert_eq!(task.run(), REVOKED);
    }
}

#[test]
fn long_a1_what_has_ended_before_it_is_awaited_has_ended() {
    let stage = Stage::new();
    let (context, ended) = (stage.context("alice"), stage.context("alice").ended());
    stage.list.revoke(alice());
    let mut late = Task::new(ended);
    assert_eq!(late.poll(), REVOKED);
    assert_eq!(context.ended().try_now(), Some(EndReason::Revoked));

    let stage = Stage::new();
    let ended = stage.context("alice").ended();
    stage.manual.advance(MINUTE);
    assert_eq!(Task::new(ended).poll(), EXPIRED);
}

#[test]
fn long_a1_a_wall_clock_that_is_set_forward_is_noticed_within_a_minute_or_by_a_revocation() {
    for somebody_is_revoked in [false, true] {
        let stage = Stage::new();
        let far = stage.later_by(60 * MINUTE);
        let mut task = Task::start(stage.caller("alice").expires_at(far).context().ended());
        stage.manual.advance(MINUTE / 2);
        assert_eq!(task.run(), Poll::Pending);
        stage.manual.set_wall(far);
        assert_eq!(stage.manual.next_wake(), Some(MINUTE / 2));
        if somebody_is_revoked {
            stage.list.revoke(subject("bob"));
        } else {
            stage.manual.advance(MINUTE / 2);
        }
        assert_eq!(task.run(), EXPIRED, "{somebody_is_revoked}");
    }
}

/// A clock that counts who goes to sleep by it. (Whoever sleeps by one that is moved by hand is woken at every move.)
struct Counting(ManualClock, Arc<AtomicUsize>);

impl TimeSource for Counting {
    fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    fn monotonic(&self) -> Moment {
        self.0.monotonic()
    }

    fn sleep_until(&self, moment: Moment) -> BoxFuture<'static, ()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.sleep_until(moment)
    }
}

/// Of a stream that lasts for two hours, and says nothing.
#[test]
fn long_a1_who_waits_is_woken_once_a_minute_and_in_a_storm_of_revocations_once_a_second() {
    let (manual, sleeps) = (ManualClock::new(), Arc::<AtomicUsize>::default());
    let clock = Clock::new(Counting(manual.clone(), Arc::clone(&sleeps)));
    let stage = Stage { list: Revocations::new(clock), manual };
    let mut task = Task::start(stage.caller("alice").expires_at(stage.later_by(120 * MINUTE)).context().ended());
    let pass = |task: &mut Task| {
        stage.manual.advance(SECOND);
        task.run()
    };
    for _ in 0..60 * 60 {
        assert_eq!(pass(&mut task), Poll::Pending);
    }
    assert_eq!(sleeps.swap(0, Ordering::Relaxed), 1 + 60, "in an hour of nothing");

    let mut woken = 0;
    for number in 0..60_000 {
        stage.list.revoke(subject(&format!("user-{number}")));
        if task.was_woken() {
            woken += 1;
            assert_eq!(task.poll(), Poll::Pending);
        }
        if number % 1_000 == 999 {
            assert_eq!(pass(&mut task), Poll::Pending);
        }
    }
    assert_eq!((woken, sleeps.swap(0, Ordering::Relaxed)), (1, 1 + 60), "in a minute of a thousand each second");

    // Hers among them is seen within one.
    stage.list.revoke(alice());
    assert_eq!((task.run(), pass(&mut task)), (Poll::Pending, REVOKED));
}

#[test]
fn long_a1_a_wall_clock_that_is_set_back_puts_the_end_off() {
    let stage = Stage::new();
    let mut task = Task::start(stage.context("alice").ended());
    let before = stage.manual.clock().wall();
    stage.manual.advance(MINUTE - SECOND);
    stage.manual.set_wall(before);
    for _ in 0..59 {
        stage.manual.advance(SECOND);
        assert_eq!(task.run(), Poll::Pending);
    }
    stage.manual.advance(SECOND);
    assert_eq!(task.run(), EXPIRED);
}

#[test]
fn long_a1_where_only_a_revocation_counts_an_expiry_does_not_nor_does_it_keep_anybody_awake() {
    let stage = Stage::new();
    let mut task = Task::start(stage.context("alice").ended().if_revoked());
    assert_eq!(stage.manual.asleep(), 0);
    stage.manual.advance(10 * MINUTE);
    assert_eq!((task.was_woken(), task.poll(), task.ended.try_now()), (false, Poll::Pending, None));
    stage.list.revoke(alice());
    assert_eq!(task.run(), REVOKED);
}

#[test]
fn long_a1_it_sleeps_only_once_it_is_polled_and_leaves_nothing_behind() {
    let stage = Stage::new();
    let ended = stage.context("alice").ended();
    assert_eq!((ended.try_now(), stage.manual.asleep()), (None, 0), "nobody waits yet");
    let task = Task::start(ended);
    assert_eq!(stage.manual.asleep(), 1);
    let Task { ended, woken } = task;
    drop(ended);
    stage.list.revoke(alice());
    stage.manual.advance(MINUTE);
    assert_eq!((stage.manual.asleep(), woken.0.load(Ordering::Relaxed)), (0, 0));
    assert_eq!(Arc::strong_count(&woken), 1, "no waker is kept");
}

#[test]
fn long_a1_it_goes_between_threads_and_prints_nobodys_name() {
    fn shared<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let ended = Stage::new().context("alice").ended();
    shared(&ended);
    assert!(!format!("{ended:?}").contains("alice"));
}
