//! What cannot be seen from without: tokens of one hash, and how many there are.

use std::{
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use serde_json::json;
use tower_identity_core::Timestamp;
use tower_identity_jose::{Algorithm, Compact, KeySet, Limits, MediaType, SigningKey};
use tower_identity_testkit::ManualClock;

use super::*;
use crate::{
    TrustedIssuer, Verifier,
    claims::{Claims, Unread},
    trusted::Attempt,
};

/// An issuer of nobody else's keys, and its tokens.
struct Issuer {
    key: SigningKey,
    clock: ManualClock,
    trusted: Arc<Trusted>,
}

impl Issuer {
    fn new() -> Self {
        let (key, clock) = (SigningKey::generate(Algorithm::EdDsa).expect("generated"), ManualClock::new());
        let keys = KeySet::from_keys([key.verifying_key()]).expect("a key");
        let home = TrustedIssuer::keys("https://as.example", keys).audience("orders").algorithms([Algorithm::EdDsa]);
        let verifier = Verifier::builder(home).clock(clock.clock()).build().expect("valid");
        Self { key, trusted: Arc::clone(&verifier.0.now.load().trusted[0]), clock }
    }

    fn token(&self, user: &str) -> String {
        let now = self.clock.clock().wall().as_secs();
        let claims = json!({
            "iss": "https://as.example", "sub": user, "client_id": "storefront", "aud": "orders", "jti": user,
            "iat": now, "exp": now + 300,
        });
        self.key.sign(&MediaType::ACCESS_TOKEN, &claims).expect("signed").expose().to_owned()
    }

    fn verify(&self, token: &str) -> Vouched {
        let compact = Compact::parse(token, &Limits::default()).expect("well formed");
        let mut claims = Claims::default();
        let unverified = compact.claims_by(Unread(&mut claims)).expect("claims");
        match self.trusted.attempt(unverified) {
            Attempt::Decided(found) => found.expect("good"),
            Attempt::NoKeys(_) | Attempt::UnknownKey(..) => unreachable!("its key is given"),
        }
    }

    /// Remembers a token of this user.
    fn add(&self, to: &Memory<impl BuildHasher + Clone>, user: &str) -> String {
        let token = self.token(user);
        to.keep(&self.trusted, self.verify(&token));
        token
    }
}

impl<B: BuildHasher + Clone> Memory<B> {
    fn len(&self) -> usize {
        self.shelf.as_ref().map_or(0, Shelf::len)
    }

    /// Whose token this is, if it is remembered.
    fn user(&self, token: &str) -> Option<String> {
        let caller = self.recall(token.as_bytes())?;
        Some(caller.principal().user().expect("a user's").id.to_string())
    }
}

/// All tokens hash to one value.
#[derive(Clone)]
struct Alike;

impl BuildHasher for Alike {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for Alike {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

#[test]
fn warm_a2_tokens_of_one_hash_are_not_mixed_up() {
    let (issuer, memory) = (Issuer::new(), Memory::hashing(Remember::default(), Whose::Callers, Alike));
    let users: Vec<_> = (0..50).map(|number| format!("user-{number}")).collect();
    let tokens: Vec<_> = users.iter().map(|user| issuer.add(&memory, user)).collect();
    assert_eq!(memory.len(), 50);
    for _ in 0..3 {
        for (user, token) in users.iter().zip(&tokens) {
            assert_eq!(memory.user(token).as_ref(), Some(user));
        }
    }
    assert_eq!(memory.user(&issuer.token("user-50")), None, "it was not verified");
}

#[test]
fn warm_a2_tokens_of_one_ending_are_not_mixed_up() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let alice = issuer.add(&memory, "alice");
    // A thread has its places by the end of the token alone.
    let (_, ending) = alice.split_at(alice.len() - 8);
    let length = alice.len() - ending.len();
    for other in [ending.to_owned(), format!("{}{ending}", "x".repeat(length)), format!("x{alice}")] {
        assert_eq!(memory.user(&alice), Some("alice".to_owned()));
        assert_eq!(memory.user(&other), None, "{other}");
    }
    for short in ["", "a", "a.b.c"] {
        assert_eq!(memory.user(short), None);
    }
}

#[test]
fn warm_a6_what_is_remembered_keeps_within_both_bounds() {
    let issuer = Issuer::new();
    let weight = {
        let (token, found) = (issuer.token("user-100"), issuer.verify(&issuer.token("user-100")));
        Entry::new(found.caller.caller_token(), &issuer.trusted, found.grounds).map(|entry| {
            assert_eq!(entry.text().len(), token.len());
            entry.bytes()
        })
    };
    let weight = weight.expect("it has an end");
    let of = |tokens, bytes| Remember::default().tokens(tokens).bytes(bytes);
    // The second bound is that on bytes; shares of a shard that are no whole token are lost.
    let cases = [
        (of(100, 1 << 30), 90..=100),
        (of(1, 1 << 30), 1..=1),
        (of(2, 1 << 30), 1..=2),
        (of(100_000, 60 * weight), 50..=60),
        (of(100_000, 2 * weight), 1..=2),
        (of(100_000, weight / 2), 0..=0),
        (of(0, 1 << 30), 0..=0),
        (of(100, 0), 0..=0),
    ];
    for (remember, expected) in cases {
        let memory = Memory::new(remember, Whose::Callers);
        for number in 100..500 {
            issuer.add(&memory, &format!("user-{number}"));
            assert!(memory.len() <= *expected.end(), "{remember:?}: {}", memory.len());
        }
        assert!(expected.contains(&memory.len()), "{remember:?}: {}", memory.len());
    }
}

#[test]
fn warm_a6_what_is_over_goes_when_it_is_asked_for() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let [alice, bob] = ["alice", "bob"].map(|user| issuer.add(&memory, user));
    assert_eq!((memory.user(&alice), memory.len()), (Some("alice".to_owned()), 2));
    // 300 s, and 30 s of leeway.
    issuer.clock.advance(Duration::from_secs(330));
    assert_eq!((memory.user(&alice), memory.len()), (None, 1));
    assert_eq!((memory.user(&bob), memory.len()), (None, 0));
}

#[test]
fn warm_a3_what_is_before_its_time_stays() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let (alice, now) = (issuer.add(&memory, "alice"), issuer.clock.clock().wall());
    issuer.clock.set_wall(Timestamp::from_secs(now.as_secs() - 31));
    assert_eq!((memory.user(&alice), memory.len()), (None, 1));
    issuer.clock.set_wall(now);
    assert_eq!((memory.user(&alice), memory.len()), (Some("alice".to_owned()), 1));
}

#[test]
fn warm_a3_each_request_has_the_time_of_its_own_verdict() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let (alice, begin) = (issuer.add(&memory, "alice"), issuer.clock.clock().wall());
    for second in [0, 0, 1, 1, 30, 2] {
        let now = begin.saturating_add(Duration::from_secs(second));
        issuer.clock.set_wall(now);
        assert_eq!(memory.recall(alice.as_bytes()).map(|caller| caller.judged_at()), Some(now), "{second}");
    }
}

#[test]
fn warm_a2_whoever_is_asked_for_a_token_while_it_is_asked_again_has_it_verified() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let alice = issuer.add(&memory, "alice");
    let asked_again = memory.near.place(alice.as_bytes()).open().expect("nobody else asks");
    assert_eq!(memory.user(&alice), None);
    drop(asked_again);
    assert_eq!((memory.user(&alice), memory.len()), (Some("alice".to_owned()), 1));
}

#[test]
fn warm_a6_a_token_that_was_evicted_is_gone_from_every_thread_after_so_many_uses() {
    let (issuer, memory) = (Issuer::new(), Memory::new(Remember::default(), Whose::Callers));
    let alice = issuer.add(&memory, "alice");
    assert!(memory.user(&alice).is_some());
    let entry = memory.shelf.as_ref().and_then(|shelf| shelf.get(alice.as_bytes())).expect("it is there");
    memory.shelf.as_ref().expect("it remembers").remove(&entry);
    assert_eq!(memory.len(), 0);
    let uses = (0..1000).take_while(|_| memory.user(&alice).is_some()).count();
    assert_eq!(uses, 64);
}
