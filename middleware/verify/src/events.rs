//! Security events: what an issuer tells of itself that ends tokens before their time (RFC 8417, CAEP 1.0).
//!
//! ```text
//! POST ─▶ Compact ─▶ whose is it ─▶ typ, alg, key, signature ─▶ aud, iat, no sub, no exp, jti ─▶ seen before? ──▶ known
//!                     │ iss: a transmitter                                                        │ no
//!                     ▼                                                                           ▼
//!                     its key set, its audience, whose tokens it may revoke      sub_id ─▶ Revocation ─▶ Revocations
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `transmitter` | whose events are taken |
//! | `claims` | what an event token says, and whether it is one |
//! | `subject` | whom it is about (RFC 9493), as a revocation |
//! | `telemetry` | what the operator is told |

mod claims;
mod subject;
pub(crate) mod telemetry;
mod transmitter;

use std::{fmt, sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tower_identity_core::{Audience, Clock, Fingerprint, InvalidSetting, Issuer, Moment, Refusal, RefusalKind};
use tower_identity_jose::{Compact, Limits, OpenError};

use self::{
    claims::{Event, EventClaims},
    subject::About,
    transmitter::Transmitter,
};
use crate::{TrustedIssuer, Verifier, check, claim::refuse, keys::RELOAD_WINDOW, shown::Shown, trusted::unreadable};

/// How many events are known again when they are sent again. Beyond that one is applied again, which changes nothing.
const REMEMBERED: usize = 10_000;

/// The longest event token that is looked at, in bytes.
const MAX_EVENT_BYTES: usize = 16 * 1024;

/// Takes the security events of issuers, and revokes what they say. Cheap to clone.
///
/// An event is a signed JWT of type `secevent+jwt` (RFC 8417 §2.3) for this receiver's audience. One of type
/// [session-revoked](https://openid.net/specs/openid-caep-1_0.html) ends the tokens of the session, the user, the tenant
/// that its `sub_id` names: those that were issued, or signed in for, before it happened. Other events are acknowledged
/// and counted.
///
/// Each issuer whose JWTs the verifier accepts may send events about its own tokens. So may other
/// [transmitters](EventReceiverBuilder::transmitter), about the issuers that are listed for them.
///
/// ```
/// use tower_identity_verify::{EventReceiver, TrustedIssuer, Verifier};
///
/// let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
/// let verifier = Verifier::builder(home).build()?;
/// let receiver = EventReceiver::builder(&verifier, "https://orders.example.com/events").build()?;
/// # let _ = receiver;
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Clone)]
pub struct EventReceiver(Arc<Inner>);

struct Inner {
    verifier: Verifier,
    audience: Audience,
    others: Vec<Arc<Transmitter>>,
    limits: Limits,
    /// Of the events that were applied.
    known: Cache<Fingerprint, ()>,
}

/// Collects what an [`EventReceiver`] needs.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct EventReceiverBuilder {
    verifier: Verifier,
    audience: String,
    others: Vec<(TrustedIssuer, Vec<String>)>,
}

/// What became of an event that is genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// It revokes: from now on what it names is refused.
    Applied,
    /// It was received before, and nothing changed.
    Known,
    /// It is of another kind, or about a subject that no token here says anything of. Nothing changed.
    NotOurs,
}

impl EventReceiver {
    /// Begins with the verifier whose tokens the events end, and what this receiver is called in `aud`.
    pub fn builder(verifier: &Verifier, audience: impl Into<String>) -> EventReceiverBuilder {
        EventReceiverBuilder { verifier: verifier.clone(), audience: audience.into(), others: Vec::new() }
    }

    /// Where time comes from: the verifier's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock()
    }

    /// The longest event that is looked at, in bytes.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        MAX_EVENT_BYTES
    }

    /// Judges an event token, and applies it.
    ///
    /// # Errors
    ///
    /// - [`InvalidToken`](RefusalKind::InvalidToken) for one that is not genuine, not for us, or no event token; its
    ///   [check](Refusal::check) says which;
    /// - [`Denied`](RefusalKind::Denied) where the transmitter may not speak for the issuer that the event names;
    /// - [`Unavailable`](RefusalKind::Unavailable) where the transmitter's keys are out of reach: to be sent again.
    pub fn receive(&self, event: &str) -> impl Future<Output = Result<Received, Refusal>> + Send + use<> {
        let inner = Arc::clone(&self.0);
        let compact = Compact::parse(event, &inner.limits).map_err(unreadable);
        async move {
            let received = match compact {
                Ok(compact) => inner.receive(&compact).await,
                Err(refusal) => Err(refusal),
            };
            telemetry::received(&received);
            received
        }
    }
}

impl Inner {
    fn clock(&self) -> Clock {
        self.verifier.revocations().clock().clone()
    }

    async fn receive(&self, compact: &Compact) -> Result<Received, Refusal> {
        let said = compact.claims::<EventClaims>().map_err(unreadable)?;
        let iss = said.claims_unverified().iss.as_ref().required(check::ISS, "iss")?.clone();
        let transmitter =
            self.transmitter(&iss).ok_or_else(|| refuse(check::ISS, format!("{} is no transmitter", Shown(&iss))))?;
        self.judge(compact, &iss, &transmitter).await.map_err(|refusal| refusal.issuer(transmitter.name.clone()))
    }

    /// Who sends under this name: one that is listed, before a trusted issuer.
    fn transmitter(&self, iss: &Issuer) -> Option<Arc<Transmitter>> {
        let listed = self.others.iter().find(|other| other.is(iss));
        listed.cloned().or_else(|| Transmitter::trusted(&self.verifier, iss, &self.audience).map(Arc::new))
    }

    async fn judge(&self, compact: &Compact, iss: &Issuer, transmitter: &Transmitter) -> Result<Received, Refusal> {
        let claims = self.open(compact, iss, transmitter).await?;
        let now = self.clock().wall();
        let Event { jti, revoked_at } = claims.judge(&transmitter.audiences, transmitter.leeway, now)?;
        let Some(revoked_at) = revoked_at else { return Ok(Received::NotOurs) };

        let key = Fingerprint::of("security-event").field(iss.as_str()).field(jti.as_str()).finish();
        if self.known.get(&key).is_some() {
            return Ok(Received::Known);
        }
        let about = About::read(claims.sub_id()?, iss)?;
        let revocations = about.revocations(|issuer| self.verifier.has_tenants(issuer));
        // Of one subject by several names, those count of which the transmitter may speak.
        let (mut admitted, mut denied) = (Vec::new(), None);
        for what in revocations {
            match transmitter.admit(what, revoked_at) {
                Ok(what) => admitted.push(what),
                Err(refusal) => denied = Some(refusal),
            }
        }
        if admitted.is_empty() {
            if let Some(refusal) = denied {
                return Err(refusal);
            }
            telemetry::unsupported(&transmitter.name);
            return Ok(Received::NotOurs);
        }
        for what in admitted {
            let told = what.clone();
            if self.verifier.revocations().revoke(what) {
                telemetry::revoked(Some(&transmitter.name), &told);
            }
        }
        self.known.insert(key, ());
        Ok(Received::Applied)
    }

    /// The claims, once a key of the transmitter was found to have signed them.
    async fn open(&self, compact: &Compact, iss: &Issuer, transmitter: &Transmitter) -> Result<EventClaims, Refusal> {
        let Transmitter { keys, accept, .. } = transmitter;
        let clock = self.clock();
        let arrived = clock.monotonic();
        let unavailable = |again_at: Moment| {
            let retry_after = again_at.since(clock.monotonic()).max(Duration::from_secs(1));
            Refusal::new(RefusalKind::Unavailable { retry_after }, check::KEY)
        };
        let refused = |error: OpenError| Refusal::new(RefusalKind::InvalidToken, error.check()).caused_by(error);

        let token = compact.claims::<EventClaims>().map_err(unreadable)?;
        if let Some(error) = token.faults(None, accept).into_iter().next() {
            return Err(refused(error));
        }
        if keys.at_hand(arrived).is_none() {
            keys.loaded().await.map_err(|none| unavailable(none.again_at()).caused_by(none))?;
        }
        let at_hand = keys.at_hand(clock.monotonic()).as_ref().map(Arc::clone);
        let Some(snapshot) = at_hand else { return Err(unavailable(Moment::default())) };
        let unopened = match token.open(&snapshot.keys, accept) {
            Ok(opened) => return transmitter.signed(opened, iss),
            Err(unopened) if !matches!(unopened.error(), OpenError::UnknownKey { .. }) => {
                return Err(refused(unopened.into_error()));
            }
            Err(unopened) => unopened,
        };
        // Perhaps its key is newer than ours. Keys that were fetched for it, or are never fetched, decide.
        let window_ends = keys.reloaded().await.map_err(|none| unavailable(none.again_at()).caused_by(none))?;
        let decides = window_ends == Moment::default() || window_ends.since(arrived) >= RELOAD_WINDOW;
        let at_hand = keys.at_hand(clock.monotonic()).as_ref().map(Arc::clone);
        let Some(snapshot) = at_hand else { return Err(unavailable(Moment::default())) };
        match unopened.into_token().open(&snapshot.keys, accept) {
            Ok(opened) => transmitter.signed(opened, iss),
            Err(unopened) if !decides && matches!(unopened.error(), OpenError::UnknownKey { .. }) => {
                Err(unavailable(window_ends).caused_by(unopened.into_error()))
            }
            Err(unopened) => Err(refused(unopened.into_error())),
        }
    }
}

impl EventReceiverBuilder {
    /// Takes events of another transmitter too, which is no issuer of callers: by its keys, for the audience of its row.
    /// It may end tokens of these issuers alone, of which one may be a trust domain; where none is listed, its own.
    ///
    /// ```
    /// use tower_identity_verify::{EventReceiver, TrustedIssuer, Verifier};
    ///
    /// let login = "https://login.example.com";
    /// let verifier = Verifier::builder(TrustedIssuer::discover(login).audience("orders")).build()?;
    /// let signals = TrustedIssuer::discover("https://signals.example.com").audience("https://orders.example.com/events");
    /// let receiver = EventReceiver::builder(&verifier, "https://orders.example.com/events")
    ///     .transmitter(signals, [login])
    ///     .build()?;
    /// # let _ = receiver;
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    pub fn transmitter(
        mut self,
        transmitter: TrustedIssuer,
        revokes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.others.push((transmitter, revokes.into_iter().map(Into::into).collect()));
        self
    }

    /// Builds the receiver. Needs no runtime, and no transmitter that is up.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] names the field that breaks a rule: `audience`, or `transmitter[0]` with its own, whose
    /// `revokes` lists issuers that the verifier does not trust.
    pub fn build(self) -> Result<EventReceiver, InvalidSetting> {
        let Self { verifier, audience, others: rows } = self;
        let audience = Audience::parse(audience).map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?;
        let http = verifier.http();
        let mut others = Vec::with_capacity(rows.len());
        for (at, (row, revokes)) in rows.into_iter().enumerate() {
            let of = |wrong: InvalidSetting| wrong.within(at).within("transmitter");
            others.push(Arc::new(Transmitter::listed(row, revokes, &verifier, &http).map_err(of)?));
        }
        let limits = Limits::default();
        let limits = limits.with_token_bytes(MAX_EVENT_BYTES).expect("events are within what a limit may be");
        Ok(EventReceiver(Arc::new(Inner { verifier, audience, others, limits, known: Cache::new(REMEMBERED) })))
    }
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReceiver").field("audience", &self.0.audience).finish_non_exhaustive()
    }
}
