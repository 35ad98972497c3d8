//! Tokens that are no JWTs: what they stand for is asked of their issuer (RFC 7662), or is put together with what a store
//! has of them.
//!
//! ```text
//!                     remembered ─────────────────────────┐
//! opaque ──well formed?──▶ ask the issuer, or the store ──▶ what it stands for ──judged each time──▶ CallerContext
//!                     64 at a time, one call a token        members, or a JWT    as any other token
//! ```
//!
//! What is remembered is what was said of the token, never what came of judging it: audience, time and everything else
//! are judged on every request, by the rules and the clock of that request.
//!
//! | module | what it holds |
//! |---|---|
//! | `lookup` | asking the issuer, and for how long its answer holds |
//! | `answers` | the answers that are remembered, and who waits for one |
//! | `budget` | how much may be under way at one time |
//! | `split` | [`SplitTokens`]: tokens of which the client has the signature alone |
//! | `stored` | looking them up |
//! | `telemetry` | what the operator is told |

mod answers;
mod lookup;
mod split;
mod stored;
mod telemetry;

use std::{sync::Arc, time::Duration};

use tower_identity_core::{CallerContext, InvalidSetting, Refusal, RefusalKind, SecretToken, bearer::is_token68};
use tower_identity_jose::{Compact, ParseError, json};
use tower_identity_oauth::{AnswerForm, Http, Introspection};

pub use self::split::{MemorySplitTokens, SplitToken, SplitTokens, StoreError, Unsplittable};
use self::{lookup::Lookups, stored::Stored};
use crate::{
    Verification, check,
    claim::refuse,
    claims::{Claims, Unread},
    judge::{Presented, judge},
    profile::{INTROSPECTED, Table},
    trusted::{Attempt, Trusted, unreadable},
};

/// When whoever finds too much under way is to come back.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How it is found out what an issuer's tokens stand for, as it is configured.
#[derive(Debug, Clone)]
pub(crate) enum Redeeming {
    Introspection(Introspection),
    Split(Arc<dyn SplitTokens>),
}

impl Redeeming {
    /// Whether what is found is a JWT, to be judged as the issuer's profile says.
    pub(crate) fn finds_jwts(&self) -> bool {
        match self {
            Self::Introspection(introspection) => introspection.form() == AnswerForm::Phantom,
            Self::Split(_) => true,
        }
    }

    /// Whether something of it is signed, so that the issuer's keys are needed.
    pub(crate) fn needs_keys(&self) -> bool {
        match self {
            Self::Introspection(introspection) => introspection.form() != AnswerForm::Plain,
            Self::Split(_) => true,
        }
    }

    /// What answers look like that are no JWTs.
    pub(crate) fn table(&self) -> Option<&'static Table> {
        (!self.finds_jwts()).then_some(&INTROSPECTED)
    }
}

/// The issuer whose tokens are opaque.
#[derive(Debug)]
pub(crate) struct Opaque {
    trusted: Arc<Trusted>,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Lookups(Lookups),
    Split(Stored),
}

/// What a token stands for.
#[derive(Debug)]
pub(crate) enum StandsFor {
    Nothing,
    /// The members of an answer.
    Members(Arc<[u8]>),
    Jwt(SecretToken),
}

impl StandsFor {
    fn bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Members(json) => json.len(),
            Self::Jwt(jwt) => jwt.expose().len(),
        }
    }
}

/// Whether a token has the form of a JWT, signed or encrypted: three parts, or five. Such a token is judged as one, or not
/// at all; it is never asked about.
pub(crate) fn is_jwt_like(token: &str) -> bool {
    matches!(token.bytes().filter(|byte| *byte == b'.').count(), 2 | 4)
}

impl Opaque {
    /// By the issuer's own client.
    pub(crate) fn new(redeeming: Redeeming, trusted: &Arc<Trusted>, http: &Http) -> Result<Self, InvalidSetting> {
        let trusted = Arc::clone(trusted);
        let means = match redeeming {
            Redeeming::Introspection(introspection) => {
                Means::Lookups(Lookups::new(&introspection, Arc::clone(&trusted), http)?)
            }
            Redeeming::Split(store) => Means::Split(Stored::new(store, trusted.clock.clone())),
        };
        Ok(Self { trusted, means })
    }

    /// The same, for users' own credentials: what is said of a token is remembered apart.
    pub(crate) fn for_users(&self) -> Self {
        let trusted = Arc::new(self.trusted.for_users());
        let means = match &self.means {
            Means::Lookups(lookups) => Means::Lookups(lookups.of(Arc::clone(&trusted))),
            Means::Split(stored) => Means::Split(stored.apart()),
        };
        Self { trusted, means }
    }

    /// The same, with what is remembered by a former one, where both ask the same of the same and believe the same keys.
    pub(crate) fn succeeding(self, former: Option<&Self>) -> Self {
        let Some(former) = former.filter(|former| self.trusted.keys.row().has_keys_of(former.trusted.keys.row()))
        else {
            return self;
        };
        let means = match (self.means, &former.means) {
            (Means::Lookups(lookups), Means::Lookups(former)) => Means::Lookups(lookups.succeeding(former)),
            (means, _) => means,
        };
        Self { means, ..self }
    }

    pub(crate) fn trusted(&self) -> &Arc<Trusted> {
        &self.trusted
    }

    /// Verifies a token: at once where what it stands for is remembered.
    pub(crate) fn verify(self: &Arc<Self>, token: &str) -> Verification {
        if let Err(refusal) = self.well_formed(token) {
            return Verification::decided(Err(refusal));
        }
        let token = SecretToken::new(token);
        if let Means::Lookups(lookups) = &self.means
            && let Some(answer) = lookups.remembered(&token)
            && let Tried::Decided(decision) = self.trusted.try_judge(&token, &answer.stands_for)
        {
            return Verification::decided(decision);
        }
        let this = Arc::clone(self);
        Verification::fetching(Box::pin(async move {
            let decision = this.found(&token).await?.judged(&this.trusted, &token).await;
            if let Means::Split(stored) = &this.means {
                stored.note(&token, &decision);
            }
            decision
        }))
    }

    /// A text that no token is, is worth no call.
    fn well_formed(&self, token: &str) -> Result<(), Refusal> {
        let limit = self.trusted.limits.token_bytes();
        if token.len() > limit {
            return Err(self.named(unreadable(ParseError::TooLong { limit })));
        }
        if !is_token68(token) {
            return Err(self.named(refuse(check::FORMAT, "it has characters that no token has")));
        }
        Ok(())
    }

    /// What a token stands for, remembered or found now. One that is not well formed is not asked about.
    pub(crate) async fn find(&self, token: &SecretToken) -> Result<Found, Refusal> {
        self.well_formed(token.expose())?;
        self.found(token).await
    }

    async fn found(&self, token: &SecretToken) -> Result<Found, Refusal> {
        match &self.means {
            Means::Lookups(lookups) => lookups.answer(token).await.map(Found::Answer),
            Means::Split(stored) => stored.find(token).await.map(Found::Split).map_err(|refusal| self.named(refusal)),
        }
    }

    fn named(&self, refusal: Refusal) -> Refusal {
        refusal.issuer(self.trusted.rules.anchor.name().clone())
    }
}

/// What was found of a token.
pub(crate) enum Found {
    Answer(Arc<answers::Answer>),
    Split(StandsFor),
}

impl Found {
    pub(crate) fn stands_for(&self) -> &StandsFor {
        match self {
            Self::Answer(answer) => &answer.stands_for,
            Self::Split(stands_for) => stands_for,
        }
    }

    async fn judged(&self, trusted: &Trusted, token: &SecretToken) -> Result<CallerContext, Refusal> {
        trusted.judge_found(token, self.stands_for()).await
    }
}

/// What came of judging what a token stands for, without waiting.
enum Tried {
    Decided(Result<CallerContext, Refusal>),
    /// The JWT's key has to be fetched.
    Waits(Compact),
}

impl Trusted {
    fn try_judge(&self, token: &SecretToken, stands_for: &StandsFor) -> Tried {
        let decided = |decision: Result<_, Refusal>| {
            Tried::Decided(decision.map_err(|refusal| refusal.issuer(self.rules.anchor.name().clone())))
        };
        match stands_for {
            StandsFor::Nothing => {
                decided(Err(refuse(check::INTROSPECTION, "its issuer does not say that the token is active")))
            }
            StandsFor::Members(json) => decided(self.judge_members(token, json)),
            StandsFor::Jwt(jwt) => {
                let compact = match Compact::parse(jwt.expose(), &self.limits) {
                    Ok(compact) => compact,
                    Err(error) => return decided(Err(unreadable(error))),
                };
                let mut claims = Claims::default();
                match compact.claims_by(Unread(&mut claims)).map(|unverified| self.attempt(unverified)) {
                    // What is remembered is what the token stands for: the JWT alone is no credential.
                    Ok(Attempt::Decided(decision)) => return Tried::Decided(decision.map(|found| found.caller)),
                    Ok(Attempt::NoKeys(_) | Attempt::UnknownKey(..)) => {}
                    Err(error) => return decided(Err(unreadable(error))),
                }
                Tried::Waits(compact)
            }
        }
    }

    /// Judges what a token stands for; a JWT as if it had been presented, and as the one that goes further in.
    async fn judge_found(&self, token: &SecretToken, stands_for: &StandsFor) -> Result<CallerContext, Refusal> {
        let arrived = self.clock.monotonic();
        match self.try_judge(token, stands_for) {
            Tried::Decided(decision) => decision,
            Tried::Waits(compact) => {
                let mut claims = Claims::default();
                let unverified = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
                self.settle(unverified, arrived).await.map(|found| found.caller)
            }
        }
    }

    fn judge_members(&self, token: &SecretToken, json: &Arc<[u8]>) -> Result<CallerContext, Refusal> {
        let claims: Claims<'_> = json::from_slice(json).map_err(|error| unreadable(ParseError::Claims(error)))?;
        let presented = Presented { token: token.clone(), payload: Arc::clone(json), key_issuer: None };
        let now = self.clock.wall();
        judge(&claims, presented, &self.rules, now).and_then(|parts| self.vouch(parts, now))
    }
}

/// Too much is under way for another token that nothing is known of.
fn busy() -> Refusal {
    Refusal::new(RefusalKind::Unavailable { retry_after: BUSY_RETRY_AFTER }, check::INTROSPECTION)
        .detail("too many unknown tokens at one time")
}
