//! What ties the answer that a peer got to the event that the operator reads.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderName, HeaderValue};

/// The response header that carries a [`CorrelationId`]. It is never read from a request.
pub const X_CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// 128 random bits, written as 32 hexadecimal digits: in the response, its problem body, and the event in the log.
///
/// It is unique and says nothing about the request, and that is all: no secret, and never a key to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CorrelationId(u128);

impl CorrelationId {
    /// The next one.
    #[must_use]
    pub fn random() -> Self {
        // The standard library's hasher, keyed once a process by the system's randomness, over a counter: a keyed
        // pseudorandom function, so ids neither repeat nor tell how many there were. Good for ids, not for secrets.
        static KEY: LazyLock<(RandomState, RandomState)> = LazyLock::new(Default::default);
        static NEXT: AtomicU64 = AtomicU64::new(0);

        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(u128::from(KEY.0.hash_one((at, 0_u8))) << 64 | u128::from(KEY.1.hash_one((at, 1_u8))))
    }

    /// The id as the value of [`X_CORRELATION_ID`].
    #[must_use]
    pub fn to_header_value(self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("hexadecimal digits are a header value")
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_and_each_half_varies() {
        let ids: Vec<_> = (0..1000).map(|_| CorrelationId::random()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(ids.iter().map(|id| id.0 >> 64).collect::<HashSet<_>>().len(), ids.len());
        assert_eq!(ids.iter().map(|id| id.0 as u64).collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn it_is_written_as_32_digits_also_when_small() {
        assert_eq!(CorrelationId(0xab).to_string(), "000000000000000000000000000000ab");
        assert_eq!(CorrelationId(0xab).to_header_value(), "000000000000000000000000000000ab");
    }
}
