use super::*;

#[test]
fn a_workload_calls_for_itself_unless_a_user_is_named() {
    let alone = TestCaller::workload("orders").context();
    assert_eq!(alone.principal().user(), None);
    assert_eq!(alone.principal().evidence(), Evidence::Subject);
    assert!(alone.user_token().is_none());
    let with_user = TestCaller::workload("orders").user("alice").tenant("acme").context();
    let expected = User {
        id: Subject::parse("alice").expect("name"),
        issuer: Issuer::parse("https://issuer.test").expect("name"),
        tenant: Some(Tenant::parse("acme").expect("name")),
    };
    assert_eq!(with_user.principal().user(), Some(&expected));
    assert_eq!(with_user.principal().evidence(), Evidence::IssuedTo);
    let sender = TestCaller::workload("orders").user("alice").evidence(Evidence::DirectClient).context();
    assert_eq!(sender.principal().evidence(), Evidence::DirectClient);
}

#[test]
fn te_c8_the_workload_is_the_outermost_actor_and_history_nests_below() {
    let context = TestCaller::workload("orders").user("alice").acting_after(["storefront", "gateway"]).context();
    let ids: Vec<_> = context.principal().actors().iter().map(|actor| actor.id.as_str()).collect();
    assert_eq!(ids, ["orders", "storefront", "gateway"]);
    assert_eq!(context.principal().evidence(), Evidence::Actor);
    let claims: Value = context.caller_token().claims().expect("an object");
    let link = |sub: &str| json!({"iss": "https://issuer.test", "sub": sub});
    let (mut outer, mut middle) = (link("orders"), link("storefront"));
    middle["act"] = link("gateway");
    outer["act"] = middle;
    assert_eq!(claims["act"], outer);
}

#[test]
fn claims_are_in_the_payload_and_the_rest_is_as_stated() {
    let caller = TestCaller::workload("orders").scope("b a").scope("c").claim("groups", json!(["staff"]));
    let context = caller.token_id("t1").audience("payments").context();
    let claims: Value = context.caller_token().claims().expect("an object");
    let expected = json!({
        "iss": "https://issuer.test", "sub": "orders", "client_id": "orders", "aud": ["payments"],
        "scope": "a b c", "exp": 4_102_444_800_u64, "jti": "t1", "groups": ["staff"],
    });
    assert_eq!(claims, expected);
}

#[test]
fn two_callers_never_share_a_token_and_one_keeps_its_own() {
    let (one, other) = (TestCaller::workload("orders"), TestCaller::workload("orders"));
    let fingerprint = |caller: &TestCaller| caller.context().caller_token().fingerprint();
    assert_eq!(fingerprint(&one), fingerprint(&one));
    assert_ne!(fingerprint(&one), fingerprint(&other));
}

#[test]
#[should_panic(expected = "a test caller cannot have this: subject is empty")]
fn an_empty_name_stops_the_test() {
    let _ = TestCaller::workload("");
}
