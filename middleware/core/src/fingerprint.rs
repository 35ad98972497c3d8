//! SHA-256 over framed fields: what cache keys are made of.

use std::fmt;

use sha2::{Digest, Sha256};

/// A SHA-256 digest over fields, each framed by its length so that no two lists of fields share a digest.
///
/// Compared whole. It may be logged: it is not invertible for high-entropy input such as tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Starts a fingerprint in a domain: the same fields in two domains never give the same digest.
    pub fn of(domain: &'static str) -> FingerprintBuilder {
        FingerprintBuilder(Sha256::new()).field(domain)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Collects the fields of a [`Fingerprint`].
#[derive(Clone)]
#[must_use]
pub struct FingerprintBuilder(Sha256);

impl FingerprintBuilder {
    /// Adds one field.
    pub fn field(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update((value.len() as u64).to_be_bytes());
        self.0.update(value);
        self
    }

    /// Adds a field that may be absent: absent and empty differ.
    pub fn optional(self, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            None => self.field([0]),
            Some(value) => self.field([1]).field(value),
        }
    }

    /// Adds a list of fields, framed by its count.
    pub fn list<T: AsRef<[u8]>>(self, values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>) -> Self {
        let values = values.into_iter();
        let counted = self.field((values.len() as u64).to_be_bytes());
        values.fold(counted, Self::field)
    }

    /// The digest of all fields so far.
    #[must_use]
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }
}

impl fmt::Debug for FingerprintBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintBuilder(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lists_and_domains_cannot_run_into_each_other() {
        let all = [
            Fingerprint::of("a").field("bc").finish(),
            Fingerprint::of("a").field("b").field("c").finish(),
            Fingerprint::of("ab").field("c").finish(),
            Fingerprint::of("a").list(["b", "c"]).finish(),
            Fingerprint::of("a").list(["bc"]).finish(),
            Fingerprint::of("a").optional(None::<&str>).finish(),
            Fingerprint::of("a").optional(Some("")).finish(),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(one, other);
            }
        }
        assert_eq!(all[0], Fingerprint::of("a").field("bc").finish());
    }
}
