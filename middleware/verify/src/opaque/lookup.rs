//! Asking the issuer what a token is (RFC 7662), and for how long its answer holds.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{Fingerprint, InvalidSetting, Refusal, RefusalKind, SecretToken, Timestamp};
use tower_identity_jose::Accept;
use tower_identity_oauth::{Http, Introspected, Introspection, IntrospectionClient, InvalidAnswer, SignedAnswer};
use tower_identity_refresh::{Failed, Lifetime, Loaded, Permit};

use super::{
    StandsFor,
    answers::{Answer, Answers},
    telemetry::{self, LookupOutcome},
};
use crate::{check, trusted::Trusted};

/// For how long it is remembered that a token is not acceptable, at most. It may become so: by its `nbf`, or where its
/// issuer's servers do not know it all at once.
const REFUSED: Duration = Duration::from_secs(5);

/// The largest answer that is remembered, in bytes: with so many of them, larger ones would be felt.
const LARGEST: usize = 16 * 1024;

/// For how long a failure is remembered for the same token, at most.
const BACK_OFF: Duration = Duration::from_secs(2);

/// What is said of the issuer's tokens.
#[derive(Debug)]
pub(super) struct Lookups {
    asker: Arc<Asker>,
    /// Shared with the settings before these, where they asked the same.
    answers: Arc<Answers>,
    concurrency: usize,
}

/// Asks, and judges what is said. Holds no answer, so that no lookup under way keeps the others alive.
#[derive(Debug)]
struct Asker {
    client: IntrospectionClient,
    /// What is accepted of a signed answer.
    accept: Accept,
    trusted: Arc<Trusted>,
    remembered: Duration,
}

impl Lookups {
    pub(super) fn new(
        introspection: &Introspection,
        trusted: Arc<Trusted>,
        http: &Http,
    ) -> Result<Self, InvalidSetting> {
        let client = introspection.connect(trusted.rules.anchor.name(), http)?;
        let accept = SignedAnswer::accept(trusted.accept.algorithms().iter().copied());
        let concurrency = introspection.max_concurrency();
        let answers = Arc::new(Answers::new(concurrency, trusted.clock.clone()));
        let remembered = introspection.remembered();
        Ok(Self { asker: Arc::new(Asker { client, accept, trusted, remembered }), answers, concurrency })
    }

    /// The same, with the answers of former ones, where these were asked for at the same place, as the same client, in the
    /// same form, and as many of them for as long. What they say is judged on every request, by the rules of its own time.
    pub(super) fn succeeding(self, former: &Self) -> Self {
        let asked =
            |lookups: &Self| (lookups.asker.client.fingerprint(), lookups.asker.remembered, lookups.concurrency);
        if asked(&self) != asked(former) || self.asker.accept.algorithms() != former.asker.accept.algorithms() {
            return self;
        }
        Self { answers: Arc::clone(&former.answers), ..self }
    }

    /// Others, judged by other rules of the same issuer, within the same budgets.
    pub(super) fn of(&self, trusted: Arc<Trusted>) -> Self {
        let Asker { client, accept, remembered, .. } = &*self.asker;
        let asker = Asker { client: client.clone(), accept: accept.clone(), trusted, remembered: *remembered };
        Self { asker: Arc::new(asker), answers: Arc::new(self.answers.apart()), concurrency: self.concurrency }
    }

    /// What is remembered of the token.
    pub(super) fn remembered(&self, token: &SecretToken) -> Option<Arc<Answer>> {
        self.answers.remembered(&self.key(token), |permit| self.asker.load(token, permit))
    }

    /// What is said of the token: remembered, or asked for.
    pub(super) async fn answer(&self, token: &SecretToken) -> Result<Arc<Answer>, Refusal> {
        let answer = self.answers.answer(&self.key(token), |permit| self.asker.load(token, permit)).await;
        answer.map_err(|refusal| refusal.issuer(self.asker.trusted.rules.anchor.name().clone()))
    }

    /// Whom we ask, as which client, in which form; and about which token.
    fn key(&self, token: &SecretToken) -> Fingerprint {
        Fingerprint::of("introspected-token")
            .field(self.asker.client.fingerprint().as_bytes())
            .field(token.expose())
            .finish()
    }
}

impl Asker {
    /// One call, and what follows from it.
    fn load(
        self: &Arc<Self>,
        token: &SecretToken,
        permit: Permit,
    ) -> impl Future<Output = Result<Loaded<Arc<Answer>>, Failed<Refusal>>> + Send + use<> {
        let (asker, token) = (Arc::clone(self), token.clone());
        async move {
            let loaded = asker.ask(&token).await;
            drop(permit);
            let issuer = asker.trusted.rules.anchor.name();
            match loaded {
                Ok((answer, lifetime)) => {
                    let outcome = if answer.is_good { LookupOutcome::Good } else { LookupOutcome::Refused };
                    telemetry::looked_up(issuer, outcome);
                    Ok(Loaded { value: Arc::new(answer), lifetime })
                }
                Err(error) => {
                    telemetry::looked_up(issuer, LookupOutcome::Failed);
                    let retry_after = match error.kind() {
                        RefusalKind::Unavailable { retry_after } => BACK_OFF.min(*retry_after),
                        _ => Duration::ZERO,
                    };
                    Err(Failed { error, retry_after })
                }
            }
        }
    }

    async fn ask(&self, token: &SecretToken) -> Result<(Answer, Lifetime), Refusal> {
        let asked = self.trusted.clock.wall();
        let introspected = match self.client.introspect(token).await.map_err(|error| error.refusal())? {
            Introspected::Signed(answer) => self.open(&answer, asked).await?,
            other => other,
        };
        let is_endless = matches!(&introspected, Introspected::Active(members) if !members.has_end());
        let stands_for = match introspected {
            Introspected::Active(members) => StandsFor::Members(Arc::clone(members.json())),
            Introspected::Jwt(jwt) => StandsFor::Jwt(jwt),
            _ => StandsFor::Nothing,
        };
        let lasts = match self.trusted.judge_found(token, &stands_for).await {
            Ok(_) if is_endless => Some(Duration::MAX),
            Ok(context) => Some(context.caller_token().expires_at().since(asked)),
            Err(refusal) if *refusal.kind() == RefusalKind::InvalidToken => None,
            Err(undecided) => return Err(undecided),
        };
        let lifetime = match stands_for.bytes() {
            0..=LARGEST => lifetime(self.remembered, lasts),
            _ => Lifetime::new(Duration::ZERO, Duration::ZERO),
        };
        let until = asked.saturating_add(lifetime.usable());
        Ok((Answer { stands_for, is_good: lasts.is_some(), until }, lifetime))
    }

    /// Verifies a signed answer to what was asked then, by the issuer's keys, which are fetched as far as their budget
    /// allows.
    async fn open(&self, answer: &SignedAnswer, asked: Timestamp) -> Result<Introspected, Refusal> {
        let Trusted { keys, .. } = &*self.trusted;
        keys.loaded().await.map_err(|none| self.trusted.undecided(none.again_at(), none))?;
        match self.try_open(answer, asked)? {
            Err(error) if error.is_of_unknown_key() => {}
            opened => return opened.map_err(|error| self.nonsense(error)),
        }
        let window_ends = keys.reloaded().await.map_err(|none| self.trusted.undecided(none.again_at(), none))?;
        match self.try_open(answer, asked)? {
            Err(error) if error.is_of_unknown_key() => Err(self.trusted.undecided(window_ends, error)),
            opened => opened.map_err(|error| self.nonsense(error)),
        }
    }

    fn try_open(
        &self,
        answer: &SignedAnswer,
        asked: Timestamp,
    ) -> Result<Result<Introspected, InvalidAnswer>, Refusal> {
        let Trusted { keys, rules, clock, .. } = &*self.trusted;
        let at_hand = keys.at_hand(clock.monotonic());
        let Some(snapshot) = at_hand.as_deref() else { return Err(self.trusted.lapsed()) };
        let us = rules.audiences.iter().map(AsRef::as_ref).chain([self.client.client_id().as_str()]);
        let issued = asked.saturating_sub(rules.leeway)..=clock.wall().saturating_add(rules.leeway);
        Ok(answer.open(&snapshot.keys, &self.accept, rules.anchor.name(), us, &issued))
    }

    fn nonsense(&self, error: InvalidAnswer) -> Refusal {
        Refusal::new(RefusalKind::BadUpstream, check::INTROSPECTION)
            .issuer(self.trusted.rules.anchor.name().clone())
            .caused_by(error)
    }
}

/// For how long an answer is used: of a token that is good so `long`, and never beyond its end if it `lasts` less. It is
/// asked for again ahead of the first, and not ahead of the second: there is nothing to gain.
fn lifetime(long: Duration, lasts: Option<Duration>) -> Lifetime {
    match lasts {
        None => Lifetime::new(REFUSED.min(long), REFUSED.min(long)),
        Some(end) if end <= long => Lifetime::new(end, end),
        Some(_) => Lifetime::of(long),
    }
}
