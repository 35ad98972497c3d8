//! The edge of a mesh: where credentials from outside stop, and one internal identity takes their place.
//!
//! Between services nobody should need to know how a user signed in. Whatever came from outside, verified, becomes one
//! short-lived token that the edge signs: a Transaction Token (draft-ietf-oauth-transaction-tokens-11), which says for whom
//! a request is made, what for, and who asked, and which is good within one trust domain only.
//!
//! ```text
//! request ─▶ EdgeLayer: AuthLayer, at the edge ─▶ the internal identity in the caller's place ─▶ handler
//!                                                     │
//!            ┌─ TrustDomain: who the user is inside, which scopes and attributes cross
//! verified   │
//! caller ─▶ Mint ─▶ Minted: the token for the field Txn-Token
//!            │
//!            └─ KeyRing ─▶ KeySetEndpoint: /.well-known/jwks.json, for the verifiers inside
//!               publish, wait, sign, retire
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`layer`] | [`EdgeLayer`], which replaces what came from outside |
//! | [`answer`] | [`EdgeAnswer`], what goes out, of which nothing speaks of an identity but to a proxy that asked |
//! | [`key_ring`] | [`KeyRing`], the key that signs and those that take its place; [`Rotation`] |
//! | [`key_set`] | [`KeySetEndpoint`], which publishes them |
//! | [`exchange`] | [`Exchange`], which asks an authority for one in the mint's place |
//! | [`mint`] | [`Mint`], which makes an internal identity; [`MintError`] |
//! | [`trust_domain`] | [`TrustDomain`], what of a user crosses into it |
//! | [`names`] | [`UserNames`], who a user is inside; [`Pairwise`] and [`NameTable`] |

pub mod answer;
pub mod exchange;
pub mod key_ring;
pub mod key_set;
pub mod layer;
pub mod mint;
pub mod names;
mod replaced;
mod scope_rows;
mod telemetry;
pub mod trust_domain;

pub use self::{
    answer::EdgeAnswer,
    exchange::{Exchange, ExchangeBuilder},
    key_ring::{KeyRing, KeyTooOld, Rotation},
    key_set::KeySetEndpoint,
    layer::{EdgeFuture, EdgeLayer, EdgeService},
    mint::{Mint, MintBuilder, MintError, Minted},
    names::{NameTable, Pairwise, UserNames},
    trust_domain::{Attribute, TrustDomain},
};
