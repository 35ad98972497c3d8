use tower_identity_core::{Binding, Evidence, InvalidSetting, Issuer, RefusalKind, Scopes};
use tower_identity_inbound::{
    CallerName, Inbound, Rule,
    rule::{any_scope, callers, callers_of, named, no_user, scope, scope_or_wider, user, users_of},
};

use crate::support::{Given, HOME, PARTNER};

fn check(rule: &Rule, given: &Given) -> Result<(), (RefusalKind, &'static str)> {
    rule.check(&Inbound::Caller(given.context())).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn lacks(required: &str) -> Result<(), (RefusalKind, &'static str)> {
    Err((RefusalKind::InsufficientScope { required: Scopes::parse(required).expect("scopes") }, "scope"))
}

fn denied(check: &'static str) -> Result<(), (RefusalKind, &'static str)> {
    Err((RefusalKind::Denied, check))
}

fn misplaced() -> InvalidSetting {
    InvalidSetting::new("no_user", "stands only at the top of a rule, beside a list of callers")
}

fn of_partner(id: &str) -> CallerName {
    CallerName::of_issuer(PARTNER, id).expect("caller name")
}

#[test]
fn e11_each_part_holds_or_says_what_is_missing() {
    let alice = Given { user: Some("alice"), scopes: "a b", ..Given::default() };
    let alone = Given { scopes: "a", ..Given::default() };
    let cases = [
        (scope("a"), &alone, Ok(())),
        (scope("a b"), &alice, Ok(())),
        (scope("a b"), &alone, lacks("a b")),
        (scope("A"), &alone, lacks("A")),
        (any_scope(["b", "a"]), &alone, Ok(())),
        (any_scope(["b", "c"]), &alone, lacks("b")),
        (user(), &alice, Ok(())),
        (user(), &alone, denied("user")),
        (callers(["orders"]), &alone, Ok(())),
        (callers(["audit", "orders"]), &alone, Ok(())),
        (callers(["audit"]), &alone, denied("callers")),
        (callers(["order", "orders2", "Orders", "*", "ord.rs"]), &alone, denied("callers")),
        (callers(["orders"]).and(no_user()), &alone, Ok(())),
        (callers(["orders"]).and(no_user()), &alice, denied("user")),
        (no_user().and(callers(["orders"])).and(scope("a")), &alone, Ok(())),
        (scope("a").and(user()), &alice, Ok(())),
        (scope("a").and(user()), &alone, denied("user")),
        (scope("c").and(user()), &alone, lacks("c")),
        (user().and(scope("c")), &alone, denied("user")),
        (scope("c").or(callers(["orders"])), &alone, Ok(())),
        (scope("c").or(callers(["audit"])), &alone, lacks("c")),
        (callers(["audit"]).or(scope("c")), &alone, denied("callers")),
        (scope("a").or(scope("c")).and(user()), &alone, denied("user")),
    ];
    for (rule, given, expected) in cases {
        assert_eq!(check(&rule, given), expected, "{rule}, user {:?}", given.user);
    }
}

#[test]
fn e1_whatever_a_rule_says_nobody_is_not_enough() {
    let rules = [
        scope("a"),
        any_scope(["a"]),
        user(),
        callers(["orders"]),
        callers(["orders"]).and(no_user()),
        scope("a").or(callers(["orders"])),
    ];
    for rule in rules {
        let refusal = rule.check(&Inbound::Anonymous).expect_err("anonymous");
        assert_eq!(refusal.kind(), &RefusalKind::NoCredential, "{rule}");
    }
}

#[test]
fn two_a4_leaving_the_user_out_never_allows_more() {
    let with = Given { user: Some("alice"), scopes: "a", ..Given::default() };
    let without = Given { user: None, ..with.clone() };
    let valid = [scope("a"), user(), scope("a").and(user()), callers(["orders"]), scope("x").or(callers(["orders"]))];
    for rule in valid {
        if check(&rule, &without) == Ok(()) {
            assert_eq!(check(&rule, &with), Ok(()), "{rule}");
        }
    }
    assert_eq!(check(&user(), &without), denied("user"));
}

#[test]
fn no_user_stands_only_at_the_top_beside_callers() {
    let misplaced_rules = [
        no_user(),
        no_user().and(scope("a")),
        no_user().or(callers(["orders"])),
        user().or(no_user()),
        callers(["orders"]).and(no_user()).or(user()),
        callers(["orders"]).and(user().or(no_user())),
        scope("a").and(callers(["orders"]).or(no_user().and(callers(["audit"])))),
    ];
    let orders = Given { scopes: "a", ..Given::default() };
    for rule in misplaced_rules {
        assert_eq!(check(&rule, &orders), Err((RefusalKind::Misconfigured, "rule")), "{rule}");
        let fault = rule.clone().valid().expect_err("misplaced");
        assert_eq!(fault.rule(), misplaced().rule(), "{rule}");
        let written = serde_json::to_string(&rule).expect("writes");
        let refused = serde_json::from_str::<Rule>(&written).expect_err("misplaced").to_string();
        assert!(refused.contains(misplaced().rule()), "{refused}");
    }
    assert_eq!(no_user().valid(), Err(misplaced()));
    // The controls: the same parts where they may stand.
    for rule in [callers(["orders"]).and(no_user()), no_user().and(scope("a").and(callers(["orders"])))] {
        assert_eq!(check(&rule, &orders), Ok(()), "{rule}");
        assert_eq!(rule.clone().valid(), Ok(rule));
    }
}

#[test]
fn a_rule_that_could_not_be_written_down_refuses_as_our_fault() {
    let cases = [
        (scope(""), "scope: is empty"),
        (scope(" "), "scope: is empty"),
        (scope("a\"b"), "scope: a scope is one or more visible ASCII characters without quote and backslash"),
        (any_scope([] as [&str; 0]), "any_scope: is empty"),
        (any_scope(["a b"]), "any_scope: a scope is one or more visible ASCII characters without quote and backslash"),
        (callers([] as [&str; 0]), "callers: is empty"),
        (callers([""]), "callers: subject is empty"),
        (user().and(scope("")), "all[1].scope: is empty"),
        (callers(["orders"]).and(no_user()).and(scope("")), "all[2].scope: is empty"),
        (user().or(scope("")), "any[1].scope: is empty"),
    ];
    let everything = Given { user: Some("alice"), scopes: "a b", ..Given::default() };
    for (rule, fault) in cases {
        assert_eq!(rule.clone().valid().expect_err("not valid").to_string(), fault);
        assert_eq!(check(&rule, &everything), Err((RefusalKind::Misconfigured, "rule")), "{rule}");
    }
}

#[test]
fn a_bare_name_is_of_home_and_a_name_with_its_issuer_of_that_one() {
    let at = |issuer| Given { workload_issuer: issuer, token_issuer: issuer, ..Given::default() };
    let cases = [
        (callers(["orders"]), at(HOME), Ok(())),
        (callers(["orders"]), at(PARTNER), denied("callers")),
        (callers([of_partner("orders")]), at(PARTNER), Ok(())),
        (callers([of_partner("orders")]), at(HOME), denied("callers")),
        (callers([CallerName::of_issuer(HOME, "orders").expect("name")]), at(HOME), Ok(())),
        (
            callers([CallerName::of_issuer("https://partner.example/", "orders").expect("name")]),
            at(PARTNER),
            denied("callers"),
        ),
    ];
    for (rule, given, expected) in cases {
        assert_eq!(check(&rule, &given), expected, "{rule}, token of {}", given.token_issuer);
    }
}

#[test]
fn an_issuer_speaks_for_its_own_workloads_only() {
    let partner_says_home = Given { workload_issuer: HOME, token_issuer: PARTNER, ..Given::default() };
    let home_says_partner = Given { workload_issuer: PARTNER, token_issuer: HOME, ..Given::default() };
    let lists = [
        callers(["orders"]),
        callers([of_partner("orders")]),
        callers([CallerName::of_issuer(HOME, "orders").expect("name")]),
    ];
    for rule in lists {
        assert_eq!(check(&rule, &partner_says_home), denied("callers"), "{rule}");
        assert_eq!(check(&rule, &home_says_partner), denied("callers"), "{rule}");
    }
    assert_eq!(check(&callers(["orders"]), &Given::default()), Ok(()));
}

#[test]
fn a_list_is_of_senders_and_a_token_that_was_issued_to_somebody_names_none() {
    let cases = [
        (Evidence::Proven, Ok(())),
        (Evidence::Subject, Ok(())),
        (Evidence::Actor, Ok(())),
        (Evidence::DirectClient, Ok(())),
        (Evidence::IssuedTo, denied("callers")),
    ];
    for (evidence, expected) in cases {
        let given = Given { evidence, user: Some("alice"), ..Given::default() };
        assert_eq!(check(&callers(["orders"]), &given), expected, "{evidence:?}");
    }
}

#[test]
fn e9_a_user_that_nothing_ties_to_the_caller_satisfies_no_rule() {
    let cases = [
        (Binding::SameToken, Ok(())),
        (Binding::ProofOverAll, Ok(())),
        (Binding::SharedKey, Ok(())),
        (Binding::IssuerNamed, Ok(())),
        (Binding::SelfAsserted, Err((RefusalKind::UnrelatedCredentials, "binding"))),
        (Binding::None, Err((RefusalKind::UnrelatedCredentials, "binding"))),
    ];
    for (binding, expected) in cases {
        let given = Given { user: Some("alice"), scopes: "a", binding, ..Given::default() };
        for rule in [user(), scope("a"), callers(["orders"])] {
            assert_eq!(check(&rule, &given), expected, "{binding:?}, {rule}");
        }
    }
}

#[test]
fn the_operator_learns_which_part_failed_what_was_found_and_whose_rules_applied() {
    let explain = |rule: &Rule, given: &Given| {
        let refusal = rule.check(&Inbound::Caller(given.context())).expect_err("refused");
        assert_eq!(refusal.named_issuer().map(Issuer::as_str), Some(HOME));
        refusal.explanation().expect("a detail").to_owned()
    };
    let given = Given { scopes: "b", ..Given::default() };
    let of_alice = Given { user: Some("alice"), evidence: Evidence::IssuedTo, ..Given::default() };
    let cases = [
        (user().or(scope("b")).and(scope("a")), &given, r#"needs scope a, found {"b"}"#),
        (any_scope(["a", "c"]), &given, r#"needs any scope of a, c, found {"b"}"#),
        (scope_or_wider("a:c", ':'), &given, r#"needs scope a:c or wider by ':', found {"b"}"#),
        (scope("a").and(scope("c")), &given, r#"needs scope a, found {"b"}; needs scope c, found {"b"}"#),
        (callers(["audit"]), &given, "needs a caller among audit, found orders of https://as.example"),
        (
            callers(["orders"]),
            &of_alice,
            "needs a caller among orders, found orders of https://as.example, who need not have sent the token",
        ),
        (
            callers_of([PARTNER]),
            &given,
            "needs a caller of https://partner.example, found orders of https://as.example",
        ),
        (user(), &given, "needs a user"),
        (callers(["orders"]).and(no_user()), &Given { evidence: Evidence::Actor, ..of_alice.clone() }, "needs no user"),
        (users_of([PARTNER]), &given, "needs a user of https://partner.example"),
        (users_of([PARTNER]), &of_alice, "needs a user of https://partner.example"),
        (named("of the moon", |_| false), &given, "needs of the moon"),
        (scope("a").or(user()), &given, "needs scope a or a user"),
    ];
    for (rule, given, expected) in cases {
        assert_eq!(explain(&rule, given), expected);
    }
}

#[test]
fn a_rule_reads_as_a_sentence_and_survives_a_configuration() {
    let cases = [
        (scope("a b"), "scope a b", r#"{"scope":["a","b"]}"#),
        (any_scope(["a", "b"]), "any scope of a, b", r#"{"any_scope":["a","b"]}"#),
        (user(), "a user", r#""user""#),
        (
            callers([CallerName::try_from("orders").expect("name"), of_partner("audit")]).and(no_user()),
            "a caller among orders, audit of https://partner.example and no user",
            r#"{"all":[{"callers":["orders",{"issuer":"https://partner.example","id":"audit"}]},"no_user"]}"#,
        ),
        (
            scope("a").or(scope("b").and(user())).and(callers(["orders"])),
            "(scope a or scope b and a user) and a caller among orders",
            r#"{"all":[{"any":[{"scope":["a"]},{"all":[{"scope":["b"]},"user"]}]},{"callers":["orders"]}]}"#,
        ),
    ];
    for (rule, sentence, configuration) in cases {
        assert_eq!(rule.to_string(), sentence);
        assert_eq!(serde_json::to_string(&rule).expect("writes"), configuration);
        assert_eq!(serde_json::from_str::<Rule>(configuration).expect("reads"), rule);
    }
    assert_eq!(serde_json::from_str::<Rule>(r#"{"scope":"b a"}"#).expect("reads"), scope("a b"));
}

#[test]
fn a_configuration_that_is_wrong_is_refused() {
    let cases = [
        (r#"{"scope":""}"#, "scope: is empty"),
        (r#"{"all":[]}"#, "all: is empty"),
        (r#"{"any":[]}"#, "any: is empty"),
        (r#"{"callers":[]}"#, "callers: is empty"),
        (r#"{"callers":[{"issuer":"https://a.example"}]}"#, "the name of a workload, or a table of its issuer"),
        (r#"{"callers":[{"issuer":"https://a.example","id":"b","x":1}]}"#, "the name of a workload, or a table of its"),
        (
            r#"{"all":[{"all":[{"callers":["orders"]},"no_user"]},"user"]}"#,
            "all[0].all[1].no_user: stands only at the top",
        ),
        (r#""anybody""#, "unknown variant `anybody`"),
        (r#""invalid""#, "unknown variant `invalid`"),
    ];
    for (configuration, reason) in cases {
        let refused = serde_json::from_str::<Rule>(configuration).expect_err(configuration).to_string();
        assert!(refused.contains(reason), "{configuration}: {refused}");
    }
}
