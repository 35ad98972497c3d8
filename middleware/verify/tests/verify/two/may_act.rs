//! R3: the user's token names the caller as who may act.

use serde_json::{Value, json};
use tower_identity_core::CallerName;

use super::{House, LOGIN, PARTNER, SPIRE, decided, ok, unrelated, with};

#[test]
fn two_p3_who_may_act_is_related_only_where_that_is_accepted() {
    let house = House::new();
    let login = &house.login;
    let own = login.sign(&login.own("orders"));
    let may = |value: Value| login.sign(&with(login.of("alice", "storefront"), "may_act", value));
    let (by_default, accepting) = (house.verifier(), house.builder().accept_may_act().build().expect("valid"));
    let named = || ok("orders for alice, named: of:alice");
    assert_eq!(decided(by_default.pair(&own, &may(json!({"sub": "orders"})))), unrelated());
    let cases = [
        (json!({"sub": "orders"}), named()),
        (json!({"sub": "orders", "iss": LOGIN}), named()),
        (json!({"client_id": "orders"}), named()),
        (json!({"sub": "orders", "client_id": "orders"}), named()),
        (json!({"sub": "stock"}), unrelated()),
        (json!({"sub": "Orders"}), unrelated()),
        (json!({"sub": "orders", "iss": PARTNER}), unrelated()),
        (json!({"sub": "orders", "client_id": "stock"}), unrelated()),
        (json!({"sub": "stock", "client_id": "orders"}), unrelated()),
        // A member that is not compared might say that it is another.
        (json!({"sub": "orders", "sub_profile": "ai_agent"}), unrelated()),
        (json!({"iss": LOGIN}), unrelated()),
        (json!({}), unrelated()),
        (json!(null), unrelated()),
        (json!("orders"), unrelated()),
        (json!(["orders"]), unrelated()),
        (json!([{"sub": "orders"}]), unrelated()),
        (json!({"sub": ["orders"]}), unrelated()),
        (json!({"sub": ""}), unrelated()),
    ];
    for (value, expected) in cases {
        assert_eq!(decided(accepting.pair(&own, &may(value.clone()))), expected, "{value}");
    }
    // Nobody is any the less related for it, and nobody acts by it alone.
    let issued = login.sign(&with(login.of("alice", "orders"), "may_act", json!({"sub": "stock"})));
    assert_eq!(decided(accepting.pair(&own, &issued)), named());
    assert_eq!(decided(accepting.alone(&may(json!({"sub": "orders"})))), unrelated());
}

#[test]
fn two_p3_who_may_act_is_a_name_among_others_of_the_caller() {
    let house = House::new();
    let login = &house.login;
    let svid = format!("{SPIRE}/orders");
    let names = [CallerName::of_issuer(SPIRE, &svid), CallerName::of_issuer(LOGIN, "orders")];
    let aliased = house.builder().workload(names.map(|name| name.expect("a name"))).accept_may_act();
    let aliased = aliased.build().expect("valid");
    let plain = house.builder().accept_may_act().build().expect("valid");
    let user = login.sign(&with(login.of("alice", "storefront"), "may_act", json!({"sub": "orders"})));
    assert_eq!(decided(aliased.pair(&house.svid("/orders"), &user)), ok(&format!("{svid} for alice, named: of:alice")));
    assert_eq!(decided(plain.pair(&house.svid("/orders"), &user)), unrelated());
    let by_svid = json!({"sub": svid, "iss": SPIRE});
    let by_svid = login.sign(&with(login.of("alice", "storefront"), "may_act", by_svid));
    assert_eq!(
        decided(plain.pair(&house.svid("/orders"), &by_svid)),
        ok(&format!("{svid} for alice, named: of:alice"))
    );
    assert_eq!(decided(plain.pair(&house.svid("/stock"), &by_svid)), unrelated());
}
