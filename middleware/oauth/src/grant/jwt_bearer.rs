//! A JWT as an authorization grant (RFC 7523 §2.1).

use form_urlencoded::Serializer;
use tower_identity_core::SecretToken;
use tower_identity_jose::{Compact, Limits, ParseError};

use super::TargetService;

pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Why a token is no assertion. Known before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAssertion {
    /// It is empty, opaque, or too long.
    #[error("the assertion is not a JWT")]
    NotAJwt(#[source] ParseError),
    /// It says that it is a token of another kind: an access token, for instance, which is for a service and no grant.
    #[error("the assertion says that it is of another kind; a grant is authorization-grant+jwt, or a JWT of no kind")]
    OtherKind,
}

/// What an assertion says that it is, by its `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AssertionKind {
    /// A grant (draft-ietf-oauth-rfc7523bis-10), or a JWT of no kind.
    Grant,
    /// An identity assertion (draft-ietf-oauth-identity-assertion-authz-grant-03).
    IdJag,
}

impl AssertionKind {
    pub(crate) fn of(assertion: &SecretToken) -> Result<Self, InvalidAssertion> {
        let jwt = Compact::parse(assertion.expose(), &Limits::default()).map_err(InvalidAssertion::NotAJwt)?;
        let Some(typ) = jwt.header().typ() else { return Ok(Self::Grant) };
        match typ.strip_prefix("application/").unwrap_or(typ).to_ascii_lowercase().as_str() {
            "jwt" | "authorization-grant+jwt" => Ok(Self::Grant),
            "oauth-id-jag+jwt" => Ok(Self::IdJag),
            _ => Err(InvalidAssertion::OtherKind),
        }
    }
}

/// A token for the subject of an assertion: a JWT that an issuer which the server trusts made for this server (RFC 7523
/// §3), maybe this service itself.
///
/// Servers take an assertion once, so that the request is not repeated where it fails. Of the target its resource and
/// scopes are sent: `audience` is no parameter of this grant, whose assertion has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtBearer {
    assertion: SecretToken,
    pub(super) target: TargetService,
}

impl JwtBearer {
    /// An access token for this service by this assertion, of which no more is read than its header.
    ///
    /// # Errors
    ///
    /// [`InvalidAssertion`] when it is no JWT, or one of another kind.
    pub fn new(assertion: SecretToken, target: TargetService) -> Result<Self, InvalidAssertion> {
        AssertionKind::of(&assertion)?;
        Ok(Self { assertion, target })
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", self.assertion.expose());
        self.target.append_resource(form);
        self.target.append_scope(form);
    }
}
