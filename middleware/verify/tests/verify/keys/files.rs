//! Keys in files: what serves a cold start, and what is kept for the next.

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tower_identity_jose::public_key_set;
use tower_identity_testkit::{Endpoint, Failure, LogCapture};
use tower_identity_verify::TrustedIssuer;

use crate::support::{
    HOUR, MINUTE, Now, SECOND, Stage, accepted, at_once, forger, invalid, now, refused, text, unavailable, until,
    until_idle,
};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A key set of this issuer, fetched so long ago, as it is saved.
fn seed(stage: &Stage, ago: Duration) -> Value {
    let keys: Value = serde_json::from_str(&public_key_set([&stage.issuer.key()]).to_string()).expect("JSON");
    let fetched_at = stage.now().saturating_sub(ago).as_secs();
    json!({"issuer": stage.issuer.issuer(), "fetched_at": fetched_at, "keys": keys["keys"]})
}

fn write(file: &Path, document: &Value) {
    fs::write(file, document.to_string()).expect("written");
}

/// The same issuer while it is down, to a process that starts with this seed.
fn started(stage: Stage, file: &Path) -> Stage {
    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    Stage::again(stage.clock, stage.issuer, |issuer: TrustedIssuer| issuer.keys_seed(file))
}

#[tokio::test]
async fn jwks_a6_a_seed_serves_a_cold_start_at_once_and_a_refresh_is_due() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("keys.json");
    write(&file, &seed(&stage, HOUR));
    let token = stage.token();
    assert_eq!(now(stage.verifier.bearer(&token)), Now::Waits, "the control: without a seed it waits");

    let stage = started(stage, &file);
    stage.accepts_at_once(&token);
    stage.issuer.arrived(Endpoint::Keys, 1).await;
    stage.accepts_at_once(&token);
    // Until the same limit, which counts from when the seed was fetched.
    stage.clock.advance(23 * HOUR - SECOND);
    stage.accepts_at_once(&token);
    stage.clock.advance(SECOND);
    assert_eq!(now(stage.verifier.bearer(&token)), Now::Waits);
}

#[test]
fn jwks_a6_a_seed_serves_outside_a_runtime_too() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("keys.json");
    write(&file, &seed(&stage, HOUR));
    let stage = started(stage, &file);
    stage.accepts_at_once(&stage.token());
    assert_eq!(stage.fetches(), 0, "nobody can fetch here");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        stage.clock.advance(SECOND);
        stage.accepts_at_once(&stage.token());
        stage.issuer.arrived(Endpoint::Keys, 1).await;
    });
}

#[tokio::test]
async fn jwks_a6_a_seed_gives_way_to_the_first_fetch_and_rules_out_no_key() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("keys.json");
    write(&file, &seed(&stage, HOUR));
    let before = stage.token();
    stage.replace_key();
    let stage = started(stage, &file);
    // The seed is no proof that there is no other key, however old the token.
    let old = text(stage.good().issued_at(stage.now().saturating_sub(MINUTE)));
    assert_eq!(refused(stage.verifier.bearer(&old).await), unavailable(30 * SECOND));
    stage.accepts_at_once(&before);

    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(40 * SECOND);
    stage.until_accepted(&old).await;
    assert_eq!(refused(stage.verifier.bearer(&before).await), invalid("key"), "the issuer has withdrawn it");
}

#[tokio::test]
async fn jwks_a6_a_seed_that_is_not_good_is_refused_with_an_event() {
    type Spoil = fn(&Stage, Value) -> String;
    let cases: [(&str, Spoil, Option<&str>); 13] = [
        ("the control", |_, seed| seed.to_string(), None),
        ("a day old, but a second", |stage, _| seed(stage, 24 * HOUR - SECOND).to_string(), None),
        ("a day old", |stage, _| seed(stage, 24 * HOUR).to_string(), Some("the keys were fetched 86400 s ago")),
        ("from the near future", |stage, seed| at(stage, seed, 300).to_string(), None),
        ("from the future", |stage, seed| at(stage, seed, 301).to_string(), Some("fetched 301 s from now")),
        ("of another issuer", |_, seed| of(seed, json!("https://other.example")), Some("the file is of issuer")),
        ("of no issuer that can be read", |_, seed| of(seed, Value::Null), Some("is not of its type")),
        ("no JSON", |_, seed| seed.to_string().replace('{', "["), Some("not a usable key set")),
        ("empty", |_, _| String::new(), Some("not a usable key set")),
        (
            "without keys",
            |_, seed| {
                let mut seed = seed;
                seed["keys"] = json!([]);
                seed.to_string()
            },
            Some("not a usable key set"),
        ),
        ("too large", |_, seed| seed.to_string() + &" ".repeat(256 * 1024), Some("larger than 262144 bytes")),
        ("a folder", |_, _| "a folder".to_owned(), Some("cannot be read")),
        ("a pipe", |_, _| "a pipe".to_owned(), Some("it is no regular file")),
    ];
    for (name, spoil, refused_for) in cases {
        let (folder, stage) = (folder(), Stage::new());
        let file = folder.path().join("keys.json");
        let content = spoil(&stage, seed(&stage, HOUR));
        match &*content {
            "a folder" => fs::create_dir(&file).expect("made"),
            "a pipe" => assert!(Command::new("mkfifo").arg(&file).status().expect("it runs").success()),
            _ => fs::write(&file, content).expect("written"),
        }
        let (logs, token) = (LogCapture::start(), stage.token());
        let stage = started(stage, &file);
        let expected = if refused_for.is_none() { Now::Accepted } else { Now::Waits };
        assert_eq!(now(stage.verifier.bearer(&token)), expected, "{name}");
        let events: Vec<_> =
            logs.text().lines().filter(|line| line.contains("seed refused")).map(str::to_owned).collect();
        assert_eq!(events.len(), usize::from(refused_for.is_some()), "{name}: {events:?}");
        assert!(refused_for.is_none_or(|why| events[0].contains(why)), "{name}: {events:?}");
    }
}

fn at(stage: &Stage, mut seed: Value, ahead: u64) -> Value {
    seed["fetched_at"] = (stage.now().as_secs() + ahead).into();
    seed
}

fn of(mut seed: Value, issuer: Value) -> String {
    seed["issuer"] = issuer;
    seed.to_string()
}

#[tokio::test]
async fn jwks_a6_a_key_set_of_ones_own_was_fetched_when_it_was_last_changed() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("keys.json");
    let token = stage.token();
    let changed_ago = |ago: Duration| {
        // Somebody's `fetched_at` without an issuer is not ours, and says nothing.
        let mut document = seed(&stage, Duration::ZERO);
        document.as_object_mut().expect("an object").remove("issuer");
        write(&file, &document);
        let changed = std::time::SystemTime::UNIX_EPOCH + stage.now().saturating_sub(ago).since_epoch();
        fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(changed)).expect("set");
        let (clock, issuer) = (stage.clock.clone(), Arc::clone(&stage.issuer));
        Stage::again(clock, issuer, |issuer: TrustedIssuer| issuer.keys_seed(&file)).verifier
    };
    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    accepted(at_once(changed_ago(HOUR).bearer(&token)));
    assert_eq!(now(changed_ago(25 * HOUR).bearer(&token)), Now::Waits);
}

#[tokio::test]
async fn jwks_a6_keys_are_saved_after_each_fetch_and_read_at_the_next_start() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("saved.json");
    let logs = LogCapture::start();
    let saving = |issuer: TrustedIssuer| issuer.keys_save(&file);
    let stage = Stage::again(stage.clock, stage.issuer, saving).warm().await;
    assert!(!logs.text().contains("seed refused"), "that it is not there yet is in order");
    let saved = || -> Option<Value> { serde_json::from_slice(&fs::read(&file).ok()?).ok() };
    let fetched_at = stage.now().as_secs();
    until(|| saved().is_some()).await;
    assert_eq!(saved(), Some(seed(&stage, Duration::ZERO)));

    // A fetch that finds the same keys writes that they were found.
    stage.issuer.tag_keys();
    for minutes in [4, 8] {
        stage.clock.advance(4 * MINUTE);
        until(|| saved().is_some_and(|saved| saved["fetched_at"] == fetched_at + minutes * 60)).await;
        stage.until_settled(2).await;
    }
    assert_eq!(stage.issuer.keys_not_modified(), 1);
    let files: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(files.len(), 1, "nothing is left beside it: {files:?}");

    stage.issuer.stop();
    stage.clock.advance(HOUR);
    let token = stage.token();
    let next = Stage::again(stage.clock, stage.issuer, saving);
    next.accepts_at_once(&token);
    assert!(logs.text().contains("keys seeded"), "{}", logs.text());
}

#[tokio::test]
async fn jwks_a6_what_is_refused_when_it_is_fetched_is_not_saved() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("saved.json");
    let (own, pinned) = (stage.issuer.key(), forger());
    let mut private = forger().public_jwk();
    private["d"] = "AAAA".into();
    for jwk in [json!({"kty": "oct", "k": "AAAA"}), private, pinned.public_jwk()] {
        stage.issuer.publish_jwk(jwk);
    }
    let pins = [pinned.thumbprint()];
    let saving = |issuer: TrustedIssuer| issuer.keys_pin(pins).keys_save(&file);
    let stage = Stage::again(stage.clock, stage.issuer, saving);
    let token = text(stage.good().sign_with(&pinned));
    accepted(stage.verifier.bearer(&token).await);
    until(|| file.exists()).await;
    let saved = fs::read_to_string(&file).expect("saved");
    let keys = serde_json::from_str::<Value>(&saved).expect("JSON")["keys"].clone();
    assert_eq!(keys, json!([pinned.public_jwk()]));

    // Whatever came into the file meanwhile is judged again.
    let mut altered: Value = serde_json::from_str(&saved).expect("JSON");
    altered["keys"] = json!([own.public_jwk(), pinned.public_jwk()]);
    write(&file, &altered);
    let stage = started(stage, &file);
    let stage = Stage::again(stage.clock, stage.issuer, saving);
    accepted(at_once(stage.verifier.bearer(&token)));
    assert_eq!(now(stage.verifier.bearer(&text(stage.good().sign_with(&own)))), Now::Waits);
}

#[tokio::test]
async fn jwks_a6_keys_that_were_withdrawn_are_not_saved() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("saved.json");
    let saving = |issuer: TrustedIssuer| issuer.keys_save(&file);
    let stage = Stage::again(stage.clock, stage.issuer, saving).warm().await;
    let (key, token) = (stage.issuer.key(), stage.token());
    let saved = || -> Option<Value> { serde_json::from_slice(&fs::read(&file).ok()?).ok() };
    until(|| saved().is_some_and(|saved| saved["keys"] == json!([key.public_jwk()]))).await;
    // An outage forgets nothing.
    stage.issuer.fail(Endpoint::Keys, Failure::no_keys());
    stage.clock.advance(4 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    stage.until_settled(2).await;
    until_idle().await;
    let control = Stage::again(stage.clock.clone(), Arc::clone(&stage.issuer), saving);
    control.accepts_at_once(&token);

    // The only key is published with its private part.
    let mut published = key.public_jwk();
    published["d"] = "AAAA".into();
    stage.issuer.withdraw_key(key.key_id());
    stage.issuer.publish_jwk(published);
    stage.issuer.recover(Endpoint::Keys);
    stage.clock.advance(4 * MINUTE);
    let withdrawn = json!({"issuer": stage.issuer.issuer(), "fetched_at": stage.now().as_secs(), "keys": []});
    until(|| saved().as_ref() == Some(&withdrawn)).await;
    let next = Stage::again(stage.clock, stage.issuer, saving);
    assert_eq!(now(next.verifier.bearer(&token)), Now::Waits, "nor in a process that starts now");
}

#[tokio::test]
async fn jwks_a6_of_two_seeds_the_younger_serves() {
    let (folder, stage) = (folder(), Stage::new());
    let [given, saved] = ["given.json", "saved.json"].map(|name| folder.path().join(name));
    let old = stage.token();
    write(&given, &seed(&stage, 2 * HOUR));
    stage.replace_key();
    write(&saved, &seed(&stage, HOUR));
    let new = stage.token();
    let stage = started(stage, &given);
    let both = |issuer: TrustedIssuer| issuer.keys_seed(&given).keys_save(&saved);
    let stage = Stage::again(stage.clock, stage.issuer, both);
    stage.accepts_at_once(&new);
    assert_eq!(now(stage.verifier.bearer(&old)), Now::Waits);
}

#[tokio::test]
async fn jwks_a6_a_file_that_cannot_be_written_fails_nothing() {
    let (folder, stage) = (folder(), Stage::new());
    let file = folder.path().join("no such folder").join("saved.json");
    let stage = Stage::again(stage.clock, stage.issuer, |issuer: TrustedIssuer| issuer.keys_save(&file)).warm().await;
    for hour in 1..=3 {
        stage.clock.advance(HOUR);
        stage.issuer.arrived(Endpoint::Keys, 1 + hour).await;
        stage.until_settled(1 + hour).await;
        stage.accepts_at_once(&stage.token());
    }
    until_idle().await;
    assert!(!file.exists());
}
