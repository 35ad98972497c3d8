//! What a client says of a transaction, and what of it is in the token: the settings say (§7.1 there).

use serde_json::{Map, Value};
use tower_identity::transaction_tokens::{REQUEST_CONTEXT, REQUEST_DETAILS};
use tower_identity_jose::json;

use super::Transactions;
use crate::{error::TokenError, form::Form};

/// The most that is read of each object, in bytes.
const MAX_BYTES: usize = 4096;

/// The member of the environment that is always taken: the address that the user's request came from (§4.2).
const REQUEST_ADDRESS: &str = "req_ip";

impl Transactions {
    /// Adds the listed members of what the request says. What is there stays as it is.
    pub(super) fn add(
        &self,
        form: &Form<'_>,
        subject_token: &str,
        rctx: &mut Map<String, Value>,
        tctx: &mut Map<String, Value>,
    ) -> Result<(), TokenError> {
        let is_context = |name: &String| name == REQUEST_ADDRESS || self.context.contains(name);
        add(form, REQUEST_CONTEXT, subject_token, is_context, rctx)?;
        add(form, REQUEST_DETAILS, subject_token, |name| self.details.contains(name), tctx)
    }
}

fn add(
    form: &Form<'_>,
    parameter: &str,
    subject_token: &str,
    is_listed: impl Fn(&String) -> bool,
    into: &mut Map<String, Value>,
) -> Result<(), TokenError> {
    let Some(text) = form.one(parameter) else { return Ok(()) };
    if text.len() > MAX_BYTES {
        return Err(TOO_LARGE);
    }
    let said: Map<String, Value> = json::from_slice(text.as_bytes()).map_err(|_| NOT_AN_OBJECT)?;
    // No token that opens anything outside is to travel inside (§9.2 there), whatever it is written as.
    let said_again = Value::Object(said.clone()).to_string();
    if said_again.contains(subject_token) {
        return Err(HOLDS_THE_TOKEN);
    }
    for (name, value) in said.into_iter().filter(|(name, _)| is_listed(name)) {
        if into.get(&name).is_some_and(|there| *there != value) {
            return Err(CHANGED);
        }
        into.insert(name, value);
    }
    Ok(())
}

const TOO_LARGE: TokenError =
    TokenError::invalid_request("request_context or request_details has more than 4096 bytes");
const NOT_AN_OBJECT: TokenError =
    TokenError::invalid_request("request_context or request_details is not a JSON object without duplicate names");
const HOLDS_THE_TOKEN: TokenError =
    TokenError::invalid_request("request_context or request_details holds the subject token");
const CHANGED: TokenError = TokenError::invalid_request("what was said of a transaction stays as it is");
