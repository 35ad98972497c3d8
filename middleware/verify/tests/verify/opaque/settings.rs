//! What cannot be built, and the same from a file.

use serde_json::{Value, json};
use tower_identity_oauth::Introspection;
use tower_identity_refresh::system_clock;
use tower_identity_verify::{IssuerSettings, MemorySplitTokens, Profile, TrustedIssuer, Verifier};

use super::auth;
use crate::support::SECOND;

const ISSUER: &str = "https://login.example.com";
const URL: &str = "https://login.example.com/introspect";
const OTHER: &str = "https://partner.example";

fn at() -> Introspection {
    Introspection::at(URL, auth())
}

fn opaque(introspection: Introspection) -> TrustedIssuer {
    TrustedIssuer::opaque(ISSUER, introspection).audience("orders")
}

fn split(issuer: &str) -> TrustedIssuer {
    TrustedIssuer::split(issuer, MemorySplitTokens::new(1, system_clock())).audience("orders")
}

#[test]
fn what_breaks_a_rule_is_named_by_issuer_and_field() {
    let build = |issuer| Verifier::builder(issuer).build().map(drop).map_err(|wrong| wrong.to_string());
    let wrong = |text: &str| Err(text.to_owned());
    let unneeded = |field| Err(format!("issuer[0].keys.{field}: goes with answers that are signed, or stand for JWTs"));
    let not_secure = "is neither https nor http on a loopback address";
    for (issuer, expected) in [
        (opaque(at()), Ok(())),
        (opaque(at().signed()), Ok(())),
        (opaque(at().phantom()).profile(Profile::Keycloak), Ok(())),
        (opaque(at().signed()).keys_url("https://inside.example/jwks").keys_save("keys.json"), Ok(())),
        (split(ISSUER).profile(Profile::Keycloak), Ok(())),
        (
            opaque(at()).profile(Profile::Keycloak),
            wrong("issuer[0].profile: is that of JWTs, and what the issuer answers is none"),
        ),
        (opaque(at().remember(301 * SECOND)), wrong("issuer[0].introspection.remember_seconds: more than 300 s")),
        (opaque(at().concurrency(0)), wrong("issuer[0].introspection.concurrency: is not from 1 to 4096")),
        (
            opaque(Introspection::at("http://login.example.com", auth())),
            wrong(&format!("issuer[0].introspection.url: {not_secure}")),
        ),
        (opaque(at()).keys_url("https://inside.example/jwks"), unneeded("url")),
        (opaque(at()).keys_seed("a"), unneeded("seed")),
        (opaque(at()).keys_save("a"), unneeded("save")),
        (opaque(at()).keys_pin([]), unneeded("pin")),
        (opaque(at().signed()).keys_url("http://a.example"), wrong(&format!("issuer[0].keys.url: {not_secure}"))),
        (
            TrustedIssuer::keys_at(ISSUER, "https://a.example").audience("orders").keys_url("https://b.example"),
            wrong("issuer[0].keys.url: goes with keys that are found by metadata"),
        ),
        (
            TrustedIssuer::opaque("urn:the-issuer", Introspection::discovered(auth())).audience("orders"),
            wrong(&format!("issuer[0].introspection.issuer: \"urn:the-issuer\" {not_secure}")),
        ),
        (TrustedIssuer::opaque("urn:the-issuer", at()).audience("orders"), Ok(())),
    ] {
        let name = format!("{issuer:?}");
        assert!(!name.contains("hunter2"));
        assert_eq!(build(issuer), expected, "{name}");
    }
}

#[test]
fn an_opaque_token_does_not_say_whose_it_is_so_one_issuer_has_them() {
    let build = |home: TrustedIssuer, other: TrustedIssuer| {
        Verifier::builder(home).issuer(other).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let twice = Err("issuer[1].introspection: another issuer's tokens are opaque too, and such a token does not say \
                     whose it is"
        .to_owned());
    let jwts = || TrustedIssuer::discover(OTHER).audience("orders");
    let other = || TrustedIssuer::opaque(OTHER, at()).audience("orders");
    assert_eq!(build(opaque(at()), jwts()), Ok(()));
    assert_eq!(build(jwts(), opaque(at())), Ok(()));
    assert_eq!(build(opaque(at()), other()), twice);
    assert_eq!(build(opaque(at()), split(OTHER)), twice);
    assert_eq!(
        build(opaque(at()), TrustedIssuer::discover(ISSUER).audience("orders")),
        Err("issuer[1].issuer: is trusted twice".to_owned())
    );
}

fn read(introspection: &Value, more: &Value) -> Result<String, String> {
    let mut settings = json!({"issuer": ISSUER, "audience": "orders", "introspection": introspection});
    settings.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    let settings: IssuerSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    TrustedIssuer::try_from(settings).map(|issuer| format!("{issuer:?}")).map_err(|wrong| wrong.to_string())
}

#[test]
fn code_and_file_build_the_same_issuer() {
    let client = json!({"client_id": "orders", "client_secret": "hunter2"});
    let with = |more: Value| {
        let mut table = client.clone();
        table.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        table
    };
    let code = |issuer: TrustedIssuer| Ok(format!("{issuer:?}"));
    assert_eq!(read(&client, &json!({})), code(opaque(Introspection::discovered(auth()))));
    assert_eq!(read(&with(json!({"url": URL})), &json!({})), code(opaque(at())));
    assert_eq!(
        read(&with(json!({"url": URL, "signed": true})), &json!({"keys": {"url": "https://inside.example/jwks"}})),
        code(opaque(at().signed()).keys_url("https://inside.example/jwks"))
    );
    assert_eq!(
        read(&with(json!({"url": URL, "phantom": true})), &json!({"profile": "auth0"})),
        code(opaque(at().phantom()).profile(Profile::Auth0))
    );
    assert_eq!(
        read(&with(json!({"remember_seconds": 5})), &json!({"leeway_seconds": 5})),
        code(opaque(Introspection::discovered(auth()).remember(5 * SECOND)).leeway(5 * SECOND))
    );
}

#[test]
fn a_file_is_refused_whole_and_names_the_field() {
    let client = json!({"client_id": "orders", "client_secret": "hunter2"});
    let no_secret = json!({"client_id": "orders"});
    let one = "exactly one of client_secret, client_secret_file, private_key_file, client_assertion_file, client_certificate and bearer has to be there";
    for (introspection, more, expected) in [
        (no_secret, json!({}), format!("introspection.client_secret: {one}")),
        (
            client.clone(),
            json!({"profile": "auth0"}),
            "profile: is that of JWTs, and what the issuer answers is none".to_owned(),
        ),
        (
            client.clone(),
            json!({"keys": {"url": "https://a.example"}}),
            "keys.url: goes with answers that are signed, or stand for JWTs".to_owned(),
        ),
    ] {
        assert_eq!(read(&introspection, &more), Err(expected));
    }
    let settings = json!({"trust_domain": "example.org", "audience": "orders", "introspection": client});
    let settings: IssuerSettings = serde_json::from_value(settings).expect("the shape");
    let wrong = TrustedIssuer::try_from(settings).expect_err("refused").to_string();
    assert_eq!(wrong, "introspection: goes with issuer: nobody is asked about a JWT-SVID");
}
