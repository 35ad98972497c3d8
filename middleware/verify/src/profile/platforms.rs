//! The profiles of platforms that vouch for their workloads, one table each. `docs/issuers.md` says where each documents what
//! is written here.

use tower_identity_jose::Algorithm;

use super::{
    table::{Algorithms, AudienceShape, CallerShape, Guard, IssuerShape, ScopeClaim, Table},
    vendors::{JTI_IF_ANY, NO_ATTRIBUTES},
};
use crate::claims::ClaimName;

/// The guard is the key: one of the bundle's with `use: jwt-svid` signs nothing else.
pub(super) const JWT_SVID: Table = Table {
    types: &["JWT", "JOSE"],
    untyped: true,
    bare_header: true,
    algorithms: Algorithms::Only(&[
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
    ]),
    issuer: IssuerShape::TrustDomain,
    guards: &[],
    audience: AudienceShape::OneAud,
    ends: true,
    issued_at: false,
    longest: None,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::None,
    caller: CallerShape::SpiffeId,
    attributes: NO_ATTRIBUTES,
};

/// Untyped where the API server signs; `JWT` where an external signer does.
pub(super) const KUBERNETES: Table = Table {
    types: &["JWT"],
    untyped: true,
    bare_header: false,
    algorithms: Algorithms::Default(&[Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512]),
    issuer: IssuerShape::Exact,
    guards: &[Guard::Present(ClaimName::Kubernetes)],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::None,
    caller: CallerShape::ServiceAccount,
    attributes: NO_ATTRIBUTES,
};
