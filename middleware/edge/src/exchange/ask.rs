//! One exchange: what may be asked for, and what is made of the answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::HeaderValue;
use tower_identity_core::{CallerContext, Refusal, RefusalKind, SecretToken, VerifiedToken};
use tower_identity_jose::{Compact, Limits};
use tower_identity_oauth::{Grant, TargetService, TokenType, TransactionTokenExchange, Unexchangeable, Urgency};
use tower_identity_refresh::{Failed, Lifetime, Loaded};

use super::{Exchange, error::Reason};
use crate::{MintError, replaced::Replaced, telemetry};

/// Everything that decides which internal identity comes, and nothing else: all of it is in the key, or follows from what is.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) exchange: Exchange,
    pub(super) caller: CallerContext,
    pub(super) from: Option<IpAddr>,
}

impl Ask {
    /// Whether there is anything to be exchanged: what is known before anybody is asked.
    pub(super) fn check(&self) -> Result<(), Reason> {
        if self.caller.expires_at() <= self.exchange.0.clock.wall() {
            return Err(Reason::Caller(MintError::Ended));
        }
        if self.exchange.scopes(&self.caller).is_empty() {
            return Err(Reason::NothingCrosses);
        }
        self.subject().map(drop)
    }

    /// The user's token, if it may be given to the authority.
    fn subject(&self) -> Result<(&VerifiedToken, &SecretToken), Reason> {
        let subject = self.caller.user_token().ok_or(Reason::Caller(MintError::NoUser))?;
        let text = subject.token().ok_or(Reason::NoText)?;
        let server = &self.exchange.0.client;
        if server.accepts(subject.issuer()) {
            return Ok((subject, text));
        }
        Err(Reason::ForeignIssuer { server: server.issuer().clone(), subject: subject.issuer().clone() })
    }

    fn grant(&self) -> Result<Grant, Refusal> {
        let (subject, text) = self.subject()?;
        // `access_token` says that the token is the asked server's own (RFC 8693 §3), and `jwt` would not be true of an opaque
        // one.
        let is_jwt = || Compact::parse(text.expose(), &Limits::default()).is_ok();
        let subject_token_type = match subject.issuer() == self.exchange.0.client.issuer() {
            false if is_jwt() => TokenType::Jwt,
            _ => TokenType::AccessToken,
        };
        let terms = TargetService {
            audience: Some(self.exchange.0.trust_domain.clone()),
            scopes: self.exchange.scopes(&self.caller),
            ..TargetService::default()
        };
        let transaction = self
            .exchange
            .transaction(self.from)
            .map_err(|wrong| Refusal::new(RefusalKind::Misconfigured, "internal_identity").detail(wrong.to_string()))?;
        let exchange = TransactionTokenExchange::new(text.clone(), terms).map_err(Unexchangeable::refusal)?;
        Ok(exchange.subject_token_type(subject_token_type).transaction(transaction).into())
    }

    /// Asks the authority, and verifies what it gives.
    pub(super) async fn load(self, urgency: Urgency) -> Result<Loaded<Arc<Replaced>>, Failed<Refusal>> {
        let loaded = self.obtain(urgency).await;
        telemetry::exchanged(&self.exchange.0.trust_domain, &loaded);
        loaded.map_err(|error| match urgency {
            // Nobody waits for it, and the one that is at hand is good for a while.
            Urgency::Refresh => Failed { error, retry_after: Duration::ZERO },
            Urgency::Waiting => Failed::for_a_moment(error),
        })
    }

    async fn obtain(&self, urgency: Urgency) -> Result<Loaded<Arc<Replaced>>, Refusal> {
        let inner = &*self.exchange.0;
        let (grant, began) = (self.grant()?, inner.clock.wall());
        let issued = inner.client.request_with(&grant, urgency).await.map_err(|error| error.refusal())?;
        let within = self.verified(issued.access_token()).await?;
        let own = within.token().expires_at().since(began);
        let own = issued.expires_in().map_or(own, |said| said.min(own));
        let lifetime = lifetime(own, self.caller.expires_at().since(began));
        let replaced = Replaced {
            within,
            field: field(issued.access_token()),
            renewed_at: began.saturating_add(lifetime.fresh()),
            ends: began.saturating_add(lifetime.usable()),
            by: issued.standing().cloned(),
        };
        Ok(Loaded { value: Arc::new(replaced), lifetime })
    }

    /// The caller within the trust domain, if the token is one that is taken there, and allows no more than was asked for.
    async fn verified(&self, token: &SecretToken) -> Result<CallerContext, Refusal> {
        let inner = &*self.exchange.0;
        let within = inner.verifier.current().within(Some(&self.caller), token.expose()).await;
        let within = within.map_err(|why| match why.kind() {
            RefusalKind::InvalidTransactionToken => Reason::NotOfTheDomain(why).into(),
            _ => why,
        });
        let within = within.map_err(|why: Refusal| why.issuer(inner.client.issuer().clone()))?;
        let (given, asked) = (within.token().scopes(), self.exchange.scopes(&self.caller));
        if given.is_subset(&asked) {
            return Ok(within);
        }
        let wider = Refusal::from(Reason::Wider { asked, given: given.clone() });
        Err(wider.issuer(inner.client.issuer().clone()))
    }
}

/// How long an internal identity is used: never past its own end, nor past the end of what it was made of. It is asked for
/// again ahead of its own end only; ahead of the other there is nothing to gain.
fn lifetime(own: Duration, presented: Duration) -> Lifetime {
    if presented <= own { Lifetime::new(presented, presented) } else { Lifetime::of(own) }
}

/// The value of the field `Txn-Token`, never to be indexed by HPACK.
fn field(token: &SecretToken) -> HeaderValue {
    let mut value = HeaderValue::from_str(token.expose()).expect("what was verified is visible ASCII");
    value.set_sensitive(true);
    value
}
