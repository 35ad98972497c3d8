use super::*;

fn verifier() -> Verifier {
    let home = tower_identity_verify::TrustedIssuer::discover("https://login.example.com").audience("orders");
    Verifier::builder(home).build().expect("a verifier")
}

#[test]
fn rfc9728_a1_the_well_known_part_stands_between_host_and_path() {
    let verifier = verifier();
    let cases = [
        ("https://orders.example.com", "https://orders.example.com", ""),
        ("https://orders.example.com/", "https://orders.example.com", ""),
        ("https://orders.example.com/v1", "https://orders.example.com", "/v1"),
        ("https://orders.example.com/v1/", "https://orders.example.com", "/v1/"),
        ("https://orders.example.com/a/b", "https://orders.example.com", "/a/b"),
        ("https://orders.example.com//", "https://orders.example.com", "//"),
        ("https://orders.example.com:8443/a%2Fb", "https://orders.example.com:8443", "/a%2Fb"),
        ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000", "/x"),
        ("http://[::1]:3000", "http://[::1]:3000", ""),
        ("http://localhost/", "http://localhost", ""),
    ];
    for (identifier, origin, path) in cases {
        let metadata = ResourceMetadata::builder(identifier).build(&verifier).expect(identifier);
        assert_eq!(metadata.path(), format!("/.well-known/oauth-protected-resource{path}"), "{identifier}");
        assert_eq!(metadata.url(), format!("{origin}{}", metadata.path()), "{identifier}");
    }
}

#[test]
fn rfc9728_a1_what_is_no_resource_is_refused() {
    let verifier = verifier();
    let no_url = "is no absolute URL without fragment";
    let plaintext = "is neither https nor http on a loopback address";
    let cases = [
        ("orders", plaintext),
        ("/orders", no_url),
        ("", no_url),
        ("https://", no_url),
        ("https://orders.example.com#top", no_url),
        ("https://orders.example.com/{id}", no_url),
        ("https://orders.example.com/a\"b", no_url),
        ("https://orders.example.com/a\r\nb", no_url),
        ("https://örders.example.com", no_url),
        ("http://orders.example.com", plaintext),
        ("http://localhost.example.com", plaintext),
        ("http://127.0.0.1.example.com", plaintext),
        ("spiffe://example.org", plaintext),
        ("https://me@orders.example.com", "has no host, or user information"),
        ("https://:8443", "has no host, or user information"),
        ("https://orders.example.com:99999", "has a port that is none"),
        ("https://orders.example.com?tenant=a", "has a query"),
        ("https://orders.example.com/?", "has a query"),
    ];
    for (identifier, rule) in cases {
        let refused = ResourceMetadata::builder(identifier).build(&verifier).map(|metadata| metadata.url().to_owned());
        assert_eq!(refused, Err(InvalidSetting::new("identifier", rule)), "{identifier:?}");
    }
}

#[test]
fn every_field_is_checked_under_its_name() {
    let verifier = verifier();
    let good = || ResourceMetadata::builder("https://orders.example.com");
    let page = "documentation: is no http or https URL";
    let cases = [
        (good().scope("a\"b"), "scope: a scope is one or more visible ASCII characters without quote and backslash"),
        (good().name(" "), "name: is empty"),
        (good().documentation("orders.html"), page),
        (good().documentation("javascript:alert(1)"), page),
        (good().documentation("https://docs.example.com/a b"), page),
        (
            good().authorization_servers(["https://login.example.com", "http://login.example.com"]),
            "authorization_servers[1]: is neither https nor http on a loopback address",
        ),
    ];
    for (builder, fault) in cases {
        assert_eq!(builder.build(&verifier).expect_err(fault).to_string(), fault);
    }
    good().scope("").name("Orders").documentation("https://docs.example.com/?a#b").build(&verifier).expect("good");
}
