//! What the operator is told of a list, and of whoever fills it.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower_identity_core::{Issuer, Revocation, Revocations};
use tower_identity_testkit::{Endpoint, Failure, LogCapture, ManualClock, TestIssuer};
use tower_identity_verify::{EventReceiver, FeedError, Pulled, TrustedIssuer, Verifier};

use crate::feed::Script;

const OTHER: &str = "https://other.example";

fn subject(issuer: &str, id: u32) -> Revocation {
    let issuer: Issuer = issuer.parse().expect("issuer");
    Revocation::subject(issuer, format!("user-{id}").parse().expect("subject"))
}

/// What is told of revocations since this was asked last, by name and labels.
fn told(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let metrics = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        let name = key.key().name().trim_start_matches("tower_identity_").to_owned();
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Gauge(gauge) => gauge.into_inner() as u64,
            DebugValue::Histogram(_) => panic!("no histogram"),
        };
        ([vec![name], labels].concat().join(" "), value)
    });
    let of_these = ["revocation", "security_events"];
    metrics.filter(|(name, value)| of_these.iter().any(|these| name.starts_with(these)) && *value > 0).collect()
}

fn expected(metrics: &[(&str, u64)]) -> BTreeMap<String, u64> {
    metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn ssf_a2_what_the_program_revokes_is_counted_and_what_is_forgotten_is_told_once_a_minute() {
    let (recorder, logs, clock) = (DebuggingRecorder::new(), LogCapture::start(), ManualClock::new());
    let snapshotter = recorder.snapshotter();
    let told = || told(&snapshotter);
    let forgotten = || {
        let text = logs.text();
        let events =
            text.lines().filter_map(|line| line.trim_start().strip_prefix("WARN tower_identity::revocation: "));
        let events: Vec<_> = events.map(str::to_owned).collect();
        events
    };
    let event = |issuer| {
        format!("revocations forgotten: all tokens of the issuer from before them are refused issuer=\"{issuer}\"")
    };
    metrics::with_local_recorder(&recorder, || {
        let list = Revocations::bounded(2, Revocations::DEFAULT_RETENTION, clock.clock());
        let alone = Revocations::new(clock.clock());
        let home = TrustedIssuer::discover(super::HOME).audience("orders");
        let verifier = Verifier::builder(home).clock(clock.clock()).revocations(list.clone()).build().expect("valid");
        assert_eq!(told(), BTreeMap::new());

        assert!(list.revoke(subject(super::HOME, 1)) && !list.revoke(subject(super::HOME, 1)));
        assert_eq!(told(), expected(&[("revocations", 1), ("revocations_total subject", 1)]));
        assert!(list.revoke(Revocation::session(super::home(), "s-1".parse().expect("session"))));
        assert_eq!(told(), expected(&[("revocations", 2), ("revocations_total session", 1)]));
        assert!(alone.revoke(subject(super::HOME, 1)));
        assert_eq!(told(), BTreeMap::new(), "no verifier asks that list");
        assert_eq!(forgotten(), [""; 0]);

        for id in 2..5 {
            clock.advance(Duration::from_secs(20));
            assert!(list.revoke(subject(super::HOME, id)));
            let full = [("revocations", 2), ("revocations_forgotten_total", 1), ("revocations_total subject", 1)];
            assert_eq!(told(), expected(&full), "{id}");
        }
        assert_eq!(forgotten(), [event(super::HOME)], "the list is full from the first of these on");
        // Of another issuer, and a minute later, it is news.
        for id in 1..4 {
            assert!(list.revoke(subject(OTHER, id)));
        }
        assert_eq!(forgotten(), [event(super::HOME), event(OTHER)]);
        clock.advance(Duration::from_secs(20));
        assert!(list.revoke(subject(super::HOME, 5)));
        assert_eq!(forgotten(), [event(super::HOME), event(OTHER), event(super::HOME)]);
        assert!(!logs.text().contains("user-"), "{}", logs.text());
        drop(verifier);
    });
}

#[test]
fn ssf_a2_every_push_and_every_pull_is_counted_by_what_came_of_it() {
    const RECEIVER: &str = "https://orders.example/events";
    let (recorder, clock, feed) = (DebuggingRecorder::new(), ManualClock::new(), Script::default());
    let snapshotter = recorder.snapshotter();
    let told = || told(&snapshotter);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let issuer = TestIssuer::builder().clock(clock.clock()).start();
            let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
            let verifier =
                Verifier::builder(home).clock(clock.clock()).revocation_feed(feed.clone()).build().expect("valid");
            let receiver = EventReceiver::builder(&verifier, RECEIVER).build().expect("valid");
            let event = issuer.user_revoked("alice").audience(RECEIVER);
            let of_nobody = issuer.revoked(serde_json::json!({"format": "email", "email": "a@example.com"}));
            let (once, forged) = (event.clone().build(), event.clone().tampered().build());
            let of_nobody = of_nobody.audience(RECEIVER).build();

            issuer.fail_once(Endpoint::Keys, Failure::Close);
            for (event, outcome) in [
                (&once, "undecided"),
                (&once, "applied"),
                (&once, "known"),
                (&forged, "refused"),
                (&of_nobody, "ignored"),
            ] {
                drop(receiver.receive(event.expose()).await);
                let mut counted = told();
                assert_eq!(counted.remove(&format!("security_events_total {outcome}")), Some(1), "{outcome}");
                let by_event = [("revocations", 1), ("revocations_total subject", 1)];
                assert_eq!(counted, expected(if outcome == "applied" { &by_event } else { &[] }), "{outcome}");
                clock.advance(Duration::from_secs(30));
            }

            // The feed is down twice, and then has bob, whom it tells again.
            let bob = || {
                Revocation::subject(issuer.issuer().clone(), "bob".parse().expect("subject"))
                    .issued_before(clock.clock().wall())
            };
            let pulled = || Ok(Pulled { revocations: vec![bob()], ..Pulled::default() });
            for _ in 0..2 {
                feed.says(Err(FeedError::new(std::io::Error::other("down"))));
            }
            let token = issuer.token().subject("carol").client("storefront").audience("orders").build();
            crate::support::accepted(verifier.bearer(token.expose()).await);
            let settle = async || {
                for _ in 0..64 {
                    tokio::task::yield_now().await;
                }
            };
            settle().await;
            assert_eq!(told(), expected(&[("revocation_pulls_total failed", 1)]));
            clock.advance(Duration::from_secs(35));
            settle().await;
            let down = [("revocation_pulls_total failed", 1), ("revocation_feed_age_seconds", 35)];
            assert_eq!(told(), expected(&down));
            let first = pulled();
            feed.says(first.clone());
            feed.says(first);
            clock.advance(Duration::from_secs(35));
            settle().await;
            let answered = [("revocation_pulls_total pulled", 1), ("revocations", 2), ("revocations_total subject", 1)];
            assert_eq!(told(), expected(&answered));
            clock.advance(Duration::from_secs(5));
            settle().await;
            assert_eq!(told(), expected(&[("revocation_pulls_total pulled", 1), ("revocations", 2)]), "nothing is new");
        });
    });
}
