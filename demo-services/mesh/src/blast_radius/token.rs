//! What is read off a token, in words: what any of those can read who see it.

use serde_json::Value;
use tower_identity::{SecretToken, transaction_tokens::REQUESTING_WORKLOAD};

/// A token, and what it says.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) value: SecretToken,
    /// Whom it is about.
    pub(super) whose: String,
    /// The rest of it, in words.
    pub(super) what: String,
    pub(super) scopes: String,
    pub(super) kind: Kind,
    /// The tokens that lie in it.
    pub(super) holds: Vec<Self>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A client's own.
    Own,
    /// A user's, which says of nobody that they send it.
    Transaction,
    /// No token: a user's name, in plain text.
    Name,
    Other,
}

impl Token {
    /// Reads a JWT; an opaque token says nothing.
    pub(super) fn read(value: &SecretToken) -> Option<Self> {
        let claims = claims(value.expose())?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // What a service has signed itself names its user by issuer and subject, and has no subject of its own.
        let of_sender = &claims["sub_id"]["sub"];
        let whose = text(&claims["sub"]).or_else(|| text(of_sender))?;
        let audience = match &claims["aud"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            one => text(one)?,
        };
        let (kind, what) = match (claims["act"]["sub"].as_str(), claims["client_id"] == claims["sub"]) {
            _ if claims[REQUESTING_WORKLOAD].is_string() => (Kind::Transaction, "transaction token".to_owned()),
            _ if of_sender.is_string() => (Kind::Other, format!("token for {audience} (by its sender's word)")),
            (Some(actor), _) => (Kind::Other, format!("token for {audience} ({actor} acts)")),
            (None, true) => (Kind::Own, format!("own token for {audience}")),
            (None, false) => (Kind::Other, format!("token for {audience}")),
        };
        let held = texts(&claims).into_iter().filter_map(|text| Self::read(&SecretToken::new(text))).collect();
        let scopes = text(&claims["scope"]).unwrap_or_default();
        Some(Self { value: value.clone(), whose, what, scopes, kind, holds: held })
    }

    /// What stands where services name their users, and is what it says.
    pub(super) fn name(value: &SecretToken) -> Self {
        Self {
            value: value.clone(),
            whose: value.expose().to_owned(),
            what: "name".to_owned(),
            scopes: String::new(),
            kind: Kind::Name,
            holds: Vec::new(),
        }
    }

    /// An opaque token, which is that of a session, by what the storefront says of it.
    pub(super) fn of_session(value: &SecretToken, principal: &Value) -> Self {
        Self {
            value: value.clone(),
            whose: principal["user"]["id"].as_str().unwrap_or("nobody").to_owned(),
            what: "session".to_owned(),
            scopes: principal["scopes"].to_string(),
            kind: Kind::Other,
            holds: Vec::new(),
        }
    }
}

/// The claims of a JWT, whoever has signed it.
pub(crate) fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// Every text in a value, at whatever depth.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(several) => several.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(claims: &Value) -> SecretToken {
        let encoded = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
        SecretToken::new(format!("{}.{}.{}", encoded("{}"), encoded(&claims.to_string()), encoded("signed")))
    }

    #[test]
    fn a_token_is_told_by_whose_it_is_whom_it_is_for_and_who_acts() {
        let cases = [
            (json!({ "sub": "alice", "aud": "orders" }), "alice", "token for orders"),
            (
                json!({ "sub": "alice", "aud": ["orders", "payments"], "client_id": "web" }),
                "alice",
                "token for orders, payments",
            ),
            (
                json!({ "sub": "alice", "aud": "orders", "act": { "sub": "storefront", "act": { "sub": "web" } } }),
                "alice",
                "token for orders (storefront acts)",
            ),
            (json!({ "sub": "orders", "aud": "payments", "client_id": "orders" }), "orders", "own token for payments"),
            (
                json!({ "sub_id": { "sub": "alice" }, "aud": "orders", "act": { "sub": "http://127.0.0.1:7001" } }),
                "alice",
                "token for orders (by its sender's word)",
            ),
            (json!({ "sub": "alice", "aud": "shop", "req_wl": "storefront" }), "alice", "transaction token"),
        ];
        for (claims, whose, what) in cases {
            let token = Token::read(&jwt(&claims)).expect("a JWT");
            assert_eq!((token.whose.as_str(), token.what.as_str()), (whose, what));
        }
    }

    #[test]
    fn what_lies_in_a_token_is_found_and_what_is_no_jwt_is_not_read() {
        let within = jwt(&json!({ "sub": "alice", "aud": "payments" }));
        let token = json!({ "sub": "alice", "aud": "orders", "tokens": [{ "payments": within.expose() }, "a.b.c"] });
        let held: Vec<_> = Token::read(&jwt(&token)).expect("a JWT").holds.into_iter().map(|held| held.what).collect();
        assert_eq!(held, ["token for payments"]);
        for text in ["opaque", "a.b", "e30.!.e30", "e30.e30.e30.e30"] {
            assert!(Token::read(&SecretToken::new(text)).is_none(), "{text}");
        }
    }
}
