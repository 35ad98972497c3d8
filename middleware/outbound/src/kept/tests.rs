//! Who makes room for whom.

use std::{collections::HashSet, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_identity_core::{Fingerprint, SecretToken};
use tower_identity_refresh::Lifetime;

use super::*;
use crate::{bearer::Bearer, key::AskedFor};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Users(Arc<AskedFor>);

impl Users {
    fn new() -> Self {
        let digest = |text| Fingerprint::of(text).finish();
        Self(Arc::new(AskedFor { us: digest("us"), row: digest("row") }))
    }

    fn subject(number: u64) -> Fingerprint {
        Fingerprint::of("user").field(number.to_be_bytes()).finish()
    }

    fn key(&self, number: u64) -> Looked<'_> {
        Looked { subject: Some(Self::subject(number)), asked: &self.0 }
    }

    /// A token of so many bytes, which lives so long.
    fn entry(&self, number: u64, bytes: usize, life: Duration) -> Arc<Entry> {
        let bearer = Bearer::new(&SecretToken::new("t".repeat(bytes))).expect("visible ascii");
        Arc::new(Entry::new(self.key(number).to_key(), bearer, NOW, Lifetime::new(life, life), None))
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn out_b10_a_flood_of_new_users_does_not_push_out_one_who_calls_now_and_then() {
    let users = Users::new();
    let kept = Kept::new(Bounds { entries: 2_000, bytes: 1 << 30 });
    kept.add(&users.entry(0, 32, HOUR), NOW);
    assert!(kept.get(&users.key(0)).is_some());
    // It is used once while hundreds of others come.
    for number in 1..=1_000_000 {
        kept.add(&users.entry(number, 32, HOUR), NOW);
        if number % 500 == 0 {
            assert!(kept.get(&users.key(0)).is_some(), "after {number}");
        }
    }
    assert!(kept.cache.len() <= 2_000);
}

#[test]
fn out_b10_there_are_never_more_than_so_many_nor_so_many_bytes() {
    let users = Users::new();
    let bytes =
        |kept: &Kept| (0..2_000).filter_map(|n| kept.peek(&users.key(n))).map(|entry| entry.bytes()).sum::<u64>();
    for (entries, room, size) in [(100, 1 << 30, 1000), (100_000, 200_000, 1000), (100_000, 200_000, 8000)] {
        let kept = Kept::new(Bounds { entries, bytes: room });
        for number in 0..2_000 {
            kept.add(&users.entry(number, size, HOUR), NOW);
            assert!(kept.cache.len() <= entries, "{entries} {room} {size}");
            assert!(number % 100 != 0 || bytes(&kept) <= room, "{entries} {room} {size}");
        }
        assert!(
            kept.cache.len() >= entries.min((room / 8400) as usize) / 3,
            "{} of {entries}, {room}",
            kept.cache.len()
        );
    }
}

#[test]
fn what_makes_room_is_counted_and_what_is_replaced_is_not() {
    let recorder = DebuggingRecorder::new();
    let telling = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let users = Users::new();
        let kept = Kept::new(Bounds { entries: 1, bytes: 1 << 20 });
        for number in [0, 0, 1, 2] {
            kept.add(&users.entry(number, 32, HOUR), NOW);
        }
        let told = telling.snapshot().into_vec();
        let value = |name| {
            let told = told.iter().find(|(key, ..)| key.key().name() == name).map(|(.., value)| value);
            match told {
                Some(DebugValue::Counter(count)) => *count as f64,
                Some(DebugValue::Gauge(value)) => value.into_inner(),
                _ => panic!("{name} is not told"),
            }
        };
        let evictions = value("tower_identity_tokens_cached_evictions_total");
        assert_eq!((evictions, value("tower_identity_tokens_cached")), (2.0, 1.0));
    });
}

#[test]
fn what_has_ended_makes_room_before_what_has_not() {
    let users = Users::new();
    let kept = Kept::new(Bounds { entries: 1_000, bytes: 1 << 30 });
    for number in 0..900 {
        kept.add(&users.entry(number, 32, if number < 800 { HOUR / 60 } else { HOUR }), NOW);
    }
    let later = NOW.saturating_add(HOUR / 30);
    for number in 1_000..1_400 {
        kept.add(&users.entry(number, 32, HOUR), later);
    }
    let there: HashSet<_> = (0..1_400).filter(|number| kept.peek(&users.key(*number)).is_some()).collect();
    assert_eq!(there.iter().filter(|number| **number < 800).count(), 0, "of those that have ended");
    assert!(there.len() >= 470, "of the 500 that have not: {}", there.len());
}

#[test]
fn one_in_the_place_of_another_is_one() {
    let users = Users::new();
    let kept = Kept::new(Bounds { entries: 10, bytes: 1 << 20 });
    let (first, second) = (users.entry(0, 32, HOUR), users.entry(0, 32, HOUR));
    kept.add(&first, NOW);
    kept.add(&second, NOW);
    assert_eq!(kept.cache.len(), 1);
    assert!(Arc::ptr_eq(&kept.get(&users.key(0)).expect("one"), &second));
    assert_eq!(Arc::strong_count(&first), 1, "nothing of the first is held");
}

#[test]
fn out_b10_where_there_is_room_for_one_there_is_one() {
    let users = Users::new();
    let kept = Kept::new(Bounds { entries: 1, bytes: 1 << 20 });
    kept.add(&users.entry(0, 32, HOUR), NOW);
    assert!(kept.get(&users.key(0)).is_some());
    kept.add(&users.entry(1, 32, HOUR), NOW);
    assert_eq!(kept.cache.len(), 1);
}
