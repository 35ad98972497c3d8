use proptest::prelude::*;
use tower_identity_refresh::system_clock;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn asked(lacked: &Lacked, key_id: Option<&str>) -> Asked {
    lacked.asked(key_id, None, (0, Moment::default()), &system_clock())
}

#[test]
fn jwks_a2_ids_that_were_lacked_are_few_and_the_oldest_makes_room() {
    let (lacked, now) = (Lacked::default(), Moment::default());
    let asked: Vec<_> = (0..LACKED_IDS * 3).map(|at| asked(&lacked, Some(&at.to_string()))).collect();
    for (at, asked_now) in asked.iter().enumerate() {
        for _ in 0..3 {
            lacked.add(asked_now, now);
        }
        let kept = asked.iter().filter(|asked| lacked.contains(asked, now)).count();
        assert_eq!(kept, (at + 1).min(LACKED_IDS));
        assert!(lacked.contains(asked_now, now));
    }
    assert_eq!(lacked.ids.lock().expect("not poisoned").ids.len(), LACKED_IDS);
}

#[test]
fn jwks_a2_an_id_is_lacked_for_a_while_and_no_id_is_one_too() {
    let (lacked, now) = (Lacked::default(), Moment::from_origin(9 * SECOND));
    let [named, nameless, other] = [Some("k"), None, Some("")].map(|key_id| asked(&lacked, key_id));
    lacked.add(&named, now);
    lacked.add(&nameless, now);
    assert_eq!([&named, &nameless, &other].map(|asked| lacked.contains(asked, now)), [true, true, false]);
    let end = now.saturating_add(LACKED_FOR);
    assert!(lacked.contains(&named, Moment::from_origin(end.since_origin() - Duration::from_nanos(1))));
    assert!(!lacked.contains(&named, end));
}

#[test]
fn jwks_a2_what_a_token_waited_for_keys_makes_it_no_older() {
    let manual = tower_identity_testkit::ManualClock::new();
    let (clock, issued) = (manual.clock(), manual.clock().wall().saturating_sub(9 * SECOND));
    let (arrived, lacked) = (clock.monotonic(), Lacked::default());
    for (waited, issued, age) in [(0, Some(issued), Some(9)), (60, Some(issued), Some(9)), (0, None, None)] {
        manual.advance(waited * SECOND);
        assert_eq!(lacked.asked(None, issued, (0, arrived), &clock).age, age.map(|age| age * SECOND));
    }
    let future = Some(clock.wall().saturating_add(SECOND));
    assert_eq!(lacked.asked(None, future, (0, clock.monotonic()), &clock).age, Some(Duration::ZERO));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The rule in words: it came before the fetch, or it was issued so long before as clocks may differ and an issuer may
    /// set `iat` back.
    #[test]
    fn jwks_a2_a_fetch_speaks_against_a_key_only_if_it_began_after_the_token(
        arrived in 0..1_000_u64,
        begun in 0..1_000_u64,
        age in proptest::option::of(0..2_000_u64),
        leeway in 0..=120_u64,
        fetches in 0..3_u64,
        number in 1..3_u64,
    ) {
        let seconds = Duration::from_secs;
        let moment = |at| Moment::from_origin(seconds(at));
        let key = asked(&Lacked::default(), None).key;
        let asked = Asked { fetches, arrived: moment(arrived), age: age.map(seconds), key };
        let fetch = Fetch { number, begun: moment(begun) };
        // On one line of time, on which the token may be older than the process.
        let [arrived, begun, leeway] = [arrived, begun, leeway].map(|n| i64::try_from(n).expect("small"));
        let issued = age.map(|age| arrived - i64::try_from(age).expect("small"));
        let expected = fetches < number
            || issued.is_some_and(|issued| issued + leeway + 300 <= begun.min(arrived));
        prop_assert_eq!(asked.precedes(fetch, seconds(leeway.unsigned_abs())), expected);
    }
}
