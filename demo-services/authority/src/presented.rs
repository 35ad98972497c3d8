//! Reading back the authority's own access tokens: subject and actor tokens of an exchange (RFC 8693 §2.1), and tokens
//! that a service asks about (RFC 7662 §2.1).

use tower_identity::SecretToken;
use tower_identity_jose::{Accept, Limits, OpenError, ParseError, Unopened, Unverified};

use crate::{authority::Authority, claims::PresentedClaims};

/// Why a token is not one of ours, or not one any more. For the log; the client learns which of its tokens it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOurs {
    #[error("the token is malformed")]
    Malformed(#[source] ParseError),
    #[error("the token is not signed by us as an access token")]
    Unverified(#[source] OpenError),
    #[error("the token is none for access, or was issued to nobody")]
    Kind,
    #[error("the token names another issuer")]
    Issuer,
    #[error("the token has ended, or not begun")]
    Time,
    #[error("the sign-in that the token was issued on is over")]
    SignedOut,
}

impl Authority {
    /// Verifies an access token of this authority, or the one that a session is the name of: signature, kind, issuer, time,
    /// and that its sign-in is not over. Its `sub` is the one that we know. Its audience is not ours to be.
    pub(crate) fn verify_own(&self, token: &str) -> Result<PresentedClaims, NotOurs> {
        let of_session = self.sessions.find(token);
        let token = of_session.as_ref().map_or(token, SecretToken::expose);
        let accept = Accept::new([self.dialect.typ.clone()], [self.key.algorithm()]);
        let mut claims = Unverified::<PresentedClaims>::parse(token, &Limits::default())
            .map_err(NotOurs::Malformed)?
            .open(&self.own_keys, &accept)
            .map_err(Unopened::into_error)
            .map_err(NotOurs::Unverified)?
            .into_claims();
        let now = self.clock.wall();
        if claims.client().is_none() || !self.dialect.is_access_token(&claims.others) {
            return Err(NotOurs::Kind);
        }
        claims.sub = self.dialect.known(&claims).ok_or(NotOurs::Kind)?;
        if claims.iss != self.issuer {
            return Err(NotOurs::Issuer);
        }
        // No leeway: both times are of our own clock.
        if claims.exp.timestamp() <= now || claims.nbf.is_some_and(|nbf| nbf.timestamp() > now) {
            return Err(NotOurs::Time);
        }
        if self.sessions.is_over(&claims.sub, &claims.authentication) {
            return Err(NotOurs::SignedOut);
        }
        Ok(claims)
    }
}
