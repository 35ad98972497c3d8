//! What happens on a miss: a source is asked, and what it brings gets its lifetime.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tower_identity_core::{Issuer, Refusal, RefusalKind, Scopes, Timestamp};
use tower_identity_oauth::Standing;
use tower_identity_refresh::{Failed, Lifetime, Loaded};

use crate::{
    bearer::Bearer,
    cache::TokenCache,
    entry::Entry,
    error::REVOKED,
    issued::{self, Checked},
    source::{Ask, Brought},
};

/// How long before its end a token is no longer used: for the way to the target, and for clocks that differ.
const SKEW: Duration = Duration::from_secs(10);

/// How long a token is used whose server does not say.
const UNSAID: Duration = Duration::from_secs(60);

/// How long a token is used at most, however long it would be good.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a flight brings.
#[derive(Debug, Clone)]
pub(crate) struct Landed {
    pub(crate) entry: Arc<Entry>,
    /// Until when those may send it who waited for it: its own end, where it is not kept for as long.
    until: Timestamp,
}

impl Landed {
    /// A token that was kept already.
    pub(crate) fn of(entry: Arc<Entry>) -> Self {
        Self { until: entry.ends_at(), entry }
    }

    /// Whether it may be sent now, by one who waited for it.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// A token that was asked for, and that may be sent.
#[derive(Debug)]
pub(crate) struct Obtained {
    pub(crate) bearer: Bearer,
    pub(crate) scopes: Scopes,
    /// How long it is good for, where the server says so.
    pub(crate) life: Option<Duration>,
    /// Of the credential that it was obtained with.
    standing: Option<Standing>,
    /// The authorization server that issued it.
    server: Option<Issuer>,
    /// How soon to look for another.
    again: Option<Duration>,
}

/// Asks the source, and checks what it brings.
pub(crate) async fn obtain(ask: &Ask) -> Result<Obtained, Failed<Refusal>> {
    let recipe = &ask.recipe;
    let asked = recipe.clock.monotonic();
    let brought = recipe.source.obtain(ask).await;
    recipe.told.acquired(recipe.clock.monotonic().since(asked));
    let failed = |error| match ask.ahead {
        true => Failed { error, retry_after: Duration::ZERO },
        false => Failed::for_a_moment(error),
    };
    let brought = brought.map_err(failed)?;
    // Revoked while the exchange was in the air: what came of it is for nobody, and not kept.
    if ask.subject.as_ref().is_some_and(|subject| subject.is_revoked()) {
        let refusal = Refusal::new(RefusalKind::InvalidToken, REVOKED);
        return Err(Failed { error: refusal, retry_after: Duration::ZERO });
    }
    let Checked { bearer, life } = issued::check(ask, &brought).map_err(failed)?;
    let Brought { token, server, again, .. } = brought;
    let standing = token.standing().cloned();
    Ok(Obtained { bearer, scopes: token.scopes().clone(), life, standing, server, again })
}

/// Asks, and keeps what comes.
pub(crate) async fn load(cache: Weak<TokenCache>, ask: Ask) -> Result<Loaded<Landed>, Failed<Refusal>> {
    let recipe = &ask.recipe;
    let began = recipe.clock.wall();
    // Nobody's to hold but the cache's: who comes later looks there.
    let landed = |landed| Ok(Loaded { value: landed, lifetime: Lifetime::new(Duration::ZERO, Duration::ZERO) });
    if let Some(entry) = cache.upgrade().and_then(|cache| cache.meanwhile(&ask)) {
        return landed(Landed::of(entry));
    }
    let Obtained { bearer, scopes, life, standing, server, again } = obtain(&ask).await?;
    let subject_end = ask.subject.as_ref().map(|subject| subject.expires_at());
    let lifetime = lifetime(life, subject_end.map(|end| end.since(began)));
    let lifetime = again.map_or(lifetime, |again| Lifetime::new(again.min(lifetime.fresh()), lifetime.usable()));
    tracing::debug!(
        issuer = server.as_ref().map(Issuer::as_str),
        strategy = recipe.source.name(),
        scope = %scopes,
        seconds = lifetime.usable().as_secs(),
        "token obtained"
    );
    let cache = cache.upgrade();
    let before = cache.as_ref().and_then(|cache| cache.before(&ask.key()));
    let entry = Entry::new(ask.key().to_key(), bearer, began, lifetime, before.as_deref());
    let entry = Arc::new(entry.by(standing));
    let own_end = began.saturating_add(life.unwrap_or(UNSAID));
    let until = subject_end.map_or(own_end, |end| end.min(own_end));
    if let Some(cache) = cache.filter(|_| !lifetime.usable().is_zero()) {
        cache.keep(&entry, began);
    }
    if let Some(before) = before {
        before.replaced();
    }
    landed(Landed { entry, until })
}

/// How long a token is used: never past its own end, nor past the end of the user's token that it was made from. It
/// is refreshed ahead of its own end only; ahead of the user's there is nothing to gain.
pub(crate) fn lifetime(expires_in: Option<Duration>, subject_left: Option<Duration>) -> Lifetime {
    let said = expires_in.unwrap_or(UNSAID);
    let own = expires_in.map_or(UNSAID, |life| life.saturating_sub(SKEW)).min(LONGEST);
    match subject_left {
        // Servers that cap what they issue by the user's token say what that has left, in whole seconds: the two end
        // together, and another would end then, too.
        Some(left) if left <= said.saturating_add(Duration::from_secs(1)) && left.min(said) <= LONGEST => {
            Lifetime::new(left.min(said), left.min(said))
        }
        _ => Lifetime::of(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_b3_a_token_is_used_no_longer_than_it_or_its_subject_lasts() {
        let seconds = Duration::from_secs;
        let cases = [
            ((Some(300), None), 290, true),
            ((Some(300), Some(1000)), 290, true),
            ((Some(300), Some(290)), 290, false),
            ((Some(300), Some(300)), 300, false),
            ((Some(300), Some(301)), 300, false),
            ((Some(300), Some(302)), 290, true),
            ((Some(5), Some(5)), 5, false),
            ((Some(3600), Some(3600)), 3600, false),
            ((Some(3601), Some(3601)), 3591, true),
            ((Some(300), Some(100)), 100, false),
            ((Some(300), Some(0)), 0, false),
            ((None, None), 60, true),
            ((None, Some(30)), 30, false),
            ((None, Some(1000)), 60, true),
            ((Some(86_400), None), 3600, true),
            ((Some(86_400), Some(7200)), 3600, true),
            ((Some(u64::MAX), Some(u64::MAX)), 3600, true),
            ((Some(10), None), 0, false),
            ((Some(3), Some(60)), 0, false),
        ];
        for ((expires_in, left), usable, ahead) in cases {
            let lifetime = lifetime(expires_in.map(seconds), left.map(seconds));
            assert_eq!(lifetime.usable(), seconds(usable), "{expires_in:?} {left:?}");
            assert_eq!(lifetime.fresh() < lifetime.usable(), ahead, "{expires_in:?} {left:?}");
        }
    }
}
