//! The answers that are remembered, and who waits for one.
//!
//! Two maps, each bounded by itself, so that made-up tokens push out nothing of what is known: one of tokens that were
//! good, and one of all others, those that are being asked about included. A token moves from one to the other by what is
//! said of it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tower_identity_core::{Clock, Fingerprint, Refusal, Timestamp};
use tower_identity_refresh::{Budget, Failed, Loaded, Permit, Slot};

use super::{StandsFor, busy};

/// How many tokens that were good are remembered. The least used make room.
const GOOD: usize = 10_000;

/// How many others are.
const OTHERS: usize = 4_096;

/// What was said of a token.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) stands_for: StandsFor,
    /// Whether the token was acceptable when this was said.
    pub(super) is_good: bool,
    /// The wall time from which this is no longer to be used, whatever else the clock does.
    pub(super) until: Timestamp,
}

/// One token's answer, or the place for it.
type Place = Slot<Arc<Answer>, Refusal>;

#[derive(Debug)]
pub(super) struct Answers {
    good: Cache<Fingerprint, Place>,
    others: Cache<Fingerprint, Place>,
    /// For tokens that nothing is known of.
    unknown: Budget,
    /// For those that were good: a flood of others keeps none of them waiting.
    known: Budget,
    clock: Clock,
}

impl Answers {
    /// With so many lookups of unknown tokens at one time, and as many of known ones.
    pub(super) fn new(concurrency: usize, clock: Clock) -> Self {
        Self::within(Budget::new(concurrency), Budget::new(concurrency), clock)
    }

    /// Nothing that is remembered here, within the same budgets.
    pub(super) fn apart(&self) -> Self {
        Self::within(self.unknown.clone(), self.known.clone(), self.clock.clone())
    }

    fn within(unknown: Budget, known: Budget, clock: Clock) -> Self {
        Self { good: Cache::new(GOOD), others: Cache::new(OTHERS), unknown, known, clock }
    }

    /// What is remembered of the token now. Where it is about to be forgotten, it is asked for again in the background.
    pub(super) fn remembered<F>(&self, key: &Fingerprint, load: impl FnOnce(Permit) -> F) -> Option<Arc<Answer>>
    where
        F: Future<Output = Result<Loaded<Arc<Answer>>, Failed<Refusal>>> + Send + 'static,
    {
        let place = self.good.get(key).or_else(|| self.others.get(key))?;
        let answer = place.peek().filter(|answer| self.clock.wall() < answer.until)?;
        place.refresh(|| permitted(self.known.take(), load));
        self.keep(key, &place, &answer);
        Some(answer)
    }

    /// What is said of the token: remembered, or asked for once for all who want it.
    pub(super) async fn answer<F>(
        &self,
        key: &Fingerprint,
        load: impl FnOnce(Permit) -> F + Send,
    ) -> Result<Arc<Answer>, Refusal>
    where
        F: Future<Output = Result<Loaded<Arc<Answer>>, Failed<Refusal>>> + Send + 'static,
    {
        let (place, budget) = match (self.good.get(key), self.others.get(key)) {
            (Some(place), _) => (place, &self.known),
            (None, Some(place)) => (place, &self.unknown),
            // Not even a place: what a flood is refused for costs it nobody else's.
            (None, None) if self.unknown.is_spent() => return Err(busy()),
            (None, None) => (self.new_place(key), &self.unknown),
        };
        let now = self.clock.wall();
        place.evict(|answer| answer.until <= now);
        let answer = place.get(|| permitted(budget.take(), load)).await?;
        self.keep(key, &place, &answer);
        Ok(answer)
    }

    fn new_place(&self, key: &Fingerprint) -> Place {
        let new = || Ok::<_, Infallible>(Slot::new(self.clock.clone()));
        self.others.get_or_insert_with(key, new).unwrap_or_else(|never| match never {})
    }

    /// Keeps the place where its answer belongs.
    fn keep(&self, key: &Fingerprint, place: &Place, answer: &Answer) {
        let (to, from) = if answer.is_good { (&self.good, &self.others) } else { (&self.others, &self.good) };
        if to.get(key).is_none() {
            to.insert(*key, place.clone());
        }
        from.remove(key);
    }
}

/// The load, where there is a permit for it. Without one, nobody is told for longer than it takes.
fn permitted<F>(
    permit: Option<Permit>,
    load: impl FnOnce(Permit) -> F,
) -> impl Future<Output = Result<Loaded<Arc<Answer>>, Failed<Refusal>>> + Send + 'static
where
    F: Future<Output = Result<Loaded<Arc<Answer>>, Failed<Refusal>>> + Send + 'static,
{
    let loading = permit.map(load);
    async move {
        match loading {
            Some(loading) => loading.await,
            None => Err(Failed { error: busy(), retry_after: Duration::ZERO }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tower_identity_refresh::Lifetime;
    use tower_identity_testkit::ManualClock;

    use super::*;

    fn key(of: &'static str, number: usize) -> Fingerprint {
        Fingerprint::of(of).field(number.to_be_bytes()).finish()
    }

    /// An answer that holds for a minute.
    fn said(
        clock: &Clock,
        is_good: bool,
    ) -> impl FnOnce(Permit) -> std::future::Ready<Result<Loaded<Arc<Answer>>, Failed<Refusal>>> {
        let minute = Duration::from_secs(60);
        let until = clock.wall().saturating_add(minute);
        let answer = Answer { stands_for: StandsFor::Nothing, is_good, until };
        move |permit| {
            drop(permit);
            std::future::ready(Ok(Loaded { value: Arc::new(answer), lifetime: Lifetime::new(minute, minute) }))
        }
    }

    #[tokio::test]
    async fn rfc7662_a7_a_flood_pushes_out_nothing_that_is_good_and_takes_no_more_than_its_place() {
        let clock = ManualClock::new().clock();
        let answers = Answers::new(1, clock.clone());
        for number in 0..1_000 {
            answers.answer(&key("good", number), said(&clock, true)).await.expect("said");
        }
        for number in 0..3 * OTHERS {
            answers.answer(&key("made up", number), said(&clock, false)).await.expect("said");
        }
        let remembered = |of, number| answers.remembered(&key(of, number), said(&clock, false)).is_some();
        assert_eq!((0..1_000).filter(|number| remembered("good", *number)).count(), 1_000);
        assert!(answers.others.len() <= OTHERS, "{}", answers.others.len());
        assert_eq!(answers.good.len(), 1_000);
    }

    #[tokio::test]
    async fn rfc7662_a4_a_token_is_in_one_place_by_what_was_said_last() {
        let time = ManualClock::new();
        let clock = time.clock();
        let answers = Answers::new(1, clock.clone());
        let token = key("token", 0);
        for (is_good, places) in [(false, (0, 1)), (true, (1, 0)), (true, (1, 0)), (false, (0, 1))] {
            let answer = answers.answer(&token, said(&clock, is_good)).await.expect("said");
            assert_eq!((answer.is_good, answers.good.len(), answers.others.len()), (is_good, places.0, places.1));
            time.advance(Duration::from_secs(60));
        }
    }

    #[tokio::test]
    async fn rfc7662_a7_whoever_finds_no_permit_takes_no_place() {
        let clock = ManualClock::new().clock();
        let answers = Answers::new(1, clock.clone());
        let permit = answers.unknown.take().expect("one");
        let refused = answers.answer(&key("token", 0), said(&clock, true)).await.expect_err("busy");
        assert_eq!((refused.kind(), answers.others.len()), (busy().kind(), 0));
        drop(permit);
        answers.answer(&key("token", 0), said(&clock, true)).await.expect("said");
    }
}
