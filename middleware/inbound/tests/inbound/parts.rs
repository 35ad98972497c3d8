//! Parts of a rule that say where callers and users are from, how far a request has come, and how wide its scopes are.

use tower_identity_core::{Evidence, RefusalKind, Scopes};
use tower_identity_inbound::{
    Inbound, IssuerName, Rule,
    rule::{callers_of, max_actors, scope_or_wider, user, users_of},
};
use tower_identity_testkit::TestCaller;

use crate::support::{Given, HOME, PARTNER};

const ISSUER: &str = "https://issuer.test";

type Checked = Result<(), (RefusalKind, &'static str)>;

fn check(rule: &Rule, caller: &TestCaller) -> Checked {
    let inbound = Inbound::Caller(caller.context());
    rule.check(&inbound).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn denied(check: &'static str) -> Checked {
    Err((RefusalKind::Denied, check))
}

fn lacks(required: &str) -> Checked {
    Err((RefusalKind::InsufficientScope { required: Scopes::parse(required).expect("scopes") }, "scope"))
}

fn orders() -> TestCaller {
    TestCaller::workload("orders")
}

#[test]
fn e4_a_wider_scope_holds_its_parts_and_a_part_never_the_whole() {
    let write = || lacks("orders:write");
    let cases = [
        ("orders:write", "orders:write", Ok(())),
        ("orders:write", "orders", Ok(())),
        ("orders:write:all", "orders", Ok(())),
        ("orders:write:all", "orders:write", Ok(())),
        ("orders", "orders", Ok(())),
        // The other way round.
        ("orders", "orders:write", lacks("orders")),
        ("orders:write", "orders:write:all", write()),
        // Beside each other, and names that only begin alike.
        ("orders:write", "orders:read", write()),
        ("orders:write", "order", write()),
        ("orders:write", "orders:w", write()),
        ("orders:write", "orders:", write()),
        ("orders:write", ":", write()),
        ("orders2:write", "orders", lacks("orders2:write")),
        ("orders:write", "Orders", write()),
        ("orders:write", "orders.write", write()),
        ("orders:write", "*", write()),
        ("orders:write", "", write()),
        // Each of several, by whichever is wider.
        ("orders:write stock:read", "orders stock", Ok(())),
        ("orders:write stock:read", "orders stock:read", Ok(())),
        ("orders:write stock:read", "orders", lacks("orders:write stock:read")),
    ];
    for (needed, granted, expected) in cases {
        let caller = orders().scope(granted);
        assert_eq!(check(&scope_or_wider(needed, ':'), &caller), expected, "{needed:?} by {granted:?}");
    }
    let caller = orders().scope("orders");
    assert_eq!(check(&scope_or_wider("orders.write", '.'), &caller), Ok(()));
    assert_eq!(check(&scope_or_wider("orders.write", ':'), &caller), lacks("orders.write"));
}

#[test]
fn scopes_whose_levels_are_not_plain_are_refused() {
    let separator = "is not a visible ASCII character beside letters, digits, quote and backslash";
    let empty_level = "has nothing before, between or after its separators";
    let cases = [
        ("orders:write", 's', Some(("separator", separator))),
        ("orders:write", '1', Some(("separator", separator))),
        ("orders:write", ' ', Some(("separator", separator))),
        ("orders:write", '"', Some(("separator", separator))),
        ("orders:write", 'ö', Some(("separator", separator))),
        ("orders:", ':', Some(("scope", empty_level))),
        (":orders", ':', Some(("scope", empty_level))),
        ("orders::write", ':', Some(("scope", empty_level))),
        (":", ':', Some(("scope", empty_level))),
        ("", ':', Some(("scope", "is empty"))),
        ("orders::write", '.', None),
        ("https://api.example/orders", '/', Some(("scope", empty_level))),
    ];
    for (scope, by, expected) in cases {
        let fault = scope_or_wider(scope, by).valid().err().map(|fault| fault.to_string());
        let expected = expected.map(|(field, rule)| format!("scope_or_wider.{field}: {rule}"));
        assert_eq!(fault, expected, "{scope:?} by {by:?}");
    }
    let outside = scope_or_wider("orders\"", ':').valid().expect_err("outside of the grammar").to_string();
    assert!(outside.starts_with("scope_or_wider.scope: a scope is one or more visible ASCII"), "{outside}");
}

#[test]
fn e11_callers_of_an_issuer_are_those_that_it_vouches_for_itself() {
    let rule = callers_of([PARTNER, ISSUER]);
    let cases = [
        (orders(), Ok(())),
        (orders().user("alice").evidence(Evidence::DirectClient), Ok(())),
        (orders().user("alice"), denied("callers_of")),
        (orders().foreign(PARTNER), Ok(())),
        (orders().foreign("https://partner.example/"), denied("callers_of")),
        (orders().foreign("https://partner.example.evil"), denied("callers_of")),
    ];
    for (caller, expected) in cases {
        assert_eq!(check(&rule, &caller), expected, "{caller:?}");
    }
    // An actor of the partner's by another issuer's word, and the control: by its own.
    for (token_issuer, expected) in [(HOME, denied("callers_of")), (PARTNER, Ok(()))] {
        let given = Given { workload_issuer: PARTNER, token_issuer, ..Given::default() };
        let checked = rule.check(&Inbound::Caller(given.context()));
        assert_eq!(checked.map_err(|refusal| (refusal.kind().clone(), refusal.check())), expected, "{token_issuer}");
    }
}

#[test]
fn e11_users_of_an_issuer_or_of_one_of_its_tenants() {
    let acme = || IssuerName::tenant_of(ISSUER, "acme").expect("a name");
    let alice = || orders().user("alice");
    let cases = [
        (users_of([ISSUER]), alice(), Ok(())),
        (users_of([ISSUER]), alice().tenant("acme"), Ok(())),
        (users_of([ISSUER]), alice().foreign(PARTNER), denied("users_of")),
        (users_of([PARTNER]), alice(), denied("users_of")),
        (users_of([PARTNER, ISSUER]), alice(), Ok(())),
        (users_of([acme()]), alice().tenant("acme"), Ok(())),
        (users_of([acme()]), alice().tenant("Acme"), denied("users_of")),
        (users_of([acme()]), alice(), denied("users_of")),
        (users_of([acme()]), alice().tenant("acme").foreign(PARTNER), denied("users_of")),
        // A workload of the issuer is no user of it.
        (users_of([ISSUER]), orders(), denied("user")),
    ];
    for (rule, caller, expected) in cases {
        assert_eq!(check(&rule, &caller), expected, "{rule}: {caller:?}");
    }
}

#[test]
fn te_a1_how_many_act_is_counted_and_who_they_were_is_not_asked() {
    let alice = || orders().user("alice");
    let nobody: [&str; 0] = [];
    let cases = [
        (max_actors(0), alice(), Ok(())),
        (max_actors(0), alice().acting_after(nobody), denied("max_actors")),
        (max_actors(1), alice().acting_after(nobody), Ok(())),
        (max_actors(1), alice().acting_after(["storefront"]), denied("max_actors")),
        (max_actors(2), alice().acting_after(["storefront"]), Ok(())),
        (max_actors(2), alice().acting_after(["storefront", "edge"]), denied("max_actors")),
        // Leaving the user out is no way around it.
        (max_actors(2), orders(), denied("user")),
    ];
    for (rule, caller, expected) in cases {
        assert_eq!(check(&rule, &caller), expected, "{rule}: {caller:?}");
    }
}

#[test]
fn two_a4_leaving_the_user_out_opens_none_of_these() {
    let rules = [
        scope_or_wider("a:b", ':'),
        callers_of([ISSUER]),
        users_of([ISSUER]),
        max_actors(1),
        callers_of([ISSUER]).and(user()),
    ];
    let nobody: [&str; 0] = [];
    for rule in rules {
        for with in [
            // Of a known sender: who sent a token that was merely issued to somebody is not known with its user, either.
            orders().user("alice").evidence(Evidence::DirectClient),
            orders().user("alice").acting_after(nobody),
            orders().user("a").acting_after(["x"]),
        ] {
            for scopes in ["", "a", "a:b"] {
                let with = with.clone().scope(scopes);
                let without = orders().scope(scopes);
                assert!(check(&rule, &with).is_ok() || check(&rule, &without) != Ok(()), "{rule}: {with:?}");
            }
        }
    }
}

#[test]
fn these_parts_too_read_as_a_sentence_and_survive_a_configuration() {
    let acme = || IssuerName::tenant_of(ISSUER, "acme").expect("a name");
    let cases = [
        (
            scope_or_wider("a:b", ':'),
            "scope a:b or wider by ':'",
            r#"{"scope_or_wider":{"scope":["a:b"],"separator":":"}}"#,
        ),
        (
            callers_of([PARTNER, ISSUER]),
            "a caller of https://partner.example or of https://issuer.test",
            r#"{"callers_of":["https://partner.example","https://issuer.test"]}"#,
        ),
        (users_of([PARTNER]), "a user of https://partner.example", r#"{"users_of":["https://partner.example"]}"#),
        (
            users_of([acme()]),
            "a user of acme at https://issuer.test",
            r#"{"users_of":[{"issuer":"https://issuer.test","tenant":"acme"}]}"#,
        ),
        (max_actors(1), "a user for whom at most 1 act", r#"{"max_actors":1}"#),
    ];
    for (rule, sentence, configuration) in cases {
        assert_eq!(rule.to_string(), sentence);
        assert_eq!(serde_json::to_string(&rule).expect("writes"), configuration);
        assert_eq!(serde_json::from_str::<Rule>(configuration).expect("reads"), rule);
    }
    let wrong = [
        (r#"{"callers_of":[]}"#, "callers_of: is empty"),
        (r#"{"users_of":[]}"#, "users_of: is empty"),
        (r#"{"callers_of":[""]}"#, "issuer is empty"),
        (r#"{"users_of":[{"issuer":"https://a.example"}]}"#, "an issuer, or a table of an issuer and a tenant there"),
        (r#"{"users_of":[{"issuer":"https://a.example","tenant":""}]}"#, "an issuer, or a table of an issuer and a"),
        (r#"{"max_actors":-1}"#, "invalid value: integer `-1`"),
        (r#"{"scope_or_wider":"a:b"}"#, "invalid type: string"),
        (r#"{"scope_or_wider":{"scope":"a:b"}}"#, "missing field `separator`"),
        (r#"{"scope_or_wider":{"scope":"a:b","separator":"::"}}"#, "expected a character"),
        (r#"{"scope_or_wider":{"scope":"a:","separator":":"}}"#, "scope_or_wider.scope: has nothing before"),
    ];
    for (configuration, reason) in wrong {
        let refused = serde_json::from_str::<Rule>(configuration).expect_err(configuration).to_string();
        assert!(refused.contains(reason), "{configuration}: {refused}");
    }
    assert_eq!(callers_of([""]).valid().expect_err("no name").to_string(), "callers_of: issuer is empty");
    assert_eq!(users_of([" "]).valid().expect_err("no name").to_string(), "users_of: issuer is empty");
}
