//! Work that is handed over to another service by a queue, with a record of for whom.

mod settings;

use std::time::Duration;

use serde::Serialize;
use tower_identity_core::{
    Audience, CallerContext, Clock, InvalidSetting, Issuer, Refusal, RefusalKind, SecretToken, Topic,
};
use tower_identity_jose::{MediaType, SigningKey, public_key_set, sha256};
use tower_identity_refresh::system_clock;

pub use self::settings::HandOffSettings;
use crate::{error::REVOKED, word::Word};

/// For how long a record is good, where nothing else is said.
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);

/// The shortest and the longest time that a record is good.
const BOUNDS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(7 * 24 * 3600)];

/// Signs the records of work that this service hands over to one consumer, or to one queue: [`HandOff::hand_off`]. Cheap to
/// clone.
///
/// A record is a JWT of the type `hand-off+jwt`, for the consumer alone, and says for whom the work is to be done: the user by
/// id and issuer (`sub_id`, RFC 9493 §3.2.4), the session and the transaction, and whoever acted. It is about one `topic` and
/// one payload (`payload_s256`), and good until its end, after which the work is nobody's. There is no token in it and no
/// scope: a queue keeps what is put into it, and what is kept is stolen one day.
///
/// It is this service's word and nothing more. The consumer takes it only where it lists this service as a producer, its
/// keys, its topics, and the issuers of its users: `VerifierBuilder::handed_off_by` of a service of ours.
#[derive(Debug, Clone)]
pub struct HandOffs {
    issuer: Issuer,
    audience: Audience,
    key: SigningKey,
    /// Published beside it.
    others: Vec<SigningKey>,
    valid_for: Duration,
    clock: Clock,
}

impl HandOffs {
    /// By this key, under the name that the consumer knows this service by (the URL that its keys are published under, or its
    /// SPIFFE ID), to a consumer or a queue of this name.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] where one of the two is no name.
    pub fn new(issuer: impl AsRef<str>, key: SigningKey, audience: impl AsRef<str>) -> Result<Self, InvalidSetting> {
        let issuer = Issuer::parse(issuer).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        let audience = Audience::parse(audience).map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?;
        Ok(Self { issuer, audience, key, others: Vec::new(), valid_for: VALID_FOR, clock: system_clock() })
    }

    /// A key that is published beside the one that signs: the next one, until every consumer has seen it; or the last one,
    /// until the last record that it has signed has ended.
    #[must_use]
    pub fn also_published(mut self, key: SigningKey) -> Self {
        self.others.push(key);
        self
    }

    /// For how long a record is good: as long as the work may wait, in whole seconds. Default: 24 hours; from a minute to 7
    /// days.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of a time out of these bounds.
    pub fn valid_for(self, valid_for: Duration) -> Result<Self, InvalidSetting> {
        if !(BOUNDS[0]..=BOUNDS[1]).contains(&valid_for) {
            return Err(InvalidSetting::new("valid_for_seconds", "is not from 60 to 604800"));
        }
        Ok(Self { valid_for, ..self })
    }

    /// Takes time from another clock: the [system's](system_clock) by default.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The public keys, as a key set (RFC 7517 §5): to be served where the consumer looks for it. What
    /// [`Outbound::key_set`](crate::Outbound::key_set) has is of the rows that sign.
    #[must_use]
    pub fn key_set(&self) -> String {
        public_key_set(std::iter::once(&self.key).chain(&self.others))
    }

    fn record(&self, caller: &CallerContext, topic: &str, payload: &[u8]) -> Result<SecretToken, Refusal> {
        let refused = |kind, check, detail: &'static str| Err(Refusal::new(kind, check).detail(detail));
        let subject = caller.user_token().and_then(|token| Some((&**token, token.identity().user.as_ref()?)));
        let Some((subject, user)) = subject else {
            return refused(RefusalKind::Denied, "no_user", "work is handed over for a user, and the caller has none");
        };
        if !caller.principal().binding().is_established() {
            let detail = "work is handed over for a user whom something ties to the caller, and a word ties nothing";
            return refused(RefusalKind::UnrelatedCredentials, "binding", detail);
        }
        if caller.is_revoked() {
            return refused(RefusalKind::InvalidToken, REVOKED, "the caller's credential was revoked");
        }
        let now = self.clock.wall();
        if caller.expires_at() <= now {
            return refused(RefusalKind::InvalidToken, "exp", "the caller's credential has expired");
        }
        let topic = Topic::parse(topic).map_err(|wrong| misconfigured("topic").caused_by(wrong))?;
        let times = (now.as_secs(), now.saturating_add(self.valid_for).as_secs());
        let work = Work { topic: &topic, payload_s256: sha256(payload) };
        let claims = Word::new((&self.issuer, &self.audience), (subject, user), times, work);
        self.key.sign(&MediaType::HAND_OFF, &claims).map_err(|why| misconfigured("sign").caused_by(why))
    }
}

fn misconfigured(check: &'static str) -> Refusal {
    Refusal::new(RefusalKind::Misconfigured, check).detail("no record of the work can be made")
}

#[derive(Serialize)]
struct Work<'a> {
    topic: &'a Topic,
    payload_s256: String,
}

/// Hands work over for a caller's user: of [`CallerContext`], and so of what the extractors of `axum-identity` give.
///
/// ```
/// use tower_identity_core::Binding;
/// use tower_identity_jose::{Algorithm, SigningKey};
/// use tower_identity_outbound::{HandOff, HandOffs};
/// # fn queue(_: &str, _: &[u8], _: &str) {}
/// # fn example(caller: &tower_identity_core::CallerContext) -> Result<(), Box<dyn std::error::Error>> {
///
/// let key = SigningKey::generate(Algorithm::Es256)?;
/// let billing = HandOffs::new("https://orders.internal", key, "billing")?;
///
/// let payload = br#"{"order": "o-17"}"#;
/// let record = caller.hand_off(&billing, "invoices", payload)?;
/// queue("invoices", payload, record.expose()); // the record beside the payload, as a property of the message
/// # Ok(())
/// # }
/// ```
pub trait HandOff: private::Sealed {
    /// A record of for whom this payload is handed over, under this topic: to be put into the queue beside the payload, whose
    /// exact bytes it is about.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]: [`Denied`](RefusalKind::Denied) where the caller acts for no user;
    /// [`UnrelatedCredentials`](RefusalKind::UnrelatedCredentials) where nothing
    /// [ties](tower_identity_core::Binding::is_established) it to its user, as where work that was handed over to this service is
    /// to be handed on; [`InvalidToken`](RefusalKind::InvalidToken) where its credential has ended since the request came;
    /// [`Misconfigured`](RefusalKind::Misconfigured) where the topic is no name, or the key does not sign.
    fn hand_off(
        &self,
        to: &HandOffs,
        topic: impl AsRef<str>,
        payload: impl AsRef<[u8]>,
    ) -> Result<SecretToken, Refusal>;
}

impl HandOff for CallerContext {
    fn hand_off(
        &self,
        to: &HandOffs,
        topic: impl AsRef<str>,
        payload: impl AsRef<[u8]>,
    ) -> Result<SecretToken, Refusal> {
        to.record(self, topic.as_ref(), payload.as_ref())
    }
}

mod private {
    /// Keeps the trait ours, so that methods can be added.
    pub trait Sealed {}

    impl Sealed for tower_identity_core::CallerContext {}
}
