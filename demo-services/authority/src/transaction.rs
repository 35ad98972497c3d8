//! Transaction tokens of one trust domain, of which this is the only issuer (draft-ietf-oauth-transaction-tokens-11): for a
//! user's access token, in the place of one that is to allow less, or for a user whom a client names itself.

mod said;
mod subject;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_identity::{
    Audience, ClientId, InvalidSetting, Issuer, Scopes, Subject, Timestamp, TransactionId,
    transaction_tokens::{NOT_APPLICABLE, TOKEN_TYPE, TYPE},
};
use tower_identity_jose::{MediaType, random_id};

use self::subject::Begun;
use crate::{
    authority::{Authority, lifetime},
    client::Client,
    error::{ErrorCode, TokenError},
    exchange::BAD_SUBJECT,
    form::Form,
    issue::TokenResponse,
    policy::ExchangeRow,
    settings::{AssertingRow, TransactionSettings},
    token::{requested_scopes, target},
};

/// Whose transaction tokens are issued here, to whom, and what of what is asked for is in them.
#[derive(Debug)]
pub(crate) struct Transactions {
    trust_domain: Audience,
    seconds: u64,
    context: Vec<String>,
    details: Vec<String>,
    replacements: usize,
    /// Each to the trust domain.
    rows: Vec<ExchangeRow>,
    asserting: Vec<AssertingRow>,
}

/// The type of a transaction token.
fn media_type() -> MediaType {
    MediaType::parse(TYPE).expect("it is a media type")
}

/// A transaction token, written, and read back where it is to be replaced.
#[derive(Debug, Serialize, Deserialize)]
struct TransactionClaims {
    iss: Issuer,
    aud: Audience,
    iat: Timestamp,
    exp: Timestamp,
    /// Of this token among those of its transaction: of one that is replaced nobody asks for it.
    #[serde(skip_deserializing)]
    jti: String,
    txn: TransactionId,
    sub: Subject,
    scope: String,
    req_wl: ClientId,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    tctx: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    rctx: Map<String, Value>,
}

impl From<TransactionSettings> for Transactions {
    fn from(settings: TransactionSettings) -> Self {
        let TransactionSettings { trust_domain, seconds, context, details, replacements, policy, asserting } = settings;
        let to_domain = |row: crate::settings::TransactionRow| ExchangeRow {
            client: row.client,
            from: row.from,
            to: trust_domain.clone(),
            scopes: row.scopes,
            access_token_seconds: None,
            embeds: Vec::new(),
        };
        let rows = policy.into_iter().map(to_domain).collect();
        let (context, details) = (context.into_iter().collect(), details.into_iter().collect());
        Self { seconds, context, details, replacements, rows, asserting, trust_domain }
    }
}

impl Transactions {
    /// The issuer of their users, by whoever accepts them.
    pub(crate) fn trust_domain(&self) -> &Audience {
        &self.trust_domain
    }
}

/// For whom a grant is asked, and what the subject token allows.
pub(crate) struct ForWhom {
    pub(crate) subject: Subject,
    /// Of the subject token.
    pub(crate) audience: Vec<Audience>,
    pub(crate) held: Scopes,
    pub(crate) ends: Timestamp,
}

impl Authority {
    /// For whom one of our transaction tokens is, whichever of our clients presents it.
    pub(crate) fn for_whom(&self, text: &str) -> Result<ForWhom, TokenError> {
        let transactions = self.transactions.as_ref().ok_or(BAD_SUBJECT)?;
        let TransactionClaims { sub, scope, exp, aud, .. } = self.opened(transactions, text)?;
        let held = Scopes::parse(&scope).map_err(|_| BAD_SUBJECT)?;
        Ok(ForWhom { subject: sub, audience: vec![aud], held, ends: exp })
    }

    /// A transaction token for what the request presents.
    pub(crate) fn transaction_token(&self, client: &Client, form: &Form<'_>) -> Result<TokenResponse, TokenError> {
        let transactions = self.transactions.as_ref().ok_or(NOT_ISSUED)?;
        if target(form)?.as_ref() != Some(&transactions.trust_domain) {
            return Err(ANOTHER_DOMAIN);
        }
        let requested = requested_scopes(form)?.filter(|scopes| !scopes.is_empty()).ok_or(NO_SCOPE)?;
        let Begun { subject, ceiling, ends, txn, mut tctx, mut rctx, text } = self.begun(transactions, client, form)?;
        // Nothing is granted in part: who asks for more than the policy makes of the subject's scopes is told so.
        if !requested.is_subset(&ceiling) {
            return Err(WIDER);
        }
        transactions.add(form, &text, &mut rctx, &mut tctx)?;

        let now = self.clock.wall();
        let exp = now.saturating_add(Duration::from_secs(transactions.seconds)).min(ends);
        let claims = TransactionClaims {
            iss: self.issuer.clone(),
            aud: transactions.trust_domain.clone(),
            iat: now,
            exp,
            jti: random_id(),
            txn: txn.unwrap_or_else(|| TransactionId::parse(random_id()).expect("it is an id")),
            sub: subject,
            scope: requested.to_string(),
            req_wl: client.id.clone(),
            tctx,
            rctx,
        };
        Ok(TokenResponse {
            access_token: self.key.sign(&media_type(), &claims).map_err(TokenError::not_signed)?,
            issued_token_type: Some(TOKEN_TYPE),
            token_type: NOT_APPLICABLE,
            expires_in: exp.since(now).as_secs(),
            scope: Some(claims.scope),
            more: BTreeMap::new(),
        })
    }

    pub(crate) fn check_transactions(&self) -> Result<(), InvalidSetting> {
        let Some(transactions) = &self.transactions else { return Ok(()) };
        let domain = &transactions.trust_domain;
        lifetime("seconds", transactions.seconds)?;
        if self.clients.owns(domain) || domain.as_str() == self.issuer.as_str() {
            return Err(InvalidSetting::new("trust_domain", "is the name of a service; a domain has one of its own"));
        }
        for (at, row) in transactions.rows.iter().enumerate() {
            let invalid = |field, rule: String| Err(InvalidSetting::new(field, rule).within(at).within("policy"));
            let Some(client) = self.clients.find(row.client.as_str()) else {
                return invalid("client", format!("{} is not registered", row.client));
            };
            if row.from != *domain && !client.audience.contains(&row.from) {
                return invalid("from", format!("{} is no audience of {}, nor the trust domain", row.from, row.client));
            }
            if row.scopes.values().all(Scopes::is_empty) {
                return invalid("scopes", "grants nothing".to_owned());
            }
        }
        for (at, row) in transactions.asserting.iter().enumerate() {
            if self.clients.find(row.client.as_str()).is_none() {
                let wrong = InvalidSetting::new("client", format!("{} is not registered", row.client));
                return Err(wrong.within(at).within("asserting"));
            }
        }
        Ok(())
    }
}

const NOT_ISSUED: TokenError = TokenError::new(ErrorCode::UnauthorizedClient, "no transaction tokens are issued here");
const ANOTHER_DOMAIN: TokenError =
    TokenError::new(ErrorCode::InvalidTarget, "transaction tokens of another trust domain are not issued here");
const NO_SCOPE: TokenError = TokenError::new(ErrorCode::InvalidScope, "a transaction token is asked for with scopes");
const WIDER: TokenError =
    TokenError::new(ErrorCode::InvalidScope, "the subject token and policy do not allow all of the scopes");
