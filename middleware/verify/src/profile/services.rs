//! The profiles of services that say themselves for whom they call, and for whom they hand work over.

use std::time::Duration;

use tower_identity_core::Binding;

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
    caller: CallerShape::Asserting { binding: Binding::SelfAsserted },
    attributes: NO_ATTRIBUTES,
    ..RFC9068
};

/// The same by another type, of work that is done later: longer, and without any right of its own.
pub(crate) const HANDED_OFF: Table = Table {
    types: &["hand-off+jwt"],
    longest: Some(Duration::from_secs(7 * 24 * 3600)),
    scopes: ScopeClaim::None,
    caller: CallerShape::Asserting { binding: Binding::Deferred },
    ..SELF_ASSERTED
};
