use serde_json::{Value, json};
use tower_identity_core::{ActorChain, Evidence, Identity, RefusalKind, User, VerifiedTokenParts, Workload};

use tower_identity_jose::json as strict;
use tower_identity_refresh::system_clock;

use super::*;
use crate::profile::Profile;

const HOME: &str = "https://as.example";
const NOW: u64 = 1_800_000_000;

fn rules() -> Rules {
    let anchor = Anchor::issuer(HOME, &[], &Profile::Rfc9068.table().issuer).expect("issuer");
    Rules {
        anchor,
        home: true,
        table: Profile::Rfc9068.table(),
        audiences: vec!["orders".parse().expect("audience"), "https://orders.example/".parse().expect("audience")],
        leeway: Duration::from_secs(30),
        longest: None,
        trusted: [HOME, "https://partner.example"].map(|issuer| issuer.parse().expect("issuer")).into(),
        issued_to_is_sender: false,
        users_of: Arc::from([]),
        topics: Arc::from([]),
        encrypted_to: None,
        revocations: Revocations::new(system_clock()),
    }
}

fn good() -> Value {
    json!({
        "iss": HOME, "sub": "alice", "client_id": "storefront", "aud": "orders", "exp": NOW + 300, "iat": NOW,
        "jti": "1f0c",
    })
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    claims[claim] = value;
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().expect("an object").remove(claim);
    claims
}

fn judged_at(claims: &Value, now: Timestamp) -> Result<VerifiedTokenParts, Refusal> {
    let text = claims.to_string();
    let claims = strict::from_slice(text.as_bytes()).expect("claims of any shape can be read");
    let presented = Presented { token: SecretToken::new("a.b.c"), payload: Arc::from(*b"{}"), key_issuer: None };
    judge(&claims, presented, &rules(), now)
}

fn judged(claims: &Value) -> Result<VerifiedTokenParts, Refusal> {
    judged_at(claims, Timestamp::from_secs(NOW))
}

/// The check that refused the claims, which is always the token's fault.
#[track_caller]
fn refused(claims: &Value) -> &'static str {
    let refusal = judged(claims).expect_err("refused");
    assert_eq!(*refusal.kind(), RefusalKind::InvalidToken, "{refusal}");
    refusal.check()
}

#[track_caller]
fn accepted(claims: &Value) -> VerifiedTokenParts {
    judged(claims).unwrap_or_else(|refusal| panic!("{refusal}: {claims}"))
}

fn workload(id: &str, issuer: &str) -> Workload {
    Workload { id: id.parse().expect("subject"), issuer: issuer.parse().expect("issuer") }
}

fn user(id: &str) -> Option<User> {
    Some(User { id: id.parse().expect("subject"), issuer: HOME.parse().expect("issuer"), tenant: None })
}

#[test]
fn an_access_token_says_whom_it_names_and_what_it_allows() {
    let mut claims = good();
    claims["scope"] = json!("orders:read orders:write");
    claims["txn"] = json!("t-1");
    claims["auth_time"] = json!(NOW - 60);
    claims["acr"] = json!("urn:acr:2");
    claims["amr"] = json!(["pwd", "otp"]);
    claims["sid"] = json!("s-1");
    let parts = accepted(&claims);
    assert_eq!((parts.issuer.as_str(), parts.home), (HOME, true));
    assert_eq!(
        parts.identity,
        Identity { workload: workload("storefront", HOME), evidence: Evidence::IssuedTo, user: user("alice") }
    );
    assert_eq!(parts.actors, ActorChain::default());
    assert_eq!(parts.scopes, Scopes::parse("orders:read orders:write").expect("scopes"));
    assert_eq!(parts.audience, [Audience::parse("orders").expect("audience")]);
    assert_eq!(parts.token_id, Some("1f0c".parse().expect("token id")));
    assert_eq!(parts.transaction, Some("t-1".parse().expect("transaction")));
    assert_eq!(
        parts.authentication,
        AuthenticationContext {
            auth_time: Some(Timestamp::from_secs(NOW - 60)),
            acr: Some("urn:acr:2".to_owned()),
            amr: vec!["pwd".to_owned(), "otp".to_owned()],
            session: Some("s-1".parse().expect("session")),
        }
    );
    assert_eq!((parts.issued_at, parts.expires_at), (Some(Timestamp::from_secs(NOW)), Timestamp::from_secs(NOW + 300)));
}

#[test]
fn jwt_a16_a_token_ends_at_exp_and_begins_at_nbf_and_iat_within_the_leeway() {
    let cases = [
        ("exp", NOW - 29, None),
        ("exp", NOW - 30, Some("exp")),
        ("exp", 0, Some("exp")),
        ("nbf", NOW + 30, None),
        ("nbf", NOW + 31, Some("nbf")),
        ("iat", NOW + 30, None),
        ("iat", NOW + 31, Some("iat")),
    ];
    for (claim, value, expected) in cases {
        let found = judged(&with(claim, json!(value))).err().map(|refusal| refusal.check());
        assert_eq!(found, expected, "{claim} {value}");
    }
    let fractions = [(-30.0, Some("exp")), (-29.5, None), (-30.5, Some("exp"))];
    for (offset, expected) in fractions {
        let exp = with("exp", json!(NOW as f64 + offset));
        assert_eq!(judged(&exp).err().map(|refusal| refusal.check()), expected, "{offset}");
    }
}

#[test]
fn jwt_a17_a_time_of_a_wrong_type_is_refused_and_never_absent() {
    let wrong = [
        json!((NOW + 20).to_string()),
        json!(true),
        json!(null),
        json!([NOW + 20]),
        json!({"at": NOW + 20}),
        json!(-1),
        json!(-0.5),
        json!((1_u64 << 53) + 1),
        json!(1e300),
    ];
    for claim in ["exp", "nbf", "iat"] {
        for value in &wrong {
            assert_eq!(refused(&with(claim, value.clone())), claim, "{claim}: {value}");
        }
        for right in [json!(NOW + 20), json!(NOW as f64 + 20.25)] {
            accepted(&with(claim, right));
        }
    }
    for value in &wrong {
        assert_eq!(refused(&with("auth_time", value.clone())), "claims", "{value}");
    }
}

#[test]
fn jwt_a18_rfc9068_a3_an_audience_is_a_string_or_a_list_of_strings_and_compared_to_the_byte() {
    let cases = [
        (json!("orders"), None),
        (json!(["orders"]), None),
        (json!(["payments", "https://orders.example/"]), None),
        (json!("Orders"), Some("aud")),
        (json!("orders "), Some("aud")),
        (json!("https://orders.example"), Some("aud")),
        (json!("payments"), Some("aud")),
        (json!(["payments"]), Some("aud")),
        (json!([]), Some("aud")),
        (json!(""), Some("aud")),
        (json!(["orders", 5]), Some("aud")),
        (json!([5, "orders"]), Some("aud")),
        (json!(["orders", null]), Some("aud")),
        (json!(["orders", ["orders"]]), Some("aud")),
        (json!(["orders", {"orders": "orders"}]), Some("aud")),
        (json!(5), Some("aud")),
        (json!(null), Some("aud")),
        (json!({"orders": "orders"}), Some("aud")),
    ];
    for (value, expected) in cases {
        let found = judged(&with("aud", value.clone())).err().map(|refusal| refusal.check());
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn jwt_a19_rfc9068_a5_what_is_required_is_required() {
    accepted(&good());
    for (claim, check) in
        [("aud", "aud"), ("exp", "exp"), ("iat", "iat"), ("sub", "claims"), ("client_id", "claims"), ("jti", "claims")]
    {
        assert_eq!(refused(&without(claim)), check, "{claim}");
    }
    accepted(&without("nbf"));
}

#[test]
fn empty_names_are_refused() {
    for claim in ["sub", "client_id", "jti"] {
        for value in [json!(""), json!(" "), json!(" alice"), json!(7), json!(null), json!(["alice"])] {
            assert_eq!(refused(&with(claim, value.clone())), "claims", "{claim}: {value}");
        }
    }
}

#[test]
fn rfc9068_a6_scope_is_one_string() {
    for value in [json!(["orders:read"]), json!(null), json!(5), json!("orders:read \"x\"")] {
        assert_eq!(refused(&with("scope", value.clone())), "claims", "{value}");
    }
    assert_eq!(accepted(&with("scope", json!("orders:read"))).scopes.to_string(), "orders:read");
    assert_eq!(accepted(&good()).scopes, Scopes::default());
}

#[test]
fn rfc9068_a7_a_client_never_becomes_the_user_of_its_own_name() {
    let mut alone = good();
    alone["sub"] = json!("storefront");
    assert_eq!(accepted(&alone).identity.user, None);
    // The same after the client exchanged a token of its own: nobody acts for itself.
    alone["act"] = json!({"sub": "storefront"});
    assert_eq!(accepted(&alone).identity.user, None);
    assert_eq!(accepted(&good()).identity.user, user("alice"));
}

#[test]
fn te_a1_only_the_outermost_actor_is_the_caller() {
    let mut claims = with("act", json!({"sub": "orders", "act": {"sub": "storefront", "act": {"sub": "edge"}}}));
    claims["client_id"] = json!("orders");
    let parts = accepted(&claims);
    assert_eq!(
        parts.identity,
        Identity { workload: workload("orders", HOME), evidence: Evidence::Actor, user: user("alice") }
    );
    let history: Vec<_> = parts.actors.history().iter().map(|actor| actor.id.as_str()).collect();
    assert_eq!(history, ["storefront", "edge"]);
    // An inner actor who is the client does not make up for an outer one who is not.
    claims["client_id"] = json!("storefront");
    assert_eq!(refused(&claims), "act");
}

#[test]
fn te_a2_an_actor_is_an_object_with_a_subject_and_the_chain_is_short() {
    let nested = |levels: usize| {
        (1..levels).fold(json!({"sub": "storefront"}), |inner, _| json!({"sub": "storefront", "act": inner}))
    };
    let cases = [
        (nested(1), None),
        (nested(4), None),
        (nested(5), Some("act")),
        (json!({"sub": "storefront", "iss": HOME}), None),
        (json!({"sub": "storefront", "client_id": 5}), None),
        (json!({}), Some("act")),
        (json!({"iss": HOME}), Some("act")),
        (json!({"sub": ""}), Some("act")),
        (json!({"sub": 7}), Some("act")),
        (json!({"sub": "storefront", "iss": null}), Some("act")),
        (json!({"sub": "storefront", "iss": [HOME]}), Some("act")),
        (json!({"sub": "storefront", "act": {}}), Some("act")),
        (json!({"sub": "storefront", "act": null}), Some("act")),
        (json!({"sub": "storefront", "act": "edge"}), Some("act")),
        (json!("storefront"), Some("act")),
        (json!(["storefront"]), Some("act")),
        (json!([{"sub": "storefront"}]), Some("act")),
        (json!([HOME, "storefront"]), Some("act")),
        (json!({"sub": "storefront", "act": [HOME, "edge"]}), Some("act")),
        (json!(null), Some("act")),
        (json!(true), Some("act")),
    ];
    for (act, expected) in cases {
        let found = judged(&with("act", act.clone())).err().map(|refusal| refusal.check());
        assert_eq!(found, expected, "{act}");
    }
}

#[test]
fn te_a3_who_may_act_does_not_act() {
    let parts = accepted(&with("may_act", json!({"sub": "orders"})));
    assert_eq!(
        parts.identity,
        Identity { workload: workload("storefront", HOME), evidence: Evidence::IssuedTo, user: user("alice") }
    );
    assert_eq!(parts.actors, ActorChain::default());
}

#[test]
fn an_issuer_names_no_actor_of_an_issuer_that_speaks_for_itself() {
    let act = |issuer: &str| with("act", json!({"sub": "clearing", "iss": issuer}));
    assert_eq!(refused(&act("https://partner.example")), "act");
    assert_eq!(refused(&act(HOME)), "act");
    let parts = accepted(&act("https://elsewhere.example"));
    assert_eq!(parts.identity.workload, workload("clearing", "https://elsewhere.example"));
}

#[test]
fn dpop_a13_a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(null), json!("x")] {
        assert_eq!(refused(&with("cnf", cnf.clone())), "cnf", "{cnf}");
    }
    accepted(&good());
}

#[test]
fn a_refusal_says_what_was_expected_and_what_was_found() {
    let explained = |claims: &Value| judged(claims).expect_err("refused").to_string();
    let cases = [
        (
            with("aud", json!("payments")),
            r#"invalid_token (aud): expected one of ["orders", "https://orders.example/"], found ["payments"]"#,
        ),
        (with("exp", json!(NOW - 90)), "invalid_token (exp): expired 90s ago"),
        (with("nbf", json!(NOW + 90)), "invalid_token (nbf): not valid for another 90s"),
        (with("iat", json!(NOW + 90)), "invalid_token (iat): issued 90s in the future"),
        (without("sub"), "invalid_token (claims): sub is missing"),
        (with("sub", json!(7)), "invalid_token (claims): sub is of a wrong type or value"),
        (
            with("act", json!({"sub": "orders"})),
            "invalid_token (act): the actor is another than the client that the token was issued to",
        ),
    ];
    for (claims, expected) in cases {
        assert_eq!(explained(&claims), expected);
    }
}

#[test]
fn the_end_is_that_of_the_token_without_leeway() {
    let late = judged_at(&good(), Timestamp::from_secs(NOW + 329)).expect("within the leeway");
    assert_eq!(late.expires_at, Timestamp::from_secs(NOW + 300));
    assert_eq!(judged_at(&good(), Timestamp::from_secs(NOW + 330)).expect_err("over").check(), "exp");
}
