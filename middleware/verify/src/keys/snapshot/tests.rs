use proptest::prelude::*;
use tower_identity_jose::{Algorithm, SigningKey};

use super::*;

fn keys(count: usize) -> Vec<VerifyingKey> {
    let key = || SigningKey::generate(Algorithm::Ed25519).expect("a key").verifying_key();
    std::iter::repeat_with(key).take(count).collect()
}

fn moment(seconds: u64) -> Moment {
    Moment::from_origin(Duration::from_secs(seconds))
}

fn document(keys: impl IntoIterator<Item = VerifyingKey>) -> Document {
    let keys = KeySet::from_keys(keys).expect("a key at least");
    Document { keys, body: bytes::Bytes::new(), max_age: Duration::from_secs(600), known: None }
}

fn fetched(before: Option<&Snapshot>, document: Document, grace: u64, at: u64) -> (Snapshot, Change) {
    let fetch = Fetch { number: at, begun: moment(at) };
    Snapshot::fetched(before, document, Duration::from_secs(grace), fetch, moment(at))
}

#[test]
fn jwks_a5_keys_are_due_then_gone() {
    let (snapshot, _) = fetched(None, document(keys(1)), 0, 100);
    assert_eq!(snapshot.due(moment(100)), Due::Nothing);
    assert_eq!(snapshot.due(moment(100 + 420 - 1)), Due::Nothing);
    assert_eq!(snapshot.due(moment(100 + 480)), Due::Refresh);
    assert_eq!(snapshot.due(moment(100 + 86_400 - 1)), Due::Refresh);
    assert_eq!(snapshot.due(moment(100 + 86_400)), Due::Gone);
    assert_eq!(Snapshot::given(snapshot.keys).due(moment(u64::MAX / 2)), Due::Nothing);
}

#[test]
fn jwks_a6_a_seed_is_due_at_once_and_gone_a_day_after_its_fetch() {
    let age = Duration::from_secs(3_600);
    let keys = KeySet::from_keys(keys(1)).expect("a key");
    let seed = Snapshot::seed(keys, age, moment(100));
    assert_eq!(seed.due(moment(100)), Due::Refresh);
    assert_eq!(seed.due(moment(100 + 82_800 - 1)), Due::Refresh);
    assert_eq!(seed.due(moment(100 + 82_800)), Due::Gone);
    assert_eq!(seed.age(moment(110)), Some(Duration::from_secs(3_610)));
    assert!(seed.fetch().is_none());
}

#[test]
fn a_change_is_what_the_issuer_changed() {
    let all = keys(3);
    let (first, change) = fetched(None, document(all[..2].to_vec()), 60, 1);
    let thumbprints = |keys: &[VerifyingKey]| keys.iter().map(VerifyingKey::thumbprint).collect::<Vec<_>>();
    assert_eq!(change, Change { added: thumbprints(&all[..2]), removed: vec![] });
    let (second, change) = fetched(Some(&first), document(all[1..].to_vec()), 60, 2);
    assert_eq!(change, Change { added: thumbprints(&all[2..]), removed: thumbprints(&all[..1]) });
    let (_, change) = fetched(Some(&second), document(all[1..].to_vec()), 60, 3);
    assert!(change.is_none(), "what verifies by grace is not the issuer's: {change:?}");
}

/// What happens to an issuer's keys.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Fetch(Vec<bool>),
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_u64).prop_map(Step::Wait),
        proptest::collection::vec(any::<bool>(), 3).prop_map(Step::Fetch),
        Just(Step::Renew),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A key verifies if and only if the last set has it, or a fetch took it away less than the grace ago.
    #[test]
    fn jwks_a4_a_key_verifies_while_it_is_there_and_within_its_grace(
        grace in 0..100_u64,
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let all = keys(4);
        // The fourth is always there: a set is never empty.
        let published = |there: &[bool]| document(
            all.iter().zip(there.iter().chain([&true])).filter(|(_, there)| **there).map(|(key, _)| key.clone()),
        );
        let mut now = 1;
        let (mut snapshot, _) = fetched(None, published(&[true; 3]), grace, now);
        // For each key: whether it is there, and until when it verifies when it is not.
        let mut model = [(true, 0); 3];
        for step in steps {
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Renew => {
                    let fetch = Fetch { number: now, begun: moment(now) };
                    snapshot = snapshot.renewed(Duration::from_secs(600), fetch);
                }
                Step::Fetch(there) => {
                    (snapshot, _) = fetched(Some(&snapshot), published(&there), grace, now);
                    for (key, there) in model.iter_mut().zip(there) {
                        if key.0 && !there {
                            key.1 = now + grace;
                        }
                        key.0 = there;
                    }
                }
            }
            if snapshot.due(moment(now)) == Due::Removal {
                snapshot = snapshot.without_lapsed(moment(now));
            }
            prop_assert_ne!(snapshot.due(moment(now)), Due::Removal);
            for (key, (there, until)) in all.iter().zip(model) {
                prop_assert_eq!(snapshot.keys.contains(key), there || now < until, "at {}", now);
            }
        }
    }
}
