//! Kinds of tokens, as an exchange names them.

use std::fmt;

#[cfg(feature = "transaction-tokens")]
use tower_identity_core::transaction_tokens;

/// What kind of token is sent or asked for (RFC 8693 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TokenType {
    /// An access token of the authorization server that is asked; opaque to everybody else. The default.
    #[default]
    AccessToken,
    /// A JWT, whoever issued it.
    Jwt,
    /// An OpenID Connect ID token.
    IdToken,
    /// An identity assertion for another authorization server (draft-ietf-oauth-identity-assertion-authz-grant-03 §3).
    IdJag,
    /// A transaction token (draft-ietf-oauth-transaction-tokens-11 §7.1).
    #[cfg(feature = "transaction-tokens")]
    TransactionToken,
    /// A JWT that the asking workload has signed itself (§7.2 there).
    #[cfg(feature = "transaction-tokens")]
    SelfSigned,
    /// A JSON object that nobody has signed (§7.2 there).
    #[cfg(feature = "transaction-tokens")]
    UnsignedJson,
}

impl TokenType {
    /// The identifier on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::IdJag => "urn:ietf:params:oauth:token-type:id-jag",
            #[cfg(feature = "transaction-tokens")]
            Self::TransactionToken => transaction_tokens::TOKEN_TYPE,
            #[cfg(feature = "transaction-tokens")]
            Self::SelfSigned => transaction_tokens::SELF_SIGNED,
            #[cfg(feature = "transaction-tokens")]
            Self::UnsignedJson => transaction_tokens::UNSIGNED_JSON,
        }
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
