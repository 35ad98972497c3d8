//! JOSE: strict parsing, keys, key sets, opening and signing (RFC 7515, 7516, 7517, 7518, 7519, 7638, 8725).
//!
//! A compact token becomes [`Unverified`] by one strict parse, and [`Opened`] when its header is acceptable and a key
//! of a [`KeySet`] verifies it. Whether its claims hold, for whom and until when, is decided elsewhere: nothing here
//! knows an issuer, an audience or the time.
//!
//! ```text
//! &str ──Unverified::parse──▶ Unverified<C> ──open(&KeySet, &Accept)──▶ Opened<C>
//!        size, form, JSON       claims: not yet trusted    crit, typ, alg, key, signature
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`json`] | JSON without duplicate names and without depth, into any type |
//!
//! Everything else is exported here, and lies by subject in `compact` and `header` (parsing),
//! `known_headers` (parsing less), `accept` and `open` (verifying),
//! `claims` (those that are easily read wrongly), `jwk`, `key` and `key_set` (public keys), `signing` (private keys), `encryption` (tokens that only their recipient reads),
//! `keyed_hash` (identifiers that do not say what they are made of).

mod accept;
mod algorithm;
mod base64url;
mod claims;
mod compact;
mod crypto;
mod encryption;
mod header;
pub mod json;
mod jwk;
mod key;
mod key_set;
mod keyed_hash;
mod known_headers;
mod limits;
mod material;
mod media_type;
mod open;
mod roca;
mod signing;
mod thumbprint;
mod unverified;
#[cfg(test)]
mod wycheproof;

pub use self::{
    accept::Accept,
    algorithm::{Algorithm, UnknownAlgorithm},
    base64url::{random_id, sha256},
    claims::{AudienceClaim, NumericDate},
    compact::{Compact, ParseError, Part},
    encryption::{DecryptError, DecryptionKey, DecryptionKeys, EncryptionKey},
    header::Header,
    jwk::KeyRejected,
    key::VerifyingKey,
    key_set::{KeySet, KeySetError, SkippedKey},
    keyed_hash::{KeyedHash, KeyedHashBuilder, ShortKey},
    known_headers::KnownHeaders,
    limits::Limits,
    media_type::{InvalidMediaType, MediaType},
    open::{OpenError, Opened, Unopened},
    signing::{SignError, SigningKey, SigningKeyError, public_key_set},
    thumbprint::{InvalidThumbprint, Thumbprint},
    unverified::Unverified,
};
