//! What a transaction is about, and where it began.

use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::{Map, Value};
use tower_identity_core::{
    Fingerprint, InvalidSetting,
    transaction_tokens::{REQUEST_CONTEXT, REQUEST_DETAILS},
};

/// The most of each of the two, in bytes.
const MAX_BYTES: usize = 4096;

/// What a transaction token is asked for with, beside the subject: two JSON objects, of which its issuer decides what it
/// puts into the token (draft-ietf-oauth-transaction-tokens-11 §7.1). Nothing of it is printed. Cheap to clone.
///
/// ```
/// use serde_json::json;
/// use tower_identity_oauth::Transaction;
///
/// let transfer = Transaction::new()
///     .details(json!({ "order": "8a77", "amount": "30.00", "currency": "EUR" }))?
///     .context(json!({ "channel": "web" }))?;
/// # let _ = transfer;
///
/// let refused = Transaction::new().details(json!(["8a77"])).expect_err("no object");
/// assert_eq!(refused.to_string(), "request_details: is no JSON object");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    context: Option<Arc<str>>,
    details: Option<Arc<str>>,
}

impl Transaction {
    /// A transaction of which nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it is about, such as an order and its sum: `request_details`, which may become the token's `tctx` and stays as it
    /// is for as long as the transaction lasts.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `request_details`, when it is no JSON object, or has more than 4,096 bytes.
    pub fn details(mut self, details: impl Serialize) -> Result<Self, InvalidSetting> {
        self.details = Some(object(REQUEST_DETAILS, details)?);
        Ok(self)
    }

    /// The environment that it began in, such as the channel: `request_context`, which may become part of the token's `rctx`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `request_context`, when it is no JSON object, or has more than 4,096 bytes.
    pub fn context(mut self, context: impl Serialize) -> Result<Self, InvalidSetting> {
        self.context = Some(object(REQUEST_CONTEXT, context)?);
        Ok(self)
    }

    /// What this one says, and where it says nothing what the other one does.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            context: self.context.clone().or_else(|| other.context.clone()),
            details: self.details.clone().or_else(|| other.details.clone()),
        }
    }

    /// Both objects: part of a cache key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("transaction").optional(self.said_context()).optional(self.said_details()).finish()
    }

    pub(super) fn said_context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    pub(super) fn said_details(&self) -> Option<&str> {
        self.details.as_deref()
    }
}

fn object(field: &'static str, value: impl Serialize) -> Result<Arc<str>, InvalidSetting> {
    let invalid = |rule: &str| InvalidSetting::new(field, rule);
    // What serde says of a wrong value quotes it.
    let object: Map<String, Value> = match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => return Err(invalid("is no JSON object")),
    };
    let text = Value::Object(object).to_string();
    if text.len() > MAX_BYTES {
        return Err(invalid("has more than 4096 bytes"));
    }
    Ok(text.into())
}

/// Which of the two are there.
impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [(REQUEST_CONTEXT, self.context.is_some()), (REQUEST_DETAILS, self.details.is_some())];
        f.debug_set().entries(said.into_iter().filter_map(|(name, is_there)| is_there.then_some(name))).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tx_b5_what_is_said_of_a_transaction_is_an_object_of_a_bounded_size() {
        let padded = |length: usize| json!({"a": "x".repeat(length - 8)});
        assert_eq!(padded(MAX_BYTES).to_string().len(), MAX_BYTES);
        let cases = [
            (json!({}), Ok(())),
            (json!({"order": {"id": "8a77"}}), Ok(())),
            (padded(MAX_BYTES), Ok(())),
            (padded(MAX_BYTES + 1), Err("has more than 4096 bytes")),
            (json!([{}]), Err("is no JSON object")),
            (json!("{}"), Err("is no JSON object")),
            (json!(null), Err("is no JSON object")),
        ];
        for (value, expected) in cases {
            let said = |field: &str| expected.map_err(|rule| format!("{field}: {rule}"));
            let details = Transaction::new().details(&value).map(drop).map_err(|wrong| wrong.to_string());
            assert_eq!(details, said("request_details"));
            let context = Transaction::new().context(&value).map(drop).map_err(|wrong| wrong.to_string());
            assert_eq!(context, said("request_context"));
        }
    }

    #[test]
    fn transactions_are_told_apart_and_nothing_of_them_is_printed() {
        let value = json!({"iban": "DE89"});
        let details = Transaction::new().details(&value).expect("an object");
        let context = Transaction::new().context(&value).expect("an object");
        assert_ne!(details.fingerprint(), context.fingerprint());
        assert_ne!(details.fingerprint(), Transaction::new().fingerprint());
        let both = context.or(&details);
        assert_eq!(format!("{both:?}"), r#"{"request_context", "request_details"}"#);
        assert_eq!(
            (both.said_context(), both.said_details()),
            (Some(r#"{"iban":"DE89"}"#), Some(r#"{"iban":"DE89"}"#))
        );
        let other = Transaction::new().details(json!({})).expect("an object");
        assert_eq!(other.or(&details), other, "what is said first counts");
    }
}
