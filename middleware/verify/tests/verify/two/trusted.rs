//! Callers whose word is taken.

use serde_json::json;
use tower_identity_core::{Binding, CallerName};
use tower_identity_testkit::LogCapture;
use tower_identity_verify::{VerifierBuilder, danger::trusted_caller};

use super::{House, LOGIN, PARTNER, SPIRE, decided, ok, unrelated, with};
use crate::support::at_once;

fn at(issuer: &str, id: &str) -> CallerName {
    CallerName::of_issuer(issuer, id).expect("a name")
}

#[test]
fn two_p6_the_word_of_a_named_workload_is_taken_about_the_users_of_named_issuers() {
    let house = House::new();
    let (login, partner) = (&house.login, &house.partner);
    let trusting = trusted_caller(house.builder(), ["gateway"], [LOGIN]).build().expect("valid");
    let own = |client: &str| login.sign(&login.own(client));
    let alice = login.sign(&login.of("alice", "storefront"));
    assert_eq!(decided(trusting.pair(&own("gateway"), &alice)), ok("gateway for alice, none: of:alice"));
    // The controls: another workload, a namesake of another issuer, a user of another issuer, and nobody trusted.
    assert_eq!(decided(trusting.pair(&own("reports"), &alice)), unrelated());
    assert_eq!(decided(trusting.pair(&partner.sign(&partner.own("gateway")), &alice)), unrelated());
    let of_partner = partner.sign(&partner.of("alice", "storefront"));
    assert_eq!(decided(trusting.pair(&own("gateway"), &of_partner)), unrelated());
    assert_eq!(decided(house.verifier().pair(&own("gateway"), &alice)), unrelated());

    // What ties the two is told where something does.
    let named = login.sign(&login.of("alice", "gateway"));
    assert_eq!(decided(trusting.pair(&own("gateway"), &named)), ok("gateway for alice, named: of:alice"));
}

#[test]
fn two_p6_it_counts_for_rules_and_is_no_binding() {
    let house = House::new();
    let login = &house.login;
    let trusting = trusted_caller(house.builder(), ["gateway"], [LOGIN]).build().expect("valid");
    let alice = login.sign(&login.of("alice", "storefront"));
    let caller = at_once(trusting.pair(&login.sign(&login.own("gateway")), &alice)).expect("trusted");
    assert!(caller.counts_together());
    assert_eq!(caller.principal().binding(), Binding::None);
    assert!(!caller.principal().binding().is_established(), "so that nothing is exchanged for it");
}

#[test]
fn two_p6_a_workload_proves_itself_before_its_word_is_taken() {
    let house = House::new();
    let login = &house.login;
    let trusting = trusted_caller(house.builder(), ["gateway"], [LOGIN]).build().expect("valid");
    let alice = login.sign(&login.of("alice", "storefront"));
    let stolen = login.sign(&login.of("bob", "gateway"));
    assert_eq!(decided(trusting.pair(&stolen, &alice)), unrelated(), "issued to it, and in whose hands?");
    // Nor does its word make one transaction of two.
    let txn = |claims, txn: &str| login.sign(&with(claims, "txn", json!(txn)));
    let (own, of_alice) = (login.own("gateway"), login.of("alice", "storefront"));
    let of_two = trusting.pair(&txn(own.clone(), "t-1"), &txn(of_alice.clone(), "t-2"));
    assert_eq!(decided(of_two), unrelated());
    let of_one = trusting.pair(&txn(own, "t-1"), &txn(of_alice, "t-1"));
    assert_eq!(decided(of_one), ok("gateway for alice, none: of:alice"));
}

#[test]
fn two_p6_a_trusted_workload_is_trusted_under_each_of_its_names() {
    let house = House::new();
    let login = &house.login;
    let alice = login.sign(&login.of("alice", "storefront"));
    let gateway = || at(SPIRE, "spiffe://example.org/gateway");
    for named in ["gateway".try_into().expect("a name"), gateway()] {
        let builder = house.builder().workload(["gateway".try_into().expect("a name"), gateway()]);
        let trusting = trusted_caller(builder, [named], [LOGIN]).build().expect("valid");
        for caller in [house.svid("/gateway"), login.sign(&login.own("gateway"))] {
            assert_eq!(decided(trusting.pair(&caller, &alice)), ok("gateway for alice, none: of:alice"));
        }
        assert_eq!(decided(trusting.pair(&house.svid("/reports"), &alice)), unrelated());
    }
}

#[test]
fn two_p6_whose_word_is_taken_is_told_when_the_verifier_is_built() {
    let house = House::new();
    let logs = LogCapture::start();
    house.verifier();
    let told = "callers are trusted to say for whom they call";
    assert!(!logs.text().contains(told), "the control");
    trusted_caller(house.builder(), ["gateway"], [LOGIN, PARTNER]).build().expect("valid");
    let text = logs.text();
    assert_eq!(text.matches(told).count(), 1, "{text}");
    for part in ["WARN", "tower_identity::binding", "gateway of https://login.example.com", PARTNER] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn two_p6_trust_in_nobody_or_in_strangers_is_refused() {
    let house = House::new();
    let built = |change: &dyn Fn(VerifierBuilder) -> VerifierBuilder| {
        change(house.builder()).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let wrong = |text: &str| Err(text.to_owned());
    let trust = |callers: Vec<CallerName>, users_of: Vec<&'static str>| {
        move |builder: VerifierBuilder| trusted_caller(builder, callers.clone(), users_of.clone())
    };
    let gateway = || vec!["gateway".try_into().expect("a name")];
    assert_eq!(built(&trust(gateway(), vec![LOGIN, PARTNER])), Ok(()));
    assert_eq!(built(&trust(vec![], vec![LOGIN])), wrong("trusted_caller[0].callers: names nobody"));
    assert_eq!(built(&trust(gateway(), vec![])), wrong("trusted_caller[0].users_of: names no issuer"));
    assert_eq!(
        built(&trust(vec![at("https://elsewhere.example", "gateway")], vec![LOGIN])),
        wrong("trusted_caller[0].callers[0]: is of an issuer that is not trusted"),
    );
    let not_ours = "trusted_caller[0].users_of[1]: is no issuer whose users' credentials are accepted";
    assert_eq!(built(&trust(gateway(), vec![LOGIN, "https://elsewhere.example"])), wrong(not_ours));
    assert_eq!(
        built(&|builder| trusted_caller(builder, [""], [LOGIN])),
        wrong("trusted_caller[0].callers[0]: subject is empty"),
    );
    // Where users' credentials have issuers of their own, a caller's is none of them.
    let shop = "https://shop.example";
    let with_users = |users_of: &'static str| {
        let builder =
            house.builder().user_issuer(tower_identity_verify::TrustedIssuer::discover(shop).audience("shop"));
        trusted_caller(builder, ["gateway"], [users_of]).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    assert_eq!(with_users(shop), Ok(()));
    let not_theirs = "trusted_caller[0].users_of[0]: is no issuer whose users' credentials are accepted";
    assert_eq!(with_users(LOGIN), wrong(not_theirs));
}
