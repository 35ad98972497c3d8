//! Base64url without padding, and with nothing but zeros in the spare bits (RFC 7515 §2, RFC 4648 §3.5).
//!
//! Lenient decoding gives one token up to sixteen spellings, and every cache keyed by the text as many entries.

use std::{borrow::Cow, sync::Arc};

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

/// Decodes into the buffer where it suffices.
pub(crate) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Result<Cow<'b, [u8]>, Error> {
    if URL_SAFE_NO_PAD.decoded_length(text.as_bytes())? > buffer.len() {
        return decode(text).map(Cow::Owned);
    }
    URL_SAFE_NO_PAD.decode(text.as_bytes(), buffer.as_out()).map(|bytes| Cow::Borrowed(&*bytes))
}

/// Whether [`decode`] would succeed.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    URL_SAFE_NO_PAD.check(text.as_bytes())
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

/// SHA-256 of these bytes, base64url: how a claim holds what it is about without repeating it (as `ath` does, RFC 9449 §4.2).
///
/// ```
/// assert_eq!(tower_identity_jose::sha256(b"abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
/// ```
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
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
            assert!(decode_into(bad, &mut [0; 8]).is_err(), "{bad:?}");
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(decode("-w").expect("url alphabet"), [0xfb]);
        assert_eq!(*decode_shared("-_8").expect("url alphabet"), [0xfb, 0xff]);
        assert_eq!(*decode_into("-_8", &mut [0; 3]).expect("url alphabet"), [0xfb, 0xff]);
        assert!(check("-_8").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn jwt_a2_what_is_checked_can_be_decoded(text in "[A-Za-z0-9_=+/ -]{0,12}|[A-Za-z0-9_-]{0,70}") {
            let decoded = decode(&text).ok();
            proptest::prop_assert_eq!(check(&text).is_ok(), decoded.is_some());
            proptest::prop_assert_eq!(decode_into(&text, &mut [0; 24]).ok().map(Cow::into_owned), decoded);
        }
    }

    #[test]
    fn a_buffer_is_used_where_it_suffices() {
        for length in 0..12 {
            let mut buffer = [0; 8];
            let bytes = vec![7; length];
            let decoded = decode_into(&encode(&bytes), &mut buffer)
                .map(|decoded| (matches!(decoded, Cow::Borrowed(_)), decoded.into_owned()));
            assert_eq!(decoded.ok(), Some((length <= 8, bytes)));
        }
    }
}
