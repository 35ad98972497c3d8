//! Times of an entry.

use std::time::Duration;

use tower_identity_core::{Fingerprint, SecretToken};

use super::*;
use crate::key::AskedFor;

const BEGAN: u64 = 1_800_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(BEGAN + second)
}

/// Asked for at 100, fresh until 170, usable until 200.
fn entry(before: Option<&Entry>) -> Arc<Entry> {
    let digest = || Fingerprint::of("test").finish();
    let asked = Arc::new(AskedFor { us: digest(), row: digest() });
    let key = Looked { subject: None, asked: &asked }.to_key();
    let lifetime = Lifetime::new(Duration::from_secs(70), Duration::from_secs(100));
    let bearer = Bearer::new(&SecretToken::new("token")).expect("visible ascii");
    Arc::new(Entry::new(key, bearer, at(100), lifetime, before))
}

fn sent(entry: &Arc<Entry>, second: u64) -> Credential {
    Credential::new(Arc::clone(entry), None, at(second))
}

#[test]
fn out_b3_an_entry_is_used_from_its_beginning_to_its_end() {
    let entry = entry(None);
    let cases = [(99, false, false), (100, true, false), (169, true, false), (170, true, true), (199, true, true)];
    for (second, usable, stale) in cases.into_iter().chain([(200, false, true)]) {
        assert_eq!((entry.is_usable(at(second)), entry.is_stale(at(second))), (usable, stale), "{second}");
    }
}

#[test]
fn one_asker_at_a_time_begins_a_refresh() {
    let entry = entry(None);
    let cases = [(169, false), (170, true), (170, false), (171, true), (171, false), (199, true)];
    for (second, begins) in cases {
        assert_eq!(entry.begins_refresh(at(second)), begins, "{second}");
    }
}

#[test]
fn rfc6750_b2_a_token_that_is_refused_is_not_used_again_and_one_that_comes_soon_after_it_is() {
    let first = entry(None);
    let (one, other) = (sent(&first, 110), sent(&first, 110));
    assert!(one.drop_token());
    assert!(!first.is_usable(at(110)));
    assert!(other.drop_token(), "the next request gets another anyway");

    let second = entry(Some(&first));
    assert!(second.is_usable(at(111)));
    assert!(!sent(&second, 114).drop_token());
    assert!(second.is_usable(at(114)), "a target that refuses every token");
    assert!(sent(&second, 115).drop_token());
    assert!(!second.is_usable(at(115)));
}

#[test]
fn rfc6750_b2_of_requests_that_were_on_their_way_together_the_first_refusal_begins_the_pause() {
    let first = entry(None);
    let (one, other) = (sent(&first, 110), sent(&first, 116));
    assert!(one.drop_token() && other.drop_token());
    let second = entry(Some(&first));
    assert!(!sent(&second, 114).drop_token());
    assert!(sent(&second, 115).drop_token(), "not 5 s after the later one");
}

#[test]
fn rfc6750_b2_where_another_token_is_there_already_the_next_request_gets_it() {
    let first = entry(None);
    assert!(sent(&first, 110).drop_token());
    let second = entry(Some(&first));
    assert!(!sent(&second, 112).drop_token());
    second.replaced();
    assert!(sent(&second, 112).drop_token());
    assert!(second.is_usable(at(112)), "whoever found it before may send it");
    // The pause goes on with the one in its place.
    let third = entry(Some(&second));
    assert!(!sent(&third, 114).drop_token());
    assert!(sent(&third, 115).drop_token());
}

#[test]
fn the_end_of_time_is_no_overflow() {
    let end = Timestamp::from_unix(Duration::MAX);
    let entry = entry(None);
    assert!(!entry.is_usable(end) && entry.begins_refresh(end));
    assert!(Credential::new(entry, None, end).drop_token());
}
