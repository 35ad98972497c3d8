//! What this service says itself of its caller's user.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tower_identity_core::{
    Audience, BoxFuture, Fingerprint, Issuer, Refusal, RefusalKind, Scopes, Tenant, Timestamp, TransactionId, User,
    VerifiedToken,
};
use tower_identity_jose::{MediaType, SigningKey, random_id};
use tower_identity_oauth::IssuedToken;

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::error::Reason;

#[derive(Debug)]
pub(crate) struct Signed {
    /// What this service is called in it.
    pub(crate) issuer: Issuer,
    pub(crate) key: SigningKey,
    pub(crate) life: Duration,
    /// Whether it is made of what another service said, too.
    pub(crate) passes_on: bool,
    pub(crate) audience: Audience,
    /// The row's.
    pub(crate) scopes: Scopes,
}

impl TokenSource for Signed {
    fn name(&self) -> &'static str {
        "signed"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-signed")
            .field(self.issuer.as_str())
            .field(self.key.thumbprint().to_string())
            .field(self.key.key_id())
            .field(self.key.algorithm().as_str())
            .field(self.life.as_secs().to_be_bytes())
            .field([u8::from(self.passes_on)])
            .finish()
    }

    /// It is a user's, and allows what is to be signed for: nobody else decides that here.
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        if subject.identity().user.is_none() {
            return Err(Reason::NoUser);
        }
        if self.scopes.is_subset(subject.scopes()) {
            return Ok(());
        }
        Err(Reason::Wider { asked: self.scopes.clone(), held: subject.scopes().clone() })
    }

    fn takes_self_asserted(&self) -> bool {
        self.passes_on
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        ready(self.sign(ask))
    }
}

impl Signed {
    fn sign(&self, ask: &Ask) -> Result<Brought, Refusal> {
        let Some((subject, user)) =
            ask.subject.as_deref().and_then(|subject| Some((subject, subject.identity().user.as_ref()?)))
        else {
            return Err(no_subject());
        };
        let now = ask.recipe.clock.wall().as_secs();
        let ends = now.saturating_add(self.life.as_secs()).min(subject.expires_at().as_secs());
        let claims = self.claims(subject, user, (now, ends));
        let token = self.key.sign(&MediaType::SELF_ASSERTED, &claims).map_err(|why| {
            Refusal::new(RefusalKind::Misconfigured, "sign").detail("this service's key signs nothing").caused_by(why)
        })?;
        let left = Timestamp::from_secs(ends).since(ask.recipe.clock.wall());
        Ok(Brought::found(IssuedToken::new(token, self.scopes.clone(), Some(left))))
    }

    fn claims<'a>(&'a self, subject: &'a VerifiedToken, user: &'a User, (now, ends): (u64, u64)) -> Claims<'a> {
        let signed_in = subject.authentication();
        let earlier = subject.actors().iter().collect::<Vec<_>>().into_iter().rev();
        let earlier = earlier.fold(None, |inner: Option<Value>, actor| {
            let mut link = json!({"iss": actor.issuer, "sub": actor.id});
            link.as_object_mut().expect("an object").extend(inner.map(|inner| ("act".to_owned(), inner)));
            Some(link)
        });
        Claims {
            iss: &self.issuer,
            aud: &self.audience,
            iat: now,
            exp: ends,
            jti: random_id(),
            scope: (!self.scopes.is_empty()).then(|| self.scopes.to_string()),
            sub_id: SubjectId { format: "iss_sub", iss: &user.issuer, sub: user.id.as_str() },
            tid: user.tenant.as_ref().map(Tenant::as_str),
            act: Act { sub: &self.issuer, act: earlier },
            txn: subject.transaction().map(TransactionId::as_str),
            auth_time: signed_in.auth_time.map(Timestamp::as_secs),
            acr: signed_in.acr.as_deref(),
            amr: &signed_in.amr,
        }
    }
}

/// There is no `sub`: whose subject that were is what `iss` does not say here.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a Issuer,
    aud: &'a Audience,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    sub_id: SubjectId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<&'a str>,
    act: Act<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<&'a str>,
    /// So that who is revoked by an earlier sign-in is revoked in what is signed after that, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
}

/// RFC 9493 §3.2.4.
#[derive(Serialize)]
struct SubjectId<'a> {
    format: &'static str,
    iss: &'a Issuer,
    sub: &'a str,
}

/// This service, and below it whoever acted before (RFC 8693 §4.1).
#[derive(Serialize)]
struct Act<'a> {
    sub: &'a Issuer,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Value>,
}
