//! Which target a request goes to: pure, exact, and never a guess.

use http::Uri;

use crate::{
    origin::{NoOrigin, Origin, OriginOf},
    path::{self, PathPrefix},
};

/// The listed targets, by origin and then by path prefix, longest first.
#[derive(Debug)]
pub(crate) struct Targets<T> {
    origins: Vec<(Origin, Vec<(PathPrefix, T)>)>,
}

/// Why an address is no target's. Displays as what to do about it; shows the origin and nothing else of the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unlisted {
    #[error("the request's address has no scheme and host, so nobody can say whose it is; send absolute addresses")]
    NotAbsolute,
    #[cfg(feature = "reqwest")]
    #[error("the request's address is not a URI; percent-encode what does not belong in one")]
    NotUri,
    #[error("the request's address holds a user name or password; take it out, the target's token is the credential")]
    Credentials,
    #[error("the port of the request's address is not a port number")]
    Port,
    #[error("no target lists {origin}; add a row with that origin, or correct the address")]
    Origin { origin: String },
    #[error("no target of {origin} lists the request's path; add a row with a prefix of it, or correct the path")]
    Path { origin: String },
    #[error(
        "the request's path at {origin} holds a dot segment, an encoded dot or slash, or a backslash, and so matches \
         no target; send the path that is meant"
    )]
    HiddenPath { origin: String },
}

impl From<NoOrigin> for Unlisted {
    fn from(none: NoOrigin) -> Self {
        match none {
            NoOrigin::NotAbsolute => Self::NotAbsolute,
            NoOrigin::Credentials => Self::Credentials,
            NoOrigin::Port => Self::Port,
        }
    }
}

impl<T> Targets<T> {
    pub(crate) fn new() -> Self {
        Self { origins: Vec::new() }
    }

    /// Lists a target; gives it back if the same origin and prefix are listed already.
    pub(crate) fn insert(&mut self, origin: &Origin, prefix: PathPrefix, target: T) -> Result<(), T> {
        let at = self.origins.iter().position(|(listed, _)| listed == origin).unwrap_or_else(|| {
            self.origins.push((origin.clone(), Vec::new()));
            self.origins.len() - 1
        });
        let paths = &mut self.origins[at].1;
        if paths.iter().any(|(listed, _)| *listed == prefix) {
            return Err(target);
        }
        let longer = paths.partition_point(|(listed, _)| listed.as_str().len() >= prefix.as_str().len());
        paths.insert(longer, (prefix, target));
        Ok(())
    }

    /// The target of an address: its origin exactly, and there the longest prefix of its path.
    pub(crate) fn resolve(&self, uri: &Uri) -> Result<&T, Unlisted> {
        let origin = OriginOf::uri(uri)?;
        let Some((_, paths)) = self.origins.iter().find(|(listed, _)| listed.is(&origin)) else {
            return Err(Unlisted::Origin { origin: origin.to_string() });
        };
        let path = uri.path();
        if !path::is_plain(path) {
            return Err(Unlisted::HiddenPath { origin: origin.to_string() });
        }
        match paths.iter().find(|(prefix, _)| prefix.covers(path)) {
            Some((_, target)) => Ok(target),
            None => Err(Unlisted::Path { origin: origin.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(rows: &[(&str, &str, &'static str)]) -> Targets<&'static str> {
        let mut targets = Targets::new();
        for (origin, prefix, name) in rows {
            let origin = Origin::parse(origin).expect("origin");
            let prefix = PathPrefix::parse(prefix).expect("prefix");
            assert_eq!(targets.insert(&origin, prefix, *name), Ok(()));
        }
        targets
    }

    #[test]
    fn the_longest_prefix_wins_in_whatever_order_rows_are_listed() {
        let rows = [
            ("https://a.internal", "/v1", "v1"),
            ("https://a.internal", "/", "all"),
            ("https://b.internal", "/v1", "b"),
            ("https://a.internal", "/v1/admin", "admin"),
        ];
        let mut reversed = rows;
        reversed.reverse();
        for rows in [rows, reversed] {
            let targets = listed(&rows);
            let cases = [
                ("https://a.internal/v1/admin/x?y", Ok("admin")),
                ("https://a.internal/v1/administrator", Ok("v1")),
                ("https://a.internal/v1x", Ok("all")),
                ("https://a.internal", Ok("all")),
                ("https://b.internal/v1/admin", Ok("b")),
                ("https://b.internal/v2", Err(Unlisted::Path { origin: "https://b.internal".into() })),
                ("https://c.internal/v1", Err(Unlisted::Origin { origin: "https://c.internal".into() })),
                (
                    "https://a.internal/v1/../v1/admin",
                    Err(Unlisted::HiddenPath { origin: "https://a.internal".into() }),
                ),
                ("https://me@a.internal/v1", Err(Unlisted::Credentials)),
                ("/v1", Err(Unlisted::NotAbsolute)),
            ];
            for (address, expected) in cases {
                let uri = address.parse().expect("uri");
                assert_eq!(targets.resolve(&uri).copied(), expected, "{address}");
            }
        }
    }

    /// Addresses of the pieces that attackers make them of.
    fn addresses() -> impl Strategy<Value = String> {
        let pieces = [
            "http://",
            "https://",
            "HTTPS://",
            "a.internal",
            "A.Internal",
            "b.internal",
            "evil.example",
            ":",
            "443",
            "8443",
            "80",
            "@",
            "/",
            "//",
            "\\",
            ".",
            "..",
            "%2e",
            "%2F",
            "%5c",
            "%",
            "[",
            "]",
            "?",
            "#",
            ";",
            "v1",
            "v1x",
            "x",
            "é",
        ];
        let piece = prop::sample::select(pieces.to_vec());
        (prop::sample::select(vec!["https://a.internal", "https://", ""]), prop::collection::vec(piece, 0..8))
            .prop_map(|(begin, rest)| begin.to_owned() + &rest.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is resolved is, for another reader of addresses, below the same prefix of the same origin.
        #[test]
        fn rfc6750_b1_two_readers_of_an_address_agree_on_its_target(address in addresses()) {
            let targets = listed(&[("https://a.internal", "/v1", "v1")]);
            let resolved = address.parse::<Uri>().ok().and_then(|uri| targets.resolve(&uri).ok().copied());
            if resolved.is_some() {
                let url = url::Url::parse(&address).expect("an address for both");
                prop_assert_eq!(url.origin().ascii_serialization(), "https://a.internal");
                prop_assert!(url.path() == "/v1" || url.path().starts_with("/v1/"), "{}", url);
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }
    }

    #[test]
    fn the_same_row_twice_is_given_back() {
        let mut targets = listed(&[("https://a.internal", "/v1", "first")]);
        let origin = Origin::parse("https://A.internal:443").expect("origin");
        assert_eq!(targets.insert(&origin, PathPrefix::parse("/v1/").expect("prefix"), "second"), Err("second"));
        assert_eq!(targets.insert(&origin, PathPrefix::default(), "third"), Ok(()));
    }

    #[test]
    fn an_error_says_what_to_do_and_shows_no_more_than_the_origin() {
        let targets = listed(&[("https://a.internal", "/v1", "v1")]);
        let text = |address: &str| targets.resolve(&address.parse().expect("uri")).expect_err(address).to_string();
        assert_eq!(
            text("https://b.internal:8443/s3cret?token=s3cret"),
            "no target lists https://b.internal:8443; add a row with that origin, or correct the address"
        );
        for address in ["https://a.internal/s3cret", "https://a.internal/v1/../s3cret", "https://s3cret@a.internal/"] {
            assert!(!text(address).contains("s3cret"), "{address}");
        }
    }
}
