//! The profile of services that say themselves for whom they call.

use std::time::Duration;

use super::{
    table::{AudienceShape, CallerShape, IssuerShape, ScopeClaim, Table},
    vendors::{NO_ATTRIBUTES, RFC9068},
};

/// A type of its own, so that neither is taken for the other: an access token of the service's key, and its word for a user.
/// There is no `sub`, by which alone nobody would know whose subject that is.
pub(crate) const SELF_ASSERTED: Table = Table {
    types: &["self-asserted+jwt"],
    issuer: IssuerShape::Exact,
    audience: AudienceShape::OneAud,
    longest: Some(Duration::from_secs(300)),
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Asserting,
    attributes: NO_ATTRIBUTES,
    ..RFC9068
};
