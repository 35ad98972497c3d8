//! Keys over time, and in files.

use std::{fs, time::Duration};

use proptest::prelude::*;
use tower_identity_core::{Clock, Refusal, RefusalKind};
use tower_identity_edge::{KeyRing, KeyTooOld, Rotation};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_testkit::{LogCapture, ManualClock, TestCaller};

use crate::support::{SHOP, audience, builder, shop};

const HOUR: Duration = Duration::from_secs(3_600);

fn hourly(clock: Clock) -> KeyRing {
    KeyRing::generated(Algorithm::Ed25519, Rotation::default().every(HOUR), clock).expect("a rotation")
}

fn key_ids(ring: &KeyRing) -> Vec<String> {
    let set = KeySet::parse(ring.document().as_bytes()).expect("a key set");
    set.keys().filter_map(|key| key.key_id().map(str::to_owned)).collect()
}

fn signs(ring: &KeyRing) -> String {
    ring.signing_key().expect("in time").key_id().to_owned()
}

#[test]
fn ring_c1_generated_keys_take_each_others_place_by_the_clock() {
    let clock = ManualClock::new();
    let ring = hourly(clock.clock());
    let first = signs(&ring);
    assert_eq!((key_ids(&ring), ring.generation()), (vec![first.clone()], 1));

    clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!((key_ids(&ring).len(), signs(&ring), ring.generation()), (1, first.clone(), 1));
    clock.advance(Duration::from_secs(1));
    let both = key_ids(&ring);
    assert_eq!((both.len(), &both[0], ring.generation()), (2, &first, 2));
    let second = both[1].clone();

    clock.advance(Duration::from_secs(329));
    assert_eq!(signs(&ring), first, "no verifier need have the other yet");
    clock.advance(Duration::from_secs(1));
    assert_eq!((signs(&ring), key_ids(&ring)), (second.clone(), both));
    clock.advance(Duration::from_secs(420));
    assert_eq!((signs(&ring), key_ids(&ring)), (second.clone(), vec![second]));
    assert!(ring.keys().len() == 1 && ring.generation() == 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A verifier that asks when its set is as old as it may be, and never before.
    #[test]
    fn jwks_c1_ring_c1_whoever_fetches_as_seldom_as_it_may_knows_every_key_that_signs(
        steps in prop::collection::vec(1_u64..900, 1..60),
    ) {
        let clock = ManualClock::new();
        let ring = hourly(clock.clock());
        let (mut set, mut fetched) = (ring.keys(), clock.clock().monotonic());
        for step in steps {
            clock.advance(Duration::from_secs(step));
            let now = clock.clock().monotonic();
            if now.since(fetched) > ring.max_age() {
                (set, fetched) = (KeySet::parse(ring.document().as_bytes()).expect("a key set"), now);
            }
            match ring.signing_key() {
                Ok(key) => prop_assert!(set.contains_key_id(key.key_id()), "at {now:?}"),
                // Nobody has looked at it for two hours.
                Err(old) => prop_assert_eq!(old.oldest, 2 * HOUR),
            }
        }
    }
}

#[test]
fn ring_c2_a_key_older_than_its_time_signs_nothing_and_says_which_and_until_when() {
    let clock = ManualClock::new();
    let ring = hourly(clock.clock());
    let mint = tower_identity_edge::Mint::builder("gateway", ring.clone(), crate::support::secret());
    let mint = mint.trust_domain(shop()).build().expect("a mint");
    let alice = TestCaller::workload("browser").user("alice").context();
    let first = signs(&ring);

    // Nobody looks at the ring, and no runtime keeps it.
    clock.advance(2 * HOUR - Duration::from_secs(1));
    assert!(ring.signing_key().is_ok(), "the control differs by a second");
    let clock = ManualClock::new();
    let ring = hourly(clock.clock());
    let late = signs(&ring);
    clock.advance(2 * HOUR);
    let old = ring.signing_key().expect_err("it is too old");
    let next_in = Some(Duration::from_secs(330));
    assert_eq!(old, KeyTooOld { key_id: late.into(), age: 2 * HOUR, oldest: 2 * HOUR, next_in });
    assert!(old.to_string().ends_with("has signed for 7200 s, and may for 7200 s"), "{old}");
    clock.advance(Duration::from_secs(330));
    assert!(ring.signing_key().is_ok(), "another has taken its place");

    assert!(mint.mint(&alice, &audience(SHOP)).is_ok() && !first.is_empty());
}

#[test]
fn ring_c2_what_a_key_too_old_does_not_sign_is_503() {
    let clock = ManualClock::new();
    let mint = builder(&clock).trust_domain(shop()).build().expect("a mint");
    let alice = TestCaller::workload("browser").user("alice").context();
    clock.advance(48 * HOUR);
    let refusal = Refusal::from(mint.mint(&alice, &audience(SHOP)).expect_err("its key is too old"));
    assert_eq!(refusal.kind(), &RefusalKind::Unavailable { retry_after: Duration::from_secs(330) });
    assert_eq!(refusal.check(), "internal_identity");
    clock.advance(Duration::from_secs(330));
    assert!(mint.mint(&alice, &audience(SHOP)).is_ok());
}

#[tokio::test]
async fn ring_c1_a_ring_that_nobody_asks_turns_by_itself() {
    let clock = ManualClock::new();
    let ring = hourly(clock.clock());
    assert_eq!(key_ids(&ring).len(), 1);
    for (step, expected) in [(HOUR, 2), (Duration::from_secs(330), 2), (Duration::from_secs(420), 1)] {
        clock.sleepers(1).await;
        clock.advance(step);
        clock.sleepers(1).await;
        assert_eq!(key_ids(&ring).len(), expected);
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn put(&self, name: &str, key: &SigningKey) -> std::path::PathBuf {
        self.write(name, key.to_pem().expect("exportable").expose())
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }
}

fn es256() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("generated")
}

#[test]
fn ring_c3_of_two_files_the_older_key_signs_until_verifiers_have_the_newer() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let (new, old) = (es256(), es256());
    let files = [folder.put("new.pem", &new), folder.put("old.pem", &old)];
    let ring = KeyRing::files(files, Rotation::default(), clock.clock()).expect("keys");
    assert_eq!(key_ids(&ring), [old.key_id(), new.key_id()]);
    for (after, signing) in [(0, &old), (329, &old), (1, &new)] {
        clock.advance(Duration::from_secs(after));
        assert_eq!(signs(&ring), signing.key_id(), "after {after}");
    }
    clock.advance(Duration::from_secs(420));
    assert_eq!(key_ids(&ring), [new.key_id()]);
    clock.advance(10_000 * HOUR);
    assert_eq!(signs(&ring), new.key_id(), "a key in a file is as old as it may be");
}

#[test]
fn ring_c3_files_without_a_key_are_refused_by_their_place() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let good = folder.put("good.pem", &es256());
    let empty = folder.write("empty.pem", "");
    let of = |files: Vec<std::path::PathBuf>| KeyRing::files(files, Rotation::default(), clock.clock());
    let rule = "holds no key that signs: not an unencrypted PKCS#8 private key in PEM";
    let wrong = of(vec![good.clone(), empty.clone()]).expect_err("one holds none");
    assert_eq!(wrong.to_string(), format!("key_files[1]: {} {rule}", empty.display()));
    assert_eq!(of(vec![]).expect_err("there is none").to_string(), "key_files: names no file");
    assert!(of(vec![good]).is_ok());
}

#[tokio::test]
async fn ring_c3_a_file_is_followed_and_what_is_no_key_changes_nothing() {
    let logs = LogCapture::start();
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let (first, second) = (es256(), es256());
    let file = folder.put("mint.pem", &first);
    let ring = KeyRing::files([file], Rotation::default(), clock.clock()).expect("a key");
    assert_eq!(signs(&ring), first.key_id());
    // A second at a time, each once whoever looks at the file has gone to sleep again.
    let until = async |is_so: &dyn Fn() -> bool| {
        for _ in 0..100 {
            clock.sleepers(1).await;
            if is_so() {
                return;
            }
            clock.advance(Duration::from_secs(1));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        panic!("the file was not looked at: {}", logs.text());
    };
    folder.write("mint.pem", "-----BEGIN nothing");
    until(&|| logs.text().contains("key refused: those before it stay")).await;
    assert_eq!(key_ids(&ring), [first.key_id()]);

    folder.put("mint.pem", &second);
    until(&|| key_ids(&ring).len() == 2).await;
    assert_eq!(signs(&ring), first.key_id());
    clock.advance(Duration::from_secs(330));
    assert_eq!(signs(&ring), second.key_id());
    for told in ["key published", "key signs"] {
        assert!(logs.text().contains(&format!("{told} key_id=\"{}\"", second.key_id())), "{told}: {}", logs.text());
    }
    logs.assert_hides([second.to_pem().expect("exportable").expose()]);
}
