//! The thumbprint of a key (RFC 7638).

use std::{fmt, str::FromStr};

use crate::base64url;

/// The thumbprint of a key: SHA-256 over its required members (RFC 7638). Written as base64url, 43 characters.
///
/// Names the key itself, whatever `kid` it goes by: what a key is pinned by.
///
/// ```
/// use tower_identity_jose::Thumbprint;
///
/// let pinned: Thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".parse()?;
/// assert_eq!(pinned.to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
/// # Ok::<(), tower_identity_jose::InvalidThumbprint>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

/// The string is not the base64url of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 thumbprint in base64url")]
pub struct InvalidThumbprint(());

impl Thumbprint {
    pub(crate) fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    fn from_str(text: &str) -> Result<Self, InvalidThumbprint> {
        let digest = base64url::decode(text).map_err(|_| InvalidThumbprint(()))?;
        digest.try_into().map(Self).map_err(|_| InvalidThumbprint(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7638_a_thumbprint_has_one_spelling() {
        const TEXT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(TEXT.parse::<Thumbprint>().map(|thumbprint| thumbprint.to_string()), Ok(TEXT.to_owned()));
        let start = &TEXT[..42];
        for bad in ["", start, &format!("{TEXT}="), &format!("{start}t"), &format!("{TEXT}AA"), &format!("{TEXT} ")] {
            assert_eq!(bad.parse::<Thumbprint>(), Err(InvalidThumbprint(())), "{bad:?}");
        }
    }
}
