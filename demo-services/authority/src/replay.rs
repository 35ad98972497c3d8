//! Which assertions were used already (RFC 7523 §3, `jti`): by which clients authenticate, and which are grants.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use tower_identity::{Timestamp, TokenId};

/// How many assertions of one issuer are remembered at a time. Where more are used within their lifetimes, they are
/// refused until the first of them expire; none is ever forgotten early, and no issuer fills another's share.
pub(crate) const MAX_REMEMBERED: usize = 4096;

/// What became of an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Seen for the first time, and remembered from now on.
    First,
    /// Seen before.
    Replayed,
    /// Not looked at: the client's share is full.
    Full,
}

/// The identifiers in use, by who issued them: clients and servers that the settings name, so it is bounded by their number.
#[derive(Debug)]
pub(crate) struct UsedAssertions<By>(Mutex<HashMap<By, HashMap<TokenId, Timestamp>>>);

impl<By> Default for UsedAssertions<By> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<By: Clone + Eq + Hash> UsedAssertions<By> {
    /// Uses an identifier up: looked up and remembered in one step, so that of equal ones only one is first.
    pub(crate) fn use_up(&self, by: &By, id: TokenId, expires_at: Timestamp, now: Timestamp) -> Use {
        let mut issuers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let used = issuers.entry(by.clone()).or_default();
        if used.contains_key(&id) {
            return Use::Replayed;
        }
        if used.len() >= MAX_REMEMBERED {
            used.retain(|_, expires_at| *expires_at > now);
        }
        if used.len() >= MAX_REMEMBERED {
            return Use::Full;
        }
        used.insert(id, expires_at);
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use tower_identity::ClientId;

    use super::*;

    fn id(at: usize) -> TokenId {
        TokenId::parse(format!("jti-{at}")).expect("token id")
    }

    #[test]
    fn rfc7523_c4_an_assertion_is_used_once_and_a_full_share_forgets_nothing() {
        let used = UsedAssertions::default();
        let (orders, other) = (ClientId::parse("orders").expect("id"), ClientId::parse("other").expect("id"));
        let (now, end) = (Timestamp::from_secs(1_000), Timestamp::from_secs(1_060));

        assert_eq!(used.use_up(&orders, id(0), end, now), Use::First);
        assert_eq!(used.use_up(&orders, id(0), end, now), Use::Replayed);
        assert_eq!(used.use_up(&other, id(0), end, now), Use::First);
        for at in 1..MAX_REMEMBERED {
            assert_eq!(used.use_up(&orders, id(at), end, now), Use::First);
        }
        assert_eq!(used.use_up(&orders, id(MAX_REMEMBERED), end, now), Use::Full);
        assert_eq!(used.use_up(&orders, id(0), end, now), Use::Replayed);
        assert_eq!(used.use_up(&other, id(1), end, now), Use::First);
        assert_eq!(used.use_up(&orders, id(MAX_REMEMBERED), end, end), Use::First);
    }
}
