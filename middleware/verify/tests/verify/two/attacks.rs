//! The attacks on a request with two credentials, by their numbers A1 to A8.

use serde_json::{Value, json};
use tower_identity_core::{CallerContext, CallerName, Evidence, Refusal};
use tower_identity_jose::{Algorithm, KeySet};
use tower_identity_verify::{Profile, TrustedIssuer, Verifier};

use super::{Authority, House, LOGIN, decided, invalid, ok, unrelated, with};
use crate::support::{
    ManualClock, at_once,
    fixtures::{NOW, fixture},
    key, sign,
};

#[test]
fn two_p1_a1_a2_a3_a_users_token_counts_beside_the_workload_that_it_names_and_no_other() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let pair = |caller: &str, user: &Value| decided(verifier.pair(caller, &login.sign(user)));
    let storefront = login.sign(&login.own("storefront"));
    // R2: issued to the caller, at the first hop.
    let alice = login.of("alice", "storefront");
    assert_eq!(pair(&storefront, &alice), ok("storefront for alice, named: of:alice"));
    // A1: observed by another legitimate workload, and presented beside its own credential.
    let orders = login.sign(&login.own("orders"));
    assert_eq!(pair(&orders, &alice), unrelated());
    // A2: swapped on the way for one that was observed elsewhere. A3: beside a caller's credential that was replayed.
    assert_eq!(pair(&storefront, &login.of("bob", "payments")), unrelated());
    assert_eq!(pair(&storefront, &login.of("bob", "storefront")), ok("storefront for bob, named: of:bob"));
}

#[test]
fn two_a2_a_users_token_that_was_exchanged_for_another_workload_is_refused() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    // R1: orders acts for alice.
    let exchanged = |actor: &str| login.sign(&with(login.of("alice", actor), "act", json!({"sub": actor})));
    let pair = |caller: &str, user: &str| decided(verifier.pair(&login.sign(&login.own(caller)), user));
    assert_eq!(pair("orders", &exchanged("orders")), ok("orders for alice, named: of:alice"));
    assert_eq!(pair("orders", &exchanged("stock")), unrelated());
    assert_eq!(pair("stock", &exchanged("orders")), unrelated());
}

#[test]
fn two_a6_an_inner_actor_who_is_the_caller_ties_nothing() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let acted = |outer: &str, inner: &str| {
        let act = json!({"sub": outer, "act": {"sub": inner}});
        login.sign(&with(login.of("alice", outer), "act", act))
    };
    let storefront = login.sign(&login.own("storefront"));
    assert_eq!(decided(verifier.pair(&storefront, &acted("orders", "storefront"))), unrelated());
    assert_eq!(
        decided(verifier.pair(&storefront, &acted("storefront", "orders"))),
        ok("storefront for alice, named: of:alice"),
    );
    // Nor does the client, where somebody else acts.
    let act = json!({"sub": "clearing", "iss": "https://elsewhere.example"});
    let foreign = login.sign(&with(login.of("alice", "storefront"), "act", act));
    assert_eq!(decided(verifier.pair(&storefront, &foreign)), unrelated());
}

#[test]
fn two_a3_user_and_caller_of_different_issuers_or_tenants_are_refused() {
    let house = House::new();
    let verifier = house.verifier();
    for (caller, user, expected) in [
        (&house.login, &house.login, ok("storefront for alice, named: of:alice")),
        (&house.login, &house.partner, unrelated()),
        (&house.partner, &house.login, unrelated()),
        (&house.partner, &house.partner, ok("storefront for alice, named: of:alice")),
    ] {
        let pair = verifier.pair(&caller.sign(&caller.own("storefront")), &user.sign(&user.of("alice", "storefront")));
        assert_eq!(decided(pair), expected, "{} beside {}", caller.issuer, user.issuer);
    }

    // One application of many tenants has one client id in all of them.
    let tenants = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"];
    let fixture = fixture(Profile::EntraV2);
    let (key, clock) = (key(), ManualClock::new());
    clock.set(NOW);
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let mut audiences = fixture.audiences.iter();
    let entra = TrustedIssuer::keys("https://login.microsoftonline.com/{tenantid}/v2.0", keys)
        .audience(audiences.next().expect("an audience"))
        .profile(Profile::EntraV2)
        .algorithms([Algorithm::Es256])
        .tenants(tenants);
    let verifier = Verifier::builder(audiences.fold(entra, TrustedIssuer::audience)).clock(clock.clock()).build();
    let verifier = verifier.expect("valid");
    let of = |name: &str, tenant: &str| {
        let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
        fixture.shape(name).with("iss", json!(issuer)).with("tid", json!(tenant)).sign(&key)
    };
    let pair = |caller: &str, user: &str| {
        let decision = at_once(verifier.pair(&of("workload", caller), &of("user", user)));
        decision.map(|caller| caller.principal().user().and_then(|user| user.tenant.as_ref().map(ToString::to_string)))
    };
    for caller in tenants {
        for user in tenants {
            let found = pair(caller, user).map_err(|refusal| refusal.check());
            let expected = if caller == user { Ok(Some(user.to_owned())) } else { Err("binding") };
            assert_eq!(found, expected, "{caller} for a user of {user}");
        }
    }
}

#[test]
fn two_p2_a4_each_credential_is_verified_by_its_own_issuers_and_audiences() {
    let (machines, login) = (Authority::new("https://machines.example"), Authority::new(LOGIN));
    let verifier = Verifier::builder(machines.trusted("orders"))
        .user_issuer(login.trusted("shop"))
        .workload([(machines.issuer, "storefront"), (LOGIN, "web")].map(|(issuer, id)| name(issuer, id)))
        .clock(ManualClock::new().clock())
        .build()
        .expect("valid");
    let caller = machines.sign(&machines.own("storefront"));
    let alice = with(login.of("alice", "web"), "aud", json!("shop"));
    assert_eq!(decided(verifier.pair(&caller, &login.sign(&alice))), ok("storefront for alice, named: of:alice"));

    // A4: meant for another service; or for the audience that this one has for callers.
    for audience in ["payments", "orders"] {
        let elsewhere = login.sign(&with(alice.clone(), "aud", json!(audience)));
        assert_eq!(decided(verifier.pair(&caller, &elsewhere)), invalid("aud"), "{audience}");
    }
    // Neither speaks in the place of the other.
    let own = with(login.own("web"), "aud", json!("shop"));
    assert_eq!(decided(verifier.pair(&login.sign(&own), &login.sign(&alice))), invalid("iss"));
    let of_machines = machines.sign(&machines.of("alice", "storefront"));
    assert_eq!(decided(verifier.pair(&caller, &of_machines)), invalid("iss"));
    for claims in [&own, &alice] {
        assert_eq!(decided(verifier.bearer(&login.sign(claims))), invalid("iss"), "for users' credentials only");
    }
    let key = key().with_key_id(login.key.key_id());
    assert_eq!(decided(verifier.pair(&caller, &sign(&key, &alice))), invalid("signature"));
}

#[test]
fn two_p4_the_callers_credential_is_its_own_and_the_users_names_a_user() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let (own, of_alice) = (login.sign(&login.own("storefront")), login.sign(&login.of("alice", "storefront")));
    let acting = login.sign(&with(login.of("bob", "storefront"), "act", json!({"sub": "storefront"})));
    assert_eq!(decided(verifier.pair(&own, &of_alice)), ok("storefront for alice, named: of:alice"));
    // A user's token that was issued to the caller, or that it acts by, is no credential of the caller.
    for caller in [&of_alice, &acting] {
        assert_eq!(decided(verifier.pair(caller, &of_alice)), unrelated());
    }
    assert_eq!(decided(verifier.pair(&own, &own)), unrelated(), "two of the caller's");

    // Not even where users' tokens come straight from their client.
    let direct = Verifier::builder(login.trusted("orders").issued_to_is_sender());
    let direct = direct.clock(ManualClock::new().clock()).build().expect("valid");
    assert_eq!(decided(direct.pair(&of_alice, &of_alice)), unrelated());
    assert_eq!(decided(direct.pair(&own, &of_alice)), ok("storefront for alice, named: of:alice"));

    // Nor is an actor whom another issuer names.
    let act = json!({"sub": "storefront", "iss": "https://elsewhere.example"});
    let vouched = login.sign(&with(login.own("storefront"), "act", act));
    let for_it = json!({"sub": "storefront", "iss": "https://elsewhere.example"});
    let named = login.sign(&with(login.of("alice", "storefront"), "act", for_it));
    assert_eq!(decided(verifier.pair(&vouched, &named)), unrelated());
}

#[test]
fn two_a4_two_p4_a6_what_a_caller_may_alone_is_nothing_that_it_did_not_declare() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let own = login.sign(&login.own("storefront"));
    assert_eq!(decided(verifier.alone(&own)), ok("storefront for nobody, same token: "));
    let for_itself = at_once(verifier.alone(&own)).map(|caller| caller.for_itself().principal().scopes().to_string());
    assert_eq!(for_itself.map_err(|refusal| refusal.check()), Ok("of:storefront".to_owned()));
    assert_eq!(decided(verifier.bearer(&own)), ok("storefront for nobody, same token: of:storefront"), "the control");

    // Whoever stole a user's token does not get further by presenting it in the caller's place.
    let of_alice = login.sign(&login.of("alice", "storefront"));
    assert_eq!(decided(verifier.alone(&of_alice)), unrelated());
    // A token that names both by itself is both credentials.
    let acting = login.sign(&with(login.of("alice", "storefront"), "act", json!({"sub": "storefront"})));
    assert_eq!(decided(verifier.alone(&acting)), ok("storefront for alice, same token: of:alice"));
    let direct = Verifier::builder(login.trusted("orders").issued_to_is_sender());
    let direct = direct.clock(ManualClock::new().clock()).build().expect("valid");
    assert_eq!(decided(direct.alone(&of_alice)), ok("storefront for alice, same token: of:alice"));
    assert_eq!(decided(verifier.alone("x")), invalid("format"));
}

#[test]
fn two_a8_a5_equal_subjects_stay_two_principals_and_of_two_issuers() {
    let house = House::new();
    let (verifier, login, partner) = (house.verifier(), &house.login, &house.partner);
    let caller = at_once(verifier.pair(&login.sign(&login.own("alice")), &login.sign(&login.of("bob", "alice"))));
    let principal = caller.as_ref().map(|caller| (caller.principal().workload().id.as_str(), user_of(caller)));
    assert_eq!(principal.map_err(Refusal::check), Ok(("alice", format!("bob of {LOGIN}"))));
    // The same subject at two issuers is two users, each tied by its own.
    for authority in [login, partner] {
        let (own, user) = (authority.own("storefront"), authority.of("alice", "storefront"));
        let caller = at_once(verifier.pair(&authority.sign(&own), &authority.sign(&user)));
        let user = caller.as_ref().map(user_of).map_err(Refusal::check);
        assert_eq!(user, Ok(format!("alice of {}", authority.issuer)));
    }
}

fn name(issuer: &str, id: &str) -> CallerName {
    CallerName::of_issuer(issuer, id).expect("a name")
}

fn user_of(caller: &CallerContext) -> String {
    caller.principal().user().map(|user| format!("{} of {}", user.id, user.issuer)).unwrap_or_default()
}

#[test]
fn two_a9_a7_credentials_of_different_transactions_are_refused() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let txn = |claims: Value, txn: Option<&str>| match txn {
        Some(txn) => login.sign(&with(claims, "txn", json!(txn))),
        None => login.sign(&claims),
    };
    let named = || ok("storefront for alice, named: of:alice");
    for (of_caller, of_user, expected) in [
        (None, None, named()),
        (Some("t-1"), Some("t-1"), named()),
        (Some("t-1"), Some("t-2"), unrelated()),
        (Some("t-1"), None, named()),
        (None, Some("t-2"), named()),
    ] {
        let (own, user) = (txn(login.own("storefront"), of_caller), txn(login.of("alice", "storefront"), of_user));
        assert_eq!(decided(verifier.pair(&own, &user)), expected, "{of_caller:?}, {of_user:?}");
    }
}

/// A8 is the authorization server's to prevent: what it hands out after splicing two chains names one of the callers,
/// and counts beside no other.
#[test]
fn two_p1_a8_a_spliced_chain_counts_beside_its_current_actor_only() {
    let house = House::new();
    let (verifier, login) = (house.verifier(), &house.login);
    let act = json!({"sub": "orders", "act": {"sub": "storefront"}});
    let spliced = login.sign(&with(login.of("alice", "orders"), "act", act));
    for (caller, expected) in
        [("orders", ok("orders for alice, named: of:alice")), ("storefront", unrelated()), ("alice", unrelated())]
    {
        assert_eq!(decided(verifier.pair(&login.sign(&login.own(caller)), &spliced)), expected, "{caller}");
    }
}

#[test]
fn two_p4_the_issuers_row_says_whether_whoever_a_token_was_issued_to_has_sent_it() {
    let house = House::new();
    let login = &house.login;
    let evidence = |issuer: TrustedIssuer, claims: &Value| {
        let verifier = Verifier::builder(issuer).clock(ManualClock::new().clock()).build().expect("valid");
        at_once(verifier.bearer(&login.sign(claims))).map(|caller| caller.principal().evidence())
    };
    let acting = with(login.of("alice", "storefront"), "act", json!({"sub": "storefront"}));
    for (claims, by_default, where_direct) in [
        (login.own("storefront"), Evidence::Subject, Evidence::Subject),
        (login.of("alice", "storefront"), Evidence::IssuedTo, Evidence::DirectClient),
        (acting, Evidence::Actor, Evidence::Actor),
    ] {
        let found = [login.trusted("orders"), login.trusted("orders").issued_to_is_sender()]
            .map(|issuer| evidence(issuer, &claims).expect("good"));
        assert_eq!(found, [by_default, where_direct]);
    }
}
