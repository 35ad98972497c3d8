//! A trusted issuer at work: its rules, its keys, and the opening of its tokens.

use std::{error::Error, sync::Arc, time::Duration};

use tower_identity_core::{
    Binding, CallerContext, Clock, Moment, Refusal, RefusalKind, Standing, Timestamp, VerifiedToken, VerifiedTokenParts,
};
use tower_identity_jose::{Accept, Compact, KnownHeaders, Limits, OpenError, Opened, ParseError, Unverified};

use crate::{
    aliases::AliasTable,
    anchor::Anchor,
    check,
    claim::refuse,
    claims::Claims,
    judge::{Presented, Rules, judge},
    keys::{Keys, NotYet, Seen},
    profile::CallerShape,
    remembered::{Grounds, Period},
    shown::Shown,
};

/// One issuer of a verifier.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) rules: Rules,
    pub(crate) accept: Accept,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Clock,
    pub(crate) aliases: Arc<AliasTable>,
    pub(crate) limits: Limits,
    /// The verifier's.
    pub(crate) headers: Arc<KnownHeaders>,
    /// Whether its tokens are opaque, so that a JWT that names it is none of them.
    pub(crate) is_opaque: bool,
}

/// A token that nobody has vouched for yet, and that its claims borrow from. They stay where they were read to.
pub(crate) type Token<'t> = Unverified<&'t Claims<'t>, &'t Compact>;

/// A caller whose token was found good, and what that rests on.
pub(crate) struct Vouched {
    pub(crate) caller: CallerContext,
    pub(crate) grounds: Grounds,
}

/// What came of opening a token with the keys at hand.
pub(crate) enum Attempt<'t> {
    Decided(Result<Vouched, Refusal>),
    /// There are no keys at hand.
    NoKeys(Token<'t>),
    /// Among the keys at hand, the token's is not.
    UnknownKey(Token<'t>, OpenError),
}

/// The trusted one among several whose rules apply: the issuer that the token names, byte for byte (RFC 9068 §4); else
/// the trust domain of its subject. What the token says chooses among them and adds nothing.
pub(crate) fn issuer_among<'i>(trusted: &'i [Arc<Trusted>], claims: &Claims<'_>) -> Result<&'i Arc<Trusted>, Refusal> {
    let of = |trust_domain: bool| {
        let of_its_kind =
            move |trusted: &&Arc<Trusted>| matches!(trusted.rules.anchor, Anchor::TrustDomain { .. }) == trust_domain;
        let jwts = trusted.iter().filter(|trusted| !trusted.is_opaque);
        jwts.filter(of_its_kind).find(|trusted| trusted.rules.anchor.claims(claims))
    };
    if let Some(trusted) = of(false).or_else(|| of(true)) {
        // The tenant is part of whose it is: a stranger's token costs no fetch of keys.
        let anchor = &trusted.rules.anchor;
        anchor.named(claims).map_err(|refusal| refusal.issuer(anchor.name().clone()))?;
        return Ok(trusted);
    }
    #[cfg(feature = "transaction-tokens")]
    if let [domain, ..] = trusted
        && matches!(domain.rules.anchor, Anchor::Transactions { .. })
    {
        let aud = claims.aud.as_ref().required(check::AUD, "aud")?;
        let expected: Vec<_> = trusted.iter().map(|trusted| trusted.rules.anchor.name().as_str()).collect();
        let found: Vec<_> = aud.as_slice().iter().map(|one| &**one).collect();
        return Err(refuse(check::AUD, format!("expected one of {expected:?}, found {}", Shown(&found))));
    }
    let iss = claims.iss.as_ref().required(check::ISS, "iss")?;
    if trusted.iter().any(|trusted| trusted.is_opaque && *trusted.rules.anchor.name() == **iss) {
        return Err(refuse(check::ISS, "tokens of its issuer are opaque here, and this is a JWT"));
    }
    Err(refuse(check::ISS, format!("{} is not trusted", Shown(&**iss))))
}

impl Trusted {
    /// The same issuer and the same keys, for users' own credentials.
    pub(crate) fn for_users(&self) -> Self {
        let rules = Rules { trusted: Arc::from([]), ..self.rules.clone() };
        Self {
            rules,
            accept: self.accept.clone(),
            keys: Arc::clone(&self.keys),
            clock: self.clock.clone(),
            aliases: Arc::clone(&self.aliases),
            limits: self.limits.clone(),
            headers: Arc::clone(&self.headers),
            is_opaque: self.is_opaque,
        }
    }

    /// Whether this is a service that says itself for whom it calls, and no issuer of tokens.
    pub(crate) fn is_asserting(&self) -> bool {
        !self.rules.users_of.is_empty()
    }

    /// Opens and judges a token with the keys at hand, without waiting.
    pub(crate) fn attempt<'t>(&self, token: Token<'t>) -> Attempt<'t> {
        let (now, moment) = self.clock.both();
        let seen = self.keys.seen();
        let at_hand = self.keys.at_hand(moment);
        let Some(snapshot) = at_hand.as_deref() else {
            // What no key makes acceptable is worth no fetch, and no outage.
            return match token.faults(None, &self.accept).into_iter().next() {
                Some(error) => Attempt::Decided(Err(self.refuse(error))),
                None => Attempt::NoKeys(token),
            };
        };
        match token.open(&snapshot.keys, &self.accept) {
            Ok(opened) => {
                self.headers.learn(&opened);
                Attempt::Decided(self.judge(&opened, seen, now))
            }
            Err(unopened) => match unopened.error() {
                OpenError::UnknownKey { .. } => {
                    let error = unopened.error().clone();
                    Attempt::UnknownKey(unopened.into_token(), error)
                }
                _ => Attempt::Decided(Err(self.refuse(unopened.into_error()))),
            },
        }
    }

    /// Opens and judges a token: fetches keys as far as the issuer's budget allows, and tries again.
    ///
    /// A key that is not among them may still be newer than they are: see [`keys`](crate::keys).
    pub(crate) async fn settle(&self, token: Token<'_>, arrived: Moment) -> Result<Vouched, Refusal> {
        let came = (self.keys.fetches(), arrived);
        let mut attempt = self.attempt(token);
        if let Attempt::NoKeys(token) = attempt {
            self.keys.loaded().await.map_err(|none| self.undecided(none.again_at(), none))?;
            attempt = self.attempt(token);
        }
        match attempt {
            Attempt::Decided(decision) => decision,
            Attempt::UnknownKey(token, error) => self.settle_unknown(token, error, came).await,
            Attempt::NoKeys(_) => Err(self.lapsed()),
        }
    }

    async fn settle_unknown(
        &self,
        token: Token<'_>,
        error: OpenError,
        came: (u64, Moment),
    ) -> Result<Vouched, Refusal> {
        let issued = token.claims_unverified().iat.as_ref().is().map(|issued| issued.timestamp());
        let Some(asked) = self.keys.asked(token.header().key_id(), issued, came) else {
            return Err(self.refuse(error));
        };
        if self.keys.already_lack(&asked) {
            return Err(self.refuse(error));
        }
        let reloaded = self.keys.reloaded().await;
        match (self.attempt(token), reloaded) {
            (Attempt::Decided(decision), _) => decision,
            (Attempt::UnknownKey(_, error), _) if self.keys.lack(&asked) => Err(self.refuse(error)),
            (_, Err(none)) => Err(self.undecided(none.again_at(), none)),
            (Attempt::UnknownKey(..), Ok(window_ends)) => {
                let issuer = self.rules.anchor.name().clone();
                Err(self.undecided(window_ends, NotYet { issuer }))
            }
            (Attempt::NoKeys(_), Ok(_)) => Err(self.lapsed()),
        }
    }

    fn judge(&self, opened: &Opened<&Claims<'_>, &Compact>, seen: Seen, now: Timestamp) -> Result<Vouched, Refusal> {
        let presented = Presented {
            token: opened.token().clone(),
            payload: Arc::clone(opened.payload()),
            key_issuer: opened.key().issuer(),
        };
        let parts = judge(opened.claims(), presented, &self.rules, now);
        let caller = parts.and_then(|parts| self.vouch(parts, now));
        let grounds = Grounds {
            key: opened.key().clone(),
            seen,
            period: Period::of(opened.claims(), self.rules.leeway),
            payload: opened.payload().len(),
        };
        caller
            .map(|caller| Vouched { caller, grounds })
            .map_err(|refusal| refusal.issuer(self.rules.anchor.name().clone()))
    }

    /// That what was found out about a token is so. The last check of all: that it was not revoked.
    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    pub(crate) fn vouch(&self, parts: VerifiedTokenParts, now: Timestamp) -> Result<CallerContext, Refusal> {
        let token = VerifiedToken::assertion(parts);
        in_force(&token)?;
        Ok(self.caller(Arc::new(token), now))
    }

    /// The caller of a request with this token alone: one bearer token names both caller and user, or a caller alone; or it
    /// is the caller's own word.
    #[expect(clippy::disallowed_methods, reason = "this is the verification that may state its result")]
    pub(crate) fn caller(&self, token: Arc<VerifiedToken>, now: Timestamp) -> CallerContext {
        let binding = match self.rules.table.caller {
            CallerShape::Asserting { binding } => binding,
            _ => Binding::SameToken,
        };
        let standing = self.aliases.name(Standing::from(binding), &token);
        CallerContext::assertion(token, None, standing, now)
    }

    fn refuse(&self, error: OpenError) -> Refusal {
        Refusal::new(RefusalKind::InvalidToken, error.check()).issuer(self.rules.anchor.name().clone()).caused_by(error)
    }

    /// Whether the token is good cannot be decided before then, which is not the token's fault. At least a second, since
    /// that is what `Retry-After` counts in.
    pub(crate) fn undecided(&self, again_at: Moment, why: impl Error + Send + Sync + 'static) -> Refusal {
        let retry_after = again_at.since(self.clock.monotonic()).max(Duration::from_secs(1));
        Refusal::new(RefusalKind::Unavailable { retry_after }, check::KEY)
            .issuer(self.rules.anchor.name().clone())
            .caused_by(why)
    }

    /// The keys reached the end of their use while a token waited for them.
    pub(crate) fn lapsed(&self) -> Refusal {
        let retry_after = Duration::from_secs(1);
        Refusal::new(RefusalKind::Unavailable { retry_after }, check::KEY).issuer(self.rules.anchor.name().clone())
    }
}

/// A token that was revoked is none, whatever else it is. Whom the list names is nobody's business.
pub(crate) fn in_force(token: &VerifiedToken) -> Result<(), Refusal> {
    if token.is_revoked() { Err(refuse(check::REVOKED, "the token was revoked")) } else { Ok(()) }
}

pub(crate) fn unreadable(error: ParseError) -> Refusal {
    Refusal::new(RefusalKind::InvalidToken, error.check()).caused_by(error)
}
