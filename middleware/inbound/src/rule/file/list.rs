//! The text of a list of callers.

use std::{error::Error, io, str};

use tower_identity_core::InvalidName;

use crate::CallerName;

/// The largest file that is read: some thousand names, each of which a check may compare.
pub(super) const MAX_FILE_BYTES: usize = 64 * 1024;

/// Why a file is no list of callers. Lines are counted from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidList {
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    #[error("is not text in UTF-8")]
    NoText,
    #[error("line {0} is neither a name, nor a name and the URI of its issuer")]
    Words(usize),
    #[error("line {0} has a name that is none")]
    Name(usize, #[source] InvalidName),
    #[error("says nothing: a comment in it would say that it names nobody")]
    Nothing,
}

impl InvalidList {
    pub(super) fn with_its_cause(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}

/// One caller a line: its name at home, or its name and its issuer with white space between them. Empty lines are nothing,
/// and those that begin with `#` are comments. A file of comments names nobody; one of nothing was cut short.
pub(super) fn parse(text: &[u8]) -> Result<Vec<CallerName>, InvalidList> {
    if text.len() > MAX_FILE_BYTES {
        return Err(InvalidList::TooLarge);
    }
    let text = str::from_utf8(text).map_err(|_| InvalidList::NoText)?;
    let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().map(str::trim).enumerate();
    let mut lines = lines.filter(|(_, line)| !line.is_empty()).peekable();
    lines.peek().ok_or(InvalidList::Nothing)?;
    lines.filter(|(_, line)| !line.starts_with('#')).map(|(at, line)| caller(at + 1, line)).collect()
}

fn caller(line: usize, text: &str) -> Result<CallerName, InvalidList> {
    let words: Vec<_> = text.split_whitespace().collect();
    let name = match words[..] {
        [id] => CallerName::try_from(id),
        // A name with a space in it is not taken for another's name.
        [id, issuer] if issuer.contains("://") => CallerName::of_issuer(issuer, id),
        _ => return Err(InvalidList::Words(line)),
    };
    name.map_err(|wrong| InvalidList::Name(line, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: &str = "https://partner.example";

    fn parsed(text: &[u8]) -> Result<Vec<String>, String> {
        let names = parse(text).map_err(|wrong| wrong.with_its_cause())?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_line_is_a_caller_or_says_nothing() {
        let audit = format!("audit of {PARTNER}");
        let cases: [(&[u8], &[&str]); 8] = [
            (b"# nobody, since today\n", &[]),
            (b"orders", &["orders"]),
            (b"orders\nstock\n", &["orders", "stock"]),
            (b"# who may settle\r\n\r\n  orders\t\r\n", &["orders"]),
            (b"\xef\xbb\xbforders\n", &["orders"]),
            (b"audit https://partner.example\norders", &[&audit, "orders"]),
            (b"audit \t https://partner.example", &[&audit]),
            (b"spiffe://example.org/a#b spiffe://example.org", &["spiffe://example.org/a#b of spiffe://example.org"]),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text), Ok(expected.iter().map(ToString::to_string).collect()), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_file_with_one_bad_line_is_no_list_at_all() {
        let nothing = "says nothing: a comment in it would say that it names nobody";
        let words = |line: usize| format!("line {line} is neither a name, nor a name and the URI of its issuer");
        let cases: [(&[u8], String); 9] = [
            (b"", nothing.to_owned()),
            (b"\xef\xbb\xbf\n \r\n", nothing.to_owned()),
            (b"orders\nthe shop\n", words(2)),
            (b"\n\naudit https://partner.example now\n", words(3)),
            (b"https://partner.example audit", words(1)),
            (b"orders # the shop", words(1)),
            (
                b"orders\x00",
                "line 1 has a name that is none: subject has white space around it or a control character in it"
                    .to_owned(),
            ),
            (b"orders\n\xff\n", "is not text in UTF-8".to_owned()),
            (&[b'a'; 2049], "line 1 has a name that is none: subject is longer than 2048 bytes".to_owned()),
        ];
        for (text, expected) in cases {
            assert_eq!(parsed(text), Err(expected), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_list_has_a_largest_size() {
        let of = |bytes: usize| parse("orders\n".repeat(bytes / 7 + 1).get(..bytes).expect("long enough").as_bytes());
        assert_eq!(of(MAX_FILE_BYTES).map(|names| names.len()), Ok(9363));
        assert_eq!(of(MAX_FILE_BYTES + 1), Err(InvalidList::TooLarge));
    }
}
