//! Envoy's `X-Forwarded-Client-Cert`: elements with `,` between them, each of pairs with `;` between them.

use rustls_pki_types::CertificateDer;
use tower_identity_core::Refusal;

use super::{form::escaped_pem, wrong};

/// The certificates of the one element.
pub(super) fn read(field: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let (mut own, mut chain) = (None, None);
    let mut rest = Some(field);
    while let Some(text) = rest {
        let Pair { key, value, more } = pair(text)?;
        rest = more;
        let place = match key {
            key if key.eq_ignore_ascii_case(b"cert") => &mut own,
            key if key.eq_ignore_ascii_case(b"chain") => &mut chain,
            _ => continue,
        };
        if place.replace(escaped_pem(value)?).is_some() {
            return Err(wrong("an element that says the same twice"));
        }
    }
    match (own, chain) {
        (None, None) => Err(wrong("an element without a certificate: neither Cert nor Chain")),
        (Some(own), _) if own.len() != 1 => Err(wrong("several certificates where one belongs")),
        (Some(own), Some(chain)) if own[0] != chain[0] => Err(wrong("a chain that begins with another certificate")),
        (_, Some(chain)) => Ok(chain),
        (Some(own), None) => Ok(own),
    }
}

struct Pair<'a> {
    key: &'a [u8],
    /// Without its quotes.
    value: &'a [u8],
    /// What comes behind it in its element, if it does not end there.
    more: Option<&'a [u8]>,
}

/// The first pair of an element, which has to be the only one.
fn pair(text: &[u8]) -> Result<Pair<'_>, Refusal> {
    let none = || wrong("is no element of X-Forwarded-Client-Cert");
    let equals = text.iter().position(|byte| *byte == b'=').ok_or_else(none)?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
        return Err(none());
    }
    let (value, behind) = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = closing(quoted).ok_or_else(none)?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => value.split_at(value.iter().position(|byte| b";,".contains(byte)).unwrap_or(value.len())),
    };
    match behind.split_first() {
        None => Ok(Pair { key, value, more: None }),
        Some((b';', more)) => Ok(Pair { key, value, more: Some(more) }),
        Some((b',', _)) => Err(wrong("several elements: what more than one proxy says")),
        Some(_) => Err(none()),
    }
}

/// Where the quotes end: a quote within has a backslash before it.
fn closing(quoted: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    quoted.iter().position(|byte| {
        let closes = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest, sample::select};

    use super::*;

    #[test]
    fn fwd_a3_a_pair_ends_where_its_quotes_or_its_sign_say() {
        let value = |text: &'static str| match pair(text.as_bytes()) {
            Ok(Pair { key, value, more }) => {
                let text = |bytes| std::str::from_utf8(bytes).expect("cut between letters");
                Ok((text(key), text(value), more.map(text)))
            }
            Err(refusal) => Err(refusal.check()),
        };
        assert_eq!(value("Cert=a;Hash=b"), Ok(("Cert", "a", Some("Hash=b"))));
        assert_eq!(value(r#"Subject="a;b,c\"=d";By=e"#), Ok(("Subject", r#"a;b,c\"=d"#, Some("By=e"))));
        assert_eq!(value("Cert="), Ok(("Cert", "", None)));
        for wrong in ["", "Cert", "=a", "C ert=a", "Cert=a,Cert=b", r#"Cert="a"#, r#"Cert="a"b"#, r#"Cert="a\""#] {
            assert_eq!(value(wrong), Err("forwarded_certificate"), "{wrong}");
        }
    }

    proptest! {
        /// Whatever stands there: refused, and nothing else.
        #[test]
        fn fwd_a3_no_bytes_make_it_panic(
            pieces in vec(select(vec!["Cert=", "Chain=", "\"", "\\", ";", ",", "=", "%", "-----BEGIN CERTIFICATE-----"]), 0..12),
            bytes in vec(any::<u8>(), 0..24),
        ) {
            let text = [pieces.concat().as_bytes(), &bytes].concat();
            assert_eq!(read(&text).map_err(|refusal| refusal.check()), Err("forwarded_certificate"));
        }
    }
}
