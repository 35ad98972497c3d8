//! The transaction token of the caller's user (draft-ietf-oauth-transaction-tokens-11): the one that came, or one that is
//! obtained for another token.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_identity_core::{
    Audience, BoxFuture, Fingerprint, Refusal, RefusalKind, Scopes, SecretToken, Timestamp, TransactionId,
    VerifiedToken,
};
use tower_identity_jose::{AudienceClaim, NumericDate};
use tower_identity_oauth::{
    IssuedToken, TokenClient, TokenType, Transaction, TransactionTokenExchange, Unexchangeable,
};

use super::{Ask, Brought, TokenSource, no_subject, ready};
use crate::{
    error::Reason,
    issued::{self, whom},
};

#[derive(Debug)]
pub(crate) struct TransactionToken {
    pub(crate) client: TokenClient,
    pub(crate) trust_domain: Audience,
    /// Whether one is obtained for a token of another kind.
    pub(crate) begins_here: bool,
    /// Whether one that came is exchanged for one that allows less.
    pub(crate) replaces: bool,
    /// What is said of each of those.
    pub(crate) transaction: Transaction,
}

impl TokenSource for TransactionToken {
    fn name(&self) -> &'static str {
        "transaction_token"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("outbound-transaction-token")
            .field(self.client.fingerprint().as_bytes())
            .field(self.trust_domain.as_str())
            .field([u8::from(self.begins_here), u8::from(self.replaces)])
            .field(self.transaction.fingerprint().as_bytes())
            .finish()
    }

    /// A transaction token, of this trust domain and of no other; or, at the edge, what the server takes.
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        match subject.trust_domain() {
            // That the row names a server for this domain says that it is the one which replaces the domain's tokens.
            Some(domain) if *domain == self.trust_domain => Ok(()),
            Some(domain) => {
                Err(Reason::OtherTrustDomain { expected: self.trust_domain.clone(), found: domain.clone() })
            }
            None if self.begins_here => Reason::unless_accepted(&self.client, subject),
            None => Err(Reason::NoTransaction { expected: self.trust_domain.clone() }),
        }
    }

    fn takes_transaction_tokens(&self) -> bool {
        true
    }

    fn obtains_transaction_tokens(&self) -> bool {
        true
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        let received = subject.trust_domain().is_some();
        let clock = ask.recipe.clock.clone();
        if received && !self.replaces {
            if ask.about.is_some() {
                let detail = "the caller's user came with a transaction token, which goes on as it is; say what a transaction is \
                              about where it begins";
                return ready(Err(Refusal::new(RefusalKind::Misconfigured, "transaction").detail(detail)));
            }
            let left = subject.expires_at().since(clock.wall());
            let token = IssuedToken::new(token.clone(), subject.scopes().clone(), Some(left));
            return ready(Ok(Brought::found(token).without_scheme()));
        }
        let subject_token_type = match received {
            true => TokenType::TransactionToken,
            // `access_token` says that the token is the asked server's own (RFC 8693 §3).
            false if subject.issuer() == self.client.issuer() => TokenType::AccessToken,
            false => TokenType::Jwt,
        };
        let said = ask.about.as_ref().map(|about| about.transaction.or(&self.transaction));
        let said = said.unwrap_or_else(|| self.transaction.clone());
        let replaced = received.then(|| Replaced::of(subject));
        let exchange = TransactionTokenExchange::new(token.clone(), ask.recipe.terms.clone())
            .map(|exchange| exchange.subject_token_type(subject_token_type).transaction(said));
        let (client, trust_domain, urgency) = (self.client.clone(), self.trust_domain.clone(), ask.urgency());
        let scopes = ask.recipe.terms.scopes.clone();
        Box::pin(async move {
            let exchange = exchange.map_err(Unexchangeable::refusal)?.into();
            let brought = Brought::issued(&client, &exchange, urgency).await?;
            let left = judge(brought.token.access_token(), (&trust_domain, &scopes), replaced.as_ref(), clock.wall())
                .map_err(|refusal| refusal.issuer(client.issuer().clone()))?;
            Ok(brought.good_for(left).without_scheme())
        })
    }
}

/// What stays as it is when a transaction token is replaced.
struct Replaced {
    transaction: Option<TransactionId>,
    subject: Option<String>,
}

impl Replaced {
    fn of(subject: &VerifiedToken) -> Self {
        Self { transaction: subject.transaction().cloned(), subject: whom(subject, "sub") }
    }
}

/// How long an issued one is good for, if it is of this trust domain and allows no more than was asked for. The services
/// of a trust domain read its tokens, of which this is one: unlike an access token, it says to us, too, what it is.
fn judge(
    token: &SecretToken,
    (trust_domain, asked): (&Audience, &Scopes),
    replaced: Option<&Replaced>,
    now: Timestamp,
) -> Result<Duration, Refusal> {
    let token = issued::read(token)
        .map_err(|cause| wrong("txn_token", "the issued transaction token is not a JWT").caused_by(cause))?;
    let claims = token.claims_unverified();
    let aud = claims.get("aud").and_then(|aud| AudienceClaim::deserialize(aud).ok());
    if aud.is_none_or(|aud| *aud.as_slice() != [trust_domain.clone()]) {
        return Err(wrong("txn_aud", format!("the issued transaction token is not for {trust_domain} alone")));
    }
    let scope = text(claims, "scope").and_then(|scope| Scopes::parse(scope).ok());
    let scope = scope.ok_or_else(|| wrong("txn_scope", "the issued transaction token does not say what it allows"))?;
    if !scope.is_subset(asked) {
        let detail = format!("the issued transaction token allows {scope:?}, and {asked:?} was asked for");
        return Err(wrong("txn_scope", detail));
    }
    let exp = claims.get("exp").and_then(|exp| NumericDate::deserialize(exp).ok());
    let exp = exp.ok_or_else(|| wrong("txn_exp", "the issued transaction token does not say when it ends"))?;
    let left = exp.timestamp().since(now);
    if left.is_zero() {
        return Err(wrong("txn_exp", "the issued transaction token has ended"));
    }
    if let Some(Replaced { transaction, subject }) = replaced {
        let is_same_transaction = text(claims, "txn") == transaction.as_ref().map(TransactionId::as_str);
        if !is_same_transaction || text(claims, "sub") != subject.as_deref() {
            let detail = "the issued transaction token is of another transaction, or for another user, than the one in \
                          whose place it is to be";
            return Err(wrong("txn_same", detail));
        }
    }
    Ok(left)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// The server issued what it must not.
fn wrong(check: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::BadUpstream, check).detail(detail)
}

#[cfg(test)]
mod tests {
    use tower_identity_oauth::{ClientAuth, Http, TokenEndpoint};
    use tower_identity_refresh::system_clock;

    use super::*;

    #[tokio::test]
    async fn out_b2_whether_one_goes_on_or_is_replaced_and_of_which_domain_is_part_of_the_key() {
        let http = Http::new(system_clock()).expect("TLS can be set up");
        let auth = ClientAuth::client_secret_post("orders", SecretToken::new("secret")).expect("usable");
        let server = TokenEndpoint::at("https://as.test", "https://as.test/token", auth);
        let client = server.connect(&http).expect("a server");
        let of = |domain: &str, begins_here, replaces| {
            let (client, transaction) = (client.clone(), Transaction::default());
            let trust_domain = domain.parse().expect("a name");
            TransactionToken { client, trust_domain, begins_here, replaces, transaction }.fingerprint()
        };
        let all = [("shop", false, false), ("shop", true, false), ("shop", true, true), ("bank", false, false)];
        let all = all.map(|(domain, begins_here, replaces)| of(domain, begins_here, replaces));
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(of("shop", false, false), all[0]);
    }
}
