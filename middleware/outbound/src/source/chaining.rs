//! The caller's token for a grant, and the grant for a token to the target.

use serde::Deserialize;
use tower_identity_core::{Audience, BoxFuture, Fingerprint, Refusal, RefusalKind, Scopes, SecretToken, VerifiedToken};
use tower_identity_jose::{AudienceClaim, Limits, Unverified};
use tower_identity_oauth::{
    JwtBearer, Parameters, TargetService, TokenClient, TokenExchange, TokenType, Unexchangeable, Urgency,
};

use super::{Ask, Brought, TokenSource, id_jag, no_subject, ready};
use crate::error::Reason;

/// Across two trust domains, each with its server.
#[derive(Debug, Clone)]
pub(crate) struct Chaining {
    pub(crate) ours: TokenClient,
    pub(crate) theirs: TokenClient,
    /// What our server calls theirs, and what the grant's `aud` is.
    pub(crate) audience: Audience,
    pub(crate) profile: Profile,
}

/// Which kind of grant.
#[derive(Debug, Clone)]
pub(crate) enum Profile {
    /// A JWT, of these scopes at our server.
    Jwt { scopes: Scopes },
    /// An identity assertion, for an ID token or for an access token.
    IdJag { id_token: bool },
}

impl TokenSource for Chaining {
    fn name(&self) -> &'static str {
        match self.profile {
            Profile::Jwt { .. } => "chaining",
            Profile::IdJag { .. } => "id_jag",
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let (scopes, id_token) = match &self.profile {
            Profile::Jwt { scopes } => (Some(scopes.to_string()), false),
            Profile::IdJag { id_token } => (None, *id_token),
        };
        Fingerprint::of("outbound-chaining")
            .field(self.ours.fingerprint().as_bytes())
            .field(self.theirs.fingerprint().as_bytes())
            .field(self.audience.as_str())
            .optional(scopes)
            .field([u8::from(id_token)])
            .finish()
    }

    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        Reason::unless_accepted(&self.ours, subject)
    }

    /// For a grant: to our server, where its row lists the trust domain among the issuers whose tokens it accepts, and to nobody
    /// else.
    #[cfg(feature = "transaction-tokens")]
    fn takes_transaction_tokens(&self) -> bool {
        matches!(self.profile, Profile::Jwt { .. })
    }

    fn goes_by_issuer(&self) -> bool {
        true
    }

    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>> {
        let Some((subject, token)) = ask.subject_token() else { return ready(Err(no_subject())) };
        let exchange = self.exchange(subject, token, &ask.recipe.terms);
        let (this, terms, urgency) = (self.clone(), ask.recipe.terms.clone(), ask.urgency());
        Box::pin(async move { this.chain(exchange.map_err(Unexchangeable::refusal)?, terms, urgency).await })
    }
}

impl Chaining {
    /// The first step, at our server (§2.3 of the draft).
    fn exchange(
        &self,
        subject: &VerifiedToken,
        token: &SecretToken,
        terms: &TargetService,
    ) -> Result<TokenExchange, Unexchangeable> {
        let audience = Some(self.audience.clone());
        let (requested, target) = match &self.profile {
            Profile::Jwt { scopes } => {
                (TokenType::Jwt, TargetService { audience, scopes: scopes.clone(), ..TargetService::default() })
            }
            // What the row sends besides is for theirs.
            Profile::IdJag { .. } => {
                let parameters = Parameters::default();
                (TokenType::IdJag, TargetService { audience, parameters, ..terms.clone() })
            }
        };
        // `access_token` says that the token is the asked server's own (RFC 8693 §3).
        let declared = match self.profile {
            Profile::IdJag { id_token: true } => TokenType::IdToken,
            #[cfg(feature = "transaction-tokens")]
            _ if subject.trust_domain().is_some() => TokenType::TransactionToken,
            _ if subject.issuer() == self.ours.issuer() => TokenType::AccessToken,
            _ => TokenType::Jwt,
        };
        let exchange = TokenExchange::new(token.clone(), target)?;
        Ok(exchange.subject_token_type(declared).requested_token_type(requested))
    }

    /// Both steps. The grant is nobody's but this call's: it serves once, and is dropped with it.
    async fn chain(&self, exchange: TokenExchange, terms: TargetService, urgency: Urgency) -> Result<Brought, Refusal> {
        let grant = self.ours.request_assertion(exchange, urgency).await.map_err(|error| error.refusal())?.into_token();
        self.check(&grant).map_err(|refusal| refusal.issuer(self.ours.issuer().clone()))?;
        let grant = JwtBearer::new(grant, terms).map_err(|wrong| not_a_grant("assertion").caused_by(wrong))?;
        Brought::issued(&self.theirs, &grant.into(), urgency).await
    }

    /// Our server made it for theirs and for nobody else: what they could use elsewhere is not given to them.
    fn check(&self, grant: &SecretToken) -> Result<(), Refusal> {
        let grant = Unverified::<GrantClaims>::parse(grant.expose(), &Limits::default())
            .map_err(|wrong| not_a_grant("assertion").caused_by(wrong))?;
        let claims = grant.claims_unverified();
        if claims.aud.as_slice() != std::slice::from_ref(&self.audience) {
            let detail = format!("expected the grant's aud to be {:?}, found another", self.audience.as_str());
            return Err(not_a_grant("assertion_aud").detail(detail));
        }
        match self.profile {
            Profile::Jwt { .. } => Ok(()),
            Profile::IdJag { .. } => id_jag::check_client(claims.client_id.as_deref(), &self.theirs),
        }
    }
}

/// What is read of a grant, which is theirs to judge.
#[derive(Deserialize)]
struct GrantClaims {
    aud: AudienceClaim,
    client_id: Option<String>,
}

/// Our server issued what it must not.
pub(super) fn not_a_grant(check: &'static str) -> Refusal {
    Refusal::new(RefusalKind::BadUpstream, check)
}
