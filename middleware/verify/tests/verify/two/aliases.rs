//! One workload under many names.

use serde_json::json;
use tower_identity_core::CallerName;
use tower_identity_verify::{Profile, TrustedIssuer, Verifier, VerifierBuilder};

use super::{House, LOGIN, PARTNER, SPIRE, decided, ok, unrelated, with};
use crate::support::at_once;

type Change = fn(VerifierBuilder) -> VerifierBuilder;

const SVID: &str = "spiffe://example.org/orders";

fn at(issuer: &str, id: &str) -> CallerName {
    CallerName::of_issuer(issuer, id).expect("a name")
}

fn home(id: &str) -> CallerName {
    id.try_into().expect("a name")
}

#[test]
fn two_p5_relations_compare_the_workload_and_not_the_name() {
    let house = House::new();
    let login = &house.login;
    let row = || [home("orders"), at(SPIRE, SVID), at(PARTNER, "shop-orders")];
    let (plain, aliased) = (house.verifier(), house.builder().workload(row()).build().expect("valid"));
    let alice = login.sign(&login.of("alice", "orders"));
    let acting = login.sign(&with(login.of("alice", "orders"), "act", json!({"sub": "orders"})));
    for user in [&alice, &acting] {
        assert_eq!(decided(aliased.pair(&house.svid("/orders"), user)), ok("orders for alice, named: of:alice"));
        assert_eq!(decided(plain.pair(&house.svid("/orders"), user)), unrelated(), "nothing is guessed");
        assert_eq!(decided(aliased.pair(&house.svid("/stock"), user)), unrelated());
    }
    let partner = &house.partner;
    let of_partner = |id: &str| partner.sign(&partner.own(id));
    assert_eq!(decided(aliased.pair(&of_partner("shop-orders"), &alice)), ok("orders for alice, named: of:alice"));
    assert_eq!(decided(aliased.pair(&of_partner("orders"), &alice)), unrelated(), "the name of another there");
    let bob = partner.sign(&partner.of("bob", "shop-orders"));
    assert_eq!(decided(aliased.pair(&house.svid("/orders"), &bob)), ok("orders for bob, named: of:bob"));
}

#[test]
fn two_p5_lists_compare_the_workload_and_events_have_its_canonical_name() {
    let house = House::new();
    let aliased = house.builder().workload([home("orders"), at(SPIRE, SVID)]).build().expect("valid");
    let login = &house.login;
    let acting = login.sign(&with(login.of("alice", "orders"), "act", json!({"sub": "orders"})));
    for token in [house.svid("/orders"), login.sign(&login.own("orders")), acting] {
        for caller in [at_once(aliased.bearer(&token)), at_once(aliased.alone(&token))] {
            let caller = caller.expect("good");
            assert_eq!(caller.principal().workload().id, "orders");
            assert_eq!(caller.principal().workload().issuer, LOGIN);
            for name in [home("orders"), at(LOGIN, "orders"), at(SPIRE, SVID)] {
                assert!(name.is(&caller), "{name}");
            }
            assert!(!home("stock").is(&caller) && !at(PARTNER, "orders").is(&caller));
        }
    }
    // The control: without a row, what the credential says.
    let plain = at_once(house.verifier().bearer(&house.svid("/orders"))).expect("good");
    assert_eq!(plain.principal().workload().id, SVID);
    assert!(at(SPIRE, SVID).is(&plain) && !home("orders").is(&plain));
    // The credential was verified as it stands: who vouches for it is its own issuer.
    let caller = at_once(aliased.bearer(&house.svid("/orders"))).expect("good");
    assert_eq!(caller.caller_token().issuer(), &SPIRE);
    assert_eq!(caller.caller_token().identity().workload.id, SVID);
}

#[test]
fn two_p5_an_actor_that_another_issuer_names_goes_by_no_alias() {
    let house = House::new();
    let partner = &house.partner;
    // Only of issuers that are trusted can a name be in a row, and those name their workloads themselves.
    let aliased = house.builder().workload([home("orders"), at(SPIRE, SVID)]).build().expect("valid");
    let act = json!({"sub": SVID, "iss": SPIRE});
    let token = partner.sign(&with(partner.of("alice", "storefront"), "act", act));
    assert_eq!(at_once(aliased.bearer(&token)).map_err(|refusal| refusal.check()).err(), Some("act"));
    // As a user's own credential it may name them: whether that is who calls, the caller's own credential says.
    assert_eq!(decided(aliased.pair(&house.svid("/orders"), &token)), ok("orders for alice, named: of:alice"));
    assert_eq!(decided(aliased.pair(&house.svid("/stock"), &token)), unrelated());
}

#[test]
fn two_p5_a_row_that_cannot_stand_is_refused() {
    let house = House::new();
    let built = |change: Change| change(house.builder()).build().map(drop).map_err(|wrong| wrong.to_string());
    let wrong = |text: &str| Err(text.to_owned());
    let names = |names: &[CallerName]| names.to_vec();
    assert_eq!(built(|builder| builder.workload([home("orders"), at(SPIRE, SVID)])), Ok(()));
    assert_eq!(built(|builder| builder.workload([home("a"), home("b")]).workload([home("c"), home("d")])), Ok(()));
    let cases: [(Change, _); 8] = [
        (
            |builder| builder.workload([home("a"), home("b")]).workload([home("c"), home("a")]),
            wrong("workload[1].is[1]: is listed twice"),
        ),
        (
            |builder| builder.workload([home("a"), home("b")]).workload([home("c"), at(LOGIN, "b")]),
            wrong("workload[1].is[1]: is listed twice"),
        ),
        (|builder| builder.workload([home("a"), home("a")]), wrong("workload[0].is[1]: is listed twice")),
        (
            |builder| builder.workload([home("a"), at("https://elsewhere.example", "a")]),
            wrong("workload[0].is[1]: is of an issuer that is not trusted"),
        ),
        (|builder| builder.workload([home("a")]), wrong("workload[0].is: lists one name, which needs no row")),
        (|builder| builder.workload([] as [CallerName; 0]), wrong("workload[0].is: names nobody")),
        (|builder| builder.workload(["a", ""]), wrong("workload[0].is[1]: subject is empty")),
        (|builder| builder.user_issuer(TrustedIssuer::discover(LOGIN).audience("")), {
            wrong("user_issuer[0].audience: audience is empty")
        }),
    ];
    for (change, expected) in cases {
        assert_eq!(built(change), expected);
    }
    // A plain name is of home, where home is one issuer.
    let entra = |tenants: &[&str]| {
        TrustedIssuer::discover("https://login.microsoftonline.com/{tenantid}/v2.0")
            .audience("orders")
            .profile(Profile::EntraV2)
            .tenants(tenants.iter().copied())
    };
    let tenants = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"];
    let of = |tenants: &[&str], row: Vec<CallerName>| {
        Verifier::builder(entra(tenants)).workload(row).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let of_tenant = |id| at("https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", id);
    let several = "workload[0].is[0]: is a plain name, and the home issuer is several tenants";
    assert_eq!(of(&tenants, names(&[home("a"), of_tenant("b")])), wrong(several));
    assert_eq!(of(&tenants, names(&[of_tenant("a"), of_tenant("b")])), Ok(()));
    assert_eq!(of(&tenants[..1], names(&[home("a"), of_tenant("b")])), Ok(()));
}
