//! A token of our own, kept while it is good.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tower_identity_core::Moment;
use tower_identity_refresh::{Failed, Lifetime, Loaded, Slot};

use crate::{ClientCredentials, Grant, IssuedToken, Standing, TargetService, TokenClient, TokenError, Urgency};

/// How long before its end the token is no longer used: for the way to the target, and for clocks that differ.
const SKEW: Duration = Duration::from_secs(10);

/// How long a token is used whose server does not say how long it is good.
const UNSAID: Duration = Duration::from_secs(60);

/// How long a token is used at most.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a server that is out of reach is left alone, at most. Other failures are not remembered.
const BACK_OFF: Duration = Duration::from_secs(2);

/// How often a token is forgotten at most: a target that refuses all of them costs the server one call in this time, and
/// not one for each that it refuses.
const FORGETS_EVERY: Duration = Duration::from_secs(5);

/// A token of this service itself (RFC 6749 §4.4) for one target: asked for at first use, kept while it is good, and
/// replaced in the background ahead of its end. Cheap to clone; the clones share the token. Prints no secret.
///
/// For what this service fetches on its own behalf, such as a key set that demands a token. What it sends for its
/// callers gets its tokens elsewhere.
#[derive(Debug, Clone)]
pub struct OwnToken {
    client: TokenClient,
    grant: Arc<Grant>,
    slot: Slot<Arc<IssuedToken>, TokenError>,
    /// When one was.
    forgotten: Arc<Mutex<Option<Moment>>>,
}

impl OwnToken {
    /// The token for this target. Asks for nothing yet.
    #[must_use]
    pub fn new(client: TokenClient, target: TargetService) -> Self {
        let slot = Slot::new(client.clock().clone());
        let grant = Arc::new(ClientCredentials::new(target).into());
        Self { client, grant, slot, forgotten: Arc::default() }
    }

    /// The token: at once while it is kept, else asked for once for all who want it.
    ///
    /// # Errors
    ///
    /// [`TokenError`], which stands for two seconds where the server is out of reach.
    pub fn token(&self) -> impl Future<Output = Result<Arc<IssuedToken>, TokenError>> + Send + use<> {
        let (client, grant) = (self.client.clone(), Arc::clone(&self.grant));
        self.slot.evict(|kept| kept.standing().is_some_and(Standing::is_gone));
        let urgency = if self.slot.peek().is_some() { Urgency::Refresh } else { Urgency::Waiting };
        self.slot.get(move || async move {
            match client.request_with(&grant, urgency).await {
                Ok(token) => Ok(Loaded { lifetime: lifetime(token.expires_in()), value: Arc::new(token) }),
                Err(error) => Err(Failed { retry_after: error.retry_after().unwrap_or_default().min(BACK_OFF), error }),
            }
        })
    }

    /// Reads the files of its client's credentials here and now.
    pub(crate) fn read_credentials(&self) {
        self.client.read_credentials();
    }

    /// Forgets this token, which its target refused; one that replaced it meanwhile stays. So does one that takes the
    /// place of another that was forgotten less than five seconds ago.
    pub fn forget(&self, refused: &Arc<IssuedToken>) {
        let now = self.client.clock().monotonic();
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        if forgotten.is_some_and(|before| now.since(before) < FORGETS_EVERY) {
            return;
        }
        self.slot.evict(|kept| {
            let is_it = Arc::ptr_eq(kept, refused);
            if is_it {
                *forgotten = Some(now);
            }
            is_it
        });
    }
}

fn lifetime(expires_in: Option<Duration>) -> Lifetime {
    Lifetime::of(expires_in.map_or(UNSAID, |life| life.saturating_sub(SKEW)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_b3_it_is_used_no_longer_than_it_lasts() {
        let seconds = Duration::from_secs;
        for (expires_in, usable) in [(Some(300), 290), (Some(86_400), 3600), (Some(3), 0), (None, 60)] {
            assert_eq!(lifetime(expires_in.map(seconds)).usable(), seconds(usable), "{expires_in:?}");
        }
    }
}
