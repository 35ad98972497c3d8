//! Sessions: opaque tokens, each a name for an access token that does not leave the authority.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tower_identity::{Fingerprint, SecretToken, Timestamp};
use tower_identity_jose::random_id;

/// How many sessions there are at a time. Nobody is signed out to make room: who comes then is not signed in.
pub(crate) const MAX_SESSIONS: usize = 4096;

/// The sessions, by the hash of their tokens, which are kept nowhere.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<Fingerprint, Session>>);

#[derive(Debug)]
struct Session {
    access_token: SecretToken,
    ends: Timestamp,
}

impl Sessions {
    /// Keeps an access token until it ends, and gives a name for it; `None` where there is no room.
    pub(crate) fn begin(&self, access_token: SecretToken, ends: Timestamp, now: Timestamp) -> Option<SecretToken> {
        let mut sessions = self.lock();
        if sessions.len() >= MAX_SESSIONS {
            sessions.retain(|_, session| session.ends > now);
        }
        if sessions.len() >= MAX_SESSIONS {
            return None;
        }
        let name = random_id();
        sessions.insert(hash(&name), Session { access_token, ends });
        Some(name.into())
    }

    /// The access token of this name. Whether it has ended is for whoever reads it.
    pub(crate) fn find(&self, name: &str) -> Option<SecretToken> {
        self.lock().get(&hash(name)).map(|session| session.access_token.clone())
    }

    pub(crate) fn end(&self, name: &str) {
        self.lock().remove(&hash(name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(name: &str) -> Fingerprint {
    Fingerprint::of("session").field(name).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_until_it_is_over_and_none_makes_room_before_it_ends() {
        let sessions = Sessions::default();
        let (now, end) = (Timestamp::from_secs(1_000), Timestamp::from_secs(1_060));
        let begin = |now| sessions.begin("a token".into(), end, now);
        let found = |name: &SecretToken| sessions.find(name.expose()).map(|token| token.expose().to_owned());

        let (first, second) = (begin(now).expect("room"), begin(now).expect("room"));
        assert_eq!((found(&first).as_deref(), sessions.find("made up").is_none()), (Some("a token"), true));
        sessions.end(first.expose());
        assert_eq!((found(&first), found(&second).as_deref()), (None, Some("a token")));

        for _ in 1..MAX_SESSIONS {
            assert!(begin(now).is_some());
        }
        assert!(begin(now).is_none());
        assert_eq!(found(&second).as_deref(), Some("a token"));
        assert!(begin(end).is_some(), "those that have ended make room");
    }
}
