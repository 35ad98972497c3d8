//! What was verified: a token, a certificate of the connection, or a name.

use std::{fmt, sync::Arc};

use crate::{Fingerprint, SecretToken, User};

/// What somebody presented, and verification accepted.
///
/// A token is a text, which whoever has it can send on. Of a certificate there is nothing to send: its key was proven on
/// this connection and to this service alone. So it is never relayed, exchanged or embedded, whatever a target's strategy.
#[derive(Clone)]
#[non_exhaustive]
pub enum Credential {
    /// A token.
    Token {
        /// As it was presented.
        token: SecretToken,
        /// Its payload's JSON, for [`VerifiedToken::claims`](crate::VerifiedToken::claims).
        payload: Arc<[u8]>,
    },
    /// The certificate of the connection's other end: the leaf alone, in DER.
    Certificate(Arc<[u8]>),
    /// A token that was [replaced](crate::VerifiedToken::withdrawn): nothing of it is left but its fingerprint.
    Withdrawn(Fingerprint),
    /// None: a user whom the caller names, and whose word is taken for it. There is nothing to send on of it either.
    Name(Box<User>),
}

impl Credential {
    /// Nobody has the fingerprint of another's credential, and no certificate that of a token.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Token { token, .. } => Fingerprint::of("verified-token").field(token.expose()),
            Self::Certificate(der) => Fingerprint::of("verified-certificate").field(der),
            Self::Withdrawn(fingerprint) => return *fingerprint,
            Self::Name(user) => Fingerprint::of("named-user").field(user.issuer.as_str()).field(user.id.as_str()),
        }
        .finish()
    }
}

/// Which of them, and nothing of it.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token { .. } => "Token(..)",
            Self::Certificate(_) => "Certificate(..)",
            Self::Withdrawn(_) => "Withdrawn(..)",
            Self::Name(_) => "Name(..)",
        })
    }
}
