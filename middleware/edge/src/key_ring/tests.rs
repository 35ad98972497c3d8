//! The property that a rotation loses no request, over any times of any changes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use proptest::prelude::*;
use tower_identity_core::Moment;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_refresh::Upkeep;
use tower_identity_testkit::{LogCapture, ManualClock};

use super::{KeyRing, Shared, ring::Ring, rotation::Rotation};

const START: u64 = 1_000;

fn at(second: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(START + second))
}

fn key(name: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).expect("generated").with_key_id(name)
}

fn names(keys: &[SigningKey]) -> Vec<&str> {
    keys.iter().map(SigningKey::key_id).collect()
}

/// What is published, and what signs, second by second.
fn history(changes: &[(u64, usize)], seconds: u64, rotation: &Rotation) -> Vec<(Vec<String>, String)> {
    let keys: HashMap<usize, SigningKey> = (0..=5).map(|name| (name, key(&name.to_string()))).collect();
    let mut ring = Ring::starting(keys[&0].clone(), at(0));
    (0..seconds)
        .map(|second| {
            for (_, name) in changes.iter().filter(|(when, _)| *when == second) {
                ring.add(keys[name].clone(), at(second), rotation.wait());
            }
            ring.forget(at(second), rotation.linger());
            let published = names(&ring.published()).into_iter().map(str::to_owned).collect();
            (published, ring.signing(at(second)).0.key_id().to_owned())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ring_c1_nothing_is_signed_by_a_key_that_a_verifier_has_not_whatever_changes_when(
        mut changes in prop::collection::vec((0_u64..1_500, 0_usize..=5), 0..24),
        max_age in 60_u64..200,
    ) {
        changes.sort_unstable();
        let rotation = Rotation::default().max_age(Duration::from_secs(max_age)).check(false).expect("a rotation");
        let history = history(&changes, 3_000, &rotation);
        let (mut seen, mut checked) = (HashMap::new(), 0);
        for (second, (published, signs)) in history.iter().enumerate() {
            // A verifier may have fetched its key set at any time since then, and a fetch may have taken a while.
            let oldest = second.saturating_sub(max_age as usize + 29);
            for (fetched, (set, _)) in history[oldest..=second].iter().enumerate() {
                prop_assert!(set.contains(signs), "{signs} signs at {second}, and was not there at {}", oldest + fetched);
            }
            // Whoever fetches it later finds the key of every token that is still good.
            seen.insert(signs.clone(), second);
            for (name, last) in &seen {
                if second - last < rotation.linger().as_secs() as usize {
                    prop_assert!(published.contains(name), "{name} signed at {last}, and is gone at {second}");
                    checked += 1;
                }
            }
            prop_assert!(published.len() <= 6);
        }
        prop_assert!(checked >= 3_000);
    }

    #[test]
    fn ring_c1_the_last_key_that_was_added_signs_in_the_end(
        mut changes in prop::collection::vec((0_u64..600, 1_usize..=5), 1..12),
    ) {
        changes.sort_unstable();
        changes.dedup_by_key(|(second, _)| *second);
        let rotation = Rotation::default().max_age(Duration::from_secs(60)).check(false).expect("a rotation");
        let history = history(&changes, 1_200, &rotation);
        let (published, signs) = history.last().expect("seconds");
        let (_, newest) = changes.last().expect("one change at least");
        prop_assert_eq!(signs, &newest.to_string());
        prop_assert_eq!(published, &vec![newest.to_string()]);
    }
}

#[test]
fn ring_c1_a_key_is_published_waits_signs_retires_and_is_gone() {
    let rotation = Rotation::default().max_age(Duration::from_secs(60)).check(false).expect("a rotation");
    let (wait, linger) = (rotation.wait().as_secs(), rotation.linger().as_secs());
    assert_eq!((wait, linger), (90, 420));
    let mut ring = Ring::starting(key("a"), at(0));
    ring.add(key("b"), at(10), rotation.wait());
    let mut look = |second: u64| {
        ring.forget(at(second), rotation.linger());
        (names(&ring.published()).join(" "), ring.signing(at(second)).0.key_id().to_owned())
    };
    let states = [(10, "a b", "a"), (99, "a b", "a"), (100, "a b", "b"), (519, "a b", "b"), (520, "b", "b")];
    for (second, published, signs) in states {
        assert_eq!(look(second), (published.to_owned(), signs.to_owned()), "at {second}");
    }
}

#[test]
fn ring_c1_a_key_that_is_put_back_signs_on_and_the_other_never() {
    let (a, b, wait) = (key("a"), key("b"), Duration::from_secs(90));
    let mut ring = Ring::starting(a.clone(), at(0));
    ring.add(b, at(10), wait);
    ring.add(a, at(20), wait);
    let signs = |ring: &Ring, second| ring.signing(at(second)).0.key_id().to_owned();
    for second in [20, 99, 100, 1_000] {
        assert_eq!(signs(&ring, second), "a", "at {second}");
    }
    assert_eq!(ring.published().len(), 2);
}

#[test]
fn ring_c1_keys_that_come_faster_than_they_can_sign_make_room_for_each_other() {
    let wait = Duration::from_secs(90);
    let mut ring = Ring::starting(key("first"), at(0));
    for second in 0..80 {
        ring.add(key(&second.to_string()), at(second), wait);
        assert!(ring.published().len() <= 16, "at {second}");
    }
    assert_eq!(ring.signing(at(80)).0.key_id(), "first");
    assert_eq!(ring.signing(at(200)).0.key_id(), "79");
}

#[test]
fn a_rotation_that_loses_requests_is_refused() {
    let seconds = Duration::from_secs;
    let refused = |rotation: Rotation, generates| {
        rotation
            .check(generates)
            .map_err(|wrong| wrong.to_string().split(':').next().map(str::to_owned).expect("a field"))
    };
    let hourly = Rotation::default().every(seconds(3_600));
    assert_eq!(refused(hourly.max_age(seconds(59)), true), Err("max_age".to_owned()));
    assert_eq!(refused(hourly.every(seconds(749)), true), Err("every".to_owned()));
    assert!(refused(hourly.every(seconds(750)), true).is_ok());
    assert!(refused(hourly.every(seconds(1)), false).is_ok(), "files are rotated by whoever writes them");
    assert_eq!(refused(hourly.oldest(seconds(3_929)), true), Err("oldest".to_owned()));
    assert!(refused(hourly.oldest(seconds(3_930)), true).is_ok());
    assert_eq!(refused(hourly.oldest(seconds(329)), false), Err("oldest".to_owned()));
}

#[test]
fn ring_c2_a_key_that_cannot_be_generated_is_told_of_and_tried_again_and_those_before_it_stay() {
    let logs = LogCapture::start();
    let clock = ManualClock::new();
    let rotation = Rotation::default().every(Duration::from_secs(3_600)).check(true).expect("a rotation");
    let ring = |generates| {
        let ring = Ring::starting(key("first"), clock.clock().monotonic());
        let shared = Shared::new(ring, rotation, Some(generates), clock.clock());
        KeyRing { upkeep: Arc::new(Upkeep::new(|| std::future::ready(()))), shared }
    };
    // Of these none is generated here.
    let (stuck, control) = (ring(Algorithm::Es384), ring(Algorithm::Ed25519));
    let told = || logs.text().matches("key not generated: those before it stay").count();
    let signs = |ring: &KeyRing| ring.signing_key().map(|key| key.key_id().to_owned());
    for (after, tried) in [(3_599, 0), (1, 1), (59, 1), (1, 2), (3_539, 3)] {
        clock.advance(Duration::from_secs(after));
        assert_eq!((signs(&stuck), signs(&stuck)), (Ok("first".to_owned()), Ok("first".to_owned())), "{after}");
        assert_eq!((stuck.keys().len(), told()), (1, tried), "{after}");
        signs(&control).expect("a key");
    }
    clock.advance(Duration::from_secs(1));
    let old = signs(&stuck).expect_err("no other has taken its place");
    assert_eq!((&*old.key_id, old.age, old.next_in), ("first", Duration::from_secs(7_200), None));
    assert_ne!(signs(&control).expect("another has"), "first");
}
