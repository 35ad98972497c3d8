//! What happens on a miss: a source is asked, and what it brings gets its lifetime.

use std::time::Duration;

use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_refresh::{Failed, Lifetime, Loaded};

use crate::{
    bearer::Bearer,
    error::REVOKED,
    issued::{self, Checked},
    source::Ask,
};

/// How long before its end a token is no longer used: for the way to the target, and for clocks that differ.
const SKEW: Duration = Duration::from_secs(10);

/// How long a token is used whose server does not say.
const UNSAID: Duration = Duration::from_secs(60);

/// How long a token is used at most, however long it would be good.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a server that is out of reach is left alone, at most. Other failures are not remembered.
const BACK_OFF: Duration = Duration::from_secs(2);

pub(crate) async fn load(ask: Ask) -> Result<Loaded<Bearer>, Failed<Refusal>> {
    let recipe = &ask.recipe;
    let issued = recipe.source.obtain(&ask).await.map_err(failed)?;
    // Revoked while the exchange was in the air: what came of it is for nobody, and not kept.
    if ask.subject.as_ref().is_some_and(|subject| subject.is_revoked()) {
        return Err(failed(Refusal::new(RefusalKind::InvalidToken, REVOKED)));
    }
    let Checked { bearer: value, life } = issued::check(&ask, &issued).map_err(failed)?;
    let subject_left = ask.subject.as_ref().map(|token| token.expires_at().since(recipe.clock.wall()));
    let lifetime = lifetime(life, subject_left);
    tracing::debug!(
        issuer = recipe.client.issuer().as_str(),
        strategy = recipe.source.name(),
        scope = %issued.scopes(),
        seconds = lifetime.usable().as_secs(),
        "token obtained"
    );
    Ok(Loaded { value, lifetime })
}

/// A failure, which everybody who waits for it gets, and which is remembered only if the server is out of reach.
pub(crate) fn failed(error: Refusal) -> Failed<Refusal> {
    let retry_after = match error.kind() {
        RefusalKind::Unavailable { retry_after } => BACK_OFF.min(*retry_after),
        _ => Duration::ZERO,
    };
    Failed { error, retry_after }
}

/// How long a token is used: never past its own end, nor past the end of the user's token that it was made from. It
/// is refreshed ahead of its own end only; ahead of the user's there is nothing to gain.
pub(crate) fn lifetime(expires_in: Option<Duration>, subject_left: Option<Duration>) -> Lifetime {
    let own = expires_in.map_or(UNSAID, |life| life.saturating_sub(SKEW)).min(LONGEST);
    match subject_left {
        Some(left) if left <= own => Lifetime::new(left, left),
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
            ((Some(300), Some(100)), 100, false),
            ((Some(300), Some(0)), 0, false),
            ((None, None), 60, true),
            ((None, Some(30)), 30, false),
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
