//! Sessions: opaque tokens, each a name for an access token that does not leave the authority; and which sign-ins are over
//! before their time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tower_identity::{Fingerprint, SecretToken, SessionId, Subject, Timestamp};
use tower_identity_jose::random_id;

use crate::claims::AuthenticationClaims;

/// How many sessions there are at a time, those that are over and would not have ended yet included. Nobody is signed out
/// to make room: who comes then is not signed in.
pub(crate) const MAX_SESSIONS: usize = 4096;

/// The sessions, and the sign-ins that are over.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// By the hash of their names, which are kept nowhere.
    named: HashMap<Fingerprint, Session>,
    /// Signed out, each until its end: tokens that were issued on it may live as long.
    over: HashMap<SessionId, Timestamp>,
    /// Until when users' sign-ins are revoked. Users are those of the settings, so it is bounded by their number.
    revoked: HashMap<Subject, Timestamp>,
}

/// One sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: Subject,
    pub(crate) access_token: SecretToken,
    pub(crate) ends: Timestamp,
}

impl Sessions {
    /// Keeps a session until it ends, and gives a name for it; `None` where there is no room.
    pub(crate) fn begin(&self, session: Session, now: Timestamp) -> Option<SecretToken> {
        let mut entries = self.lock();
        if entries.len() >= MAX_SESSIONS {
            entries.named.retain(|_, session| session.ends > now);
            entries.over.retain(|_, ends| *ends > now);
        }
        if entries.len() >= MAX_SESSIONS {
            return None;
        }
        let name = random_id();
        entries.named.insert(hash(&name), session);
        Some(name.into())
    }

    /// The access token of this name. Whether it has ended is for whoever reads it.
    pub(crate) fn find(&self, name: &str) -> Option<SecretToken> {
        self.lock().named.get(&hash(name)).map(|session| session.access_token.clone())
    }

    /// Ends the session of this name, and gives it, if there is one.
    pub(crate) fn end(&self, name: &str) -> Option<Session> {
        let mut entries = self.lock();
        let session = entries.named.remove(&hash(name))?;
        entries.over.insert(session.id.clone(), session.ends);
        Some(session)
    }

    /// Ends all sessions of a user, and whatever else was issued to who signed in by now.
    pub(crate) fn revoke(&self, user: &Subject, now: Timestamp) {
        let mut entries = self.lock();
        entries.named.retain(|_, session| session.user != *user);
        let until = entries.revoked.entry(user.clone()).or_insert(now);
        *until = now.max(*until);
    }

    /// Until when this user's sign-ins are revoked, if they are.
    pub(crate) fn revoked_until(&self, user: &Subject) -> Option<Timestamp> {
        self.lock().revoked.get(user).copied()
    }

    /// Whether this sign-in of this user is over. Times are whole seconds, so the whole second of a revocation counts.
    pub(crate) fn is_over(&self, user: &Subject, sign_in: &AuthenticationClaims) -> bool {
        let entries = self.lock();
        let by_then =
            |until: &Timestamp| sign_in.auth_time.is_none_or(|signed_in| signed_in.as_secs() <= until.as_secs());
        sign_in.sid.as_ref().is_some_and(|sid| entries.over.contains_key(sid))
            || entries.revoked.get(user).is_some_and(by_then)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn len(&self) -> usize {
        self.named.len() + self.over.len()
    }
}

fn hash(name: &str) -> Fingerprint {
    Fingerprint::of("session").field(name).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const END: Timestamp = Timestamp::from_secs(1_060);

    fn session(user: &str) -> Session {
        let id = SessionId::parse(random_id()).expect("an id");
        Session { id, user: user.parse().expect("a user"), access_token: "a token".into(), ends: END }
    }

    fn sign_in(sid: &SessionId, auth_time: Timestamp) -> AuthenticationClaims {
        AuthenticationClaims { sid: Some(sid.clone()), auth_time: Some(auth_time), ..AuthenticationClaims::default() }
    }

    #[test]
    fn a_session_is_found_until_it_is_over_and_none_makes_room_before_it_ends() {
        let sessions = Sessions::default();
        let begin = |now| sessions.begin(session("alice"), now);
        let found = |name: &SecretToken| sessions.find(name.expose()).map(|token| token.expose().to_owned());

        let (first, second) = (begin(NOW).expect("room"), begin(NOW).expect("room"));
        assert_eq!((found(&first).as_deref(), sessions.find("made up").is_none()), (Some("a token"), true));
        assert!(sessions.end(first.expose()).is_some());
        assert_eq!((found(&first), found(&second).as_deref()), (None, Some("a token")));

        for _ in 2..MAX_SESSIONS {
            assert!(begin(NOW).is_some());
        }
        assert!(begin(NOW).is_none(), "one that is over is still remembered");
        assert_eq!(found(&second).as_deref(), Some("a token"));
        assert!(begin(END).is_some(), "those that have ended make room");
    }

    #[test]
    fn what_is_over_is_one_session_or_all_of_a_user_until_then() {
        let sessions = Sessions::default();
        let alice: Subject = "alice".parse().expect("a user");
        let of_alice = || sessions.begin(session("alice"), NOW).expect("room");
        let (first, second) = (of_alice(), of_alice());
        let bobs = sessions.begin(session("bob"), NOW).expect("room");

        let over = sessions.end(first.expose()).expect("it is there");
        let other = session("alice").id;
        let before = [&over.id, &other].map(|sid| sessions.is_over(&alice, &sign_in(sid, NOW)));
        assert_eq!((before, sessions.revoked_until(&alice)), ([true, false], None));

        let then = Timestamp::from_unix(NOW.since_epoch() + std::time::Duration::from_millis(500));
        sessions.revoke(&alice, then);
        sessions.revoke(&alice, NOW);
        assert_eq!(sessions.revoked_until(&alice), Some(then));
        assert_eq!((sessions.find(second.expose()).is_none(), sessions.find(bobs.expose()).is_some()), (true, true));
        let at = |user: &str, time: u64| {
            sessions.is_over(&user.parse().expect("a user"), &sign_in(&other, Timestamp::from_secs(time)))
        };
        assert_eq!(["alice", "bob"].map(|user| at(user, 1_000)), [true, false]);
        assert_eq!([at("alice", 999), at("alice", 1_001)], [true, false]);
        assert!(sessions.is_over(&alice, &AuthenticationClaims::default()), "it does not say when");
    }
}
