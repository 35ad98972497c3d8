//! Base64url without padding, and with nothing but zeros in the spare bits (RFC 7515 §2, RFC 4648 §3.5).
//!
//! Lenient decoding gives one token up to sixteen spellings, and every cache keyed by the text as many entries.

use std::sync::Arc;

use base64_simd::{AsOut, Error, URL_SAFE_NO_PAD};

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn encode_append(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode_to_vec(text)
}

/// Decodes into the one allocation that is then shared.
pub(crate) fn decode_shared(text: &str) -> Result<Arc<[u8]>, Error> {
    let length = URL_SAFE_NO_PAD.decoded_length(text.as_bytes())?;
    let mut shared: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let bytes = Arc::get_mut(&mut shared).expect("nobody else holds an Arc that was made in the line above");
    URL_SAFE_NO_PAD.decode(text.as_bytes(), bytes.as_out())?;
    Ok(shared)
}

/// 128 random bits, base64url: a `jti`.
///
/// ```
/// let id = tower_identity_jose::random_id();
/// assert_eq!(id.len(), 22);
/// assert_ne!(id, tower_identity_jose::random_id());
/// ```
#[must_use]
pub fn random_id() -> String {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits).expect("the generator of aws-lc aborts the process rather than fail");
    encode(&bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_a2_there_is_one_spelling() {
        // 0x01 is "AQ"; "AR" would only differ in spare bits.
        assert_eq!(decode("AQ").expect("canonical"), [1]);
        for bad in ["AR", "AQ==", "AQ=", "A", "A Q", "AQ\n", "+w", "/w", "AAA=", "AAB", "ÅA"] {
            assert!(decode(bad).is_err(), "{bad:?}");
            assert!(decode_shared(bad).is_err(), "{bad:?}");
        }
        assert_eq!(decode("-w").expect("url alphabet"), [0xfb]);
        assert_eq!(*decode_shared("-_8").expect("url alphabet"), [0xfb, 0xff]);
    }
}
