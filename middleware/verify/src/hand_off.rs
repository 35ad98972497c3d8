//! Work that another service has handed over, with a record of for whom.

mod settings;

use serde::Deserialize;
use tower_identity_core::{CallerContext, InvalidSetting, Issuer, Refusal, SecretToken, Topic, VerifiedToken};
use tower_identity_jose::{Compact, sha256};

pub use self::settings::ProducerSettings;
use crate::{
    TrustedIssuer, Verifier, VerifierBuilder,
    asserting::{self, Asserting},
    check,
    claim::refuse,
    claims::{Claims, Unread},
    inner::Inner,
    issuer::Checked,
    judge::Rules,
    profile::HANDED_OFF,
    shown::Shown,
    trusted::{issuer_among, unreadable},
};

/// A service that hands work over to this one: of which topics, and for users of which issuers.
///
/// Of either it names one at least, or the verifier is not built.
///
/// ```
/// use tower_identity_verify::{Producer, TrustedIssuer};
///
/// let orders = TrustedIssuer::keys_at("https://orders.internal", "https://orders.internal/keys").audience("billing");
/// let producer = Producer::new(orders).topics(["invoices"]).users_of(["https://login.example.com"]);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a producer hands nothing over until a verifier knows it"]
pub struct Producer {
    service: TrustedIssuer,
    topics: Vec<String>,
    users_of: Vec<String>,
}

impl Producer {
    /// This service: what it is called in `iss`, where its keys are, and as its audience what this service, or the queue, is
    /// called by it. Its profile is the one of such records.
    pub fn new(service: TrustedIssuer) -> Self {
        Self { service, topics: Vec::new(), users_of: Vec::new() }
    }

    /// What it may hand over, as its records have it, byte for byte.
    pub fn topics(mut self, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.topics.extend(topics.into_iter().map(Into::into));
        self
    }

    /// The issuers of the users for whom it may.
    pub fn users_of(mut self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.users_of.extend(issuers.into_iter().map(Into::into));
        self
    }
}

impl VerifierBuilder {
    /// Takes work from this service, whose records say for whom ([`Verifier::handed_off`]).
    ///
    /// Whoever takes over such a service hands over whatever of these topics he likes, for every user of these issuers. So
    /// what comes of it is tied to its user by [`Binding::Deferred`](tower_identity_core::Binding::Deferred) and no more.
    /// The service is a workload by the name in `iss`, at an issuer of that name; it is called otherwise by
    /// [`workload`](Self::workload). It may be one that is [taken at its word](crate::danger::self_asserted), too; it is none
    /// whose tokens are accepted.
    pub fn handed_off_by(mut self, producer: Producer) -> Self {
        self.producers.push(producer);
        self
    }
}

/// The services, of which none is there twice, nor issues tokens.
pub(crate) fn checked(producers: Vec<Producer>, known: &[Issuer]) -> Result<Vec<Checked>, InvalidSetting> {
    let mut topics = Vec::with_capacity(producers.len());
    let mut services = Vec::with_capacity(producers.len());
    for (at, Producer { service, topics: names, users_of }) in producers.into_iter().enumerate() {
        let read = |(at, name): (usize, &String)| {
            Topic::parse(name).map_err(|wrong| InvalidSetting::new(at, wrong.to_string()).within("topics"))
        };
        let names = names.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>();
        let names = names.and_then(|names| match names.is_empty() {
            true => Err(InvalidSetting::new("topics", "names no topic")),
            false => Ok(names),
        });
        let names = names.and_then(|names| match service.encrypted_to {
            Some(_) => Err(InvalidSetting::new("decryption_key_file", "is of tokens, and a record is not encrypted")),
            None => Ok(names),
        });
        topics.push(names.map_err(|wrong| wrong.within(at).within(asserting::HANDED_OFF_BY))?);
        services.push(Asserting { service, users_of });
    }
    let services = asserting::checked(services, &HANDED_OFF, asserting::HANDED_OFF_BY, known)?;
    Ok(services.into_iter().zip(topics).map(|(service, topics)| Checked { topics: topics.into(), ..service }).collect())
}

impl Verifier {
    /// Verifies the record that came with work from a queue, and makes the caller of it: the service that handed the work
    /// over, for the user that it names, tied by [`Binding::Deferred`](tower_identity_core::Binding::Deferred).
    ///
    /// The record is a JWT of the type `hand-off+jwt`, under a key of a [producer](VerifierBuilder::handed_off_by) that is
    /// listed for its topic and its user's issuer; for this service alone (`aud`), about this `topic` and this `payload`
    /// (`payload_s256`, of its exact bytes), and good until `exp`, which is 7 days off at most. However late the work
    /// comes before that, it is in order; unless the user, her session, or the service was
    /// [revoked](VerifierBuilder::revocations) since.
    ///
    /// Queues deliver twice, and the same record is in order as often as it comes: do the work once by
    /// [`token_id`](tower_identity_core::Principal::token_id), in the same transaction as the work itself.
    ///
    /// The caller has no rights by scope, group or role. Who may what by such work, a rule says that has
    /// `deferred_user()` in it. The work is done in [the caller's scope](CallerContext::scope), where this service calls on as
    /// itself: the record is exchanged by nobody.
    ///
    /// Its refusals are those of [`bearer`](Self::bearer), besides the checks [`topic`](check::TOPIC) and
    /// [`payload`](check::PAYLOAD). Needs a tokio runtime where keys have to be fetched.
    pub fn handed_off(
        &self,
        record: &str,
        topic: &str,
        payload: &[u8],
    ) -> impl Future<Output = Result<CallerContext, Refusal>> + Send + use<> {
        let settings = self.0.now.load_full();
        let (record, work) =
            (SecretToken::new(record), Work { topic: topic.to_owned(), payload_s256: sha256(payload) });
        async move { settings.handed_off(record.expose(), &work).await }
    }
}

/// What is done, as the record says and as it came.
#[derive(Deserialize)]
struct Work {
    topic: String,
    payload_s256: String,
}

impl Work {
    /// That the record is about this work, which its producer may hand over.
    fn is_of(&self, record: &VerifiedToken, rules: &Rules) -> Result<(), Refusal> {
        let said: Self =
            record.claims().map_err(|_| refuse(check::CLAIMS, "topic or payload_s256 is missing or wrong"))?;
        if said.topic != self.topic {
            return Err(refuse(check::TOPIC, format!("expected {:?}, found {}", self.topic, Shown(&said.topic))));
        }
        if !rules.topics.iter().any(|topic| *topic == *self.topic) {
            return Err(refuse(check::TOPIC, format!("it may hand over {:?}, and not {:?}", rules.topics, self.topic)));
        }
        if said.payload_s256 != self.payload_s256 {
            return Err(refuse(check::PAYLOAD, "the payload is another than the record is about"));
        }
        Ok(())
    }
}

impl Inner {
    async fn handed_off(&self, record: &str, work: &Work) -> Result<CallerContext, Refusal> {
        if let Some(pulls) = &self.pulls {
            pulls.admit()?;
        }
        let compact = Compact::parse_knowing(record, &self.limits, &self.headers).map_err(unreadable)?;
        let mut claims = Claims::default();
        let token = compact.claims_by(Unread(&mut claims)).map_err(unreadable)?;
        let producer = issuer_among(&self.producers, token.claims_unverified())?;
        let caller = producer.settle(token, self.clock.monotonic()).await?.caller;
        let about = work.is_of(caller.caller_token(), &producer.rules);
        about.map_err(|refusal| refusal.issuer(producer.rules.anchor.name().clone()))?;
        Ok(caller)
    }
}
