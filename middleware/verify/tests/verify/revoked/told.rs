//! What the operator is told of a list, whoever revokes.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_identity_core::{Issuer, Revocation, Revocations};
use tower_identity_testkit::{LogCapture, ManualClock};
use tower_identity_verify::{TrustedIssuer, Verifier};

const OTHER: &str = "https://other.example";

fn subject(issuer: &str, id: u32) -> Revocation {
    let issuer: Issuer = issuer.parse().expect("issuer");
    Revocation::subject(issuer, format!("user-{id}").parse().expect("subject"))
}

#[test]
fn ssf_a2_what_the_program_revokes_is_counted_and_what_is_forgotten_is_told_once_a_minute() {
    let (recorder, logs, clock) = (DebuggingRecorder::new(), LogCapture::start(), ManualClock::new());
    let snapshotter = recorder.snapshotter();
    let told = || -> BTreeMap<String, u64> {
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
        metrics.filter(|(name, value)| name.starts_with("revocations") && *value > 0).collect()
    };
    let expected = |metrics: &[(&str, u64)]| metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
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
