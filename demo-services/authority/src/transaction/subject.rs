//! For whom a transaction token is asked, by each kind of subject token.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_identity::{
    Scopes, Subject, Timestamp, TransactionId,
    transaction_tokens::{SELF_SIGNED, TOKEN_TYPE, UNSIGNED_JSON},
};
use tower_identity_jose::{Accept, AudienceClaim, Limits, MediaType, NumericDate, Unverified, json};

use super::{TransactionClaims, Transactions, media_type};
use crate::{
    authenticate::{ASSERTION_ALGORITHMS, LEEWAY},
    authority::Authority,
    claims::AuthenticationClaims,
    client::{Client, Credential},
    error::{ErrorCode, TokenError},
    exchange::{ACCESS_TOKEN, BAD_SUBJECT, BAD_SUBJECT_TYPE, NO_SUBJECT, NO_SUBJECT_TYPE, NOT_A_USER},
    form::Form,
    policy::granted_of,
    settings::AssertingRow,
};

/// The longest that what a client has signed itself may live, in seconds.
const MAX_SELF_SIGNED: u64 = 300;

/// Of those that were replaced, the workloads that had asked for them, first things first.
const REQUESTING_WORKLOADS: &str = "req_wls";

/// What is known of a transaction before its token is made.
pub(super) struct Begun {
    pub(super) subject: Subject,
    /// What it may be for at most.
    pub(super) ceiling: Scopes,
    /// When the subject token ends.
    pub(super) ends: Timestamp,
    pub(super) txn: Option<TransactionId>,
    pub(super) tctx: Map<String, Value>,
    pub(super) rctx: Map<String, Value>,
    /// The subject token, which is nowhere in what is issued.
    pub(super) text: String,
}

#[derive(Deserialize)]
struct SelfSigned {
    iss: String,
    sub: Subject,
    aud: AudienceClaim,
    iat: NumericDate,
    exp: NumericDate,
}

#[derive(Deserialize)]
struct UnsignedJson {
    sub: Subject,
}

impl Authority {
    pub(super) fn begun(
        &self,
        transactions: &Transactions,
        client: &Client,
        form: &Form<'_>,
    ) -> Result<Begun, TokenError> {
        let text = form.one("subject_token").ok_or(NO_SUBJECT)?;
        match form.one("subject_token_type") {
            None => Err(NO_SUBJECT_TYPE),
            Some(ACCESS_TOKEN) => self.begun_by_user(transactions, client, text),
            Some(TOKEN_TYPE) => self.begun_before(transactions, client, text),
            Some(SELF_SIGNED) => self.begun_by_client(transactions, client, text),
            Some(UNSIGNED_JSON) => self.begun_unsigned(transactions, client, text),
            Some(_) => Err(BAD_SUBJECT_TYPE),
        }
    }

    /// An access token of ours about a user, which was sent to this client.
    fn begun_by_user(&self, transactions: &Transactions, client: &Client, text: &str) -> Result<Begun, TokenError> {
        let subject = self.subject(client, text)?;
        let held = subject.scopes().ok_or(BAD_SUBJECT)?;
        let of = (subject.aud.as_slice(), &held);
        let ceiling = granted_of(&transactions.rows, &client.id, of, &transactions.trust_domain, None)?;
        let mut rctx = Map::new();
        let signed_in = serde_json::to_value(&subject.authentication).unwrap_or_default();
        for name in ["acr", "amr", "auth_time"] {
            if let Some(value) = signed_in.get(name) {
                rctx.insert(name.to_owned(), value.clone());
            }
        }
        let (ends, txn, text) = (subject.exp.timestamp(), subject.txn, text.to_owned());
        Ok(Begun { subject: subject.sub, ceiling, ends, txn, tctx: Map::new(), rctx, text })
    }

    /// What a transaction token of ours says that has not ended, nor the sign-in that it was begun on.
    pub(super) fn opened(&self, transactions: &Transactions, text: &str) -> Result<TransactionClaims, TokenError> {
        let accept = Accept::new([media_type()], [self.key.algorithm()]);
        let token = Unverified::<TransactionClaims>::parse(text, &Limits::default()).map_err(|_| BAD_SUBJECT)?;
        let token = token.open(&self.own_keys, &accept).map_err(|_| BAD_SUBJECT)?.into_claims();
        let is_ours = token.iss == self.issuer && token.aud == transactions.trust_domain;
        if !is_ours || token.exp <= self.clock.wall() || self.sessions.is_over(&token.sub, &signed_in(&token)) {
            return Err(BAD_SUBJECT);
        }
        Ok(token)
    }

    /// A transaction token of ours, to be replaced by one that allows less (§7.4 there): all that it says stays.
    fn begun_before(&self, transactions: &Transactions, client: &Client, text: &str) -> Result<Begun, TokenError> {
        let before = self.opened(transactions, text)?;
        let held = Scopes::parse(&before.scope).map_err(|_| BAD_SUBJECT)?;
        let domain = std::slice::from_ref(&transactions.trust_domain);
        let ceiling = granted_of(&transactions.rows, &client.id, (domain, &held), &transactions.trust_domain, None)?;
        let mut rctx = before.rctx;
        let asked = rctx.entry(REQUESTING_WORKLOADS).or_insert_with(|| json!([]));
        let asked = asked.as_array_mut().ok_or(BAD_SUBJECT)?;
        if asked.len() >= transactions.replacements {
            return Err(TOO_OFTEN);
        }
        asked.push(json!(before.req_wl));
        let (subject, ends, txn, tctx) = (before.sub, before.exp, Some(before.txn), before.tctx);
        Ok(Begun { subject, ceiling, ends, txn, tctx, rctx, text: text.to_owned() })
    }

    /// What the client has signed itself, by the key that it authenticates with (§7.2 there).
    fn begun_by_client(&self, transactions: &Transactions, client: &Client, text: &str) -> Result<Begun, TokenError> {
        let row = transactions.asserting(client).ok_or(NOT_ASSERTING)?;
        let Credential::Keys(keys) = &client.credential else { return Err(NO_KEY) };
        // By its type it is no assertion that somebody authenticates with.
        let plain = MediaType::JWT;
        let accept = Accept::new([plain], ASSERTION_ALGORITHMS).or_untyped();
        let signed = Unverified::<SelfSigned>::parse(text, &Limits::default()).map_err(|_| BAD_SUBJECT)?;
        let signed = signed.open(keys, &accept).map_err(|_| BAD_SUBJECT)?.into_claims();
        if signed.iss != client.id.as_str() {
            return Err(ANOTHER_SIGNER);
        }
        let token_endpoint = self.places.token_endpoint();
        let is_for_us = |only: &str| only == self.issuer.as_str() || only == token_endpoint;
        let is_now = signed.exp.timestamp() > self.clock.wall()
            && signed.iat.timestamp() <= self.clock.wall().saturating_add(LEEWAY)
            && signed.exp.timestamp().since(signed.iat.timestamp()).as_secs() <= MAX_SELF_SIGNED;
        if !matches!(signed.aud.as_slice(), [only] if is_for_us(only.as_str())) || !is_now {
            return Err(BAD_SUBJECT);
        }
        self.begun_for(row, signed.sub, signed.exp.timestamp(), text)
    }

    /// What nobody has signed: the client's word, which only counts where the settings say so (§7.2 there).
    fn begun_unsigned(&self, transactions: &Transactions, client: &Client, text: &str) -> Result<Begun, TokenError> {
        let row = transactions.asserting(client).filter(|row| row.unsigned).ok_or(NOT_ASSERTING)?;
        let unsigned: UnsignedJson = json::from_slice(text.as_bytes()).map_err(|_| BAD_SUBJECT)?;
        self.begun_for(row, unsigned.sub, Timestamp::from_secs(u64::MAX), text)
    }

    fn begun_for(&self, row: &AssertingRow, user: Subject, ends: Timestamp, text: &str) -> Result<Begun, TokenError> {
        if !self.users.contains(&user) {
            return Err(NOT_A_USER);
        }
        let (tctx, rctx) = (Map::new(), Map::new());
        Ok(Begun { subject: user, ceiling: row.scopes.clone(), ends, txn: None, tctx, rctx, text: text.to_owned() })
    }
}

/// The sign-in that a transaction was begun on: as it says, or when the token was issued at the latest.
fn signed_in(token: &TransactionClaims) -> AuthenticationClaims {
    let said = token.rctx.get("auth_time").and_then(Value::as_u64).map(Timestamp::from_secs);
    AuthenticationClaims { auth_time: Some(said.unwrap_or(token.iat)), ..AuthenticationClaims::default() }
}

impl Transactions {
    fn asserting(&self, client: &Client) -> Option<&AssertingRow> {
        self.asserting.iter().find(|row| row.client == client.id)
    }
}

const TOO_OFTEN: TokenError = TokenError::invalid_request("the transaction token was replaced too often already");
const NOT_ASSERTING: TokenError =
    TokenError::new(ErrorCode::UnauthorizedClient, "this client may not say itself for whom it asks in this way");
const NO_KEY: TokenError = TokenError::invalid_request("this client has no key by which it could have signed that");
const ANOTHER_SIGNER: TokenError = TokenError::invalid_request("the subject token is not signed by this client");
