//! Paths of targets: prefixes of whole segments, and the paths that could mean another one than they say.

/// The part of an origin that a target covers. The empty prefix covers every path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PathPrefix(Box<str>);

impl PathPrefix {
    /// Reads `/segment/segment`; a slash at the end changes nothing. The error is the rule that the text breaks.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with('/') {
            return Err("does not begin with a slash");
        }
        if text.contains(['?', '#']) {
            return Err("holds a query or a fragment");
        }
        if !is_plain(text) || text.contains("//") {
            return Err("holds a dot segment, an empty segment, an encoded dot or slash, or a backslash");
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }

    /// Whether the path lies below the prefix, by whole segments.
    pub(crate) fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(&*self.0) {
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether every server reads this path as it is written.
///
/// It is not plain where a server or proxy may see another path in it: dot segments (RFC 3986 §5.2.4, also before a
/// `;`, which some servers cut off first), encoded dots, slashes and backslashes, and backslashes.
#[inline]
pub(crate) fn is_plain(path: &str) -> bool {
    // Most paths hold none of the bytes that it takes.
    let may_hide = path.bytes().fold(false, |found, byte| found | matches!(byte, b'.' | b'%' | b'\\'));
    !may_hide || hides_nothing(path)
}

#[inline(never)]
fn hides_nothing(path: &str) -> bool {
    let encoded_separator = |at: usize| {
        let code = &path.as_bytes()[at + 1..];
        matches!(code, [b'2', b'e' | b'E' | b'f' | b'F', ..] | [b'5', b'c' | b'C', ..])
    };
    let mut segment = 0;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' if is_dots(&path[segment..at]) => return false,
            b'/' => segment = at + 1,
            b'\\' => return false,
            b'%' if encoded_separator(at) => return false,
            _ => {}
        }
    }
    !is_dots(&path[segment..])
}

fn is_dots(segment: &str) -> bool {
    matches!(segment.split_once(';').map_or(segment, |(name, _)| name), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_whole_segments() {
        let prefix = PathPrefix::parse("/v1").expect("prefix");
        for path in ["/v1", "/v1/", "/v1/charges", "/v1//x", "/v1/...", "/v1/a.b"] {
            assert!(prefix.covers(path) && is_plain(path), "{path}");
        }
        for path in ["/v1x", "/v", "/", "/V1", "/x/v1", "//v1", "/v1;x", "/%761"] {
            assert!(!prefix.covers(path), "{path}");
        }
        assert_eq!(PathPrefix::parse("/v1/"), Ok(prefix));
        assert_eq!(PathPrefix::parse("/"), Ok(PathPrefix::default()));
        assert!(PathPrefix::default().covers("/anything"));
    }

    #[test]
    fn a_path_that_could_mean_another_is_not_plain() {
        let hidden = [
            "/v1/../admin",
            "/v1/..",
            "/v1/./x",
            "/.",
            "/v1/%2e%2e/admin",
            "/v1/%2E./admin",
            "/v1/a%2fb",
            "/v1/a%2Fb",
            "/v1/a%5cb",
            "/v1/a%5Cb",
            "/v1/a\\b",
            "/v1/..;/admin",
            "/v1/..;x=1",
            "..",
        ];
        for path in hidden {
            assert!(!is_plain(path), "{path}");
        }
        for path in ["/v1/%20", "/v1/a%2", "/v1/%", "/v1/a;b", "/v1/.hidden", "/v1/..x", "*", ""] {
            assert!(is_plain(path), "{path}");
        }
    }

    #[test]
    fn a_prefix_that_no_path_could_have_is_refused() {
        let cases = [
            ("v1", "does not begin with a slash"),
            ("", "does not begin with a slash"),
            ("/v1?x", "holds a query or a fragment"),
            ("/v1/..", "holds a dot segment, an empty segment, an encoded dot or slash, or a backslash"),
            ("/a//b", "holds a dot segment, an empty segment, an encoded dot or slash, or a backslash"),
            ("/a%2fb", "holds a dot segment, an empty segment, an encoded dot or slash, or a backslash"),
        ];
        for (text, rule) in cases {
            assert_eq!(PathPrefix::parse(text), Err(rule), "{text}");
        }
    }
}
