//! Whatever a list has to forget, nothing that was revoked is accepted again: compared with a list that forgets nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tower_identity_core::{
    BoxFuture, Clock, Issuer, Moment, Revocation, Revocations, TimeSource, Timestamp, VerifiedToken,
};

use super::{at, of_alice};
use crate::support::{token, workload};

const ISSUERS: [&str; 3] = ["https://a.example", "https://b.example", "https://untouched.example"];
const RETENTION: u64 = 60;

/// A wall clock that is set.
#[derive(Clone, Default)]
struct Wall(Arc<AtomicU64>);

impl TimeSource for Wall {
    fn wall(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Moment {
        Moment::default()
    }

    fn sleep_until(&self, _: Moment) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Which tokens, by number: of two subjects, two sessions, two token ids.
#[derive(Debug, Clone, Copy)]
enum Which {
    Token(u8),
    Session(u8),
    SessionOf(u8, u8),
    Subject(u8),
    Every,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    issuer: usize,
    which: Which,
    until: u64,
    /// How much time passes before it.
    passed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Draft {
    issuer: usize,
    subject: u8,
    session: u8,
    id: u8,
    issued: Option<u64>,
    signed_in: Option<u64>,
}

impl Which {
    fn names(self, token: Draft) -> bool {
        match self {
            Self::Token(id) => id == token.id,
            Self::Session(session) => session == token.session,
            Self::SessionOf(session, subject) => session == token.session && subject == token.subject,
            Self::Subject(subject) => subject == token.subject,
            Self::Every => true,
        }
    }

    fn of(self, issuer: Issuer) -> Revocation {
        let subject = |of: u8| format!("subject-{of}").parse().expect("subject");
        let session = |of: u8| format!("session-{of}").parse().expect("session");
        match self {
            Self::Token(id) => Revocation::token(issuer, format!("token-{id}").parse().expect("token id")),
            Self::Session(of) => Revocation::session(issuer, session(of)),
            Self::SessionOf(of, who) => Revocation::session(issuer, session(of)).of_subject(subject(who)),
            Self::Subject(of) => Revocation::subject(issuer, subject(of)),
            Self::Every => Revocation::every_token(issuer),
        }
    }
}

impl Event {
    /// What the words of [`Revocation::issued_before`] say.
    fn covers(self, token: Draft) -> bool {
        let issued_by = |then: u64| token.issued.is_none_or(|issued| issued <= then);
        let ends_sign_in = matches!(self.which, Which::Session(_) | Which::SessionOf(..) | Which::Subject(_));
        let signed_in = ends_sign_in
            && token.signed_in.is_some_and(|signed_in| signed_in <= self.until)
            && issued_by(self.until + RETENTION / 2);
        self.issuer == token.issuer && self.which.names(token) && (issued_by(self.until) || signed_in)
    }
}

impl Draft {
    fn of(self, list: &Revocations) -> Arc<VerifiedToken> {
        let mut parts = of_alice(list);
        let issuer: Issuer = ISSUERS[self.issuer].parse().expect("issuer");
        parts.issuer = issuer.clone();
        parts.identity.workload = workload("storefront");
        parts.identity.workload.issuer = issuer.clone();
        let user = parts.identity.user.as_mut().expect("a user");
        (user.issuer, user.id) = (issuer, format!("subject-{}", self.subject).parse().expect("subject"));
        parts.token_id = Some(format!("token-{}", self.id).parse().expect("token id"));
        parts.authentication.session = Some(format!("session-{}", self.session).parse().expect("session"));
        parts.authentication.auth_time = self.signed_in.map(at);
        parts.issued_at = self.issued.map(at);
        if self.issued.is_none() {
            // So that it may be as old as can be.
            parts.expires_at = at(RETENTION);
        }
        token(parts)
    }
}

fn event() -> impl Strategy<Value = Event> {
    let which = prop_oneof![
        (0..3_u8).prop_map(Which::Token),
        (0..3_u8).prop_map(Which::Session),
        (0..3_u8, 0..3_u8).prop_map(|(session, subject)| Which::SessionOf(session, subject)),
        (0..3_u8).prop_map(Which::Subject),
        Just(Which::Every),
    ];
    (0..2_usize, which, 0..200_u64, 0..20_u64).prop_map(|(issuer, which, until, passed)| Event {
        issuer,
        which,
        until,
        passed,
    })
}

fn draft() -> impl Strategy<Value = Draft> {
    let time = || prop::option::weighted(0.9, 0..260_u64);
    (0..3_usize, 0..3_u8, 0..3_u8, 0..3_u8, time(), time()).prop_map(
        |(issuer, subject, session, id, issued, signed_in)| Draft { issuer, subject, session, id, issued, signed_in },
    )
}

proptest! {
    #[test]
    fn ssf_a2_nothing_that_was_revoked_comes_back_and_no_other_issuer_is_touched(
        capacity in 0..4_usize,
        events in prop::collection::vec(event(), 1..24),
        drafts in prop::collection::vec(draft(), 1..24),
    ) {
        let wall = Wall::default();
        let list = Revocations::bounded(capacity, Duration::from_secs(RETENTION), Clock::new(wall.clone()));
        // Verified before anything was revoked, and asked throughout.
        let kept: Vec<_> = drafts.iter().map(|draft| (*draft, draft.of(&list))).collect();
        for (so_far, event) in events.iter().enumerate() {
            wall.0.fetch_add(event.passed, Ordering::Relaxed);
            let before = list.epoch();
            let issuer: Issuer = ISSUERS[event.issuer].parse().expect("issuer");
            let is_new = list.revoke(event.which.of(issuer).issued_before(at(event.until)));
            prop_assert_eq!(list.epoch(), before + u64::from(is_new));
            prop_assert!(list.entries() <= 2 * capacity);
            for (draft, verified) in &kept {
                let must = events[..=so_far].iter().any(|event| event.covers(*draft));
                let afresh = draft.of(&list).is_revoked();
                prop_assert_eq!(verified.is_revoked(), afresh, "what was verified before hears of it: {:?}", draft);
                prop_assert!(afresh || !must, "{:?} came back", draft);
                prop_assert!(!afresh || draft.issuer != 2, "{:?} is of another issuer", draft);
            }
        }
    }

    #[test]
    fn ssf_a2_with_room_enough_exactly_what_was_revoked_is_refused(
        events in prop::collection::vec(event(), 1..24),
        drafts in prop::collection::vec(draft(), 1..24),
    ) {
        // The clock stands before every event, so that none is old.
        let list = Revocations::bounded(64, Duration::from_secs(RETENTION), Clock::new(Wall::default()));
        for event in &events {
            let issuer: Issuer = ISSUERS[event.issuer].parse().expect("issuer");
            list.revoke(event.which.of(issuer).issued_before(at(event.until)));
        }
        for draft in drafts {
            let must = events.iter().any(|event| event.covers(draft));
            prop_assert_eq!(draft.of(&list).is_revoked(), must, "{:?}", draft);
        }
    }
}

#[test]
fn ssf_a2_a_token_without_iat_is_refused_until_it_is_too_young_to_be_meant() {
    let wall = Wall::default();
    wall.0.store(110, Ordering::Relaxed);
    let list = Revocations::bounded(64, Duration::from_secs(RETENTION), Clock::new(wall));
    list.revoke(Which::Subject(1).of(ISSUERS[0].parse().expect("issuer")).issued_before(at(100)));
    for (subject, ends, expected) in [
        (1, 100 + RETENTION, true),
        (1, 101 + RETENTION, false),
        // It lives longer than any token is to live: how old it is cannot be told.
        (1, 111 + RETENTION, true),
        (2, 100, false),
    ] {
        let mut parts = of_alice(&list);
        let issuer: Issuer = ISSUERS[0].parse().expect("issuer");
        parts.issuer = issuer.clone();
        let user = parts.identity.user.as_mut().expect("a user");
        (user.issuer, user.id) = (issuer, format!("subject-{subject}").parse().expect("subject"));
        (parts.issued_at, parts.expires_at) = (None, at(ends));
        parts.authentication.auth_time = None;
        assert_eq!(token(parts).is_revoked(), expected, "{subject} until {ends}");
    }
}

#[test]
fn ssf_a2_what_is_kept_is_bounded_for_each_issuer_and_in_the_number_of_issuers() {
    let wall = Wall::default();
    let list = Revocations::bounded(2, Duration::from_secs(RETENTION), Clock::new(wall.clone()));
    let subject = |issuer: &str, id: u8, until: u64| {
        Which::Subject(id).of(issuer.parse().expect("issuer")).issued_before(at(until))
    };
    for until in 10..20 {
        list.revoke(subject(ISSUERS[0], u8::try_from(until).expect("few"), until));
    }
    list.revoke(subject(ISSUERS[1], 0, 10));
    assert_eq!(list.entries(), 3, "two of the one, and one of the other");

    // The earliest went first: nobody is refused whose token is younger than the last that went.
    let of_bystander = |issued: u64| Draft {
        issuer: 0,
        subject: 200,
        session: 200,
        id: 200,
        issued: Some(issued),
        signed_in: Some(issued),
    };
    assert_eq!([17, 18].map(|issued| of_bystander(issued).of(&list).is_revoked()), [true, false]);

    // Not by age: a certificate may be older than any token.
    wall.0.store(18 + RETENTION + 1, Ordering::Relaxed);
    list.revoke(subject(ISSUERS[1], 1, 100));
    assert_eq!(
        [5, 11].map(|issued| Draft { issuer: 1, ..of_bystander(issued) }.of(&list).is_revoked()),
        [false, false]
    );
    assert!(Draft { issuer: 1, subject: 0, ..of_bystander(5) }.of(&list).is_revoked(), "the control");

    for issuer in 0..2 * Revocations::MAX_ISSUERS {
        list.revoke(subject(&format!("https://{issuer}.example"), 0, 100));
    }
    assert!(list.entries() <= 2 * Revocations::MAX_ISSUERS, "{list:?}");
    // An issuer that found no place is one of many others, and its subject is refused with them.
    let mut last = of_bystander(100).of(&list);
    assert!(!last.is_revoked(), "an issuer with a place of its own");
    let late = Draft { issuer: 2, ..of_bystander(100) };
    last = late.of(&list);
    assert!(last.is_revoked(), "one without");
    let late = Draft { issuer: 2, ..of_bystander(101) };
    assert!(!late.of(&list).is_revoked());
}
