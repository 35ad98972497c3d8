use proptest::prelude::*;

use super::*;

mod chosen;

/// What a request with this method for nobody resolves to.
fn get(targets: &Targets<&'static str>, uri: &Uri) -> Result<&'static str, NoTarget> {
    targets.resolve(&Method::GET, uri, || Whose::Nobody).copied()
}

fn listed(rows: &[(&str, &str, &'static str)]) -> Targets<&'static str> {
    let mut targets = Targets::new();
    for (origin, prefix, name) in rows {
        let origin = Origin::parse(origin).expect("origin");
        let prefix = PathPrefix::parse(prefix).expect("prefix");
        assert_eq!(targets.insert(&origin, prefix, When::default(), *name), Ok(()));
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
            ("https://b.internal/v2", Err(NoTarget::Path { origin: "https://b.internal".into() })),
            ("https://c.internal/v1", Err(NoTarget::Origin { origin: "https://c.internal".into() })),
            ("https://a.internal/v1/../v1/admin", Err(NoTarget::HiddenPath { origin: "https://a.internal".into() })),
            ("https://me@a.internal/v1", Err(NoTarget::Credentials)),
            ("/v1", Err(NoTarget::NotAbsolute)),
        ];
        for (address, expected) in cases {
            let uri = address.parse().expect("uri");
            assert_eq!(get(&targets, &uri), expected, "{address}");
        }
    }
}

#[test]
fn what_is_found_at_once_is_what_would_be_chosen() {
    let mut targets = listed(&[("https://a.internal", "/v1", "v1"), ("https://a.internal", "/", "all")]);
    let origin = Origin::parse("https://a.internal").expect("origin");
    let posts = When { methods: vec![Method::POST], ..When::default() };
    let partners = When { subjects_of: vec!["https://partner.example".parse().expect("issuer")], ..When::default() };
    for (path, when, name) in [("/v1/admin", posts, "posts"), ("/v2", partners, "partners")] {
        assert_eq!(targets.insert(&origin, PathPrefix::parse(path).expect("prefix"), when, name), Ok(()));
    }
    for (address, found, chosen) in [
        ("https://a.internal/v1/charges?x=y", Some("v1"), Ok("v1")),
        ("https://a.internal", Some("all"), Ok("all")),
        // Written otherwise, or not for all.
        ("https://A.internal/v1", None, Ok("v1")),
        ("https://a.internal:443/v1", None, Ok("v1")),
        ("https://a.internal/v1/admin", None, Ok("v1")),
        ("https://a.internal/v2", None, Ok("all")),
        ("https://a.internal/v1/..", None, Err(NoTarget::HiddenPath { origin: "https://a.internal".into() })),
        ("http://a.internal/v1", None, Err(NoTarget::Origin { origin: "http://a.internal".into() })),
    ] {
        let uri = address.parse().expect("uri");
        assert_eq!(targets.at_once(&uri).copied(), found, "{address}");
        let choose = targets.choose(&Method::GET, &uri, || Whose::Nobody).copied();
        assert_eq!((&choose, get(&targets, &uri)), (&chosen, chosen.clone()), "{address}");
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
        let uri = address.parse::<Uri>().ok();
        let resolved = uri.as_ref().and_then(|uri| get(&targets, uri).ok());
        let chosen = uri.as_ref().and_then(|uri| targets.choose(&Method::GET, uri, || Whose::Nobody).ok());
        prop_assert_eq!(resolved.as_ref(), chosen);
        if resolved.is_some() {
            let url = url::Url::parse(&address).expect("an address for both");
            prop_assert_eq!(url.origin().ascii_serialization(), "https://a.internal");
            prop_assert!(url.path() == "/v1" || url.path().starts_with("/v1/"), "{}", url);
            prop_assert!(url.username().is_empty() && url.password().is_none());
        }
    }
}

#[test]
fn an_error_says_what_to_do_and_shows_no_more_than_the_origin() {
    let targets = listed(&[("https://a.internal", "/v1", "v1")]);
    let text = |address: &str| get(&targets, &address.parse().expect("uri")).expect_err(address).to_string();
    assert_eq!(
        text("https://b.internal:8443/s3cret?token=s3cret"),
        r#"no target lists https://b.internal:8443; add [[outbound.target]] origin = "https://b.internal:8443", or correct the address"#
    );
    for address in ["https://a.internal/s3cret", "https://a.internal/v1/../s3cret", "https://s3cret@a.internal/"] {
        assert!(!text(address).contains("s3cret"), "{address}");
    }
}
