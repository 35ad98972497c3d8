//! The answer that holds a transaction token (draft-ietf-oauth-transaction-tokens-11 §7.3).

use tower_identity_core::transaction_tokens::NOT_APPLICABLE;

use super::{IssuedToken, Nonsense, quotable_token_type, read_token};
use crate::{Grant, grant::is_transaction_token};

/// It is nobody's access token, and says so twice: beside it (§7.3) and in it (§4.1).
pub(super) fn read(exchange: &Grant, body: &[u8]) -> Result<IssuedToken, Nonsense> {
    let token = read_token(exchange, body, |token_type| {
        let is_none = token_type.eq_ignore_ascii_case(NOT_APPLICABLE);
        if is_none { Ok(()) } else { Err(Nonsense::NotForTransactions(quotable_token_type(token_type))) }
    })?;
    if is_transaction_token(&token.access_token) { Ok(token) } else { Err(Nonsense::NotATransactionToken) }
}
