//! Transaction tokens (draft-ietf-oauth-transaction-tokens-11).

use std::time::Duration;

use tower_identity_core::{Timestamp, transaction_tokens};
use tower_identity_jose::{SigningKey, random_id};

use super::TokenBuilder;

impl TokenBuilder {
    /// A valid transaction token of this trust domain, signed with this key, issued now for a request of this workload: two
    /// minutes of life, the user `test-user`, an empty `scope`, a random `txn`, and no `iss`.
    ///
    /// An attack and its control differ in one line, as with [access tokens](Self::new).
    pub fn transaction_token(
        trust_domain: impl AsRef<str>,
        requested_by: impl AsRef<str>,
        key: &SigningKey,
        now: Timestamp,
    ) -> Self {
        Self::new("", key, now)
            .without("iss")
            .without("client_id")
            .without("jti")
            .header("typ", transaction_tokens::TYPE)
            .audience(trust_domain)
            .subject("test-user")
            .scope("")
            .claim("txn", random_id())
            .claim(transaction_tokens::REQUESTING_WORKLOAD, requested_by.as_ref())
            .lifetime(Duration::from_secs(120))
    }
}
