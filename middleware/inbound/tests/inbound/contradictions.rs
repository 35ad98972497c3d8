//! Rules that nobody could ever satisfy are refused when they are built, and where they are wrong is told.

use std::time::Duration;

use tower_identity_core::{Evidence, RefusalKind};
use tower_identity_inbound::{
    CallerName, Inbound, IssuerName, Rule,
    rule::{acr, callers, callers_of, group, max_actors, max_age, no_user, role, scope, user, users_of},
};
use tower_identity_testkit::TestCaller;

const PARTNER: &str = "https://partner.example";
const BANK: &str = "https://bank.example";

fn partners(id: &str) -> CallerName {
    CallerName::of_issuer(PARTNER, id).expect("a caller name")
}

fn banks(id: &str) -> CallerName {
    CallerName::of_issuer(BANK, id).expect("a caller name")
}

fn tenant(tenant: &str) -> IssuerName {
    IssuerName::tenant_of(PARTNER, tenant).expect("an issuer name")
}

fn fault(rule: &Rule) -> Option<String> {
    let fault = rule.clone().valid().err().map(|fault| fault.to_string());
    let read = serde_json::from_str::<Rule>(&serde_json::to_string(rule).expect("writes"));
    assert_eq!(read.as_ref().err().map(ToString::to_string), fault, "a file is refused as code is");
    fault
}

#[test]
fn a_list_that_is_empty_is_told_as_that_wherever_it_stands() {
    let nobody = || callers(Vec::<&str>::new());
    assert_eq!(fault(&nobody().and(user())).as_deref(), Some("all[0].callers: is empty"));
    assert_eq!(fault(&user().and(nobody())).as_deref(), Some("all[1].callers: is empty"));
    assert_eq!(fault(&user().and(callers(["orders"]))), None);
}

#[test]
fn no_request_is_for_a_user_and_for_nobody() {
    let of_users = [
        user(),
        group("staff"),
        role("approver"),
        acr(["gold"]),
        max_age(Duration::from_secs(60)),
        max_actors(1),
        users_of([PARTNER]),
    ];
    for part in of_users {
        let run = callers(["scheduler"]);
        let after = run.clone().and(no_user()).and(part.clone());
        let word = fault(&after).expect("a fault").replace("all[2].", "");
        assert!(word.ends_with(": a request is for a user, or for none"), "{word}");
        assert!(serde_json::to_string(&part).expect("writes").contains(word.split(':').next().expect("a word")));
        let before = part.clone().and(run.clone()).and(no_user());
        assert_eq!(fault(&before).as_deref(), Some("all[2].no_user: a request is for a user, or for none"));
        // The controls: the same parts without their opposite.
        assert_eq!(fault(&part.and(run.clone())), None);
        assert_eq!(fault(&run.and(no_user()).and(scope("a"))), None);
    }
}

#[test]
fn lists_that_name_nobody_in_common_are_refused_where_the_last_of_them_stands() {
    let nobody = |at: usize, word: &str| {
        Some(format!("all[{at}].{word}: leaves nobody of the callers that are named before it"))
    };
    let no_users = |at: usize| Some(format!("all[{at}].users_of: leaves nobody of the users that are named before it"));
    let no_class = Some("all[1].acr: leaves none of the classes that are named before it".to_owned());
    let cases = [
        (callers(["orders"]).and(callers(["stock"])), nobody(1, "callers")),
        (callers(["orders", "stock"]).and(callers(["stock"])), None),
        (callers(["a", "b"]).and(callers(["b", "c"])).and(callers(["c", "a"])), nobody(2, "callers")),
        (callers([partners("orders")]).and(scope("a")).and(callers([banks("orders")])), nobody(2, "callers")),
        // A name without an issuer is of home, which may be any of them, but only one.
        (callers(["orders"]).and(callers([partners("orders")])), None),
        (callers(["orders"]).and(callers([partners("orders")])).and(callers([banks("orders")])), nobody(2, "callers")),
        (callers(["orders"]).and(callers_of([PARTNER])), None),
        (callers([partners("orders")]).and(callers_of([PARTNER, BANK])), None),
        (callers([partners("orders")]).and(callers_of([BANK])), nobody(1, "callers_of")),
        (callers_of([BANK]).and(callers([partners("orders")])), nobody(1, "callers")),
        (callers_of([BANK]).and(callers_of([PARTNER])), nobody(1, "callers_of")),
        (callers_of([BANK]).and(callers(["orders"])).and(callers([partners("orders")])), nobody(2, "callers")),
        (users_of([PARTNER]).and(users_of([BANK])), no_users(1)),
        (users_of([PARTNER]).and(users_of([tenant("acme")])), None),
        (users_of([tenant("acme")]).and(users_of([PARTNER])), None),
        (users_of([tenant("acme")]).and(users_of([tenant("acme")])), None),
        (users_of([tenant("acme")]).and(users_of([tenant("umbrella")])), no_users(1)),
        // What is left of an issuer and of its tenant is the tenant, whichever comes first.
        (users_of([PARTNER]).and(users_of([tenant("acme")])).and(users_of([tenant("umbrella")])), no_users(2)),
        (users_of([tenant("acme")]).and(users_of([PARTNER])).and(users_of([tenant("umbrella")])), no_users(2)),
        // Whose users they are says nothing about who calls for them.
        (users_of([PARTNER]).and(callers_of([BANK])), None),
        (acr(["gold"]).and(acr(["silver"])), no_class),
        (acr(["gold", "silver"]).and(acr(["silver"])), None),
        (max_age(Duration::from_secs(9)).and(max_age(Duration::from_secs(5))), None),
        (group("a").and(group("b")).and(role("a")).and(role("b")).and(max_actors(0)).and(max_actors(3)), None),
    ];
    for (rule, expected) in cases {
        assert_eq!(fault(&rule), expected, "{rule}");
    }
}

#[test]
fn alternatives_are_refused_where_none_of_them_can_hold_and_one_that_can_is_enough() {
    let orders = || callers(["orders"]);
    let stock_or_bank = || callers(["stock"]).or(callers([banks("orders2")]));
    let cases = [
        (orders().and(stock_or_bank()), Some("all[1].any: cannot hold together with the parts before it")),
        (stock_or_bank().and(orders()), Some("all[1].callers: cannot hold together with the parts before it")),
        (orders().and(stock_or_bank().or(scope("a"))), None),
        // Each alternative of the one excludes each of the other.
        (
            callers(["a"]).or(callers(["b"])).and(callers(["c"]).or(callers(["d"]))),
            Some("all[1].any: cannot hold together with the parts before it"),
        ),
        (callers(["a"]).or(callers(["b"])).and(callers(["c"]).or(callers(["b"]))), None),
        // A part that can never hold is a mistake, also where another would do.
        (
            scope("a").or(orders().and(callers(["stock"]))),
            Some("any[1].all[1].callers: leaves nobody of the callers that are named before it"),
        ),
        (
            orders().and(no_user()).and(user().or(group("staff"))),
            Some("all[2].any: cannot hold together with the parts before it"),
        ),
    ];
    for (rule, expected) in cases {
        assert_eq!(fault(&rule).as_deref(), expected, "{rule}");
    }
    let nested = r#"{"all":[{"callers":["a"]},{"all":[{"scope":"x"},{"callers":["b"]}]}]}"#;
    let refused = serde_json::from_str::<Rule>(nested).expect_err("nobody").to_string();
    assert_eq!(refused, "all[1].all: cannot hold together with the parts before it");
}

#[test]
fn a_rule_that_can_never_hold_refuses_as_our_fault_and_not_as_the_callers() {
    let orders = Inbound::Caller(TestCaller::workload("orders").user("alice").evidence(Evidence::Actor).context());
    let check = |rule: &Rule| rule.check(&orders).map_err(|refusal| (refusal.kind().clone(), refusal.check()));
    assert_eq!(check(&callers(["orders"]).and(callers(["stock"]))), Err((RefusalKind::Misconfigured, "rule")));
    assert_eq!(check(&callers(["orders"]).and(callers(["stock", "orders"]))), Ok(()));
}

#[test]
fn a_rule_that_takes_too_long_to_think_through_is_taken_at_its_word() {
    // 2^40 ways, none of which holds in the end.
    let either = |at: usize| scope(format!("a{at}")).or(scope(format!("b{at}")));
    let many = (0..40).map(either).reduce(Rule::and).expect("a rule");
    let (one, other) = (callers(["a"]).or(callers(["b"])), callers(["c"]).or(callers(["d"])));
    assert_eq!(fault(&one.and(many.clone()).and(other)), None);
    // What needs no alternatives is found whatever stands around it.
    let found = fault(&callers(["a"]).and(many).and(callers(["b"])));
    assert_eq!(found.as_deref(), Some("all[41].callers: leaves nobody of the callers that are named before it"));
}
