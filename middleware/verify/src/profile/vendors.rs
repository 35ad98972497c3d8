//! The profiles of authorization servers, one table each. `docs/issuers.md` says where each vendor documents what is written here.

use tower_identity_jose::Algorithm;

use super::table::{
    Algorithms, Around, AttributeClaims, AudienceShape, CallerShape, GroupClaim, Guard, IssuerShape, RoleClaim,
    ScopeClaim, Sign, SubjectEvidence, Table, TokenIdClaim,
};
use crate::claims::ClaimName;

/// At least 128 bits of strength, in common use.
const COMMON: Algorithms =
    Algorithms::Default(&[Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa, Algorithm::Ed25519]);

const RS256: Algorithms = Algorithms::Default(&[Algorithm::Rs256]);

const JTI: TokenIdClaim = TokenIdClaim { claim: ClaimName::Jti, required: true };
pub(super) const JTI_IF_ANY: TokenIdClaim = TokenIdClaim { claim: ClaimName::Jti, required: false };
/// Entra's name for it. Documented, but not promised to be there.
const UTI_IF_ANY: TokenIdClaim = TokenIdClaim { claim: ClaimName::Uti, required: false };

/// What ID tokens have and access tokens have not (OpenID Connect Core §2, §3.3.2.11), and what logout tokens and other
/// security events have (RFC 8417 §2.2).
const NO_ID_TOKEN: Guard = Guard::NoneOf(&[ClaimName::Nonce, ClaimName::AtHash, ClaimName::CHash, ClaimName::Events]);

/// The subject is the client, or is not: a client that may choose its own id must not become the user of that name
/// (RFC 9068 §5). What is Auth0's spelling of a client is nobody's name either.
const CLIENT_OR_USER: SubjectEvidence = SubjectEvidence {
    workload: &[&[Sign::OfClient(ClaimName::Sub, Around::NOTHING)]],
    user: &[&[Sign::NotOfClient(ClaimName::Sub, Around::NOTHING), Sign::NotOfClient(ClaimName::Sub, AUTH0_CLIENT)]],
    user_id: ClaimName::Sub,
    required: true,
    undecided: "sub is the client in another spelling: the issuer has a profile of its own",
};

/// RFC 9068 §2.2.2, §2.2.3.1.
const STANDARD_ATTRIBUTES: AttributeClaims = AttributeClaims {
    display_name: &[ClaimName::Name],
    email: true,
    groups: GroupClaim::Groups,
    roles: &[RoleClaim::Roles],
    scim: true,
};

pub(super) const NO_ATTRIBUTES: AttributeClaims =
    AttributeClaims { display_name: &[], email: false, groups: GroupClaim::None, roles: &[], scim: false };

pub(super) const RFC9068: Table = Table {
    types: &["at+jwt"],
    untyped: false,
    bare_header: false,
    algorithms: COMMON,
    issuer: IssuerShape::Exact,
    // Keycloak says with it which of its tokens it is, and names service accounts as if they were users.
    guards: &[Guard::NoneOf(&[ClaimName::Typ])],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI,
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Client { claims: &[ClaimName::ClientId], account: Around::NOTHING, subject: CLIENT_OR_USER },
    attributes: STANDARD_ATTRIBUTES,
};

/// How some servers keep subjects that are clients apart from those that are users.
const MARKED_CLIENT: Around = Around { before: "client:", after: "", folded: false };

/// The subject is the client, marked or not, or no client at all.
const MARKED_CLIENT_OR_USER: SubjectEvidence = SubjectEvidence {
    workload: &[&[Sign::OfClient(ClaimName::Sub, Around::NOTHING)], &[Sign::OfClient(ClaimName::Sub, MARKED_CLIENT)]],
    user: &[&[
        Sign::NotOfClient(ClaimName::Sub, Around::NOTHING),
        Sign::Without(ClaimName::Sub, MARKED_CLIENT),
        Sign::Without(ClaimName::Sub, AUTH0_CLIENT),
    ]],
    user_id: ClaimName::Sub,
    required: true,
    undecided: "sub is that of another client",
};

pub(super) const PLAIN: Table = Table {
    types: &["at+jwt", "JWT"],
    untyped: true,
    guards: &[
        NO_ID_TOKEN,
        Guard::NoneOf(&[ClaimName::TokenIntrospection]),
        // Of servers that have a profile of their own, by which alone it is read rightly whom their tokens are about.
        Guard::NoneOf(&[ClaimName::RealmAccess, ClaimName::Tid, ClaimName::Cid, ClaimName::Gty, ClaimName::Kubernetes]),
        // The words that servers have for it. None says it of a refresh token.
        Guard::AbsentOr(ClaimName::Typ, &["Bearer", "at+jwt"]),
        Guard::AbsentOr(ClaimName::TokenUse, &["access"]),
        Guard::AbsentOr(ClaimName::TokenType, &["Bearer", "bearer", "access", "access_token"]),
    ],
    caller: CallerShape::Client {
        claims: &[ClaimName::ClientId],
        account: MARKED_CLIENT,
        subject: MARKED_CLIENT_OR_USER,
    },
    ..RFC9068
};

/// What an introspection endpoint says of a token (RFC 7662 §2.2), where all but `active` is optional. What is needed here
/// all the same: whom the token is for, and to whom it was issued.
pub(crate) const INTROSPECTED: Table = Table {
    types: &[],
    untyped: false,
    bare_header: false,
    algorithms: COMMON,
    issuer: IssuerShape::Asked,
    guards: &[
        // As in a token response (RFC 6749 §7.1): a token that is bound to a key is of another type.
        Guard::AbsentOrWord(ClaimName::TokenType, &["bearer", "access_token"]),
        // Refresh tokens and ID tokens are active too, and these are the words that servers have for them.
        Guard::AbsentOr(ClaimName::Typ, &["Bearer", "at+jwt"]),
        Guard::AbsentOr(ClaimName::TokenUse, &["access", "access_token"]),
        NO_ID_TOKEN,
    ],
    audience: AudienceShape::Aud,
    ends: false,
    issued_at: false,
    longest: None,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Client {
        claims: &[ClaimName::ClientId, ClaimName::Azp],
        account: MARKED_CLIENT,
        subject: SubjectEvidence {
            // An answer may leave out whose token it is (RFC 7662 §2.2), also of a user's: that is no sign of a client's.
            required: false,
            undecided: "sub is absent, or that of another client: the server has to send sub in its answer, the user, \
                        or the client_id itself where the token is the client's own",
            ..MARKED_CLIENT_OR_USER
        },
    },
    attributes: AttributeClaims { display_name: &[ClaimName::Name, ClaimName::Username], ..STANDARD_ATTRIBUTES },
};

/// Keycloak writes user names in lower case.
const SERVICE_ACCOUNT: Around = Around { before: "service-account-", after: "", folded: true };

pub(super) const KEYCLOAK: Table = Table {
    types: &["JWT", "at+jwt"],
    untyped: false,
    bare_header: false,
    algorithms: COMMON,
    issuer: IssuerShape::Exact,
    // Of its other tokens: `ID`, `Refresh`, `Offline`, `Logout`; `DPoP` of those that are bound to a key.
    guards: &[Guard::Is(ClaimName::Typ, "Bearer")],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI,
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Client {
        claims: &[ClaimName::Azp],
        account: Around::NOTHING,
        subject: SubjectEvidence {
            // A human may register under such a name; `client_id` is written only where a client asked for itself.
            workload: &[&[
                Sign::OfClient(ClaimName::PreferredUsername, SERVICE_ACCOUNT),
                Sign::OfClient(ClaimName::ClientId, Around::NOTHING),
            ]],
            user: &[&[Sign::Without(ClaimName::PreferredUsername, SERVICE_ACCOUNT)]],
            user_id: ClaimName::Sub,
            required: true,
            undecided: "preferred_username is absent or that of a service account, without the claim client_id for it: \
                        give the client the scopes profile and service_account",
        },
    },
    attributes: AttributeClaims {
        display_name: &[ClaimName::Name, ClaimName::PreferredUsername],
        email: true,
        groups: GroupClaim::Groups,
        roles: &[RoleClaim::Realm, RoleClaim::OfOurAudiences],
        scim: false,
    },
};

/// A user's `sub` is another one at each application, so a user goes by `oid`, within the tenant.
const ENTRA_SUBJECT: SubjectEvidence = SubjectEvidence {
    workload: &[
        &[Sign::Is(ClaimName::Idtyp, "app"), Sign::Absent(ClaimName::Scp)],
        &[Sign::Absent(ClaimName::Idtyp), Sign::Absent(ClaimName::Scp), Sign::Same(ClaimName::Oid, ClaimName::Sub)],
    ],
    user: &[&[Sign::Present(ClaimName::Scp), Sign::IsNot(ClaimName::Idtyp, "app")]],
    user_id: ClaimName::Oid,
    required: true,
    undecided: "it is neither a user's, with scp, nor an application's: configure the optional claim idtyp",
};

pub(super) const ENTRA_V2: Table = Table {
    types: &["JWT"],
    untyped: false,
    bare_header: false,
    algorithms: RS256,
    issuer: IssuerShape::Tenant { tail: "/v2.0" },
    guards: &[
        Guard::Is(ClaimName::Ver, "2.0"),
        Guard::AnyOf(&[ClaimName::Scp, ClaimName::Roles, ClaimName::Idtyp]),
        NO_ID_TOKEN,
    ],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: UTI_IF_ANY,
    scopes: ScopeClaim::ScpStringOrRoles,
    caller: CallerShape::Client { claims: &[ClaimName::Azp], account: Around::NOTHING, subject: ENTRA_SUBJECT },
    attributes: AttributeClaims {
        display_name: &[ClaimName::Name, ClaimName::PreferredUsername],
        email: true,
        groups: GroupClaim::GroupsOrOverage,
        roles: &[RoleClaim::Roles],
        scim: false,
    },
};

pub(super) const ENTRA_V1: Table = Table {
    issuer: IssuerShape::Tenant { tail: "/" },
    guards: &[
        Guard::Is(ClaimName::Ver, "1.0"),
        Guard::AnyOf(&[ClaimName::Scp, ClaimName::Roles, ClaimName::Idtyp]),
        NO_ID_TOKEN,
    ],
    caller: CallerShape::Client { claims: &[ClaimName::Appid], account: Around::NOTHING, subject: ENTRA_SUBJECT },
    attributes: AttributeClaims { display_name: &[ClaimName::Name, ClaimName::UniqueName], ..ENTRA_V2.attributes },
    ..ENTRA_V2
};

pub(super) const OKTA: Table = Table {
    types: &["JWT"],
    untyped: true,
    bare_header: false,
    algorithms: RS256,
    issuer: IssuerShape::Exact,
    guards: &[Guard::IsNumber(ClaimName::Ver, 1), Guard::Present(ClaimName::Scp), NO_ID_TOKEN],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI,
    scopes: ScopeClaim::ScpList,
    caller: CallerShape::Client {
        claims: &[ClaimName::Cid],
        account: Around::NOTHING,
        subject: SubjectEvidence {
            workload: &[&[Sign::OfClient(ClaimName::Sub, Around::NOTHING), Sign::Absent(ClaimName::Uid)]],
            // `sub` is the login, which changes; `uid` is the user.
            user: &[&[Sign::Present(ClaimName::Uid), Sign::NotOfClient(ClaimName::Sub, Around::NOTHING)]],
            user_id: ClaimName::Uid,
            required: true,
            undecided: "it has neither uid, as a user's, nor its client as sub, as an application's",
        },
    },
    attributes: AttributeClaims {
        display_name: &[ClaimName::Name],
        email: true,
        groups: GroupClaim::Groups,
        roles: &[],
        scim: false,
    },
};

/// Both of its token profiles: its own (`azp`, `gty`, no `jti`) and that of RFC 9068 (`client_id`, `jti`).
pub(super) const AUTH0: Table = Table {
    types: &["JWT", "at+jwt"],
    untyped: false,
    bare_header: false,
    algorithms: RS256,
    issuer: IssuerShape::Exact,
    guards: &[
        NO_ID_TOKEN,
        Guard::NoneOf(&[ClaimName::Typ, ClaimName::TokenUse, ClaimName::TokenType, ClaimName::TokenIntrospection]),
    ],
    audience: AudienceShape::Aud,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Client {
        claims: &[ClaimName::Azp, ClaimName::ClientId],
        account: AUTH0_CLIENT,
        subject: SubjectEvidence {
            workload: &[
                &[Sign::OfClient(ClaimName::Sub, AUTH0_CLIENT), Sign::Is(ClaimName::Gty, "client-credentials")],
                &[
                    Sign::OfClient(ClaimName::Sub, AUTH0_CLIENT),
                    Sign::Absent(ClaimName::Gty),
                    Sign::Present(ClaimName::ClientId),
                ],
            ],
            // A user's id is the name of a connection, a bar, and the name there.
            user: &[&[Sign::Contains(ClaimName::Sub, "|"), Sign::IsNot(ClaimName::Gty, "client-credentials")]],
            user_id: ClaimName::Sub,
            required: true,
            undecided: "sub is neither this application's nor a user's, or gty says otherwise",
        },
    },
    attributes: AttributeClaims {
        display_name: &[ClaimName::Name],
        email: true,
        groups: GroupClaim::None,
        roles: &[RoleClaim::Permissions],
        scim: false,
    },
};

const AUTH0_CLIENT: Around = Around { before: "", after: "@clients", folded: false };

pub(super) const COGNITO: Table = Table {
    types: &["JWT"],
    untyped: true,
    bare_header: false,
    algorithms: RS256,
    issuer: IssuerShape::Exact,
    guards: &[Guard::Is(ClaimName::TokenUse, "access")],
    audience: AudienceShape::AudOrClient,
    ends: true,
    issued_at: true,
    longest: None,
    token_id: JTI_IF_ANY,
    scopes: ScopeClaim::Scope,
    caller: CallerShape::Client {
        claims: &[ClaimName::ClientId],
        account: Around::NOTHING,
        subject: SubjectEvidence {
            workload: &[&[Sign::OfClient(ClaimName::Sub, Around::NOTHING), Sign::Absent(ClaimName::Username)]],
            user: &[&[Sign::Present(ClaimName::Username), Sign::NotOfClient(ClaimName::Sub, Around::NOTHING)]],
            user_id: ClaimName::Sub,
            required: true,
            undecided: "it has neither username, as a user's, nor its client as sub, as an application's",
        },
    },
    attributes: AttributeClaims {
        display_name: &[ClaimName::Username],
        email: false,
        groups: GroupClaim::Cognito,
        roles: &[],
        scim: false,
    },
};
