//! What is refused when a verifier is built, and from a file.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tower_identity_core::CallerName;
use tower_identity_verify::{Profile, TransactionTokenSettings, TransactionTokens, TrustedIssuer, VerifierBuilder};

use super::{House, LOGIN, PARTNER, SHOP, keys};
use crate::support::key;

#[test]
fn tx_a5_a_trust_domain_is_named_once_and_by_a_name_of_its_own() {
    let house = House::new();
    let built = |tokens: Vec<TransactionTokens>| {
        let builder = tokens.into_iter().fold(house.callers(), VerifierBuilder::transaction_tokens);
        builder.build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let named = |domain: &str| TransactionTokens::of_keys(domain, keys(&house.shop));
    let shop = || named(SHOP);
    let refused = |rule: &str| Err(format!("transaction_tokens[0].{rule}"));
    let unknown = || CallerName::of_issuer("https://unknown.example", "orders").expect("a name");
    let taken = "is the name of a trusted issuer too, and their users would be taken for one another";
    let access = "keys: says of transaction tokens what is said of access tokens";
    let cases = [
        (vec![shop()], Ok(())),
        (vec![named("")], refused("trust_domain: issuer is empty")),
        (vec![named(LOGIN)], refused(&format!("trust_domain: {taken}"))),
        (vec![named(PARTNER)], refused(&format!("trust_domain: {taken}"))),
        (vec![shop(), shop()], Err("transaction_tokens[1].trust_domain: is listed twice".to_owned())),
        (vec![shop().issued_by(" ")], refused("issuer: issuer is empty")),
        (vec![shop().workloads_of(PARTNER)], Ok(())),
        (
            vec![shop().workloads_of("https://unknown.example")],
            refused("workloads_of: is of an issuer that is not trusted"),
        ),
        (vec![shop().carriers([unknown()])], refused("carriers[0]: is of an issuer that is not trusted")),
        (vec![shop().carriers_of([LOGIN, PARTNER])], Ok(())),
        (
            vec![shop().carriers_of([LOGIN, "https://unknown.example"])],
            refused("carriers_of[1]: is no issuer of callers that is trusted"),
        ),
        (vec![shop().carriers_of([SHOP])], refused("carriers_of[0]: is no issuer of callers that is trusted")),
        (vec![shop().max_lifetime(Duration::ZERO)], refused("max_lifetime_seconds: is not between 1 and 3600 s")),
        (vec![shop().max_lifetime(Duration::from_secs(3600))], Ok(())),
        (
            vec![shop().max_lifetime(Duration::from_secs(3601))],
            refused("max_lifetime_seconds: is not between 1 and 3600 s"),
        ),
        (vec![shop().keys(|keys| keys.algorithms([]))], refused("algorithms: names no algorithm")),
        (vec![shop().keys(|keys| keys.leeway(Duration::from_secs(121)))], refused("leeway_seconds: more than 120 s")),
        (vec![shop().keys(|keys| keys.profile(Profile::Plain))], refused(access)),
        (vec![shop().keys(|keys| keys.tenants(["x"]))], refused(access)),
        (vec![shop().keys(TrustedIssuer::issued_to_is_sender)], refused(access)),
        (
            vec![shop().keys(|keys| keys.audience("payments"))],
            refused("keys: names another audience: that of a transaction token is the trust domain"),
        ),
        (
            vec![TransactionTokens::of(SHOP, "http://tts.example/keys")],
            refused("keys.url: is neither https nor http on a loopback address"),
        ),
    ];
    for (at, (tokens, expected)) in cases.into_iter().enumerate() {
        assert_eq!(built(tokens), expected, "case {at}");
    }
}

#[test]
fn tx_a5_no_two_save_their_keys_in_one_file() {
    let login = |save: &str| {
        let login = TrustedIssuer::keys_at(LOGIN, "https://login.example.com/keys").audience("payments");
        tower_identity_verify::Verifier::builder(login.keys_save(save))
    };
    let shop =
        |save: &'static str| TransactionTokens::of(SHOP, "https://tts.example/keys").keys(|keys| keys.keys_save(save));
    let built = |one: &str, other| {
        login(one).transaction_tokens(shop(other)).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let shared = "transaction_tokens[0].keys.save: is a file of another issuer too, which one of them writes";
    assert_eq!(built("/nowhere/keys.json", "/nowhere/keys.json"), Err(shared.to_owned()));
    assert_eq!(built("/nowhere/keys.json", "/nowhere/shop.json"), Ok(()));
}

#[test]
fn tx_a5_from_a_file_and_in_code_it_is_the_same() {
    let read = |table: Value| {
        let settings: TransactionTokenSettings = serde_json::from_value(table).expect("of its shape");
        let house = House { login: key(), ..House::new() };
        let tokens = settings.transaction_tokens(Path::new("")).map_err(|wrong| wrong.to_string())?;
        house.callers().transaction_tokens(tokens).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let table = json!({
        "trust_domain": SHOP, "issuer": "https://tts.shop.internal", "workloads_of": LOGIN,
        "keys": {"url": "https://tts.shop.internal/keys"}, "carriers": ["orders"], "carriers_of": [PARTNER],
        "max_lifetime_seconds": 120, "algorithms": ["ES256"], "leeway_seconds": 5,
    });
    assert_eq!(read(table.clone()), Ok(()));
    for (field, value, expected) in [
        ("trust_domain", json!(LOGIN), "transaction_tokens[0].trust_domain: is the name of a trusted issuer too"),
        ("issuer", json!(""), "transaction_tokens[0].issuer: issuer is empty"),
        ("workloads_of", json!("x"), "transaction_tokens[0].workloads_of: is of an issuer that is not trusted"),
        ("keys", json!({}), "keys.url: is missing: where the keys of the trust domain are"),
        ("carriers_of", json!(["x"]), "transaction_tokens[0].carriers_of[0]: is no issuer"),
        ("max_lifetime_seconds", json!(0), "transaction_tokens[0].max_lifetime_seconds: is not between"),
        ("algorithms", json!([]), "transaction_tokens[0].algorithms: names no algorithm"),
        ("leeway_seconds", json!(121), "transaction_tokens[0].leeway_seconds: more than 120 s"),
    ] {
        let mut table = table.clone();
        table[field] = value;
        let refused = read(table).expect_err(field);
        assert!(refused.starts_with(expected), "{refused}");
    }
    let unknown = serde_json::from_value::<TransactionTokenSettings>(json!({"trust_domain": SHOP, "audience": "x"}));
    assert!(unknown.expect_err("no such field").to_string().starts_with("unknown field `audience`"));
}
