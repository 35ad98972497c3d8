//! The table `keys` of an issuer: the same as in code, or refused by field and rule.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tower_identity_core::Scopes;
use tower_identity_jose::{KeySet, Thumbprint};
use tower_identity_oauth::{ClientAuth, DiscoveryOrder, TargetService, TokenEndpoint};
use tower_identity_verify::{IssuerSettings, TrustedIssuer, Verifier};

use crate::support::{HOUR, SECOND, key};

const ISSUER: &str = "https://login.example.com";
const KEYS: &str = "https://inside.example/jwks";
const PIN: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// The issuer that a file in this folder makes with this table.
fn read(folder: &Path, keys: &Value) -> Result<String, String> {
    let settings = json!({"issuer": ISSUER, "audience": "orders", "keys": keys});
    let settings: IssuerSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    let issuer = settings.trusted_issuer(folder).map_err(|wrong| wrong.to_string())?;
    Ok(format!("{issuer:?}"))
}

fn code(issuer: &TrustedIssuer) -> Result<String, String> {
    Ok(format!("{issuer:?}"))
}

#[test]
fn code_and_file_say_the_same_of_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "hunter2\n").expect("written");
    let found = || TrustedIssuer::discover(ISSUER).audience("orders");
    let at = || TrustedIssuer::keys_at(ISSUER, KEYS).audience("orders");
    let read = |keys| read(folder.path(), &keys);
    assert_eq!(read(json!({})), code(&found()));
    assert_eq!(read(json!({"url": KEYS})), code(&at()));
    assert_eq!(read(json!({"seed": "a.json", "save": "/var/b.json"})), {
        code(&found().keys_seed(folder.path().join("a.json")).keys_save("/var/b.json"))
    });
    assert_eq!(read(json!({"removal_grace_seconds": 60})), code(&found().keys_removal_grace(60 * SECOND)));
    let pin: Thumbprint = PIN.parse().expect("a thumbprint");
    assert_eq!(read(json!({"pin": [PIN]})), code(&found().keys_pin([pin])));
    assert_eq!(read(json!({"allow_private": true})), code(&found().keys_allow_private()));
    let token_file = folder.path().join("secret");
    assert_eq!(read(json!({"url": KEYS, "token_file": "secret"})), code(&at().keys_token_file(&token_file)));
    let ca_file = folder.path().join("ca.pem");
    let own = rcgen::generate_simple_self_signed(["as.example".to_owned()]).expect("a certificate");
    fs::write(&ca_file, own.cert.pem()).expect("written");
    assert_eq!(read(json!({"ca_file": "ca.pem"})), code(&found().keys_ca_file(&ca_file)));
    for (name, order) in [
        ("oauth_first", DiscoveryOrder::OauthFirst),
        ("oidc_first", DiscoveryOrder::OidcFirst),
        ("oauth_only", DiscoveryOrder::OauthOnly),
        ("oidc_only", DiscoveryOrder::OidcOnly),
    ] {
        assert_eq!(read(json!({"discovery": name})), code(&found().keys_discovery(order)));
    }
    let server = json!({"issuer": ISSUER, "client_id": "orders", "client_secret_file": "secret"});
    let from_file = read(json!({"url": KEYS, "server": server, "scope": "keys:read"}));
    let auth = ClientAuth::client_secret_basic_files("orders", [folder.path().join("secret")]).expect("usable");
    let target = TargetService { scopes: Scopes::parse("keys:read").expect("scopes"), ..TargetService::default() };
    assert_eq!(from_file, code(&at().keys_server(TokenEndpoint::discover(ISSUER, auth), target)));
    assert!(!from_file.expect("read").contains("hunter2"));
}

#[test]
fn what_breaks_a_rule_is_named_by_field() {
    let server = json!({"issuer": ISSUER, "client_id": "orders", "client_secret": "hunter2"});
    let other_server = json!({"issuer": "http://as.example", "client_id": "orders", "client_secret": "hunter2"});
    let alone = "goes with url only: our token goes to no address that metadata chooses";
    let cases = [
        (json!({"url": "inside"}), "keys.url: is not an absolute URL".to_owned()),
        (json!({"removal_grace_seconds": 86_400}), String::new()),
        (json!({"removal_grace_seconds": 86_401}), "keys.removal_grace_seconds: more than 86400 s".to_owned()),
        (json!({"pin": []}), "keys.pin: names no key".to_owned()),
        (json!({"pin": [PIN, "abc"]}), "keys.pin[1]: not a SHA-256 thumbprint in base64url".to_owned()),
        (
            json!({"url": KEYS, "allow_private": true}),
            "keys.allow_private: goes with keys that are found by metadata".to_owned(),
        ),
        (
            json!({"url": KEYS, "discovery": "oidc_only"}),
            "keys.discovery: goes with keys that are found by metadata".to_owned(),
        ),
        (json!({"server": server}), format!("keys.server: {alone}")),
        (json!({"url": KEYS, "server": server}), String::new()),
        (
            json!({"url": KEYS, "server": other_server}),
            "keys.server.issuer: \"http://as.example\" is neither https nor http on a loopback address".to_owned(),
        ),
        (json!({"url": KEYS, "scope": "keys:read"}), "keys.scope: goes with server".to_owned()),
        (json!({"url": KEYS, "token_file": "no such file yet"}), String::new()),
        (json!({"url": "http://127.0.0.1:9/jwks", "token_file": "token"}), String::new()),
        (
            json!({"url": "http://10.0.0.1/jwks", "token_file": "token"}),
            "keys.url: is neither https nor http on a loopback address".to_owned(),
        ),
        (json!({"token_file": "token"}), format!("keys.token_file: {alone}")),
        (
            json!({"url": KEYS, "token_file": "token", "server": server}),
            "keys.token_file: stands beside a server".to_owned(),
        ),
        (
            json!({"ca_file": "no such file"}),
            "keys.ca_file: cannot read no such file: No such file or directory (os error 2)".to_owned(),
        ),
        (json!({"ca_file": "Cargo.toml"}), "keys.ca_file: Cargo.toml holds no certificate".to_owned()),
    ];
    for (keys, expected) in cases {
        let name = keys.to_string();
        assert_eq!(read(Path::new(""), &keys).err().unwrap_or_default(), expected, "{name}");
    }
    let unknown = read(Path::new(""), &json!({"uri": KEYS})).expect_err("refused");
    assert!(unknown.starts_with("unknown field `uri`, expected one of `url`"), "{unknown}");
    let unknown = read(Path::new(""), &json!({"discovery": "oidc"})).expect_err("refused");
    assert!(unknown.starts_with("unknown variant `oidc`, expected one of `oauth_first`"), "{unknown}");
}

#[test]
fn keys_that_are_given_are_pinned_and_not_kept() {
    let own = key();
    let given = KeySet::from_keys([own.verifying_key()]).expect("a key");
    let issuer = || TrustedIssuer::keys(ISSUER, given.clone()).audience("orders");
    let build = |issuer| Verifier::builder(issuer).build().map(drop).map_err(|wrong| wrong.to_string());
    let refused = |text: &str| Err(format!("issuer[0].keys.{text}"));
    assert_eq!(build(issuer().keys_pin([own.thumbprint()])), Ok(()));
    assert_eq!(
        build(issuer().keys_pin([key().thumbprint()])),
        refused("pin: the key set has no usable key (1 skipped)")
    );
    assert_eq!(build(issuer().keys_pin([])), refused("pin: names no key"));
    assert_eq!(build(issuer().keys_seed("a.json")), refused("seed: goes with keys that are fetched"));
    assert_eq!(build(issuer().keys_save("a.json")), refused("save: goes with keys that are fetched"));
    assert_eq!(build(issuer().keys_ca_file("a.pem")), refused("ca_file: goes with keys that are fetched"));
    let alone = "goes with url only: our token goes to no address that metadata chooses";
    assert_eq!(build(issuer().keys_token_file("token")), refused(&format!("token_file: {alone}")));
    let long = issuer().keys_removal_grace(24 * HOUR + SECOND);
    assert_eq!(build(long), refused("removal_grace_seconds: more than 86400 s"));
    let code_has_no_server = TrustedIssuer::discover(ISSUER).audience("orders").keys_server(
        TokenEndpoint::discover(ISSUER, ClientAuth::client_secret_basic("orders", "hunter2").expect("usable")),
        TargetService::default(),
    );
    let alone = "server: goes with url only: our token goes to no address that metadata chooses";
    assert_eq!(build(code_has_no_server), refused(alone));
}

#[test]
fn jwks_a6_no_two_issuers_keep_their_keys_in_one_file() {
    let issuer = |at: &str| TrustedIssuer::discover(format!("https://{at}.example")).audience("orders");
    let build =
        |home, other| Verifier::builder(home).issuer(other).build().map(drop).map_err(|wrong| wrong.to_string());
    let here = std::env::current_dir().expect("a folder").join("no such folder");
    let (file, same) = (here.join("a.json"), Path::new("no such folder/./a.json"));
    let refused =
        |field: &str| Err(format!("issuer[1].keys.{field}: is a file of another issuer too, which one of them writes"));
    let cases = [
        ((issuer("a").keys_save(&file), issuer("b").keys_save(same)), refused("save")),
        ((issuer("a").keys_seed(&file), issuer("b").keys_save(same)), refused("save")),
        ((issuer("a").keys_save(&file), issuer("b").keys_seed(same)), refused("seed")),
        ((issuer("a").keys_save(&file), issuer("b").keys_save(here.join("b.json"))), Ok(())),
        // Nobody writes it: whose keys they are, the file may say itself.
        ((issuer("a").keys_seed(&file), issuer("b").keys_seed(same)), Ok(())),
        ((issuer("a").keys_seed(&file).keys_save(&file), issuer("b")), Ok(())),
    ];
    for ((home, other), expected) in cases {
        let name = format!("{home:?} {other:?}");
        assert_eq!(build(home, other), expected, "{name}");
    }
}
