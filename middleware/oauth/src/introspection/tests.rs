use std::path::Path;

use serde_json::{Value, json};
use tower_identity_refresh::system_clock;

use super::*;

const ISSUER: &str = "https://as.example";
const URL: &str = "https://as.example/introspect";

fn issuer() -> Issuer {
    ISSUER.parse().expect("issuer")
}

fn auth(client_id: &str) -> ClientAuth {
    ClientAuth::client_secret_basic(client_id, "hunter2").expect("usable")
}

fn at() -> Introspection {
    Introspection::at(URL, auth("orders"))
}

fn found() -> Introspection {
    Introspection::discovered(auth("orders"))
}

#[test]
fn what_breaks_a_rule_is_named_by_field() {
    let checked = |introspection: &Introspection, issuer: &str| {
        let issuer = issuer.parse().expect("issuer");
        introspection.check(&issuer).map(drop).map_err(|wrong| wrong.to_string())
    };
    let not_secure = "is neither https nor http on a loopback address";
    let wrong = |text: &str| Err(text.to_owned());
    let seconds = Duration::from_secs;
    for (introspection, expected) in [
        (at(), Ok(())),
        (found(), Ok(())),
        (found().discovery(DiscoveryOrder::OidcOnly), Ok(())),
        (at().discovery(DiscoveryOrder::OidcOnly), wrong("discovery: goes without url: metadata is not read")),
        (at().remember(seconds(300)), Ok(())),
        (at().remember(seconds(301)), wrong("remember_seconds: more than 300 s")),
        (at().concurrency(1), Ok(())),
        (at().concurrency(0), wrong("concurrency: is not from 1 to 4096")),
        (at().concurrency(4097), wrong("concurrency: is not from 1 to 4096")),
        (Introspection::at("http://as.example/introspect", auth("orders")), wrong(&format!("url: {not_secure}"))),
    ] {
        assert_eq!(checked(&introspection, ISSUER), expected, "{introspection:?}");
    }
    // Only where the issuer is asked where its endpoint is.
    assert_eq!(checked(&at(), "urn:the-issuer"), Ok(()));
    assert_eq!(checked(&found(), "urn:the-issuer"), wrong(&format!("issuer: \"urn:the-issuer\" {not_secure}")));
}

#[test]
fn rfc7662_a4_a_fingerprint_differs_by_server_endpoint_client_and_form() {
    let http = Http::new(system_clock()).expect("TLS can be set up");
    let fingerprint = |introspection: &Introspection, issuer: &str| {
        introspection.connect(&issuer.parse().expect("issuer"), &http).expect("nothing is wrong").fingerprint()
    };
    let all = [
        fingerprint(&at(), ISSUER),
        fingerprint(&found(), ISSUER),
        fingerprint(&at(), "https://other.example"),
        fingerprint(&Introspection::at("https://as.example/other", auth("orders")), ISSUER),
        fingerprint(&Introspection::at(URL, auth("payments")), ISSUER),
        fingerprint(&at().signed(), ISSUER),
        fingerprint(&at().phantom(), ISSUER),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[index + 1..].contains(one), "{index}");
    }
    assert_eq!(fingerprint(&at(), ISSUER), all[0]);
}

fn read(settings: Value) -> Result<String, String> {
    let settings: IntrospectionSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    let introspection = settings.introspection(Path::new("/etc/nowhere")).map_err(|wrong| wrong.to_string())?;
    introspection.check(&issuer()).map_err(|wrong| wrong.to_string())?;
    Ok(format!("{introspection:?}"))
}

#[test]
fn a_file_and_code_build_the_same() {
    let with = |more: Value| {
        let mut table = json!({"client_id": "orders", "client_secret": "hunter2"});
        table.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        read(table)
    };
    let code = |introspection: &Introspection| Ok(format!("{introspection:?}"));
    assert_eq!(with(json!({})), code(&found()));
    assert_eq!(with(json!({"discovery": "oidc_only"})), code(&found().discovery(DiscoveryOrder::OidcOnly)));
    assert_eq!(with(json!({"url": URL})), code(&at()));
    assert_eq!(with(json!({"url": URL, "signed": true})), code(&at().signed()));
    assert_eq!(with(json!({"url": URL, "phantom": true, "signed": false})), code(&at().phantom()));
    assert_eq!(
        with(json!({"url": URL, "remember_seconds": 5, "concurrency": 8})),
        code(&at().remember(Duration::from_secs(5)).concurrency(8))
    );
    let post = ClientAuth::client_secret_post("orders", "hunter2").expect("usable");
    assert_eq!(
        with(json!({"url": URL, "token_endpoint_auth_method": "client_secret_post"})),
        code(&Introspection::at(URL, post))
    );
    assert!(!with(json!({})).expect("accepted").contains("hunter2"));
}

#[test]
fn a_table_is_refused_whole_and_names_the_field() {
    let one_secret = "client_secret: exactly one of client_secret, client_secret_file, private_key_file, client_assertion_file, client_certificate and bearer has to be there";
    let both = "phantom: goes without signed: the JWT in the token's place is signed itself";
    for (table, expected) in [
        (json!({"client_id": "orders"}), one_secret),
        (json!({"client_id": "", "client_secret": "a"}), "client_id: client id is empty"),
        (json!({"client_id": "orders", "client_secret": "a", "signed": true, "phantom": true}), both),
        (
            json!({"client_id": "orders", "client_secret": "a", "remember_seconds": 301}),
            "remember_seconds: more than 300 s",
        ),
        (json!({"client_id": "orders", "client_secret": "a", "url": "inside"}), "url: is not an absolute URL"),
    ] {
        assert_eq!(read(table.clone()), Err(expected.to_owned()), "{table}");
    }
    let unknown = read(json!({"client_id": "orders", "client_secret": "a", "sign": true})).expect_err("refused");
    assert!(unknown.starts_with("unknown field `sign`"), "{unknown}");
    let no_file = read(json!({"client_id": "orders", "client_secret_file": "secret"})).expect_err("refused");
    assert!(no_file.starts_with("client_secret_file: cannot read /etc/nowhere/secret"), "{no_file}");
}
