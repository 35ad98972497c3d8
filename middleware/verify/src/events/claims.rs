//! What an event token says, and whether it is one (RFC 8417 §2.2).

use std::time::Duration;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};
use tower_identity_core::{Audience, Issuer, Refusal, Timestamp, TokenId};
use tower_identity_jose::{AudienceClaim, NumericDate};

use crate::{
    check,
    claim::{Claim, refuse, wrong},
};

/// The event that ends tokens (CAEP 1.0 §3.1).
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// From here on a number of seconds is one of milliseconds, which drafts of CAEP had: the year 5138.
const IN_MILLISECONDS: u64 = 100_000_000_000;

/// The claims, each as it was found.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventClaims {
    pub(super) iss: Claim<Issuer>,
    jti: Claim<TokenId>,
    iat: Claim<NumericDate>,
    aud: Claim<AudienceClaim>,
    toe: Claim<NumericDate>,
    events: Claim<Map<String, Value>>,
    sub_id: Claim<Map<String, Value>>,
    sub: Claim<IgnoredAny>,
    exp: Claim<IgnoredAny>,
}

/// An event token that is in order.
pub(super) struct Event<'a> {
    pub(super) jti: &'a TokenId,
    /// When what it names was revoked; none of an event that revokes nothing.
    pub(super) revoked_at: Option<Timestamp>,
}

impl EventClaims {
    /// Judges all that does not depend on whom it is about.
    pub(super) fn judge(&self, audiences: &[Audience], leeway: Duration, now: Timestamp) -> Result<Event<'_>, Refusal> {
        let aud = self.aud.as_ref().required(check::AUD, "aud")?;
        if !audiences.iter().any(|audience| aud.contains(audience)) {
            return Err(refuse(check::AUD, "the event is for another receiver"));
        }
        // A token that has a subject or an end could be taken for an access token elsewhere (RFC 8417 §2.2).
        for (name, is_there) in [("sub", self.sub.is_there()), ("exp", self.exp.is_there())] {
            if is_there {
                return Err(refuse(check::CLAIMS, format!("{name} is there, and must not be")));
            }
        }
        let issued = self.iat.as_ref().required(check::IAT, "iat")?.timestamp();
        if now.saturating_add(leeway) < issued {
            return Err(refuse(check::IAT, "the event was issued in the future"));
        }
        let jti = self.jti.as_ref().required(check::CLAIMS, "jti")?;
        let events = self.events.as_ref().required(check::CLAIMS, "events")?;
        if events.is_empty() || events.values().any(|event| !event.is_object()) {
            return Err(wrong(check::CLAIMS, "events"));
        }
        let happened = self.toe.as_ref().optional(check::CLAIMS, "toe")?.map_or(issued, |toe| toe.timestamp());
        let revoked_at = match events.get(SESSION_REVOKED) {
            None => None,
            Some(event) => {
                let at = event.get("event_timestamp").map(time).transpose()?.unwrap_or(happened);
                // Nothing is revoked that is yet to be issued.
                Some(at.min(now.saturating_add(leeway)))
            }
        };
        Ok(Event { jti, revoked_at })
    }

    /// Whom the event is about.
    pub(super) fn sub_id(&self) -> Result<&Map<String, Value>, Refusal> {
        self.sub_id.as_ref().required(check::SUBJECT, "sub_id")
    }
}

impl<T> Claim<T> {
    /// Whether it is there, whatever it is.
    fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

fn time(value: &Value) -> Result<Timestamp, Refusal> {
    let time = NumericDate::deserialize(value).map_err(|_| wrong(check::CLAIMS, "event_timestamp"))?.timestamp();
    let number = time.as_secs();
    Ok(if number < IN_MILLISECONDS { time } else { Timestamp::from_unix(Duration::from_millis(number)) })
}
