//! One cookie among the others of a request (RFC 6265 §4.2).

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, Entry},
};

/// The values of the cookies of this name: more than one where somebody planted another, and an empty one where there
/// is a name and nothing else. Over HTTP/2 cookies may come in several fields (RFC 9113 §8.2.3).
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .flat_map(|field| pairs(field.as_bytes()))
        .filter_map(|pair| value_of(pair, name))
}

/// Takes the cookies of this name out, and leaves the others.
pub(crate) fn remove(headers: &mut HeaderMap, name: &str) {
    if values(headers, name).next().is_none() {
        return;
    }
    let Entry::Occupied(entry) = headers.entry(COOKIE) else { return };
    let (_, fields) = entry.remove_entry_mult();
    let others: Vec<_> = fields.filter_map(|field| without(field, name)).collect();
    for field in others {
        headers.append(COOKIE, field);
    }
}

fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// A name without `=` is a cookie without a value, never a cookie of another name.
fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (before, value) = match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &[][..]),
    };
    (before.trim_ascii_end() == name.as_bytes()).then_some(value)
}

fn without(field: HeaderValue, name: &str) -> Option<HeaderValue> {
    if !pairs(field.as_bytes()).any(|pair| value_of(pair, name).is_some()) {
        return Some(field);
    }
    let others: Vec<_> =
        pairs(field.as_bytes()).filter(|pair| !pair.is_empty() && value_of(pair, name).is_none()).collect();
    if others.is_empty() {
        return None;
    }
    let mut left = HeaderValue::from_bytes(&others.join(&b"; "[..])).expect("parts of a header value are one");
    left.set_sensitive(field.is_sensitive());
    Some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fields = &'static [&'static [u8]];

    fn headers(fields: Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).expect("a header value"));
        }
        headers
    }

    #[test]
    fn cred_a2_a_cookie_is_found_by_its_very_name() {
        let cases: [(Fields, Fields); 12] = [
            (&[b"session=abc"], &[b"abc"]),
            (&[b"a=1; session=abc; b=2"], &[b"abc"]),
            (&[b"a=1;session=abc;b=2"], &[b"abc"]),
            (&[b"a=1", b"session=abc"], &[b"abc"]),
            (&[b"session=abc; session=def"], &[b"abc", b"def"]),
            (&[b"session=abc", b"session=def"], &[b"abc", b"def"]),
            (&[b"session=a=b"], &[b"a=b"]),
            (&[b"session =abc"], &[b"abc"]),
            (&[b"session"], &[b""]),
            (&[b"session= abc "], &[b" abc"]),
            (&[b"Session=abc; xsession=abc; session2=abc; a=session=abc; =session"], &[]),
            (&[b"\xff=\xff; session=\xff"], &[b"\xff"]),
        ];
        for (fields, expected) in cases {
            let headers = headers(fields);
            assert_eq!(values(&headers, "session").collect::<Vec<_>>(), expected, "{headers:?}");
        }
    }

    #[test]
    fn cred_a4_only_the_named_cookie_is_cut_out() {
        let cases: [(Fields, Fields); 7] = [
            (&[b"session=abc"], &[]),
            (&[b"a=1; session=abc; b=\"2 3\""], &[b"a=1; b=\"2 3\""]),
            (&[b"session=abc", b"a=1;b=2"], &[b"a=1;b=2"]),
            (&[b"a=1", b"b=2; session=abc", b"c=3"], &[b"a=1", b"b=2", b"c=3"]),
            (&[b"a=\xff;; session"], &[b"a=\xff"]),
            (&[b"a=1 ;b=2"], &[b"a=1 ;b=2"]),
            (&[], &[]),
        ];
        for (fields, expected) in cases {
            let mut left = headers(fields);
            remove(&mut left, "session");
            assert_eq!(left, headers(expected), "{fields:?}");
        }
    }

    #[test]
    fn cred_a4_what_is_left_is_as_sensitive_as_before() {
        let mut headers = headers(&[b"a=1; session=abc"]);
        headers.get_mut(COOKIE).expect("there").set_sensitive(true);
        remove(&mut headers, "session");
        assert!(headers[COOKIE].is_sensitive());
    }
}
