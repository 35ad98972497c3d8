//! Whose events are taken: by which keys, for which audience, about whose tokens.

use std::{sync::Arc, time::Duration};

use tower_identity_core::{Audience, InvalidSetting, Issuer, Refusal, RefusalKind, Revocation, Timestamp};
use tower_identity_jose::{Accept, Algorithm, Compact, MediaType, Opened};
use tower_identity_oauth::Http;

use super::claims::EventClaims;
use crate::{TrustedIssuer, Verifier, anchor::Anchor, check, claim::refuse, keys::Keys, shown::Shown};

/// One transmitter at work.
#[derive(Debug)]
pub(super) struct Transmitter {
    /// Its name in the configuration, and so one that a label may have.
    pub(super) name: Issuer,
    pub(super) keys: Arc<Keys>,
    pub(super) accept: Accept,
    pub(super) audiences: Vec<Audience>,
    /// How far its clock may differ from ours, and from that of an issuer that it speaks for.
    pub(super) leeway: Duration,
    anchor: Anchor,
    /// Whose tokens it may end.
    revokes: Vec<Issuer>,
}

fn accept(algorithms: impl IntoIterator<Item = Algorithm>) -> Accept {
    Accept::new([MediaType::SECURITY_EVENT], algorithms)
}

impl Transmitter {
    /// An issuer of the verifier, whose JWTs it opens: about its own tokens.
    pub(super) fn trusted(verifier: &Verifier, iss: &Issuer, audience: &Audience) -> Option<Self> {
        let trusted = verifier.issuer_of_jwts(iss)?;
        Some(Self {
            name: trusted.rules.anchor.name().clone(),
            keys: Arc::clone(&trusted.keys),
            accept: accept(trusted.accept.algorithms().iter().copied()),
            audiences: vec![audience.clone()],
            leeway: trusted.rules.leeway,
            anchor: trusted.rules.anchor.clone(),
            revokes: vec![iss.clone()],
        })
    }

    /// One of a row of its own.
    pub(super) fn listed(
        row: TrustedIssuer,
        revokes: Vec<String>,
        verifier: &Verifier,
        http: &Http,
    ) -> Result<Self, InvalidSetting> {
        let row = row.check()?;
        if row.redeeming.is_some() {
            return Err(InvalidSetting::new("introspection", "is of tokens, and an event is a JWT"));
        }
        if row.encrypted_to.is_some() {
            return Err(InvalidSetting::new("decryption_key_file", "is of tokens, and an event is not encrypted"));
        }
        let http = row.keys.http(http)?;
        let keys = row.keys.connect(row.anchor.name(), row.anchor.found_at(), row.leeway, &http, None)?;
        let of = |(at, name): (usize, String)| match verifier.trusts(&name) {
            Some(issuer) => Ok(issuer),
            None => Err(InvalidSetting::new(at, "is no issuer whose tokens are accepted").within("revokes")),
        };
        let listed: Vec<Issuer> = revokes.into_iter().enumerate().map(of).collect::<Result<_, _>>()?;
        Ok(Self {
            name: row.anchor.name().clone(),
            keys: Arc::new(keys),
            accept: accept(row.algorithms),
            audiences: row.audiences,
            leeway: row.leeway,
            revokes: if listed.is_empty() { row.anchor.issuers().cloned().collect() } else { listed },
            anchor: row.anchor,
        })
    }

    pub(super) fn is(&self, iss: &Issuer) -> bool {
        self.anchor.issuers().any(|own| own == iss)
    }

    /// What the event says, if the key that signed it is not another issuer's (RFC 8725 §3.8).
    pub(super) fn signed(&self, opened: Opened<EventClaims, &Compact>, iss: &Issuer) -> Result<EventClaims, Refusal> {
        match opened.key().issuer() {
            Some(says) if !self.anchor.is_key_of(says, iss) => {
                Err(refuse(check::KEY, format!("the key is of {}, the event of {iss:?}", Shown(says))))
            }
            Some(_) | None => Ok(opened.into_claims()),
        }
    }

    /// The revocation as of the event's time, which is told by the transmitter's clock: for the tokens of another issuer
    /// as much later as the two may differ.
    pub(super) fn admit(&self, what: Revocation, revoked_at: Timestamp) -> Result<Revocation, Refusal> {
        if !self.revokes.contains(what.issuer()) {
            return Err(Refusal::new(RefusalKind::Denied, check::ISS)
                .detail("the transmitter may not end tokens of the issuer that the event names"));
        }
        let is_own = self.is(what.issuer());
        Ok(what.issued_before(if is_own { revoked_at } else { revoked_at.saturating_add(self.leeway) }))
    }
}
