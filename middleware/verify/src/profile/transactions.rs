//! The profile of transaction tokens (draft-ietf-oauth-transaction-tokens-11 §4).

use std::time::Duration;

use tower_identity_core::transaction_tokens;

use super::{
    table::{AudienceShape, CallerShape, IssuerShape, Table},
    vendors::{JTI_IF_ANY, RFC9068},
};

/// A type of its own, so that it is taken for no access token, nor one for it. Whose it is, its audience says: the trust
/// domain.
pub(crate) const TRANSACTION_TOKEN: Table = Table {
    types: &[transaction_tokens::TYPE],
    issuer: IssuerShape::Asked,
    guards: &[],
    audience: AudienceShape::OneAud,
    longest: Some(Duration::from_secs(300)),
    token_id: JTI_IF_ANY,
    caller: CallerShape::Transaction,
    ..RFC9068
};
