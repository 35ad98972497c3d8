//! Transaction tokens, asked for (draft-ietf-oauth-transaction-tokens-11 §7).

use form_urlencoded::Serializer;
use tower_identity_core::{
    SecretToken,
    transaction_tokens::{REQUEST_CONTEXT, REQUEST_DETAILS, TYPE},
};
use tower_identity_jose::{Compact, Limits};

use super::{TargetService, TokenType, Transaction, Unexchangeable, token_exchange::TOKEN_EXCHANGE};

/// A transaction token for the subject of another token, or in the place of one that is to allow less
/// (draft-ietf-oauth-transaction-tokens-11 §7.1).
///
/// The audience is the trust domain, and the scopes are what the transaction is for: both are required. The server
/// decides what of the [transaction](Transaction) it puts into the token.
///
/// ```
/// use serde_json::json;
/// use tower_identity_core::{Scopes, SecretToken};
/// use tower_identity_oauth::{Grant, TargetService, Transaction, TransactionTokenExchange, Unexchangeable};
///
/// let shop = TargetService {
///     audience: Some("shop.internal".parse()?),
///     scopes: Scopes::parse("payments:charge")?,
///     ..TargetService::default()
/// };
/// let users_token = || SecretToken::new("eyJhbGciOi");
/// let about = Transaction::new().details(json!({ "order": "8a77" }))?;
/// let grant = Grant::from(TransactionTokenExchange::new(users_token(), shop)?.transaction(about));
/// assert_eq!(grant.kind().as_str(), "transaction_token");
///
/// let nowhere = TransactionTokenExchange::new(users_token(), TargetService::default());
/// assert_eq!(nowhere, Err(Unexchangeable::TrustDomain));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionTokenExchange {
    subject_token: SecretToken,
    subject_token_type: TokenType,
    transaction: Transaction,
    pub(super) target: TargetService,
}

impl TransactionTokenExchange {
    /// A transaction token of this trust domain, which is the target's audience, in exchange for an access token.
    ///
    /// # Errors
    ///
    /// [`Unexchangeable`] when the subject token is empty or too long, or the target names no audience, no scope, or a
    /// resource.
    pub fn new(subject_token: SecretToken, target: TargetService) -> Result<Self, Unexchangeable> {
        Unexchangeable::check(&subject_token)?;
        match &target {
            TargetService { audience: None, .. } => Err(Unexchangeable::TrustDomain),
            TargetService { scopes, .. } if scopes.is_empty() => Err(Unexchangeable::Scope),
            TargetService { resource: Some(_), .. } => Err(Unexchangeable::Resource),
            _ => {
                let (subject_token_type, transaction) = (TokenType::AccessToken, Transaction::default());
                Ok(Self { subject_token, subject_token_type, transaction, target })
            }
        }
    }

    /// Declares the subject token as one of another type: [`TokenType::TransactionToken`], where it is to be replaced. The
    /// server judges it by the rules of that type.
    #[must_use]
    pub fn subject_token_type(mut self, token_type: TokenType) -> Self {
        self.subject_token_type = token_type;
        self
    }

    /// What the transaction is about, and where it began. Default: nothing is said of it.
    #[must_use]
    pub fn transaction(mut self, transaction: Transaction) -> Self {
        self.transaction = transaction;
        self
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("grant_type", TOKEN_EXCHANGE)
            .append_pair("subject_token", self.subject_token.expose())
            .append_pair("subject_token_type", self.subject_token_type.as_str())
            .append_pair("requested_token_type", TokenType::TransactionToken.as_str());
        self.target.append_audience(form);
        self.target.append_scope(form);
        let said =
            [(REQUEST_CONTEXT, self.transaction.said_context()), (REQUEST_DETAILS, self.transaction.said_details())];
        for (name, object) in said {
            if let Some(object) = object {
                form.append_pair(name, object);
            }
        }
    }
}

/// Whether a token says that it is a transaction token, by its `typ` (§4.1).
pub(crate) fn is_transaction_token(token: &SecretToken) -> bool {
    let jwt = Compact::parse(token.expose(), &Limits::default());
    jwt.is_ok_and(|jwt| {
        jwt.header().typ().is_some_and(|typ| typ.strip_prefix("application/").unwrap_or(typ).eq_ignore_ascii_case(TYPE))
    })
}
