//! Transaction tokens that nobody reads on their way.

use std::{error::Error, sync::Arc, time::Duration};

use futures_util::FutureExt;
use serde_json::{Value, json};
use tower_identity_core::{Revocation, SecretToken};
use tower_identity_jose::{DecryptError, DecryptionKey, Limits};
use tower_identity_testkit::{Endpoint, TestIssuer};
use tower_identity_verify::{TransactionTokenSettings, TrustedIssuer, Verifier, check};

use super::{CARRIED, House, LOGIN, Outcome, SHOP, bad, keys, ok, outcome, settled, verdict_on};
use crate::support::key;

fn to(key: &DecryptionKey, token: &SecretToken) -> SecretToken {
    key.encryption_key().encrypt(token)
}

/// One in which orders is a carrier, and the tokens are encrypted to these.
fn reading(house: &House, keys: impl IntoIterator<Item = DecryptionKey>) -> Verifier {
    house.trusting(house.shop().carriers(["orders"]).encrypted_to(keys))
}

fn judge(house: &House, verifier: &Verifier, token: &SecretToken) -> Outcome {
    outcome(settled(verdict_on(&verifier.current(), &house.own("orders").build(), Some(token))))
}

/// Why one is not read.
fn unread(house: &House, verifier: &Verifier, token: &SecretToken) -> Option<DecryptError> {
    let settings = verifier.current();
    let refused = settled(verdict_on(&settings, &house.own("orders").build(), Some(token))).expect_err("not read");
    assert_eq!(outcome(Err(refused.clone())), bad(check::ENCRYPTION));
    refused.source().and_then(|why| why.downcast_ref()).cloned()
}

#[test]
fn tx_a12_the_tokens_of_a_trust_domain_are_encrypted_or_they_are_not() {
    let house = House::new();
    let (now, next) = (DecryptionKey::generate(), DecryptionKey::generate());
    let (verifier, plain) = (reading(&house, [now.clone(), next.clone()]), house.verifier());
    let alice = house.alice().build();
    for again in ["anew", "remembered"] {
        for (name, token, expected) in [
            ("to the present key", to(&now, &alice), ok(CARRIED)),
            ("to the next one", to(&next, &alice), ok(CARRIED)),
            ("to nobody", alice.clone(), bad(check::ENCRYPTION)),
            ("twice", to(&now, &to(&now, &alice)), bad("format")),
            ("signed by another", to(&now, &house.alice().sign_with(&house.login).build()), bad("key")),
            ("no token", to(&now, &SecretToken::new("alice")), bad("format")),
        ] {
            assert_eq!(judge(&house, &verifier, &token), expected, "{name}, {again}");
        }
        assert_eq!(judge(&house, &plain, &alice), ok(CARRIED), "{again}");
        assert_eq!(judge(&house, &plain, &to(&now, &alice)), bad("format"), "where none are, {again}");
    }
    // Where another's are, its own are for anybody to read, and must be.
    let of_home = TrustedIssuer::keys(LOGIN, keys(&house.login)).audience("payments");
    let home = Verifier::builder(of_home.encrypted_to([now.clone()])).clock(house.clock.clock());
    let other = home.transaction_tokens(house.shop().carriers(["orders"])).build().expect("valid");
    let judge = |token: &SecretToken| {
        let orders = to(&now, &house.own("orders").build());
        outcome(settled(verdict_on(&other.current(), &orders, Some(token))))
    };
    assert_eq!((judge(&alice), judge(&to(&now, &alice))), (ok(CARRIED), bad(check::ENCRYPTION)));
}

#[test]
fn tx_a11_an_encrypted_one_is_explained_by_what_is_inside() {
    let house = House::new();
    let ours = DecryptionKey::generate();
    let verifier = reading(&house, [ours.clone()]);
    let failed = |token: &SecretToken| {
        let explanation = verifier.explain_transaction_token(token.expose()).now_or_never().expect("keys are given");
        explanation.failed().map(|checked| checked.check).collect::<Vec<_>>()
    };
    assert_eq!(failed(&to(&ours, &house.alice().build())), Vec::<&str>::new());
    assert_eq!(failed(&to(&ours, &house.alice().audience("bank.internal").build())), ["aud"]);
    assert_eq!(failed(&to(&DecryptionKey::generate(), &house.alice().build())), ["format"]);
}

#[test]
fn tx_a12_what_is_not_to_be_read_here_is_refused_by_what_it_says_of_itself() {
    let house = House::new();
    let (ours, another) = (DecryptionKey::generate(), DecryptionKey::generate());
    let verifier = reading(&house, [ours.clone()]);
    let (alice, token) = (house.alice().build(), to(&ours, &house.alice().build()));
    assert_eq!(judge(&house, &verifier, &token), ok(CARRIED), "the control");

    let unread = |token: &SecretToken| unread(&house, &verifier, token);
    assert_eq!(unread(&to(&another, &alice)), Some(DecryptError::UnknownKey));
    let under_our_name = another.with_key_id(ours.encryption_key().key_id());
    assert_eq!(unread(&to(&under_our_name, &alice)), Some(DecryptError::Decryption));

    let (header, rest) = token.expose().split_once('.').expect("five parts");
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
    let saying = |name: &str, value: Value| {
        let mut header: Value = serde_json::from_slice(&header).expect("an object");
        header[name] = value;
        let header = base64_simd::URL_SAFE_NO_PAD.encode_to_string(header.to_string());
        unread(&SecretToken::new(format!("{header}.{rest}")))
    };
    for (name, value, expected) in [
        ("alg", json!("RSA-OAEP"), DecryptError::Algorithm),
        ("alg", json!("dir"), DecryptError::Algorithm),
        ("enc", json!("A128CBC-HS256"), DecryptError::Algorithm),
        ("zip", json!("DEF"), DecryptError::Extension),
        ("cty", json!("json"), DecryptError::ContentType),
        ("x", json!(1), DecryptError::Decryption),
    ] {
        assert_eq!(saying(name, value.clone()), Some(expected), "{name}: {value}");
    }
}

#[test]
fn tx_a12_one_that_is_too_long_is_not_read() {
    let house = House::new();
    let ours = DecryptionKey::generate();
    let token = to(&ours, &house.alice().build());
    let bytes = token.expose().len();
    let of_at_most = |limit: usize| {
        let limits = Limits::default().with_token_bytes(limit).expect("a limit");
        let shop = house.shop().carriers(["orders"]).encrypted_to([ours.clone()]);
        let verifier = house.callers().transaction_tokens(shop).limits(limits).build().expect("valid");
        judge(&house, &verifier, &token)
    };
    assert_eq!((of_at_most(bytes), of_at_most(bytes - 1)), (ok(CARRIED), bad("format")));
}

#[test]
fn tx_a12_it_goes_on_as_it_came_and_is_remembered_so() {
    let house = House::new();
    let ours = DecryptionKey::generate();
    let verifier = reading(&house, [ours.clone()]);
    let (orders, alice) = (house.own("orders").build(), house.alice().build());
    let token = to(&ours, &alice);
    let caller = || settled(verdict_on(&verifier.current(), &orders, Some(&token))).expect("alice");
    let (first, again) = (caller(), caller());
    for caller in [&first, &again] {
        assert_eq!(caller.token().token(), Some(&token));
        assert_eq!(caller.token().claims::<Value>().expect("claims")["sub"], "alice");
    }
    assert!(Arc::ptr_eq(first.token(), again.token()), "it is remembered");
    let other = settled(verdict_on(&verifier.current(), &orders, Some(&to(&ours, &alice)))).expect("alice");
    assert_ne!(first.token().fingerprint(), other.token().fingerprint(), "each text is one of its own");

    // And is asked again as any.
    let user = "alice".parse().expect("subject");
    verifier.revocations().revoke(Revocation::subject(SHOP.parse().expect("issuer"), user));
    assert!(first.is_revoked());
    assert_eq!(judge(&house, &verifier, &token), bad("revoked"));
    let verifier = reading(&house, [ours.clone()]);
    assert_eq!(judge(&house, &verifier, &token), ok(CARRIED));
    house.clock.advance(Duration::from_secs(150));
    assert_eq!(judge(&house, &verifier, &token), bad("exp"));
}

#[test]
fn tx_a12_the_keys_of_settings_that_are_gone_read_no_more() {
    let house = House::new();
    let (now, next) = (DecryptionKey::generate(), DecryptionKey::generate());
    let verifier = reading(&house, [now.clone()]);
    let token = to(&now, &house.alice().build());
    assert_eq!(judge(&house, &verifier, &token), ok(CARRIED));
    let with = |keys: Vec<DecryptionKey>| {
        let shop = house.shop().carriers(["orders"]).encrypted_to(keys);
        verifier.replace(house.callers().transaction_tokens(shop)).expect("valid")
    };
    with(vec![next.clone(), now]);
    assert_eq!(judge(&house, &verifier, &token), ok(CARRIED));
    with(vec![next]);
    assert_eq!(unread(&house, &verifier, &token), Some(DecryptError::UnknownKey), "though it was remembered");
}

#[test]
fn tx_a12_the_edge_passes_on_what_it_does_not_read() {
    let house = House::new();
    let theirs = DecryptionKey::generate();
    let (verifier, alice) = (house.trusting(house.shop()), house.alice().build());
    let token = to(&theirs, &alice);
    let caller = settled(verifier.bearer(house.own("browser").build().expose())).expect("a caller");
    for caller in [Some(&caller), None] {
        let within = settled(verifier.current().within_encrypted(caller, alice.expose(), &token)).expect("alice");
        assert_eq!(within.user_token().expect("alice's").token(), Some(&token));
        assert_eq!(within.token().claims::<Value>().expect("claims")["sub"], "alice");
        let plain = settled(verifier.current().within(caller, alice.expose())).expect("alice");
        assert_eq!(plain.token().token(), Some(&alice), "the control");
    }
    let strangers = house.alice().sign_with(&house.login).build();
    let refused = settled(verifier.current().within_encrypted(None, strangers.expose(), &token));
    assert_eq!(outcome(refused), bad("key"), "what is inside is what counts");
}

#[tokio::test]
async fn tx_a12_a_file_names_the_keys() {
    let (login, folder) = (TestIssuer::start(), tempfile::tempdir().expect("a folder"));
    let pem = key().to_pem().expect("exported");
    std::fs::write(folder.path().join("now.pem"), pem.expose()).expect("written");
    let read = |files: Value| {
        let keys = json!({"url": login.url(Endpoint::Keys)});
        let table = json!({"trust_domain": SHOP, "keys": keys, "carriers": ["orders"], "decryption_key_file": files});
        let settings: TransactionTokenSettings = serde_json::from_value(table).expect("a table");
        let tokens = settings.transaction_tokens(folder.path())?;
        let home = TrustedIssuer::discover(login.issuer().as_str()).audience("payments");
        Verifier::builder(home).transaction_tokens(tokens).build()
    };
    let verifier = read(json!(["now.pem"])).expect("in order");
    let orders = login.token().client("orders").audience("payments").build();
    let alice = login.transaction_token(SHOP, "storefront").subject("alice").scope("payments:charge").build();
    let judge = async |token: &SecretToken| outcome(verdict_on(&verifier.current(), &orders, Some(token)).await);
    let ours = DecryptionKey::from_pem(pem.expose()).expect("a key");
    assert_eq!(judge(&to(&ours, &alice)).await, ok(CARRIED));
    assert_eq!(judge(&alice).await, bad(check::ENCRYPTION));

    let wrong = |files: Value| read(files).map(drop).expect_err("no key").to_string();
    assert_eq!(wrong(json!([])), "transaction_tokens[0].decryption_key_file: names no key");
    let gone = wrong(json!(["now.pem", "gone.pem"]));
    assert!(gone.starts_with("decryption_key_file: no key in ") && gone.contains("gone.pem"), "{gone}");
}
