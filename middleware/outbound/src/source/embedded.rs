//! The token that lies in the caller's.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_identity_core::{
    Audience, BoxFuture, Fingerprint, Issuer, Refusal, RefusalKind, Scopes, SecretToken, Timestamp, VerifiedToken,
    bearer::is_token68,
};
use tower_identity_jose::{AudienceClaim, NumericDate};
use tower_identity_oauth::IssuedToken;

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::issued;

type Claims = Map<String, Value>;

#[derive(Debug)]
pub(crate) struct Embedded {
    /// The members, from the outermost claim in.
    pub(crate) path: Vec<Box<str>>,
    /// What the target is called.
    pub(crate) audiences: Vec<Audience>,
    /// Who may have issued a JWT; nobody named: the issuer of the caller's token.
    pub(crate) issuers: Vec<Issuer>,
    /// The claim that names the caller's user; none where it is somebody else's.
    pub(crate) user_claim: Option<Box<str>>,
    /// What is taken where there is none.
    pub(crate) otherwise: Option<Box<dyn TokenSource>>,
}

impl TokenSource for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn fingerprint(&self) -> Fingerprint {
        let otherwise = self.otherwise.as_ref().map(|next| {
            Fingerprint::of("outbound-otherwise").field(next.name()).field(next.fingerprint().as_bytes()).finish()
        });
        Fingerprint::of("outbound-embedded")
            .list(self.path.iter().map(|member| &**member))
            .list(self.audiences.iter().map(Audience::as_str))
            .list(self.issuers.iter().map(Issuer::as_str))
            .optional(self.user_claim.as_deref())
            .optional(otherwise.as_ref().map(Fingerprint::as_bytes))
            .finish()
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some(subject) = &ask.subject else { return ready(Err(no_subject())) };
        match (self.find(subject, ask.recipe.clock.wall()), &self.otherwise) {
            (Ok(Some(token)), _) => ready(Ok(Brought::found(token))),
            (Ok(None), Some(next)) => match next.takes(subject) {
                Ok(()) => next.obtain(ask),
                Err(reason) => ready(Err(reason.refusal().caused_by(reason))),
            },
            (Ok(None), None) => {
                let detail = format!(
                    "the caller's token holds no token at {}; its issuer has to put one there, or the row names a \
                     strategy after embedded",
                    self.path.join(".")
                );
                ready(Err(Refusal::new(RefusalKind::Denied, "embedded").detail(detail)))
            }
            (Err(refusal), _) => ready(Err(refusal.issuer(subject.issuer().clone()))),
        }
    }
}

impl Embedded {
    /// The token, if there is one and it is all right.
    fn find(&self, subject: &VerifiedToken, now: Timestamp) -> Result<Option<IssuedToken>, Refusal> {
        const CHECK: &str = "embedded";
        let claims = subject.claims::<Claims>();
        let claims = claims.map_err(|_| wrong(CHECK, "the caller's token has no claims that can be read"))?;
        let Some(text) = self.text(&claims)? else { return Ok(None) };
        if !is_token68(text) {
            return Err(wrong(CHECK, format!("what is at {} is no bearer token", self.path.join("."))));
        }
        let token = SecretToken::from(text);
        let left = if text.split('.').count() == 3 {
            let unverified = issued::read(&token).map_err(|cause| {
                let detail = format!("what is at {} has three parts, and is no JWT", self.path.join("."));
                wrong(CHECK, detail).caused_by(cause)
            })?;
            self.judge(unverified.claims_unverified(), subject, now)?
        } else {
            // It ends with the caller's, whatever it would be good for.
            subject.expires_at().since(now)
        };
        Ok(Some(IssuedToken::new(token, Scopes::default(), Some(left))))
    }

    /// The text at the end of the path; none where a member of it is not there. What is there and is of another type is
    /// wrong, `null` included.
    fn text<'c>(&self, claims: &'c Claims) -> Result<Option<&'c str>, Refusal> {
        let (last, outer) = self.path.split_last().expect("a path has a member");
        let malformed =
            |depth: usize| wrong("embedded", format!("{} is of a wrong type", self.path[..=depth].join(".")));
        let mut claims = claims;
        for (depth, member) in outer.iter().enumerate() {
            match claims.get(&**member) {
                None => return Ok(None),
                Some(Value::Object(members)) => claims = members,
                Some(_) => return Err(malformed(depth)),
            }
        }
        match claims.get(&**last) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(outer.len())),
        }
    }

    /// How long a JWT is good for, if it is the target's and the caller's.
    fn judge(&self, claims: &Claims, subject: &VerifiedToken, now: Timestamp) -> Result<Duration, Refusal> {
        let aud = claims.get("aud").and_then(|aud| AudienceClaim::deserialize(aud).ok());
        if !aud.is_some_and(|aud| self.audiences.iter().any(|one| aud.contains(one))) {
            return Err(wrong("embedded_aud", format!("the embedded token's aud names none of {:?}", self.audiences)));
        }
        let iss = text(claims, "iss").and_then(|iss| Issuer::parse(iss).ok());
        let is_known = |iss: &Issuer| match &*self.issuers {
            [] => iss == subject.issuer(),
            named => named.contains(iss),
        };
        let Some(iss) = iss.filter(is_known) else {
            return Err(wrong("embedded_iss", "the embedded token's iss is neither the caller's token's nor listed"));
        };
        let exp = claims.get("exp").and_then(|exp| NumericDate::deserialize(exp).ok());
        let exp = exp.ok_or_else(|| wrong("embedded_exp", "the embedded token does not say when it ends"))?.timestamp();
        let left = exp.since(now);
        if left.is_zero() {
            let detail =
                format!("the embedded token ended {} s ago; the caller needs a new one", now.since(exp).as_secs());
            return Err(Refusal::new(RefusalKind::InvalidToken, "embedded_exp").detail(detail));
        }
        if claims.contains_key("cnf") {
            return Err(wrong("embedded_cnf", "the embedded token is bound to a key, which is not this service's"));
        }
        self.user(claims, &iss, subject)?;
        Ok(left)
    }

    /// It is the caller's user's, or the calling workload's where the caller acts for itself. Nobody is named in the
    /// detail.
    fn user(&self, claims: &Claims, iss: &Issuer, subject: &VerifiedToken) -> Result<(), Refusal> {
        const CHECK: &str = "embedded_sub";
        let Some(claim) = &self.user_claim else {
            let sub = text(claims, "sub").filter(|sub| !sub.is_empty());
            return sub.map(drop).ok_or_else(|| wrong(CHECK, "the embedded token names no subject"));
        };
        let user = subject.identity().user.as_ref();
        let issuer = user.map_or(subject.issuer(), |user| &user.issuer);
        let other = |what: &str| {
            let rule = "the embedded token is another's than the caller's";
            Err(wrong(CHECK, format!("{rule}: {what} differs; say subject = \"foreign\" if it has to be")))
        };
        if iss != issuer {
            return other("iss");
        }
        if issued::whom(subject, claim).is_none_or(|whom| text(claims, claim) != Some(&whom)) {
            return other(claim);
        }
        match user.and_then(|user| user.tenant.as_ref()) {
            Some(tenant) if text(claims, "tid") != Some(tenant.as_str()) => other("tid"),
            _ => Ok(()),
        }
    }
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// The issuer put something there that it must not.
fn wrong(check: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::BadUpstream, check).detail(detail)
}
