//! What is near is found for its very key, and while it may be sent.

use std::time::Duration;

use tower_identity_core::{Fingerprint, SecretToken};
use tower_identity_refresh::Lifetime;

use super::*;
use crate::{bearer::Bearer, entry::Credential, key::AskedFor};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn digest(text: &str) -> Fingerprint {
    Fingerprint::of("test").field(text).finish()
}

fn asked(us: &str, row: &str) -> Arc<AskedFor> {
    Arc::new(AskedFor { us: digest(us), row: digest(row) })
}

fn key<'a>(subject: Option<&str>, asked: &'a Arc<AskedFor>) -> Looked<'a> {
    Looked { subject: subject.map(digest), asked }
}

/// Usable for a minute from now on.
fn entry(key: Looked<'_>) -> Arc<Entry> {
    let minute = Duration::from_secs(60);
    let bearer = Bearer::new(&SecretToken::new("token")).expect("visible ascii");
    Arc::new(Entry::new(key.to_key(), bearer, NOW, Lifetime::new(minute, minute), None))
}

/// A place that an entry is put near at, the second time in a row.
fn put(near: &Near, entry: &Arc<Entry>) {
    let place = near.place(&entry.key());
    place.offer(entry);
    place.offer(entry);
}

fn is_near(near: &Near, entry: &Arc<Entry>, now: Timestamp) -> bool {
    let found = near.place(&entry.key()).find(&entry.key(), now);
    found.inspect(|found| assert!(Arc::ptr_eq(found, entry))).is_some()
}

#[test]
fn out_b1_of_keys_that_share_a_place_none_gets_the_token_of_another() {
    let (one, other) = (asked("us", "row"), asked("row", "us"));
    let (of_one, of_other) = (key(Some("alice"), &one), key(Some("alice"), &other));
    assert_eq!(of_one.bits(), of_other.bits());
    let near = Near::default();
    let alices = entry(of_one);
    put(&near, &alices);
    let equal = asked("us", "row");
    assert!(near.place(&of_one).find(&key(Some("alice"), &equal), NOW).is_some(), "whoever made the key");

    let place = near.place(&of_one);
    for stranger in [of_other, key(Some("bob"), &one), key(None, &one), key(Some("alice"), &asked("us", "other"))] {
        assert!(place.find(&stranger, NOW).is_none());
    }
    assert!(is_near(&near, &alices, NOW), "it stays where it is");
    let services = entry(key(None, &one));
    place.offer(&services);
    place.offer(&services);
    assert!(place.find(&of_one, NOW).is_none() && place.find(&services.key(), NOW).is_some(), "one in one place");
}

#[test]
fn out_b3_what_has_ended_or_was_refused_or_replaced_is_not_near() {
    let asked = asked("us", "row");
    let last = NOW.saturating_add(Duration::from_secs(59));
    let end = NOW.saturating_add(Duration::from_secs(60));
    let near = Near::default();
    let put = || {
        let alices = entry(key(Some("alice"), &asked));
        put(&near, &alices);
        assert!(is_near(&near, &alices, last));
        alices
    };
    let ended = put();
    assert!(!is_near(&near, &ended, end));
    assert!(!is_near(&near, &ended, NOW), "nothing of it is held");
    let refused = put();
    assert!(Credential::new(Arc::clone(&refused), None, NOW).drop_token());
    assert!(!is_near(&near, &refused, NOW));
    let replaced = put();
    replaced.replaced();
    assert!(replaced.is_usable(NOW) && !is_near(&near, &replaced, NOW));
    assert_eq!([&ended, &refused, &replaced].map(Arc::strong_count), [1; 3]);
}

#[test]
fn out_b10_what_made_room_is_near_for_so_many_uses_and_no_more() {
    let asked = asked("us", "row");
    let alices = entry(key(Some("alice"), &asked));
    let near = Near::default();
    put(&near, &alices);
    assert!((0..USES).all(|_| is_near(&near, &alices, NOW)));
    assert!(!is_near(&near, &alices, NOW));
    assert_eq!(Arc::strong_count(&alices), 1);
}

#[test]
fn out_b10_those_who_take_turns_are_not_put_near() {
    let asked = asked("us", "row");
    let near = Near::default();
    let of = |user: usize| entry(key(Some(&format!("user-{user}")), &asked));
    let users: Vec<_> = (0..100).map(of).collect();
    let place = |entry: &Arc<Entry>| entry.key().bits() as usize % PLACES;
    let [one, other, ..] = &*users.iter().filter(|entry| place(entry) == 0).collect::<Vec<_>>() else {
        panic!("two of one place")
    };
    for _ in 0..10 {
        near.place(&one.key()).offer(one);
        near.place(&other.key()).offer(other);
    }
    assert!(!is_near(&near, one, NOW) && !is_near(&near, other, NOW));
    near.place(&other.key()).offer(other);
    assert!(!is_near(&near, one, NOW) && is_near(&near, other, NOW));

    // However many there are, a thread holds no more than it has places for.
    users.iter().for_each(|user| put(&near, user));
    assert_eq!(users.iter().filter(|user| Arc::strong_count(user) > 1).count(), PLACES);
}

#[test]
fn out_b2_each_thread_has_its_own_and_all_go_with_the_cache() {
    let asked = asked("us", "row");
    let alices = entry(key(Some("alice"), &asked));
    let near = Near::default();
    put(&near, &alices);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(!is_near(&near, &alices, NOW));
            put(&near, &alices);
            assert!(is_near(&near, &alices, NOW));
        });
    });
    assert_eq!(Arc::strong_count(&alices), 3, "a thread that comes after it may find it");
    drop(near);
    assert_eq!(Arc::strong_count(&alices), 1);
}
