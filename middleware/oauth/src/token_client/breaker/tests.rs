use std::sync::atomic::{AtomicU64, Ordering};

use tower_identity_core::{BoxFuture, TimeSource, Timestamp};

use super::*;

const S: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Seconds(Arc<AtomicU64>);

impl Seconds {
    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl TimeSource for Seconds {
    fn wall(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Moment {
        Moment::from_origin(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        unreachable!("a breaker never sleeps")
    }
}

fn breaker() -> (Seconds, Arc<Breaker>) {
    let time = Seconds::default();
    let issuer = "https://as.example".parse().expect("an issuer");
    let breaker = Breaker::new(issuer, "https://as.example/token", Clock::new(time.clone()));
    (time, Arc::new(breaker))
}

fn pass(breaker: &Arc<Breaker>) -> Pass {
    breaker.enter().unwrap_or_else(|left| panic!("open for {left:?}"))
}

fn open(breaker: &Arc<Breaker>) {
    for _ in 0..OUTAGES {
        pass(breaker).outage(None);
    }
}

fn left(breaker: &Arc<Breaker>) -> Option<Duration> {
    let entered = breaker.enter();
    entered.err()
}

#[test]
fn out_b21_it_opens_after_so_many_outages_in_a_row_and_any_answer_begins_anew() {
    let (_, breaker) = breaker();
    for _ in 0..3 {
        for _ in 1..OUTAGES {
            pass(&breaker).outage(None);
        }
        assert_eq!(breaker.left(), None, "one is missing");
        pass(&breaker).answered();
    }
    open(&breaker);
    assert_eq!((breaker.left(), left(&breaker)), (Some(OPEN), Some(OPEN)));
}

#[test]
fn out_b21_it_stays_open_as_long_as_the_server_says_and_no_shorter_than_its_own_time() {
    for (said, open_for) in [(None, OPEN), (Some(2 * S), OPEN), (Some(30 * S), 30 * S)] {
        let (time, breaker) = breaker();
        for _ in 1..OUTAGES {
            pass(&breaker).outage(None);
        }
        pass(&breaker).outage(said);
        assert_eq!(left(&breaker), Some(open_for), "{said:?}");
        time.pass(open_for.as_secs() - 1);
        assert_eq!(left(&breaker), Some(S), "{said:?}");
        time.pass(1);
        assert_eq!(left(&breaker), None, "{said:?}");
    }
}

#[test]
fn out_b21_one_call_probes_and_closes_it_or_opens_it_anew() {
    for answers in [true, false] {
        let (time, breaker) = breaker();
        open(&breaker);
        time.pass(5);
        let probe = pass(&breaker);
        assert_eq!(left(&breaker), Some(PROBING), "one at a time");
        if answers {
            probe.answered();
            for _ in 1..OUTAGES {
                pass(&breaker).outage(None);
            }
            assert_eq!(breaker.left(), None, "the count began anew");
        } else {
            probe.outage(None);
            assert_eq!(left(&breaker), Some(OPEN), "one outage is enough");
        }
    }
}

#[test]
fn out_b21_a_probe_that_ends_without_a_word_leaves_the_place_to_the_next() {
    let (time, breaker) = breaker();
    open(&breaker);
    time.pass(5);
    drop(pass(&breaker));
    let probe = pass(&breaker);
    assert_eq!(left(&breaker), Some(PROBING));
    probe.answered();
    assert_eq!(breaker.left(), None);
    // No probe: it leaves things as they are.
    drop(pass(&breaker));
    assert_eq!(breaker.left(), None);
}

#[test]
fn out_b21_what_began_before_it_opened_closes_it_by_an_answer_and_does_nothing_by_an_outage() {
    let (time, breaker) = breaker();
    let (first, second, third) = (pass(&breaker), pass(&breaker), pass(&breaker));
    open(&breaker);
    time.pass(2);
    first.outage(Some(60 * S));
    assert_eq!(left(&breaker), Some(3 * S), "it opens no longer");
    time.pass(3);
    let probe = pass(&breaker);
    second.outage(None);
    assert_eq!(left(&breaker), Some(PROBING), "the probe decides");
    third.answered();
    assert_eq!(breaker.left(), None);
    probe.outage(None);
    assert_eq!(breaker.left(), None, "the first of five");
}
