//! The profiles of ID tokens (OpenID Connect Core §2): of a sign-in at one client, and no right to anything.

use super::{
    table::{AudienceShape, CallerShape, Guard, IssuerShape, ScopeClaim, Table},
    vendors::{ENTRA_V2, JTI_IF_ANY, RFC9068},
};
use crate::claims::ClaimName;

/// For one client and no other (§3.1.3.7, 3 to 5). An access token has a `typ` of its own (RFC 9068 §2.1), or what these guards
/// ask for: what it allows, or the word for its kind.
pub(crate) const ID_TOKEN: Table = Table {
    types: &["JWT"],
    untyped: true,
    guards: &[
        Guard::NoneOf(&[ClaimName::Scope, ClaimName::Scp, ClaimName::ClientId, ClaimName::Events]),
        Guard::AbsentOrWord(ClaimName::Typ, &["ID"]),
        Guard::AbsentOr(ClaimName::TokenUse, &["id"]),
    ],
    audience: AudienceShape::OneAud,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::None,
    caller: CallerShape::SignedIn { user_id: ClaimName::Sub },
    ..RFC9068
};

/// Users go by `oid`, as in its access tokens: `sub` is another at each client.
pub(crate) const OF_ENTRA_V2: Table = Table {
    algorithms: ENTRA_V2.algorithms,
    issuer: IssuerShape::Tenant { tail: "/v2.0" },
    caller: CallerShape::SignedIn { user_id: ClaimName::Oid },
    attributes: ENTRA_V2.attributes,
    ..ID_TOKEN
};
