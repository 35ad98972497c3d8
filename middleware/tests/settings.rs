//! A file is read as a whole or refused as a whole, with its line, field and rule.

use std::{fs, path::Path};

use tower_identity::Settings;

const GOOD: &str = r#"
[service]
listen = "127.0.0.1:0"

[[inbound.issuer]]
issuer = "https://login.example.com"
audience = "orders"

[outbound.server.login]
issuer = "https://login.example.com"
client_id = "orders"
client_secret = "hidden"

[[outbound.target]]
origin = "https://payments.internal"
audience = "payments"
scope = "payments:charge"
strategy = "token_exchange"
"#;

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    listen: String,
}

#[test]
fn a_good_file_gives_everything_that_it_configures() {
    let settings = Settings::parse(GOOD, "orders.toml").expect("good");
    settings.verifier().expect("inbound");
    settings.outbound().expect("outbound");
    let service: Service = settings.section("service").expect("section");
    assert_eq!(service, Service { listen: "127.0.0.1:0".to_owned() });
    assert!(!format!("{settings:?}").contains("hidden"));
}

#[test]
fn a_bad_file_is_refused_with_its_line_field_and_rule() {
    let cases = [
        ("audience = \"orders\"", "", "orders.toml:5: inbound.issuer[0]: missing field `audience`"),
        ("audience = \"orders\"", "audience = \"\"", "orders.toml:7: inbound.issuer[0].audience: "),
        (
            "audience = \"orders\"",
            "audience = \"orders\"\nleeway_seconds = 500",
            "orders.toml:8: inbound.issuer[0].leeway_seconds: ",
        ),
        (
            "client_id = \"orders\"",
            "client = \"orders\"",
            "orders.toml:11: outbound.server.login.client: unknown field `client`",
        ),
        (
            "issuer = \"https://login.example.com\"\nclient",
            "issuer = \"http://login.example.com\"\nclient",
            "orders.toml:10: outbound.server.login.issuer: ",
        ),
        (
            "origin = \"https://payments.internal\"",
            "origin = \"https://payments.internal/v1\"",
            "orders.toml:15: outbound.target[0].origin: ",
        ),
        ("\"token_exchange\"", "\"hope\"", "orders.toml:18: outbound.target[0].strategy: unknown variant `hope`"),
        (
            "\"token_exchange\"",
            "\"token_exchange\"\nserver = \"elsewhere\"",
            "orders.toml:19: outbound.target[0].server: ",
        ),
        (
            "client_secret = \"hidden\"",
            "client_secret = 4711",
            "orders.toml:12: outbound.server.login.client_secret: a secret is a string",
        ),
        ("[outbound.server.login]", "[outbound.server.login", "orders.toml:9: "),
    ];
    for (from, to, expected) in cases {
        assert!(GOOD.contains(from), "{from}");
        let refused = Settings::parse(&GOOD.replacen(from, to, 1), "orders.toml").expect_err(expected).to_string();
        assert!(refused.starts_with(expected), "expected {expected}\n     got {refused}");
        assert!(!refused.contains("hidden"), "{refused}");
    }
}

#[test]
fn of_several_servers_exactly_one_is_the_default() {
    let second =
        "\n[outbound.server.other]\nissuer = \"https://other.example\"\nclient_id = \"x\"\nclient_secret = \"y\"\n";
    let refused = Settings::parse(&format!("{GOOD}{second}"), "orders.toml").expect_err("no default");
    assert_eq!(refused.to_string(), "orders.toml:9: outbound.server: of several servers, one must say default = true");
    Settings::parse(&format!("{GOOD}{second}default = true\n"), "orders.toml").expect("one default");
    let both = format!("{GOOD}{second}default = true\n")
        .replace("client_id = \"orders\"", "client_id = \"orders\"\ndefault = true");
    let refused = Settings::parse(&both, "orders.toml").expect_err("two defaults");
    assert_eq!(refused.rule(), "only one server may say default = true");
}

#[test]
fn a_table_that_is_asked_for_must_be_there_and_be_right() {
    let settings = Settings::parse("[service]\nlisten = 7\n", "orders.toml").expect("tables of the service's own");
    assert_eq!(settings.verifier().expect_err("none").to_string(), "orders.toml: inbound: the file has no such table");
    assert_eq!(settings.outbound().expect_err("none").to_string(), "orders.toml: outbound: the file has no such table");
    let refused = settings.section::<Service>("service").expect_err("a number");
    assert_eq!((refused.line(), refused.field()), (Some(2), "service.listen"));
    assert!(refused.rule().starts_with("invalid type: integer `7`, expected a string"), "{}", refused.rule());
    let unreadable = Settings::from_path("/nowhere/orders.toml").expect_err("no file");
    assert_eq!(unreadable.to_string(), "/nowhere/orders.toml: cannot be read");
}

#[test]
fn files_are_looked_for_beside_the_name_that_a_text_goes_by() {
    let text = GOOD.replace("client_secret = \"hidden\"", "client_secret_file = \"orders.secret\"");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("orders.secret"), "hidden").expect("a file");

    let name = directory.join("orders.toml").display().to_string();
    let settings = Settings::parse(&text, &name).expect("the file is there");
    assert_eq!(settings.beside("price-list.toml"), directory.join("price-list.toml"));
    assert_eq!(settings.beside("/etc/price-list.toml"), Path::new("/etc/price-list.toml"));

    let refused = Settings::parse(&text, "orders.toml").expect_err("there is no such file here");
    assert_eq!((refused.line(), refused.field()), (Some(12), "outbound.server.login.client_secret_file"));
}
