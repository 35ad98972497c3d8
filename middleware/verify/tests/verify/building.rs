//! What cannot be built, and how it is said.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::InvalidSetting;
use tower_identity_verify::{IssuerSettings, Profile, TrustedIssuer, Verifier};

const ISSUER: &str = "https://login.example.com";

fn build(issuer: TrustedIssuer) -> Result<(), String> {
    Verifier::builder(issuer).build().map(drop).map_err(|wrong| wrong.to_string())
}

fn wrong(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

#[test]
fn a_verifier_is_built_without_a_runtime_and_without_an_issuer_that_is_up() {
    assert_eq!(build(TrustedIssuer::discover("http://127.0.0.1:9").audience("orders")), Ok(()));
}

#[test]
fn what_breaks_a_rule_is_named_by_issuer_and_field() {
    let good = || TrustedIssuer::discover(ISSUER).audience("orders");
    let cases = [
        (good(), Ok(())),
        (good().audience("https://orders.example"), Ok(())),
        (good().leeway(Duration::from_secs(120)), Ok(())),
        (TrustedIssuer::discover("").audience("orders"), wrong("issuer[0].issuer: issuer is empty")),
        (TrustedIssuer::discover(ISSUER).audience(" "), wrong("issuer[0].audience: audience is empty")),
        (good().audience(""), wrong("issuer[0].audience: audience is empty")),
        (good().algorithms([]), wrong("issuer[0].algorithms: names no algorithm")),
        (good().leeway(Duration::from_secs(121)), wrong("issuer[0].leeway_seconds: more than 120 s")),
        (
            TrustedIssuer::discover("http://login.example.com").audience("orders"),
            wrong("issuer[0].issuer: is neither https nor http on a loopback address"),
        ),
        (
            TrustedIssuer::keys_at(ISSUER, "http://login.example.com/jwks").audience("orders"),
            wrong("issuer[0].keys.url: is neither https nor http on a loopback address"),
        ),
    ];
    for (issuer, expected) in cases {
        let name = format!("{issuer:?}");
        assert_eq!(build(issuer), expected, "{name}");
    }
}

#[test]
fn the_second_issuer_is_checked_too_and_none_twice() {
    let home = || Verifier::builder(TrustedIssuer::discover(ISSUER).audience("orders"));
    let build = |another| home().issuer(another).build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(build(TrustedIssuer::discover("https://partner.example").audience("orders")), Ok(()));
    assert_eq!(
        build(TrustedIssuer::discover("https://partner.example").audience("")),
        wrong("issuer[1].audience: audience is empty")
    );
    assert_eq!(build(TrustedIssuer::discover(ISSUER).audience("shop")), wrong("issuer[1].issuer: is trusted twice"));
}

fn read(settings: Value) -> Result<TrustedIssuer, String> {
    let settings: IssuerSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    TrustedIssuer::try_from(settings).map_err(|wrong: InvalidSetting| wrong.to_string())
}

#[test]
fn code_and_file_build_the_same_issuer() {
    let from_file = read(json!({
        "issuer": ISSUER, "audience": ["orders", "shop"], "keys": {"url": "https://inside.example/jwks"},
        "algorithms": ["ES256", "Ed25519"], "leeway_seconds": 5,
    }))
    .expect("valid");
    let from_code = TrustedIssuer::keys_at(ISSUER, "https://inside.example/jwks")
        .audience("orders")
        .audience("shop")
        .algorithms(["ES256", "Ed25519"].map(|name| name.parse().expect("algorithm")))
        .leeway(Duration::from_secs(5));
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));

    for profile in Profile::ALL {
        let from_file = read(json!({"issuer": ISSUER, "audience": "orders", "profile": profile.as_str()}));
        let from_code = TrustedIssuer::discover(ISSUER).audience("orders").profile(profile);
        assert_eq!(format!("{:?}", from_file.expect("valid")), format!("{from_code:?}"));
    }
    let from_file = read(json!({"issuer": ISSUER, "audience": "orders"})).expect("valid");
    let from_code = TrustedIssuer::discover(ISSUER).audience("orders");
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));
}

#[test]
fn a_file_is_refused_whole_and_names_the_field() {
    let cases = [
        (json!({"issuer": ISSUER}), "missing field `audience`"),
        (json!({"audience": "orders"}), "missing field `issuer`"),
        (json!({"issuer": ISSUER, "audience": []}), "audience: names no audience"),
        (json!({"issuer": ISSUER, "audience": ""}), "audience: audience is empty"),
        (json!({"issuer": ISSUER, "audience": 5}), "a string or a list of strings"),
        (json!({"issuer": ISSUER, "audience": ["orders", ""]}), "audience: audience is empty"),
        (json!({"issuer": "", "audience": "orders"}), "issuer: issuer is empty"),
        (
            json!({"issuer": "http://login.example.com", "audience": "orders"}),
            "issuer: is neither https nor http on a loopback address",
        ),
        (
            json!({"issuer": ISSUER, "audience": "orders", "keys": {"url": "inside/jwks"}}),
            "keys.url: is not an absolute URL",
        ),
        (json!({"issuer": ISSUER, "audience": "orders", "algorithms": []}), "algorithms: names no algorithm"),
        (
            json!({"issuer": ISSUER, "audience": "orders", "algorithms": ["HS256"]}),
            "not a supported signature algorithm",
        ),
        (json!({"issuer": ISSUER, "audience": "orders", "leeway_seconds": 121}), "leeway_seconds: more than 120 s"),
    ];
    for (settings, expected) in cases {
        let name = settings.to_string();
        assert_eq!(read(settings).map(|issuer| format!("{issuer:?}")), wrong_issuer(expected), "{name}");
    }
    let unknown = read(json!({"issuer": ISSUER, "audience": "orders", "profile": "RFC9068"})).expect_err("refused");
    assert!(unknown.starts_with("unknown variant `RFC9068`, expected"), "{unknown}");
    let unknown = read(json!({"issuer": ISSUER, "audience": "orders", "audiences": "shop"})).expect_err("refused");
    assert!(unknown.starts_with("unknown field `audiences`"), "{unknown}");
}

fn wrong_issuer(text: &str) -> Result<String, String> {
    Err(text.to_owned())
}
