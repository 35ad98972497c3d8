//! What a remembered token is remembered under.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use quick_cache::Equivalent;
use tower_identity_core::Fingerprint;

/// Which token: three digests, compared whole. Nobody outside this crate can make one.
#[derive(Debug, Clone)]
pub(crate) struct CacheKey {
    pub(crate) subject: Option<Fingerprint>,
    pub(crate) asked: Arc<AskedFor>,
}

/// What is asked for and by whom: two of the three digests, which are the same for all users and shared by their keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AskedFor {
    /// Where it comes from: by which settings, and from which authorization server and as whom where one is asked.
    pub(crate) us: Fingerprint,
    /// What the target's row asks for, and how.
    pub(crate) row: Fingerprint,
}

/// A key that is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked<'a> {
    /// The user's verified token. A service's own token has none, and no user's token is like none.
    pub(crate) subject: Option<Fingerprint>,
    pub(crate) asked: &'a Arc<AskedFor>,
}

impl CacheKey {
    pub(crate) fn looked(&self) -> Looked<'_> {
        Looked { subject: self.subject, asked: &self.asked }
    }
}

impl Looked<'_> {
    pub(crate) fn to_key(self) -> CacheKey {
        CacheKey { subject: self.subject, asked: Arc::clone(self.asked) }
    }

    /// Something of all three digests: to choose a place by, and never instead of them.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        self.subject.as_ref().map_or(0, bits).rotate_left(1) ^ bits(&self.asked.us) ^ bits(&self.asked.row)
    }
}

#[inline]
fn bits(digest: &Fingerprint) -> u64 {
    u64::from_ne_bytes(*digest.as_bytes().first_chunk().expect("32 bytes"))
}

impl PartialEq for Looked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject && (Arc::ptr_eq(self.asked, other.asked) || self.asked == other.asked)
    }
}

impl Eq for Looked<'_> {}

/// Some bits of the digests, to choose a bucket by.
impl Hash for Looked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.subject.as_ref().map_or(0, bits));
        state.write_u64(bits(&self.asked.us) ^ bits(&self.asked.row));
    }
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.looked() == other.looked()
    }
}

impl Eq for CacheKey {}

impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.looked().hash(state);
    }
}

impl Equivalent<CacheKey> for Looked<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        *self == key.looked()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::DefaultHasher};

    use super::*;

    fn digest(text: &str) -> Fingerprint {
        Fingerprint::of("test").field(text).finish()
    }

    fn key(subject: Option<&str>, us: &str, row: &str) -> CacheKey {
        let asked = Arc::new(AskedFor { us: digest(us), row: digest(row) });
        Looked { subject: subject.map(digest), asked: &asked }.to_key()
    }

    #[test]
    fn out_b1_keys_are_equal_where_all_three_digests_are_whoever_made_them() {
        let all = [
            key(Some("alice"), "us", "row"),
            key(Some("bob"), "us", "row"),
            key(None, "us", "row"),
            key(Some("alice"), "other", "row"),
            key(Some("alice"), "us", "other"),
            // Of these two the hash is the same.
            key(Some("alice"), "row", "us"),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| one != other), "whatever their hashes are");
        }
        let again = key(Some("alice"), "us", "row");
        assert!(again == all[0] && again.looked().equivalent(&all[0]));
        let hash = |key: &CacheKey| {
            let mut state = DefaultHasher::new();
            key.hash(&mut state);
            state.finish()
        };
        assert_eq!((hash(&again), hash(&all[5])), (hash(&all[0]), hash(&all[0])));
    }
}
