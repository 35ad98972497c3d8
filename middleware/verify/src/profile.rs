//! What an issuer's access tokens look like.

mod id_token;
mod platforms;
mod services;
mod table;
#[cfg(feature = "transaction-tokens")]
mod transactions;
mod vendors;

use serde::Deserialize;

pub(crate) use self::table::{
    AttributeClaims, AudienceShape, CallerShape, GroupClaim, Guard, IssuerShape, RoleClaim, ScopeClaim, Sign,
    SubjectEvidence, Table,
};
#[cfg(feature = "transaction-tokens")]
pub(crate) use self::transactions::TRANSACTION_TOKEN;
pub(crate) use self::{
    services::{HANDED_OFF, SELF_ASSERTED},
    vendors::INTROSPECTED,
};

/// The shape of an issuer's access tokens: which kinds of `typ`, which claims, and how whom they name is read.
///
/// Behind each name stands one table of data. Nothing of it is taken from a token or from the issuer's metadata.
///
/// ```
/// use tower_identity_verify::{Profile, TrustedIssuer};
///
/// let issuer = TrustedIssuer::discover("https://as.example").audience("orders").profile(Profile::Plain);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068, strictly: `typ` is `at+jwt`, and every claim of §2.2 is there.
    #[default]
    Rfc9068,
    /// The claims of RFC 9068 under `typ: JWT`, or under none, as servers write them that do not know it. Guarded by what
    /// ID tokens, logout tokens and refresh tokens have and access tokens have not; weaker than a `typ`.
    Plain,
    /// Keycloak. The payload's `typ` is `Bearer`; the client is `azp`; roles are those of the realm and those at our
    /// audiences.
    Keycloak,
    /// Entra ID, tokens of version 1.0: `iss` is `https://sts.windows.net/{tid}/`, the client is `appid`.
    EntraV1,
    /// Entra ID, tokens of version 2.0: `iss` is `https://login.microsoftonline.com/{tid}/v2.0`, the client is `azp`.
    EntraV2,
    /// An Okta custom authorization server: the client is `cid`, the user `uid`, and scopes are the list `scp`.
    Okta,
    /// Auth0, with either of its access token profiles.
    Auth0,
    /// An Amazon Cognito user pool. Where a token has no `aud`, its client stands in for it: an audience of this issuer
    /// is then the id of an app client.
    Cognito,
    /// SPIFFE JWT-SVIDs, of a trust domain: see [`TrustedIssuer::trust_domain`](crate::TrustedIssuer::trust_domain).
    JwtSvid,
    /// The service account tokens of a Kubernetes cluster. Workloads only.
    Kubernetes,
}

impl Profile {
    /// What the ID tokens of such an issuer look like, where it is known that its users are the same by them.
    pub(crate) const fn id_tokens(self) -> Option<&'static Table> {
        match self {
            Self::Rfc9068 | Self::Plain | Self::Keycloak | Self::Okta | Self::Auth0 | Self::Cognito => {
                Some(&id_token::ID_TOKEN)
            }
            Self::EntraV2 => Some(&id_token::OF_ENTRA_V2),
            Self::EntraV1 | Self::JwtSvid | Self::Kubernetes => None,
        }
    }

    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rfc9068,
        Self::Plain,
        Self::Keycloak,
        Self::EntraV1,
        Self::EntraV2,
        Self::Okta,
        Self::Auth0,
        Self::Cognito,
        Self::JwtSvid,
        Self::Kubernetes,
    ];

    /// The name in a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9068 => "rfc9068",
            Self::Plain => "plain",
            Self::Keycloak => "keycloak",
            Self::EntraV1 => "entra_v1",
            Self::EntraV2 => "entra_v2",
            Self::Okta => "okta",
            Self::Auth0 => "auth0",
            Self::Cognito => "cognito",
            Self::JwtSvid => "jwt_svid",
            Self::Kubernetes => "kubernetes",
        }
    }

    pub(crate) const fn table(self) -> &'static Table {
        match self {
            Self::Rfc9068 => &vendors::RFC9068,
            Self::Plain => &vendors::PLAIN,
            Self::Keycloak => &vendors::KEYCLOAK,
            Self::EntraV1 => &vendors::ENTRA_V1,
            Self::EntraV2 => &vendors::ENTRA_V2,
            Self::Okta => &vendors::OKTA,
            Self::Auth0 => &vendors::AUTH0,
            Self::Cognito => &vendors::COGNITO,
            Self::JwtSvid => &platforms::JWT_SVID,
            Self::Kubernetes => &platforms::KUBERNETES,
        }
    }
}
