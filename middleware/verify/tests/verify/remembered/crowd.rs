//! Many tokens, and many who present them.

use std::sync::Arc;

use serde_json::json;
use tower_identity_core::VerifiedToken;
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_verify::{Remember, TrustedIssuer, Verifier};

use super::{HOME, Told, accepted_at_once};
use crate::support::{ManualClock, claims, sign};

/// A verifier of tokens that are cheap to make.
fn crowded(remember: Remember) -> (impl Fn(usize) -> String, Verifier) {
    let (clock, key) = (ManualClock::new(), SigningKey::generate(Algorithm::EdDsa).expect("generated"));
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let home = TrustedIssuer::keys(HOME, keys).audience("orders").algorithms([Algorithm::EdDsa]);
    let verifier = Verifier::builder(home).clock(clock.clock()).remember(remember).build().expect("valid");
    let token = move |number: usize| {
        let mut claims = claims(HOME, clock.now());
        claims["sub"] = json!(format!("user-{number}"));
        sign(&key, &claims)
    };
    (token, verifier)
}

const HOT: usize = 100;
const FLOOD: usize = 20_000;

/// Sends a flood of good tokens, each of them once, while a hundred others go on, and gives how many of these are still
/// remembered at its end and what most was remembered at one time.
fn flood(remember: Remember) -> (usize, f64, usize) {
    let told = Told::listen();
    let (token, verifier) = crowded(remember);
    let hot: Vec<_> = (0..HOT).map(&token).collect();
    // Among others, as it would be: the hot ones are not the first to come.
    for number in 0..HOT {
        accepted_at_once(&verifier, &token(HOT + number));
    }
    let ask = || hot.iter().map(|token| accepted_at_once(&verifier, token)).collect::<Vec<Arc<VerifiedToken>>>();
    let mut before = ask();
    let (mut most, mut again) = (0.0_f64, 0);
    for number in 0..FLOOD {
        accepted_at_once(&verifier, &token(1000 + number));
        if number % 100 == 0 {
            let now = ask();
            again += before.iter().zip(&now).filter(|(before, now)| !Arc::ptr_eq(before, now)).count();
            before = now;
            most = most.max(told.of_callers().2);
        }
    }
    let kept = ask().iter().zip(&before).filter(|(now, before)| Arc::ptr_eq(now, before)).count();
    (kept, most, again)
}

#[test]
fn warm_a6_a_flood_of_good_tokens_keeps_within_the_bound_on_tokens_and_pushes_out_none_that_is_used() {
    let (kept, most, again) = flood(Remember::default().tokens(500));
    println!("of {HOT} hot tokens {kept} are there after {FLOOD} others, and were verified again {again} times");
    assert_eq!(kept, HOT);
    assert!((450.0..=500.0).contains(&most), "{most}");
    // Of 200 times that each was asked for: a token is tried once or twice before it counts as used.
    assert!(again <= HOT, "{again}");
}

#[test]
fn warm_a6_a_flood_of_good_tokens_keeps_within_the_bound_on_bytes_and_pushes_out_none_that_is_used() {
    // A token of 400 bytes counts as about 2 KiB.
    let (kept, most, again) = flood(Remember::default().bytes(1 << 20));
    println!("of {HOT} hot tokens {kept} are there after {FLOOD} others, and were verified again {again} times");
    assert_eq!(kept, HOT);
    assert!((400.0..=1_048_576.0 / 1_500.0).contains(&most), "{most}");
    assert!(again <= HOT, "{again}");
}

#[test]
fn warm_a2_many_threads_with_many_tokens_are_never_mixed_up() {
    let (token, verifier) = crowded(Remember::default().tokens(64));
    let tokens: Vec<_> = (0..200).map(token).collect();
    std::thread::scope(|scope| {
        for step in [1, 3, 7, 11] {
            let (verifier, tokens) = (&verifier, &tokens);
            scope.spawn(move || {
                for turn in 0..5_000 {
                    let number = turn * step % tokens.len();
                    let found = accepted_at_once(verifier, &tokens[number]);
                    let user = found.identity().user.as_ref().expect("a user's");
                    assert_eq!(user.id.as_str(), format!("user-{number}"));
                    assert_eq!(found.token().expect("a token").expose(), tokens[number]);
                }
            });
        }
    });
}
