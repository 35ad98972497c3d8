//! Other settings in the place of a verifier's, while requests come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tower_identity_core::{CallerContext, Refusal, Revocation, Revocations};
use tower_identity_jose::{KeySet, Limits, public_key_set};
use tower_identity_testkit::{Endpoint, Failure, LogCapture, ManualClock, TestIssuer};
use tower_identity_verify::{TrustedIssuer, Verifier, VerifierBuilder, danger};

use crate::support::{HOUR, MINUTE, Stage, accepted, at_once, invalid, refused, text, until, until_idle};

fn at(issuer: &TestIssuer) -> TrustedIssuer {
    TrustedIssuer::keys_at(issuer.issuer().as_str(), issuer.url(Endpoint::Keys)).audience("orders")
}

fn home(issuer: &TestIssuer) -> VerifierBuilder {
    Verifier::builder(at(issuer))
}

fn token(issuer: &TestIssuer) -> String {
    text(issuer.token().subject("alice").client("storefront").audience("orders"))
}

fn decided(verifier: &Verifier, token: &str) -> Result<CallerContext, Refusal> {
    at_once(verifier.bearer(token))
}

/// A stage with keys at hand, and a second issuer of the same time.
async fn warm() -> (Stage, TestIssuer) {
    let stage = Stage::new().warm().await;
    let partner = TestIssuer::builder().clock(stage.clock.clock()).start();
    (stage, partner)
}

#[tokio::test]
async fn an_issuer_comes_and_goes_for_every_clone_and_the_other_goes_on_without_a_fetch() {
    let (stage, partner) = warm().await;
    let (clone, of_home, of_partner) = (stage.verifier.clone(), stage.token(), token(&partner));
    assert_eq!(refused(decided(&clone, &of_partner)), invalid("iss"));

    assert_eq!(stage.verifier.replace(home(&stage.issuer).issuer(at(&partner))), Ok(2));
    accepted(clone.bearer(&of_partner).await);
    accepted(decided(&clone, &of_home));

    assert_eq!(clone.replace(home(&stage.issuer)), Ok(3));
    assert_eq!(refused(decided(&stage.verifier, &of_partner)), invalid("iss"));
    accepted(decided(&stage.verifier, &of_home));
    assert_eq!((stage.fetches(), partner.calls(Endpoint::Keys), stage.verifier.generation()), (1, 1, 3));
}

#[tokio::test]
async fn settings_that_break_a_rule_change_nothing() {
    let (stage, partner) = warm().await;
    let wrong = [
        home(&stage.issuer).issuer(at(&stage.issuer)),
        home(&partner).issuer(at(&stage.issuer).leeway(HOUR)),
        home(&partner).workload(["orders"]),
        danger::trusted_caller(home(&partner), ["gateway"], ["https://nobody.example"]),
    ];
    for settings in wrong {
        stage.verifier.replace(settings).expect_err("it breaks a rule");
        assert_eq!(stage.verifier.generation(), 1);
        accepted(decided(&stage.verifier, &stage.token()));
        assert_eq!(refused(decided(&stage.verifier, &token(&partner))), invalid("iss"));
    }
    assert_eq!((stage.fetches(), partner.calls(Endpoint::Keys)), (1, 0));
}

#[tokio::test]
async fn other_rules_for_an_issuer_hold_at_once_and_its_keys_stay() {
    let stage = Stage::new().warm().await;
    let (for_orders, for_stock) = (stage.token(), text(stage.good().audience("stock")));
    accepted(decided(&stage.verifier, &for_orders));
    let stock =
        TrustedIssuer::keys_at(stage.issuer.issuer().as_str(), stage.issuer.url(Endpoint::Keys)).audience("stock");
    stage.verifier.replace(Verifier::builder(stock)).expect("valid");
    assert_eq!(refused(decided(&stage.verifier, &for_orders)), invalid("aud"));
    accepted(decided(&stage.verifier, &for_stock));
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn an_outage_is_not_felt_by_an_issuer_whose_keys_are_found_where_they_were() {
    let file = tempfile::tempdir().expect("a folder");
    let stage = Stage::new().warm().await;
    stage.issuer.fail(Endpoint::Keys, Failure::Close);
    let token = stage.token();
    let at_home = || at(&stage.issuer);
    let same = [
        at_home(),
        at_home().audience("stock"),
        at_home().keys_save(file.path().join("keys.json")),
        at_home().keys_removal_grace(MINUTE),
        at_home().leeway(Duration::from_secs(60)),
    ];
    for issuer in same {
        stage.verifier.replace(Verifier::builder(issuer)).expect("valid");
        accepted(decided(&stage.verifier, &token));
    }
    let pinned = at_home().keys_pin([stage.issuer.key().thumbprint()]);
    stage.verifier.replace(Verifier::builder(pinned)).expect("valid");
    assert!(stage.verifier.bearer(&token).try_now().is_err(), "which keys count is another matter: they are fetched");
}

#[tokio::test]
async fn keys_that_are_found_elsewhere_are_not_those_that_were_found_before() {
    let (stage, partner) = warm().await;
    let (by_home, by_partner) = (stage.token(), {
        let claims = stage.good().sign_with(&partner.key());
        text(claims)
    });
    assert_eq!(refused(stage.verifier.bearer(&by_partner).await), invalid("key"));
    let moved = TrustedIssuer::keys_at(stage.issuer.issuer().as_str(), partner.url(Endpoint::Keys)).audience("orders");
    stage.verifier.replace(Verifier::builder(moved)).expect("valid");
    accepted(stage.verifier.bearer(&by_partner).await);
    assert_eq!(refused(stage.verifier.bearer(&by_home).await), invalid("key"));
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_not_brought_back_by_a_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = folder.path().join("seed.json");
    let stage = Stage::new().warm().await;
    let keys = [stage.issuer.key().public_jwk()];
    let saved = json!({"issuer": stage.issuer.issuer(), "fetched_at": stage.now().as_secs(), "keys": keys});
    std::fs::write(&seed, saved.to_string()).expect("written");
    let token = stage.token();
    // The only key is published with its private part.
    let mut published = stage.issuer.key().public_jwk();
    published["d"] = "AAAA".into();
    stage.issuer.withdraw_key(stage.issuer.key().key_id());
    stage.issuer.publish_jwk(published);
    stage.clock.advance(10 * MINUTE);
    stage.issuer.arrived(Endpoint::Keys, 2).await;
    until(|| stage.verifier.bearer(&token).try_now().is_err()).await;
    stage.verifier.replace(Verifier::builder(at(&stage.issuer).keys_seed(&seed))).expect("valid");
    assert!(stage.verifier.bearer(&token).try_now().is_err(), "nothing is at hand");
    // Of a verifier that has seen no withdrawal the seed serves.
    let other = Stage::again(stage.clock.clone(), Arc::clone(&stage.issuer), |issuer| issuer.keys_seed(&seed));
    accepted(decided(&other.verifier, &token));
}

#[tokio::test]
async fn a_request_that_waits_finishes_by_the_settings_that_it_came_under() {
    let stage = Stage::new();
    let partner = TestIssuer::builder().clock(stage.clock.clock()).start();
    let held = stage.issuer.hold(Endpoint::Keys);
    let waiting = tokio::spawn(stage.verifier.bearer(&stage.token()));
    stage.issuer.arrived(Endpoint::Keys, 1).await;
    stage.verifier.replace(home(&partner)).expect("valid");
    assert_eq!(refused(decided(&stage.verifier, &stage.token())), invalid("iss"));
    until_idle().await;
    assert!(!waiting.is_finished());
    held.release();
    accepted(waiting.await.expect("no panic"));
    assert_eq!(refused(decided(&stage.verifier, &stage.token())), invalid("iss"));
}

#[tokio::test]
async fn whose_word_is_taken_is_told_once_and_again_where_it_changes() {
    let (stage, _) = warm().await;
    let login = stage.issuer.issuer().as_str().to_owned();
    let trusting = |caller: &str| danger::trusted_caller(home(&stage.issuer), [caller], [login.clone()]);
    let told = |settings| {
        let logs = LogCapture::start();
        stage.verifier.replace(settings).expect("valid");
        logs.text().matches("callers are trusted to say for whom they call").count()
    };
    let counts = [trusting("gateway"), trusting("gateway"), trusting("edge"), home(&stage.issuer)].map(told);
    assert_eq!(counts, [1, 0, 1, 0]);
}

#[tokio::test]
async fn what_stands_beside_the_settings_goes_with_them() {
    let (stage, _) = warm().await;
    let beside = || stage.verifier.current().beside::<&str>().copied();
    assert_eq!(beside(), None);
    stage.verifier.replace(home(&stage.issuer).beside("rules")).expect("valid");
    let current = stage.verifier.current();
    assert_eq!((beside(), current.beside::<String>()), (Some("rules"), None));
    stage.verifier.replace(home(&stage.issuer)).expect("valid");
    assert_eq!(beside(), None);
    assert_eq!((current.generation(), current.beside::<&str>()), (2, Some(&"rules")));
}

#[tokio::test]
async fn the_clock_stays() {
    let stage = Stage::new().warm().await;
    let other = ManualClock::new();
    other.advance(1000 * HOUR);
    stage.verifier.replace(home(&stage.issuer).clock(other.clock())).expect("valid");
    accepted(decided(&stage.verifier, &stage.token()));
}

/// Two settings, of which each accepts one of two tokens: whatever is put in whose place meanwhile, of two answers that one
/// look gives exactly one is good.
#[test]
fn no_request_meets_a_mixture_of_settings() {
    let (one, other) = (TestIssuer::start(), TestIssuer::start());
    let keys = |issuer: &TestIssuer| KeySet::parse(public_key_set([&issuer.key()]).as_bytes()).expect("a key set");
    let given = |issuer: &TestIssuer, limit: usize| {
        let limits = Limits::default().with_token_bytes(limit).expect("a limit");
        let trusted = TrustedIssuer::keys(issuer.issuer().as_str(), keys(issuer)).audience("orders");
        Verifier::builder(trusted).limits(limits).beside(limit)
    };
    let settings = [(&one, 4_000), (&other, 5_000)];
    let (tokens, verifier) =
        ([token(&one), token(&other)], given(settings[0].0, settings[0].1).build().expect("valid"));
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..3)
            .map(|_| {
                threads.spawn(|| {
                    let mut met = [0; 2];
                    while !done.load(Ordering::Relaxed) {
                        let current = verifier.current();
                        let good = [&tokens[0], &tokens[1]].map(|token| at_once(current.bearer(token)).is_ok());
                        let own = usize::from(good[1]);
                        let expected = ([own == 0, own == 1], settings[own].1, Some(&settings[own].1));
                        assert_eq!((good, current.max_token_bytes(), current.beside::<usize>()), expected);
                        assert_eq!(usize::try_from(current.generation() - 1).expect("few") % 2, own);
                        met[own] += 1;
                    }
                    met
                })
            })
            .collect();
        for at in 1..=1_000 {
            let (issuer, limit) = settings[at % 2];
            verifier.replace(given(issuer, limit)).expect("valid");
        }
        done.store(true, Ordering::Relaxed);
        let met = asking
            .into_iter()
            .map(|asking| asking.join().expect("no mixture"))
            .fold([0; 2], |all, met| [all[0] + met[0], all[1] + met[1]]);
        assert!(met.iter().all(|met| *met > 0), "{met:?}");
    });
    assert_eq!(verifier.generation(), 1_001);
}

#[tokio::test]
async fn what_was_revoked_stays_so_and_whoever_fills_the_list_goes_on() {
    let stage = Stage::new().warm().await;
    let list = stage.verifier.revocations().clone();
    let (of_alice, of_bob) = (stage.token(), text(stage.good().subject("bob")));
    let subject = |id: &str| Revocation::subject(stage.issuer.issuer().clone(), id.parse().expect("subject"));
    list.revoke(subject("alice"));
    let empty = Revocations::new(stage.clock.clock());
    for settings in [home(&stage.issuer), home(&stage.issuer).revocations(empty)] {
        stage.verifier.replace(settings).expect("valid");
        assert_eq!(refused(decided(&stage.verifier, &of_alice)), invalid("revoked"));
        accepted(decided(&stage.verifier, &of_bob));
    }
    list.revoke(subject("bob"));
    assert_eq!(refused(decided(&stage.verifier, &of_bob)), invalid("revoked"));
}
