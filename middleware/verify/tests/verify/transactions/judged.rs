//! The token itself.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tower_identity_core::{RefusalKind, Timestamp};
use tower_identity_jose::Algorithm;
use tower_identity_testkit::TokenBuilder;
use tower_identity_verify::TransactionTokens;

use super::{CARRIED, House, LOGIN, SHOP, bad, decided, judge, ok};
use crate::support::{at_once, key, refused};

#[test]
fn tx_a1_a_transaction_token_is_of_this_trust_domain_genuine_whole_and_now() {
    let house = House::new();
    let (verifier, orders) = (house.verifier(), house.own("orders"));
    let now = house.clock.now();
    let seconds = Duration::from_secs;
    type Change = Box<dyn Fn(TokenBuilder) -> TokenBuilder>;
    let change = |change: fn(TokenBuilder) -> TokenBuilder| -> Change { Box::new(change) };
    let set = |name: &'static str, value: Value| -> Change { Box::new(move |token| token.claim(name, value.clone())) };
    let without = |name: &'static str| -> Change { Box::new(move |token| token.without(name)) };
    let lives = |secs: u64| -> Change { Box::new(move |token| token.lifetime(seconds(secs))) };
    let issued = |secs: u64| -> Change {
        Box::new(move |token| token.issued_at(now.saturating_add(seconds(secs))).lifetime(seconds(60)))
    };
    let ended: Change = Box::new(move |token| token.claim("iat", now.as_secs() - 60).claim("exp", now.as_secs() - 30));
    let stranger = key();
    let foreign: Change = Box::new(move |token| token.sign_with(&stranger));
    let by_stranger = key();
    let named_alike: Change = {
        let own = house.shop.key_id().to_owned();
        Box::new(move |token| token.sign_with(&by_stranger).header("kid", own.as_str()))
    };
    let cases = [
        ("as it is", change(|token| token), ok(CARRIED)),
        // Whose it is.
        ("of another trust domain", set("aud", json!("other.internal")), bad("aud")),
        ("of no trust domain", without("aud"), bad("aud")),
        ("of two", set("aud", json!([SHOP, "other.internal"])), bad("aud")),
        ("of one, in a list", set("aud", json!([SHOP])), ok(CARRIED)),
        ("of one in another spelling", set("aud", json!("Shop.internal")), bad("aud")),
        ("of a number", set("aud", json!(7)), bad("aud")),
        ("by another key", foreign, bad("key")),
        ("by another key of this name", named_alike, bad("signature")),
        ("changed", change(TokenBuilder::tampered), bad("signature")),
        ("unsigned", change(TokenBuilder::unsigned), bad("format")),
        ("by a shared secret", change(|token| token.header("alg", "HS256")), bad("alg")),
        // What it is.
        ("an access token", change(|token| token.header("typ", "at+jwt")), bad("typ")),
        ("a JWT", change(|token| token.header("typ", "JWT")), bad("typ")),
        ("of no type", change(|token| token.without_header("typ")), bad("typ")),
        ("of the type in full", change(|token| token.header("typ", "application/txntoken+jwt")), ok(CARRIED)),
        ("with what is critical", change(|token| token.header("crit", json!(["x"])).header("x", 1)), bad("crit")),
        // When it is.
        ("ended within the leeway", lives(0), ok(CARRIED)),
        ("ended", ended, bad("exp")),
        ("for ever", without("exp"), bad("exp")),
        ("for five minutes", lives(300), ok(CARRIED)),
        ("for longer", lives(301), bad("exp")),
        ("of no time", without("iat"), bad("iat")),
        ("of the future", issued(31), bad("iat")),
        ("of a clock that is ahead", issued(30), ok(CARRIED)),
        ("not yet", set("nbf", json!(now.as_secs() + 31)), bad("nbf")),
        // What it says.
        ("of no transaction", without("txn"), bad("claims")),
        ("of a numbered one", set("txn", json!(7)), bad("claims")),
        ("of a nameless one", set("txn", json!("")), bad("claims")),
        ("for nobody", without("sub"), bad("claims")),
        ("for a nameless one", set("sub", json!(" ")), bad("claims")),
        ("for whoever asked", set("sub", json!("storefront")), bad("subject")),
        ("without scopes", without("scope"), bad("claims")),
        ("with a list of them", set("scope", json!(["payments:charge"])), bad("claims")),
        ("with none of them", set("scope", json!("")), ok("orders for alice of shop.internal, carried: ")),
        ("asked for by nobody", without("req_wl"), bad("claims")),
        // As drafts before -09 had it.
        ("asked for by a list", set("req_wl", json!(["storefront"])), bad("claims")),
        ("asked for by a nameless one", set("req_wl", json!("")), bad("claims")),
        ("about an object", set("tctx", json!({"action": "charge"})), ok(CARRIED)),
        ("about a text", set("tctx", json!("eyJhY3Rpb24iOiJjaGFyZ2UifQ")), bad("claims")),
        ("about a list", set("tctx", json!([])), bad("claims")),
        ("from an object", set("rctx", json!({"req_ip": "203.0.113.7"})), ok(CARRIED)),
        ("from nothing", set("rctx", Value::Null), bad("claims")),
        ("of a sign-in without a time", set("rctx", json!({"auth_time": "noon"})), bad("claims")),
        ("of a sign-in of a number", set("rctx", json!({"acr": 1})), bad("claims")),
        ("of a sign-in by a text", set("rctx", json!({"amr": "pwd"})), bad("claims")),
        ("bound to a key", set("cnf", json!({"jkt": "x"})), bad("cnf")),
        (
            "bound to a certificate",
            set("cnf", json!({"x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"})),
            bad("cnf"),
        ),
    ];
    for (name, change, expected) in cases {
        assert_eq!(judge(&verifier, &orders, &change(house.alice())), expected, "{name}");
    }
    for text in ["opaque", "a.b", "a.b.c.d.e"] {
        let settings = verifier.current();
        let caller = settings.bearer(orders.clone().build().expose());
        let decision = at_once(settings.transaction(caller, Some(text)));
        assert_eq!(refused(decision), (RefusalKind::InvalidTransactionToken, "format"), "{text}");
    }
}

#[test]
fn tx_a1_how_long_one_may_live_is_a_setting() {
    let house = House::new();
    let (orders, token) = (house.own("orders"), |secs| house.alice().lifetime(Duration::from_secs(secs)));
    let of = |secs| house.trusting(house.shop().carriers(["orders"]).max_lifetime(Duration::from_secs(secs)));
    assert_eq!(judge(&of(60), &orders, &token(61)), bad("exp"));
    assert_eq!(judge(&of(60), &orders, &token(60)), ok(CARRIED));
    assert_eq!(judge(&of(600), &orders, &token(600)), ok(CARRIED));
}

#[test]
fn tx_a1_how_it_may_be_signed_is_a_setting() {
    let house = House::new();
    let only = |algorithm| house.shop().carriers(["orders"]).keys(|keys| keys.algorithms([algorithm]));
    let judged = |algorithm| judge(&house.trusting(only(algorithm)), &house.own("orders"), &house.alice());
    assert_eq!(judged(Algorithm::Es256), ok(CARRIED));
    assert_eq!(judged(Algorithm::Rs256), bad("alg"));
}

#[test]
fn tx_a3_neither_kind_of_token_is_taken_for_the_other() {
    let house = House::new();
    // One key for both, and one name of the issuer: only the type is left.
    let shop = TransactionTokens::of_keys(SHOP, super::keys(&house.login)).carriers(["orders"]);
    let verifier = house.trusting(shop);
    let alice = TokenBuilder::transaction_token(SHOP, "storefront", &house.login, house.clock.now())
        .claim("iss", LOGIN)
        .claim("client_id", "orders")
        .claim("jti", "1f0c")
        .subject("alice")
        .scope("payments:charge");

    assert_eq!(judge(&verifier, &house.own("orders"), &alice), ok(CARRIED), "the control");
    let of_alice = alice.clone().header("typ", "at+jwt");
    assert_eq!(judge(&verifier, &house.own("orders"), &of_alice), bad("typ"));

    let own = house.own("orders");
    let bearer = |token: TokenBuilder| at_once(verifier.bearer(token.build().expose()));
    assert!(bearer(own.clone()).is_ok(), "the control");
    assert_eq!(refused(bearer(own.header("typ", "txntoken+jwt"))), (RefusalKind::InvalidToken, "typ"));
    assert_eq!(refused(bearer(house.alice())), (RefusalKind::InvalidToken, "iss"), "of the trust domain's own key");
    // A user's own credential is an access token too.
    let pair = at_once(verifier.pair(house.own("orders").build().expose(), house.alice().build().expose()));
    assert_eq!(refused(pair), (RefusalKind::InvalidToken, "iss"));
}

#[test]
fn tx_a5_an_issuer_that_a_token_names_is_the_one_that_is_configured() {
    let house = House::new();
    let (orders, tts) = (house.own("orders"), "https://tts.shop.internal");
    let unsaid = house.verifier();
    let said = house.trusting(house.shop().carriers(["orders"]).issued_by(tts));
    let named = |issuer: &str| house.alice().claim("iss", issuer);
    for (verifier, token, expected) in [
        (&said, house.alice(), ok(CARRIED)),
        (&said, named(tts), ok(CARRIED)),
        (&said, named("https://tts.shop.internal/"), bad("iss")),
        (&said, named(LOGIN), bad("iss")),
        (&said, house.alice().claim("iss", 7), bad("iss")),
        // The keys say whose it is.
        (&unsaid, named(LOGIN), ok(CARRIED)),
        (&unsaid, house.alice().claim("iss", 7), bad("iss")),
    ] {
        assert_eq!(judge(verifier, &orders, &token), expected, "{:?}", token.claims().get("iss"));
    }
}

#[test]
fn tx_a5_keys_are_those_of_the_trust_domain_and_of_nobody_else() {
    let house = House::new();
    let verifier = house.trusting(house.shop().carriers(["orders"]));
    let by = |key| TokenBuilder::transaction_token(SHOP, "storefront", key, house.clock.now()).claim("iss", LOGIN);
    assert_eq!(judge(&verifier, &house.own("orders"), &by(&house.login)), bad("key"), "a trusted issuer's");
    assert!(judge(&verifier, &house.own("orders"), &by(&house.shop)).is_ok(), "the control");
}

#[test]
fn tx_a8_what_a_token_says_of_its_transaction_is_data_and_no_right() {
    #[derive(Deserialize)]
    struct About {
        tctx: Value,
        rctx: Value,
    }
    let house = House::new();
    let token = house
        .alice()
        .claim("tctx", json!({"scope": "payments:refund", "amount": "12.50", "acr": "gold"}))
        .claim("rctx", json!({"scope": "payments:refund", "authn": "urn:x", "act": {"sub": "payments"}}));
    let caller = decided(&house.verifier(), &house.own("orders"), &token).expect("good");
    let principal = caller.principal();
    assert_eq!(principal.scopes().to_string(), "payments:charge");
    assert_eq!((&principal.authentication().acr, principal.actors().len()), (&None, 0));
    assert_eq!(principal.transaction().expect("one").as_str(), "97053963");

    let About { tctx, rctx } = caller.token().claims().expect("of this shape");
    assert_eq!((&tctx["amount"], &rctx["authn"]), (&json!("12.50"), &json!("urn:x")));
}

#[test]
fn tx_a8_how_the_user_signed_in_stays_what_it_was() {
    let house = House::new();
    let signed_in = json!({"acr": "gold", "auth_time": 1_799_999_000, "amr": ["pwd", "otp"]});
    let token = house.alice().claim("rctx", signed_in).claim("acr", "iron");
    let caller = decided(&house.verifier(), &house.own("orders").claim("acr", "silver"), &token).expect("good");
    let signed_in = caller.principal().authentication();
    assert_eq!(signed_in.acr.as_deref(), Some("gold"));
    assert_eq!(signed_in.auth_time.map(Timestamp::as_secs), Some(1_799_999_000));
    assert_eq!(signed_in.amr, ["pwd", "otp"]);
}
