//! Which keys are kept, and what the operator is told of them: grace, pins, events, metrics.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, LogCapture};
use tower_identity_verify::TrustedIssuer;

use crate::support::{
    HOUR, MINUTE, Now, SECOND, Stage, accepted, forger, invalid, now, refused, text, unavailable, until, until_idle,
};

/// A refresh, which the keeper makes, and which has landed.
async fn refresh(stage: &Stage) {
    let fetches = stage.fetches() + 1;
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, fetches).await;
    stage.until_settled(fetches).await;
}

#[tokio::test]
async fn jwks_a4_a_key_that_was_removed_verifies_within_its_grace_and_not_at_all_without() {
    for grace in [Duration::ZERO, 2 * MINUTE] {
        let stage = Stage::with(|issuer| issuer.keys_removal_grace(grace)).warm().await;
        let before = stage.token();
        stage.replace_key();
        refresh(&stage).await;
        stage.accepts_at_once(&stage.token());
        if grace.is_zero() {
            assert_eq!(refused(stage.verifier.bearer(&before).await), invalid("key"));
            continue;
        }
        stage.accepts_at_once(&before);
        stage.clock.advance(grace - Duration::from_millis(1));
        stage.accepts_at_once(&before);
        stage.clock.advance(Duration::from_millis(1));
        assert_eq!(
            now(stage.verifier.bearer(&before)),
            Now::Waits,
            "the grace is over, and nothing was fetched for it"
        );
        stage.accepts_at_once(&stage.token());
    }
}

#[tokio::test]
async fn jwks_a4_the_grace_counts_from_the_removal_and_a_key_that_comes_back_is_back() {
    let stage = Stage::with(|issuer| issuer.keys_removal_grace(10 * MINUTE)).warm().await;
    let (old, token) = (stage.issuer.key(), stage.token());
    stage.replace_key();
    refresh(&stage).await;
    // Removed four minutes ago, and again not there: the grace does not begin anew.
    refresh(&stage).await;
    stage.accepts_at_once(&token);
    stage.issuer.publish_key(&old);
    refresh(&stage).await;
    for _ in 0..4 {
        refresh(&stage).await;
        stage.accepts_at_once(&token);
    }
    stage.issuer.withdraw_key(old.key_id());
    for _ in 0..3 {
        refresh(&stage).await;
        stage.accepts_at_once(&token);
    }
    refresh(&stage).await;
    assert_eq!(now(stage.verifier.bearer(&token)), Now::Waits);
}

#[tokio::test]
async fn jwks_a3_no_grace_outlives_the_day_for_which_keys_serve() {
    let stage = Stage::with(|issuer| issuer.keys_removal_grace(24 * HOUR)).warm().await;
    let before = stage.token();
    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    stage.clock.advance(24 * HOUR);
    assert_eq!(refused(stage.verifier.bearer(&before).await), unavailable(2 * SECOND));
    stage.issuer.recover(Endpoint::Keys);
    stage.replace_key();
    stage.clock.advance(MINUTE);
    accepted(stage.verifier.bearer(&stage.token()).await);
    assert_eq!(now(stage.verifier.bearer(&before)), Now::Waits, "it was of no use before it was removed");
}

#[tokio::test]
async fn jwks_a3_the_grace_of_a_seeds_key_ends_a_day_after_it_was_seen_at_its_issuer() {
    for (grace, ends) in [(30 * MINUTE, 30 * MINUTE), (24 * HOUR, HOUR)] {
        let (folder, stage) = (tempfile::tempdir().expect("a folder"), Stage::new());
        let (file, token) = (folder.path().join("keys.json"), stage.token());
        let fetched_at = stage.now().saturating_sub(23 * HOUR).as_secs();
        let (issuer, keys) = (stage.issuer.issuer(), [stage.issuer.key().public_jwk()]);
        let seed = json!({"issuer": issuer, "fetched_at": fetched_at, "keys": keys});
        std::fs::write(&file, seed.to_string()).expect("written");
        stage.replace_key();
        let seeded = |issuer: TrustedIssuer| issuer.keys_seed(&file).keys_removal_grace(grace);
        let stage = Stage::again(stage.clock, stage.issuer, seeded);
        stage.accepts_at_once(&token);
        stage.until_accepted(&stage.token()).await;
        stage.until_settled(1).await;

        stage.clock.advance(ends - SECOND);
        stage.accepts_at_once(&token);
        stage.clock.advance(SECOND);
        assert_eq!(now(stage.verifier.bearer(&token)), Now::Waits, "{grace:?}");
        stage.accepts_at_once(&stage.token());
    }
}

#[tokio::test]
async fn jwks_a3_a_key_set_has_128_keys_at_most() {
    let stage = Stage::new();
    let keys: Vec<_> = std::iter::repeat_with(forger).take(KeySet::MAX_ENTRIES).collect();
    let by = |key: &SigningKey| text(stage.good().sign_with(key));
    for key in &keys[1..] {
        stage.issuer.publish_key(key);
    }
    accepted(stage.verifier.bearer(&stage.token()).await);
    for key in &keys[1..] {
        stage.accepts_at_once(&by(key));
    }

    stage.issuer.publish_key(&keys[0]);
    let refusal = stage.verifier.bearer(&by(&keys[0])).await.expect_err("one too many");
    let causes = std::iter::successors(std::error::Error::source(&refusal), |cause| cause.source());
    assert_eq!(causes.last().expect("a cause").to_string(), "the key set has more than 128 entries");
    assert_eq!(refused(Err(refusal)), unavailable(30 * SECOND), "no verdict on the token");
    stage.accepts_at_once(&stage.token());
    stage.issuer.withdraw_key(keys[1].key_id());
    stage.clock.advance(30 * SECOND);
    accepted(stage.verifier.bearer(&by(&keys[0])).await);
}

#[tokio::test]
async fn jwks_a7_keys_that_are_not_pinned_are_refused() {
    let pinned = forger();
    let stage = Stage::with(|issuer| issuer.keys_pin([pinned.thumbprint()]));
    let own = stage.issuer.key();
    stage.issuer.publish_key(&pinned);
    let by = |key: &SigningKey| text(stage.good().sign_with(key));
    accepted(stage.verifier.bearer(&by(&pinned)).await);
    assert_eq!(refused(stage.verifier.bearer(&by(&own)).await), invalid("key"));
    // Somebody who can write the key set takes over the id of a key that is pinned.
    let thief = forger().with_key_id(pinned.key_id());
    stage.issuer.publish_key(&thief);
    refresh(&stage).await;
    assert_eq!(refused(stage.verifier.bearer(&by(&thief)).await), invalid("signature"));
    stage.accepts_at_once(&by(&pinned));
}

#[tokio::test]
async fn jwks_a7_a_key_set_without_a_pinned_key_is_as_good_as_none() {
    let pinned = forger();
    let stage = Stage::with(|issuer| issuer.keys_pin([pinned.thumbprint()]));
    let by_pinned = text(stage.good().sign_with(&pinned));
    assert_eq!(refused(stage.verifier.bearer(&stage.token()).await), unavailable(2 * SECOND));
    stage.issuer.publish_key(&pinned);
    stage.clock.advance(2 * SECOND);
    accepted(stage.verifier.bearer(&by_pinned).await);
    // A document that speaks about keys and has none of ours is no outage: what was withdrawn is withdrawn, and comes back
    // by a whole document only.
    stage.issuer.tag_keys();
    refresh(&stage).await;
    stage.issuer.withdraw_key(pinned.key_id());
    withdraws(&stage, &by_pinned).await;
    stage.issuer.publish_key(&pinned);
    stage.clock.advance(MINUTE);
    stage.until_accepted(&by_pinned).await;
    assert_eq!(stage.issuer.keys_not_modified(), 0);
    refresh(&stage).await;
    assert_eq!(stage.issuer.keys_not_modified(), 1, "the control");
}

#[tokio::test]
async fn jwks_a4_a_key_whose_private_part_is_published_stops_verifying_also_when_it_is_the_only_one() {
    let logs = LogCapture::start();
    let stage = Stage::new().warm().await;
    let token = stage.token();
    for failure in [Failure::Html, Failure::Body(r#"{"keys": []}"#.into())] {
        stage.issuer.fail(Endpoint::Keys, failure);
        refresh_fails(&stage).await;
        stage.accepts_at_once(&token);
    }
    stage.issuer.recover(Endpoint::Keys);
    let mut published = stage.issuer.key().public_jwk();
    published["d"] = "AAAA".into();
    stage.issuer.withdraw_key(stage.issuer.key().key_id());
    stage.issuer.publish_jwk(published);
    withdraws(&stage, &token).await;
    assert_eq!(gone(&logs, &stage), [0; 0], "they are withdrawn, and not too old");
}

#[tokio::test]
async fn jwks_a6_a_key_that_is_refused_has_no_grace() {
    let stage = Stage::with(|issuer| issuer.keys_removal_grace(HOUR)).warm().await;
    let (first, token) = (stage.issuer.key(), stage.token());
    stage.issuer.rotate_key();
    stage.issuer.withdraw_key(first.key_id());
    refresh(&stage).await;
    stage.accepts_at_once(&token);

    let mut published = first.public_jwk();
    published["d"] = "AAAA".into();
    stage.issuer.publish_jwk(published);
    refresh(&stage).await;
    assert_eq!(refused(stage.verifier.bearer(&token).await), invalid("key"));
}

#[tokio::test]
async fn each_change_of_the_keys_is_one_event() {
    let logs = LogCapture::start();
    let events = || -> Vec<String> {
        let log = logs.text();
        log.lines()
            .filter_map(|line| line.split_once("tower_identity::keys: keys changed "))
            .map(|at| at.1.to_owned())
            .collect()
    };
    let stage = Stage::new().warm().await;
    let (issuer, first) = (stage.issuer.issuer(), stage.issuer.key().thumbprint());
    assert_eq!(events(), [format!("issuer={issuer} added={first} removed= skipped=0")]);
    refresh(&stage).await;
    assert_eq!(events().len(), 1, "no change");

    stage.issuer.rotate_key();
    let second = stage.issuer.key().thumbprint();
    refresh(&stage).await;
    assert_eq!(events()[1..], [format!("issuer={issuer} added={second} removed= skipped=0")]);
    let third = forger();
    stage.issuer.publish_key(&third);
    stage.issuer.publish_jwk(json!({"kty": "oct", "k": "AAAA"}));
    stage.issuer.withdraw_key(&first.to_string());
    refresh(&stage).await;
    let third = third.thumbprint();
    assert_eq!(events()[2..], [format!("issuer={issuer} added={third} removed={first} skipped=1")]);
    stage.issuer.fail(Endpoint::Keys, Failure::Html);
    refresh_fails(&stage).await;
    assert_eq!(events().len(), 3, "a failure is another event");
    assert!(logs.text().contains("tower_identity::keys: no usable keys"), "{}", logs.text());
}

/// For each event that says that the issuer's keys are gone, how old they were, in seconds.
fn gone(logs: &LogCapture, stage: &Stage) -> Vec<u64> {
    let begins = format!("tower_identity::keys: keys gone issuer={} age_seconds=", stage.issuer.issuer());
    let log = logs.text();
    log.lines().filter_map(|line| line.split_once(&begins)?.1.parse().ok()).collect()
}

#[tokio::test]
async fn jwks_a3_that_keys_are_gone_is_one_event_for_each_time() {
    let (logs, stage) = (LogCapture::start(), Stage::new().warm().await);
    let token = stage.token();
    for time in 1..=2 {
        stage.issuer.stop();
        stage.clock.advance(24 * HOUR - SECOND);
        stage.accepts_at_once(&token);
        until_idle().await;
        assert_eq!(gone(&logs, &stage).len(), time - 1, "a second before");
        // Nobody asks: the keeper sees it within a minute.
        stage.clock.advance(SECOND + MINUTE);
        until(|| gone(&logs, &stage).len() == time).await;
        for _ in 0..3 {
            assert_eq!(refused(stage.verifier.bearer(&token).await), unavailable(2 * SECOND));
            stage.clock.advance(10 * MINUTE);
            until_idle().await;
        }
        let told = gone(&logs, &stage);
        assert!(told.len() == time && (86_400..=86_460).contains(&told[time - 1]), "{told:?}");
        stage.issuer.restart();
        stage.clock.advance(MINUTE);
        stage.until_accepted(&token).await;
    }
}

#[test]
fn jwks_a3_that_keys_are_gone_is_told_without_a_keeper_too() {
    let logs = LogCapture::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stage = runtime.block_on(Stage::new().warm());
    drop(runtime);
    stage.clock.advance(24 * HOUR);
    for _ in 0..3 {
        assert_eq!(now(stage.verifier.bearer(&stage.token())), Now::Waits);
    }
    assert_eq!(gone(&logs, &stage), [86_400]);
}

/// A refresh, by which the key of this token is no longer to be used, and there is no other.
async fn withdraws(stage: &Stage, token: &str) {
    stage.accepts_at_once(token);
    let fetches = stage.fetches() + 1;
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, fetches).await;
    until(|| now(stage.verifier.bearer(token)) == Now::Waits).await;
    assert_eq!(refused(stage.verifier.bearer(token).await), unavailable(SECOND));
}

async fn refresh_fails(stage: &Stage) {
    let fetches = stage.fetches() + 1;
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, fetches).await;
    stage.until_settled(fetches).await;
}

/// What the metrics of keys say, in the order of their names and labels: of counters, by how much they grew since the last look.
fn metrics(snapshotter: &Snapshotter) -> Vec<String> {
    let mut told: Vec<_> = snapshotter
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name().starts_with("tower_identity_keys_"))
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let value = match value {
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Gauge(value) => format!("{value}"),
                DebugValue::Histogram(_) => "histogram".to_owned(),
            };
            format!("{}{{{}}} {value}", key.key().name(), labels.join(","))
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn the_age_of_the_keys_and_their_refreshes_are_metrics() {
    let recorder = DebuggingRecorder::new();
    let told = recorder.snapshotter();
    let stage = Stage::new();
    stage.issuer.tag_keys();
    // Installed after the verifier was built, as a program may do it.
    let _installed = metrics::set_default_local_recorder(&recorder);
    let stage = stage.warm().await;
    let issuer = stage.issuer.issuer();
    let age = |seconds: u64| format!("tower_identity_keys_age_seconds{{issuer={issuer}}} {seconds}");
    let count =
        |outcome: &str, n: u64| format!("tower_identity_keys_refreshes_total{{issuer={issuer},outcome={outcome}}} {n}");
    assert_eq!(metrics(&told), [age(0), count("fetched", 1)]);

    until_idle().await;
    stage.clock.advance(MINUTE);
    stage.until_settled(1).await;
    assert_eq!(metrics(&told)[0], age(60), "the keeper tells it once a minute");
    stage.clock.advance(3 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    stage.until_settled(2).await;
    assert_eq!(metrics(&told), [age(0), count("fetched", 0), count("not_modified", 1)]);

    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    let mut failures = 0;
    for minutes in 1..=60 {
        stage.clock.advance(MINUTE);
        until_idle().await;
        stage.until_settled(2).await;
        let now = metrics(&told);
        assert_eq!(now[0], age(60 * minutes), "an age that grows is seen to grow");
        failures += (0..=3).filter(|n| now.contains(&count("failed", *n))).sum::<u64>();
    }
    assert!((30..=120).contains(&failures), "{failures}");
}
