//! What is revoked, of whom, and that it never comes back.

mod forgetting;

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tower_identity_core::{
    Actor, ActorChain, Evidence, Issuer, Revocation, Revocations, Timestamp, VerifiedToken, VerifiedTokenParts,
    revocation::MAX_SKEW,
};

use crate::support::{ISSUER, clock, parts, token, user, workload};

const PARTNER: &str = "https://partner.example";

fn issuer(name: &str) -> Issuer {
    name.parse().expect("issuer")
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// The token of alice for storefront: `t-1`, of the session `s-1`, signed in at 700 and issued at 800.
fn of_alice(list: &Revocations) -> VerifiedTokenParts {
    let mut parts = parts();
    parts.identity.workload = workload("storefront");
    parts.identity.evidence = Evidence::IssuedTo;
    parts.identity.user = Some(user("alice"));
    parts.token_id = Some("t-1".parse().expect("token id"));
    parts.authentication.session = Some("s-1".parse().expect("session"));
    parts.authentication.auth_time = Some(at(700));
    parts.issued_at = Some(at(800));
    parts.revocations = list.clone();
    parts
}

/// What is left of alice's token, changed like this, after this was revoked.
fn is_revoked(what: Revocation, change: impl FnOnce(&mut VerifiedTokenParts)) -> bool {
    let list = Revocations::new(clock());
    let mut parts = of_alice(&list);
    change(&mut parts);
    let token = token(parts);
    assert!(!token.is_revoked(), "nothing is revoked yet");
    list.revoke(what);
    token.is_revoked()
}

fn session(id: &str) -> Revocation {
    Revocation::session(issuer(ISSUER), id.parse().expect("session"))
}

fn subject(id: &str) -> Revocation {
    Revocation::subject(issuer(ISSUER), id.parse().expect("subject"))
}

fn of_token(id: &str) -> Revocation {
    Revocation::token(issuer(ISSUER), id.parse().expect("token id"))
}

#[test]
fn ssf_a2_a_token_is_revoked_by_each_name_that_it_has_and_by_no_other() {
    let alice = || "alice".parse().expect("subject");
    let tenant = |id: &str| id.parse().expect("tenant");
    let of_tenant = |parts: &mut VerifiedTokenParts| {
        parts.identity.user.as_mut().expect("a user").tenant = Some("acme".parse().expect("tenant"));
    };
    for (what, expected) in [
        (of_token("t-1"), true),
        (of_token("t-2"), false),
        (session("s-1"), true),
        (session("s-2"), false),
        (session("s-1").of_subject(alice()), true),
        (session("s-1").of_subject("bob".parse().expect("subject")), false),
        (subject("alice"), true),
        (subject("Alice"), false),
        (subject("alice").in_tenant(tenant("acme")), true),
        (subject("alice").in_tenant(tenant("other")), false),
        (Revocation::tenant(issuer(ISSUER), tenant("acme")), true),
        (Revocation::tenant(issuer(ISSUER), tenant("acme")).of_subject("bob".parse().expect("subject")), false),
        (Revocation::tenant(issuer(ISSUER), tenant("other")), false),
        (subject("storefront"), true),
        (subject("orders"), false),
        (Revocation::every_token(issuer(ISSUER)), true),
        (Revocation::every_token(issuer(PARTNER)), false),
        (Revocation::subject(issuer(PARTNER), alice()), false),
        (Revocation::session(issuer(PARTNER), "s-1".parse().expect("session")), false),
        (Revocation::token(issuer(PARTNER), "t-1".parse().expect("token id")), false),
    ] {
        assert_eq!(is_revoked(what.clone(), of_tenant), expected, "{what:?}");
    }
}

#[test]
fn ssf_a2_what_was_issued_after_the_event_is_good_unless_its_sign_in_is_from_before() {
    let issued = |time: Option<u64>, signed_in: Option<u64>| {
        move |parts: &mut VerifiedTokenParts| {
            parts.issued_at = time.map(at);
            parts.authentication.auth_time = signed_in.map(at);
        }
    };
    let until = |what: Revocation| what.issued_before(Timestamp::from_unix(Duration::from_millis(850_500)));
    for (time, signed_in, by_name, by_token) in [
        (Some(800), Some(700), true, true),
        (Some(850), Some(850), true, true),
        (Some(851), Some(851), false, false),
        (Some(851), Some(850), true, false),
        (Some(851), None, false, false),
        (None, None, true, true),
        (None, Some(851), true, true),
    ] {
        let revoked = |what: Revocation| is_revoked(until(what), issued(time, signed_in));
        assert_eq!(revoked(subject("alice")), by_name, "subject, {time:?} {signed_in:?}");
        assert_eq!(revoked(session("s-1")), by_name, "session, {time:?} {signed_in:?}");
        assert_eq!(revoked(of_token("t-1")), by_token, "token, {time:?} {signed_in:?}");
        assert_eq!(revoked(Revocation::every_token(issuer(ISSUER))), by_token, "issuer, {time:?} {signed_in:?}");
    }
    // A sign-in is refused for half of the retention in what is issued on it later.
    let reach = Revocations::DEFAULT_RETENTION.as_secs() / 2;
    for (time, expected) in [(850 + reach, true), (851 + reach, false)] {
        assert_eq!(is_revoked(until(subject("alice")), issued(Some(time), Some(700))), expected, "{time}");
    }
}

#[test]
fn ssf_a2_without_a_time_it_is_until_now_by_any_clock_that_a_verifier_takes() {
    let last = 900 + MAX_SKEW.as_secs();
    for (issued, expected) in [(last, true), (last + 1, false)] {
        let change = |parts: &mut VerifiedTokenParts| {
            parts.issued_at = Some(at(issued));
            parts.authentication.auth_time = None;
        };
        assert_eq!(is_revoked(subject("alice"), change), expected, "{issued}");
    }
}

/// The current actor is the sender; inner ones are history (design law: only the outermost authorizes).
#[test]
fn ssf_a2_a_revoked_workload_ends_what_it_sends_and_not_what_it_once_had() {
    let acting = |outer: &'static str, inner: &'static str, issued_by: &'static str| {
        move |parts: &mut VerifiedTokenParts| {
            let actor = |id: &str| Actor { id: id.parse().expect("subject"), issuer: issuer(issued_by) };
            parts.actors = ActorChain::new(vec![actor(outer), actor(inner)]);
            parts.identity.evidence = Evidence::Actor;
            parts.identity.workload.id = outer.parse().expect("subject");
            parts.identity.workload.issuer = issuer(issued_by);
        }
    };
    assert!(is_revoked(subject("orders"), acting("orders", "storefront", ISSUER)));
    assert!(!is_revoked(subject("storefront"), acting("orders", "storefront", ISSUER)));

    let of_partner = Revocation::subject(issuer(PARTNER), "orders".parse().expect("subject"));
    assert!(is_revoked(of_partner.clone(), acting("orders", "storefront", PARTNER)));
    assert!(!is_revoked(of_partner, acting("orders", "storefront", ISSUER)));
    assert!(!is_revoked(subject("orders"), acting("orders", "storefront", PARTNER)));

    let its_own = |parts: &mut VerifiedTokenParts| {
        parts.identity.evidence = Evidence::Subject;
        parts.identity.user = None;
    };
    assert!(is_revoked(subject("storefront"), its_own));
}

/// What a service has signed for alice ends with her session, which is her issuer's to end.
#[test]
fn defer_a4_a_session_is_of_the_users_issuer_whoever_has_signed() {
    let signed_by_partner = |parts: &mut VerifiedTokenParts| {
        parts.issuer = issuer(PARTNER);
        parts.identity.workload.issuer = issuer(PARTNER);
    };
    let of_partner = Revocation::session(issuer(PARTNER), "s-1".parse().expect("session"));
    assert!(is_revoked(session("s-1"), signed_by_partner));
    assert!(!is_revoked(session("s-2"), signed_by_partner));
    assert!(!is_revoked(of_partner.clone(), signed_by_partner));
    let of_nobody = |parts: &mut VerifiedTokenParts| {
        signed_by_partner(parts);
        parts.identity.user = None;
    };
    assert!(is_revoked(of_partner, of_nobody), "of a workload's own token there is no other issuer");
    assert!(!is_revoked(session("s-1"), of_nobody));
}

#[test]
fn a_context_is_revoked_with_either_of_its_tokens_and_ends_with_the_first() {
    use tower_identity_core::Binding;

    use crate::support::context;

    for (revoked, expected) in [("alice", true), ("orders", true), ("bob", false)] {
        let list = Revocations::new(clock());
        let mut caller = parts();
        caller.revocations = list.clone();
        let mut of_user = of_alice(&list);
        of_user.expires_at = at(950);
        let pair = context(caller, Some(of_user), Binding::IssuerNamed);
        assert!(!pair.is_revoked());
        assert_eq!((pair.expires_at(), pair.principal().expires_at()), (at(950), at(950)));
        list.revoke(subject(revoked));
        assert_eq!(pair.is_revoked(), expected, "{revoked}");
    }
}

#[test]
fn what_is_revoked_already_changes_nothing_and_wakes_nobody() {
    let list = Revocations::new(clock());
    let clone = list.clone();
    assert_eq!(list.epoch(), 0);

    let changed = clone.changed();
    assert!(list.revoke(subject("alice").issued_before(at(800))));
    assert_eq!((clone.epoch(), list.entries()), (1, 1));
    assert_eq!(changed.now_or_never(), Some(()));

    let changed = clone.changed();
    for known in [800, 799] {
        assert!(!list.revoke(subject("alice").issued_before(at(known))));
    }
    assert_eq!((clone.epoch(), list.entries()), (1, 1));
    assert_eq!(changed.now_or_never(), None);

    assert!(list.revoke(subject("alice").issued_before(at(801))));
    assert_eq!((clone.epoch(), list.entries()), (2, 1));
}

#[test]
fn what_a_mark_covers_takes_no_place() {
    let list = Revocations::new(clock());
    assert!(list.revoke(Revocation::every_token(issuer(ISSUER)).issued_before(at(850))));
    assert!(!list.revoke(of_token("t-1").issued_before(at(850))));
    assert_eq!((list.epoch(), list.entries()), (1, 0));
    assert!(list.revoke(of_token("t-1").issued_before(at(851))));
    // Of a sign-in, what is issued on it later is at an end too.
    assert!(list.revoke(session("s-1").issued_before(at(850))));
    assert_eq!((list.epoch(), list.entries()), (3, 2));
}

#[test]
fn a_waiter_is_told_of_what_comes_before_it_waits() {
    let list = Revocations::new(clock());
    let changed = list.changed();
    list.revoke(subject("alice"));
    assert_eq!(changed.now_or_never(), Some(()));
    assert_eq!(list.changed().now_or_never(), None, "what came before is not news");
}

#[test]
fn nothing_that_the_list_prints_names_anybody() {
    let list = Revocations::new(clock());
    list.revoke(subject("alice"));
    assert_eq!(format!("{list:?}"), "Revocations { epoch: 1, entries: 1 }");
    let _: Arc<VerifiedToken> = token(of_alice(&list));
}
