//! How a token is obtained: the seam between the cache and the strategies.

mod actor;
mod assertion;
mod chaining;
mod client_credentials;
mod custom_grant;
mod embedded;
mod entra_on_behalf_of;
mod exchange;
mod id_jag;
mod keycloak_exchange;
mod own;
mod plain_user;
mod relay;
mod signed;
#[cfg(feature = "transaction-tokens")]
mod transaction_token;

use std::{fmt, future, str::FromStr, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tower_identity_core::{
    Audience, BoxFuture, CallerContext, Clock, Fingerprint, InvalidName, InvalidSetting, Issuer, Refusal, RefusalKind,
    SecretToken, VerifiedToken,
};
use tower_identity_oauth::{Grant, IssuedToken, Resource, TargetService, TokenClient, Urgency};

pub(crate) use self::client_credentials::ClientCredentials;
#[cfg(feature = "transaction-tokens")]
use self::transaction_token::TransactionToken;
use self::{
    actor::ActorTokens,
    assertion::Assertion,
    chaining::{Chaining, Profile},
    custom_grant::CustomGrant,
    embedded::Embedded,
    entra_on_behalf_of::EntraOnBehalfOf,
    exchange::Exchange,
    keycloak_exchange::KeycloakExchange,
    own::{Held, Own},
    plain_user::PlainUser,
    relay::Relay,
    signed::Signed,
};
use crate::{
    Strategies, Strategy, Target,
    about::About,
    candidate::Which,
    error::Reason,
    issued::Demands,
    key::{AskedFor, Looked},
    strategy::{Whose, repeated},
    telemetry::Requests,
};

/// One strategy: turns an [`Ask`] into a token.
pub(crate) trait TokenSource: fmt::Debug + Send + Sync {
    /// What tells this source from all others for the same terms: part of the cache key.
    fn name(&self) -> &'static str;

    /// Whatever decides, beside the terms and the subject, which token comes: the server and who we are there, and the
    /// strategy's own settings, all of them. Part of the cache key.
    fn fingerprint(&self) -> Fingerprint;

    /// Whether it takes this subject: what is known before anybody is asked. Asked for each request, so it is cheap, and
    /// allocates nothing where the answer is yes.
    fn takes(&self, subject: &VerifiedToken) -> Result<(), Reason> {
        let _ = subject;
        Ok(())
    }

    /// Whether it takes what this caller says itself of its user, of which [nothing else](tower_identity_core::Binding::is_established) is known. No
    /// server is ever given that.
    fn takes_word(&self, caller: &CallerContext) -> Result<(), Reason> {
        let _ = caller;
        Err(Reason::Unrelated)
    }

    /// Whether it takes the text of the subject's token, and not only what was found in it.
    fn needs_text(&self) -> bool {
        true
    }

    /// Whether it takes transaction tokens, which travel in their trust domain and in their own field alone.
    fn takes_transaction_tokens(&self) -> bool {
        false
    }

    /// Whether what it obtains is one, so that something can be said of the transaction.
    fn obtains_transaction_tokens(&self) -> bool {
        false
    }

    /// Whether it [takes](Self::takes) whatever is of certain issuers. That does not change with what else verification
    /// makes of the same token, such as its scopes, and is not asked again of a subject that it took.
    fn goes_by_issuer(&self) -> bool {
        false
    }

    /// Obtains the token. What it is given is all that it may depend on.
    fn obtain(&self, ask: &Ask) -> BoxFuture<'static, Result<Brought, Refusal>>;
}

/// A token that a source brings.
#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) token: IssuedToken,
    /// The authorization server that issued it just now, for this ask. None of a token that there was.
    pub(crate) server: Option<Issuer>,
    /// How soon it is worth a look whether there is another, where that is not known from its life.
    pub(crate) again: Option<Duration>,
    /// How long it is good for by what it says itself, where its source has read that.
    pub(crate) left: Option<Duration>,
    /// Whether it goes as it is, in a field of its own, and never as a bearer token in `Authorization`.
    pub(crate) is_bare: bool,
}

impl Brought {
    /// What this server issues for this grant.
    pub(crate) async fn issued(client: &TokenClient, grant: &Grant, urgency: Urgency) -> Result<Self, Refusal> {
        let token = client.request_with(grant, urgency).await.map_err(|error| error.refusal())?;
        let server = Some(client.issuer().clone());
        Ok(Self { server, ..Self::found(token) })
    }

    /// A token that there was.
    pub(crate) fn found(token: IssuedToken) -> Self {
        Self { token, server: None, again: None, left: None, is_bare: false }
    }

    pub(crate) fn look_again_after(self, again: Duration) -> Self {
        Self { again: Some(again), ..self }
    }

    #[cfg(feature = "transaction-tokens")]
    pub(crate) fn good_for(self, left: Duration) -> Self {
        Self { left: Some(left), ..self }
    }

    pub(crate) fn without_scheme(self) -> Self {
        Self { is_bare: true, ..self }
    }
}

/// What a source is made of, beside the strategy's own settings.
pub(crate) struct Made<'r> {
    pub(crate) target: &'r Target,
    /// At the row's server.
    pub(crate) client: &'r TokenClient,
    /// At the server that is asked before the row's, where one is.
    pub(crate) first: Option<&'r TokenClient>,
    pub(crate) clock: &'r Clock,
}

/// The source of strategies that were checked.
pub(crate) fn of(strategies: &Strategies, made: &Made<'_>) -> Result<Box<dyn TokenSource>, InvalidSetting> {
    let list = strategies.as_slice();
    let mut otherwise = None;
    for (index, strategy) in list.iter().enumerate().rev() {
        let source = made.source(strategy, otherwise).map_err(|wrong| {
            let wrong = wrong.within(strategy.name());
            if list.len() > 1 { wrong.within(index) } else { wrong }.within("strategy")
        });
        otherwise = Some(source?);
    }
    otherwise.ok_or_else(|| InvalidSetting::new("strategy", "is an empty list"))
}

impl Made<'_> {
    /// The source of one of them. `otherwise` is the next one's.
    fn source(
        &self,
        strategy: &Strategy,
        otherwise: Option<Box<dyn TokenSource>>,
    ) -> Result<Box<dyn TokenSource>, InvalidSetting> {
        let client = self.client.clone();
        Ok(match strategy {
            Strategy::TokenExchange(exchange) => {
                let actor = self.target.actor_token.then(|| ActorTokens::new(client.clone(), self.clock.clone()));
                Box::new(Exchange { client, actor, requested: exchange.requested })
            }
            Strategy::ClientCredentials => Box::new(ClientCredentials { client }),
            Strategy::KeycloakExchange => Box::new(KeycloakExchange { client }),
            Strategy::EntraOnBehalfOf(entra) => {
                let id = client.client_id().as_str();
                let mut names = vec![id.to_owned(), format!("api://{id}")];
                names.extend(entra.audiences.iter().cloned());
                let audiences = parsed("audiences", &names)?;
                Box::new(EntraOnBehalfOf { client, audiences, app_only: entra.is_app_only_as_service() })
            }
            Strategy::CustomGrant(grant_type) => {
                if let Some(name) = repeated(grant_type, client.parameters()) {
                    let rule = format!("is among the parameters of the row's server, too: {name:?}");
                    return Err(InvalidSetting::new("subject_parameter", rule));
                }
                Box::new(CustomGrant { client, grant_type: grant_type.clone() })
            }
            Strategy::Assertion => Box::new(Assertion { client }),
            Strategy::Chaining(chaining) => {
                let ours = self.first()?;
                let audience = chaining.audience.as_deref().unwrap_or(client.issuer().as_str());
                let audience =
                    Audience::parse(audience).map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?;
                let profile = Profile::Jwt { scopes: chaining.scope.clone() };
                Box::new(Chaining { ours, theirs: client, audience, profile })
            }
            Strategy::IdJag(id_jag) => {
                let source = id_jag::source(self.first()?, client, id_jag.is_id_token());
                Box::new(source.map_err(|wrong| InvalidSetting::new("audience", wrong.to_string()))?)
            }
            Strategy::Relay(relay) => {
                let mut audiences = self.audiences();
                audiences.extend(parsed::<Audience>("accepts", &relay.accepts)?);
                Box::new(Relay { audiences })
            }
            Strategy::Embedded(embedded) => {
                let user_claim = embedded.user_claim.as_deref().unwrap_or("sub");
                Box::new(Embedded {
                    path: embedded.path()?,
                    audiences: self.audiences(),
                    issuers: parsed("issuers", &embedded.issuers)?,
                    user_claim: (embedded.subject == Whose::Same).then(|| user_claim.into()),
                    otherwise,
                })
            }
            Strategy::Signed(signed) => {
                let (issuer, key, life) = signed.terms()?;
                let missing = || InvalidSetting::new("audience", "is missing");
                Box::new(Signed {
                    issuer,
                    key: key.clone(),
                    life,
                    passes_on: signed.passes_on(),
                    audience: self.target.audience.clone().ok_or_else(missing)?,
                    scopes: self.target.scopes.clone(),
                })
            }
            #[cfg(feature = "transaction-tokens")]
            Strategy::TransactionToken(transaction) => Box::new(TransactionToken {
                client,
                trust_domain: transaction.trust_domain()?,
                begins_here: transaction.begins_here(),
                replaces: transaction.replaces(),
                transaction: transaction.said().clone(),
            }),
            Strategy::PlainUser(plain) => Box::new(PlainUser {
                users_of: plain.users_of()?,
                tenant: self.target.when.tenant.clone(),
                passes_on: plain.passes_on(),
            }),
            Strategy::File(file) => Box::new(self.own(Held::file(&file.path))),
            Strategy::Fixed(token) => Box::new(self.own(Held::Fixed(token.clone()))),
        })
    }

    /// The first of two servers: another than the row's.
    fn first(&self) -> Result<TokenClient, InvalidSetting> {
        match self.first {
            Some(first) if first.issuer() != self.client.issuer() => Ok(first.clone()),
            _ => Err(InvalidSetting::new("through", "is the row's own server; say in server which other it leads to")),
        }
    }

    fn own(&self, held: Held) -> Own {
        Own { held, audiences: self.audiences().into() }
    }

    /// What the row calls the target.
    fn audiences(&self) -> Vec<Audience> {
        let Target { audience, resource, .. } = self.target;
        let resource = resource.as_ref().and_then(|resource| Audience::parse(resource.as_str()).ok());
        audience.iter().cloned().chain(resource).collect()
    }
}

/// The names of a list, each in order.
fn parsed<T: FromStr<Err = InvalidName>>(field: &str, names: &[String]) -> Result<Vec<T>, InvalidSetting> {
    let wrong = |index, broken: InvalidName| InvalidSetting::new(index, broken.to_string()).within(field);
    names.iter().enumerate().map(|(index, name)| name.parse().map_err(|broken| wrong(index, broken))).collect()
}

/// What is known without asking anybody.
fn ready(brought: Result<Brought, Refusal>) -> BoxFuture<'static, Result<Brought, Refusal>> {
    Box::pin(future::ready(brought))
}

/// A strategy of users has none: never the reason to take another token.
fn no_subject() -> Refusal {
    Refusal::new(RefusalKind::Misconfigured, "subject_token").detail("the strategy needs a caller's token")
}

/// A token that is bound to a key is of no use to anybody else. Verification takes none without a proof of it.
fn unless_bound(subject: &VerifiedToken) -> Result<(), Refusal> {
    match subject.claims::<Map<String, Value>>() {
        Ok(claims) if !claims.contains_key("cnf") => Ok(()),
        _ => {
            let detail = "the caller's token is bound to a key of the caller's, and this server takes it from nobody \
                          else; have the caller get one that is not";
            Err(Refusal::new(RefusalKind::Misconfigured, "bound").detail(detail))
        }
    }
}

/// A row's terms by one source: all that is known before a request.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) source: Box<dyn TokenSource>,
    pub(crate) terms: TargetService,
    pub(crate) demands: Demands,
    pub(crate) clock: Clock,
    pub(crate) told: Requests,
    asked: Arc<AskedFor>,
    /// Whether its source [does](TokenSource::goes_by_issuer).
    pub(crate) goes_by_issuer: bool,
    /// Whether its source [does](TokenSource::takes_transaction_tokens).
    pub(crate) takes_transaction_tokens: bool,
    /// Whether its source [does](TokenSource::obtains_transaction_tokens).
    pub(crate) obtains_transaction_tokens: bool,
}

impl Recipe {
    /// `target` is what the operator knows it by.
    pub(crate) fn new(
        (target, which): (&Arc<str>, Which),
        source: Box<dyn TokenSource>,
        terms: TargetService,
        demands: Demands,
        clock: Clock,
    ) -> Self {
        let row = Fingerprint::of("outbound-row")
            .field(source.name())
            .optional(terms.audience.as_ref().map(Audience::as_str))
            .optional(terms.resource.as_ref().map(Resource::as_str))
            .field(terms.scopes.to_string())
            .field(terms.tolerated.to_string())
            .field(terms.parameters.fingerprint().as_bytes())
            .field(demands.fingerprint().as_bytes())
            .finish();
        let asked = Arc::new(AskedFor { us: source.fingerprint(), row });
        let told = Requests::new(Arc::clone(target), which, source.name());
        let goes_by_issuer = source.goes_by_issuer();
        let takes_transaction_tokens = source.takes_transaction_tokens();
        let obtains_transaction_tokens = source.obtains_transaction_tokens();
        Self {
            source,
            terms,
            demands,
            clock,
            told,
            asked,
            goes_by_issuer,
            takes_transaction_tokens,
            obtains_transaction_tokens,
        }
    }

    /// What is asked for and by whom.
    pub(crate) fn asked(&self) -> &Arc<AskedFor> {
        &self.asked
    }

    /// What its token for this subject is remembered under.
    pub(crate) fn key(&self, subject: Option<&VerifiedToken>, about: Option<&About>) -> Looked<'_> {
        let subject = subject.map(VerifiedToken::fingerprint);
        let subject = match about {
            None => subject,
            Some(about) => subject.map(|subject| about.of_subject(subject)),
        };
        Looked { subject, asked: &self.asked }
    }
}

/// Everything that decides which token is issued, and nothing else: what a source receives, and what the
/// [key](Self::key) covers.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) recipe: Arc<Recipe>,
    /// The verified token of the user; of nobody, where the token is this service's own.
    pub(crate) subject: Option<Arc<VerifiedToken>>,
    /// What the request says of its transaction.
    pub(crate) about: Option<Arc<About>>,
    /// Whether nobody waits for it yet: it is for when the one that is at hand has ended. No part of the key.
    pub(crate) ahead: bool,
}

impl Ask {
    /// How much there is to be lost.
    pub(crate) fn urgency(&self) -> Urgency {
        if self.ahead { Urgency::Refresh } else { Urgency::Waiting }
    }

    pub(crate) fn key(&self) -> Looked<'_> {
        self.recipe.key(self.subject.as_deref(), self.about.as_deref())
    }

    /// The subject, with its token. Of a certificate there is none.
    pub(crate) fn subject_token(&self) -> Option<(&VerifiedToken, &SecretToken)> {
        self.subject.as_deref().and_then(|subject| Some((subject, subject.token()?)))
    }
}
