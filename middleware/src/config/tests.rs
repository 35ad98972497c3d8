use super::*;

const DEVELOPMENT: &str = "\
[inbound]
development = true

[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'orders'
";

/// Whether refusals are explained shows in nothing but the layer's `Debug`, and in answers.
fn explains(file: &str) -> Result<bool, String> {
    let settings = Settings::parse(file, "orders.toml").map_err(|refused| refused.to_string())?;
    settings.verifier().expect("a verifier, in development too");
    Ok(format!("{:?}", settings.auth_layer().expect("a layer")).contains("development: Some"))
}

#[test]
fn e_p1_development_mode_is_said_in_the_file_and_refused_by_a_release_build() {
    let expected = if cfg!(debug_assertions) {
        Ok(true)
    } else {
        Err("orders.toml:2: inbound.development: a release build tells nobody why a token is refused".to_owned())
    };
    assert_eq!(explains(DEVELOPMENT), expected);
    assert_eq!(explains(&DEVELOPMENT.replace("true", "false")), Ok(false));
    assert_eq!(explains(&DEVELOPMENT.replace("development = true", "")), Ok(false));
    let refused = Settings::parse("", "orders.toml").expect("an empty file").auth_layer().map(drop);
    assert_eq!(refused.unwrap_err().to_string(), "orders.toml: inbound: the file has no such table");
}
