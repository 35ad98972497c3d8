//! Whether a token is of an accepted kind, and genuine: jwt_a4 to a15, a23, a25.

mod key;

use serde_json::{Value, json};
use tower_identity_jose::{Accept, Algorithm, KeySet, MediaType, OpenError, Unopened};

use crate::{ED, ES, RSA, access_tokens, alice, document, generated, header, open, parse, refused, set, token};

fn unknown(key_id: Option<&str>) -> OpenError {
    OpenError::UnknownKey { key_id: key_id.map(Into::into) }
}

#[test]
fn jwt_a4_only_accepted_algorithms_pass() {
    let keys = set(&[&ES]);
    for name in ["none", "noNE", "NONE", "None", "es256", "ES256 ", "HS256", ""] {
        let forged = token(&ES, json!({"alg": name}));
        let expected = refused(OpenError::Algorithm { found: name.into() });
        assert_eq!(open(&forged, &keys, &access_tokens()), expected, "{name:?}");
    }
    assert_eq!(open(&token(&ES, json!({"alg": "ES256"})), &keys, &access_tokens()), alice());

    let other = Accept::new([MediaType::ACCESS_TOKEN], [Algorithm::Rs256, Algorithm::Ed25519]);
    let expected = refused(OpenError::Algorithm { found: "ES256".into() });
    assert_eq!(open(&token(&ES, json!({})), &keys, &other), expected);
}

#[test]
fn jwt_a8_unknown_crit_is_refused() {
    let keys = set(&[&ES]);
    let critical = [
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": ["x"], "x": 1}),
        json!({"crit": ["x"]}),
        json!({"crit": ["x", "x"], "x": 1}),
        json!({"crit": ["alg"]}),
        json!({"crit": []}),
        json!({"crit": "x", "x": 1}),
        json!({"crit": {"x": 1}}),
        json!({"crit": false}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"b64": false}),
    ];
    for changes in critical {
        let forged = token(&ES, changes.clone());
        assert_eq!(open(&forged, &keys, &access_tokens()), refused(OpenError::Critical), "{changes}");
    }
    // `header` takes nulls for "without", so this one is written by hand.
    let mut null = header(&ES, json!({}));
    null.insert("crit".to_owned(), Value::Null);
    let null = ES.sign_with_header(&null, &json!({"sub": "alice"})).expect("claims");
    assert_eq!(open(null.expose(), &keys, &access_tokens()), refused(OpenError::Critical));

    for changes in [json!({}), json!({"x": 1}), json!({"b64": true}), json!({"Crit": ["x"]})] {
        assert_eq!(open(&token(&ES, changes.clone()), &keys, &access_tokens()), alice(), "{changes}");
    }
}

#[test]
fn jwt_a14_typ_is_a_media_type() {
    let keys = set(&[&ES]);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(open(&token(&ES, json!({"typ": typ})), &keys, &access_tokens()), alice(), "{typ}");
    }
    for typ in ["JWT", "", "application/x/at+jwt", "at+jwt;x=1", "text/at+jwt", "xat+jwt"] {
        let expected = refused(OpenError::Type { found: Some(typ.into()) });
        assert_eq!(open(&token(&ES, json!({"typ": typ})), &keys, &access_tokens()), expected, "{typ:?}");
    }
    let untyped = token(&ES, json!({"typ": null}));
    assert_eq!(open(&untyped, &keys, &access_tokens()), refused(OpenError::Type { found: None }));
    assert_eq!(open(&untyped, &keys, &access_tokens().or_untyped()), alice());
}

#[test]
fn jwt_a15_no_kind_of_token_passes_for_another() {
    let kinds = [
        "at+jwt",
        "JWT",
        "txntoken+jwt",
        "wit+jwt",
        "wpt+jwt",
        "dpop+jwt",
        "oauth-id-jag+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "logout+jwt",
    ];
    let keys = set(&[&ES]);
    for slot in kinds {
        let accept = Accept::new([MediaType::parse(slot).expect("a media type")], [Algorithm::Es256]);
        for kind in kinds {
            let expected = if kind == slot { alice() } else { refused(OpenError::Type { found: Some(kind.into()) }) };
            assert_eq!(open(&token(&ES, json!({"typ": kind})), &keys, &accept), expected, "{kind} where {slot} goes");
        }
    }
}

#[test]
fn jwt_a23_a_token_within_a_token_is_refused() {
    let keys = set(&[&ES]);
    for cty in ["JWT", "jwt", "application/jwt"] {
        let nested = token(&ES, json!({"cty": cty}));
        assert_eq!(open(&nested, &keys, &access_tokens()), refused(OpenError::Nested), "{cty}");
    }
    assert_eq!(open(&token(&ES, json!({"cty": "json"})), &keys, &access_tokens()), alice());
}

#[test]
fn jwt_a25_unknown_members_are_ignored_whatever_they_hold() {
    for extra in [json!(true), json!([1, {"a": []}]), json!({"a": {"b": 1}}), json!(1.5), json!("x"), json!(-1)] {
        let extended = token(&ES, json!({"extra": extra}));
        assert_eq!(open(&extended, &set(&[&ES]), &access_tokens()), alice(), "{extra}");
    }
}

#[test]
fn a_header_may_be_held_to_alg_kid_and_typ() {
    let keys = set(&[&ES]);
    let svids = access_tokens().nothing_else_in_header();
    for other in ["jku", "x5t", "cty", "extra", "Alg"] {
        let extended = token(&ES, json!({other: "x"}));
        assert_eq!(open(&extended, &keys, &svids), refused(OpenError::OtherMembers), "{other}");
        assert_eq!(open(&extended, &keys, &access_tokens()), alice(), "{other}");
    }
    let unencoded = token(&ES, json!({"b64": true}));
    assert_eq!(open(&unencoded, &keys, &svids), refused(OpenError::OtherMembers));
    for changes in [json!({}), json!({"kid": null})] {
        assert_eq!(open(&token(&ES, changes), &keys, &svids), alice());
    }
    assert_eq!(OpenError::OtherMembers.check(), "header");
}

#[test]
fn an_opened_token_says_which_key_verified_it() {
    let mut entra = ES.public_jwk();
    entra["issuer"] = "https://login.example/1".into();
    let keys = KeySet::parse(&document(&[RSA.public_jwk(), generated(Algorithm::Es256, "x").public_jwk(), entra]));
    let opened =
        parse(&token(&ES, json!({"kid": null}))).expect("a token").open(&keys.expect("keys"), &access_tokens());
    let opened = opened.expect("the third key verifies it");
    assert_eq!((opened.key_id(), opened.key().key_id()), (None, Some("es")));
    assert_eq!(opened.key().thumbprint(), ES.thumbprint());
    assert_eq!(opened.key().issuer(), Some("https://login.example/1"));
}

#[test]
fn checks_come_in_the_order_of_the_specification() {
    let mut changes = json!({"crit": ["x"], "typ": "JWT", "cty": "JWT", "alg": "none", "kid": "unknown"});
    let stranger = generated(Algorithm::Es256, "es");
    let order = ["crit", "typ", "typ", "alg", "key", "signature"];
    for (removed, check) in [None, Some("crit"), Some("typ"), Some("cty"), Some("alg"), Some("kid")].iter().zip(order) {
        if let Some(name) = removed {
            changes.as_object_mut().expect("an object").remove(*name);
        }
        let unopened = parse(&token(&stranger, changes.clone())).expect("a token").open(&set(&[&ES]), &access_tokens());
        assert_eq!(unopened.map(drop).map_err(|unopened| unopened.error().check()), Err(check), "{changes}");
    }
}

#[test]
fn an_unopened_token_is_tried_again_with_a_newer_set() {
    let unverified = parse(&token(&ES, json!({}))).expect("a token");
    let unopened = unverified.open(&set(&[&ED]), &access_tokens()).expect_err("no such key");
    assert_eq!(unopened.error(), &unknown(Some("es")));
    let opened = unopened.into_token().open(&set(&[&ED, &ES]), &access_tokens()).map_err(Unopened::into_error);
    let opened = opened.expect("the key is there now");
    assert_eq!((opened.key_id(), opened.algorithm()), (Some("es"), Algorithm::Es256));
    assert_eq!(**opened.payload(), *br#"{"sub":"alice"}"#);
    assert_eq!(opened.into_claims(), json!({"sub": "alice"}));
}

#[test]
fn what_the_sender_wrote_is_shown_escaped_and_cut() {
    let forged = token(&ES, json!({"kid": "a\r\nWWW-Authenticate: x", "typ": "at+jwt"}));
    let unopened = parse(&forged).expect("a token").open(&set(&[&ES]), &access_tokens()).expect_err("unknown key");
    let shown = unopened.into_error().to_string();
    assert_eq!(shown, r#"no such key in the key set: kid is "a\r\nWWW-Authenticate: x""#);
}
