//! What a token is bound to (RFC 7800 §3.1).

use base64_simd::{Out, URL_SAFE_NO_PAD};
use tower_identity_core::{CertificateThumbprint, Refusal};

use crate::{
    check,
    claim::{Claim, refuse},
    claims::Claims,
    text::Members,
};

/// The certificate that the token is bound to, if it is bound (RFC 8705 §3.1). Whether the request proves that one is
/// asked where the token is [accepted](crate::proof), and anew each time.
///
/// A token that is bound to a key in another way is worth nothing without a proof by that key (RFC 9449 §7.1), and nothing
/// here asks for one. Whether a member that nobody knows is such a way, nobody knows either.
pub(crate) fn confirmation(claims: &Claims<'_>) -> Result<Option<CertificateThumbprint>, Refusal> {
    let Members(members) = match &claims.cnf {
        Claim::Absent => return Ok(None),
        Claim::Is(members) => members,
        Claim::Wrong => return Err(not_proven()),
    };
    let [(name, Claim::Is(digest))] = &members[..] else { return Err(not_proven()) };
    if **name != *"x5t#S256" {
        return Err(not_proven());
    }
    let thumbprint = thumbprint(digest);
    thumbprint.map(Some).ok_or_else(|| refuse(check::CNF, "x5t#S256 is no SHA-256 digest in base64url"))
}

fn not_proven() -> Refusal {
    refuse(check::CNF, "a token that is bound to a key was sent as a bearer token")
}

fn thumbprint(text: &str) -> Option<CertificateThumbprint> {
    let mut digest = [0; 32];
    if URL_SAFE_NO_PAD.decoded_length(text.as_bytes()).ok()? != digest.len() {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text.as_bytes(), Out::from_slice(&mut digest)).ok()?;
    Some(CertificateThumbprint::from_bytes(digest))
}
