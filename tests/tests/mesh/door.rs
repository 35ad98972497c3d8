//! What a file says of the door: clients are told where to get a token, and tokens have a longest length.

use tower_identity::Settings;

const ISSUER: &str = "[[inbound.issuer]]\nissuer = \"https://login.example.com\"\naudience = \"orders\"\n";

fn with(table: &str) -> Result<Settings, String> {
    Settings::parse(&format!("{ISSUER}{table}"), "orders.toml").map_err(|refused| refused.to_string())
}

#[test]
fn rfc9728_a1_what_clients_may_know_is_a_table_beside_the_issuers() {
    let settings = with("[inbound.resource]\nidentifier = \"https://orders.example.com/v1\"\nscope = \"orders:read\"");
    let url = "https://orders.example.com/.well-known/oauth-protected-resource/v1";
    assert_eq!(settings.expect("good").resource().expect("there").url(), url);

    let missing = with("").expect("good").resource().expect_err("none");
    assert_eq!(missing.to_string(), "orders.toml: inbound.resource: the file has no such table");
    let cases = [
        ("identifier = \"orders\"", "orders.toml:5: inbound.resource.identifier: is neither https nor http"),
        ("id = \"orders\"", "orders.toml:5: inbound.resource.id: unknown field `id`"),
        ("scope = \"a\"", "orders.toml:4: inbound.resource: missing field `identifier`"),
    ];
    for (field, expected) in cases {
        let refused = with(&format!("[inbound.resource]\n{field}")).expect_err(expected);
        assert!(refused.starts_with(expected), "expected {expected}\n     got {refused}");
    }
}
