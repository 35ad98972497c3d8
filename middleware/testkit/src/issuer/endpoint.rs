/// A place at a [`TestIssuer`](crate::TestIssuer) that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The metadata of RFC 8414: `/.well-known/oauth-authorization-server`, before the issuer's path.
    Metadata,
    /// The metadata of OpenID Connect: `/.well-known/openid-configuration`, after the issuer's path.
    OpenIdMetadata,
    /// The key set (RFC 7517): `/jwks`.
    Keys,
    /// The token endpoint (RFC 6749 §3.2): `/token`.
    Token,
    /// The introspection endpoint (RFC 7662 §2): `/introspect`.
    Introspection,
}

impl Endpoint {
    pub(super) const ALL: [Self; 5] =
        [Self::Metadata, Self::OpenIdMetadata, Self::Keys, Self::Token, Self::Introspection];

    /// Where the endpoint of an issuer with this path is.
    pub(super) fn path(self, issuer_path: &str) -> String {
        match self {
            Self::Metadata => format!("/.well-known/oauth-authorization-server{issuer_path}"),
            Self::OpenIdMetadata => format!("{issuer_path}/.well-known/openid-configuration"),
            Self::Keys => format!("{issuer_path}/jwks"),
            Self::Token => format!("{issuer_path}/token"),
            Self::Introspection => format!("{issuer_path}/introspect"),
        }
    }
}
