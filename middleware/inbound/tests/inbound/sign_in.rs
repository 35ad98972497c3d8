//! Rules on the sign-in, the groups and the roles of a user.

use std::time::Duration;

use tower_identity_core::{
    Attributes, AuthenticationContext, CallerContext, Evidence, Groups, RefusalKind, Scopes, Timestamp,
};
use tower_identity_inbound::{
    Inbound, Rule,
    rule::{acr, callers, group, max_age, named, role, scope, user},
};
use tower_identity_testkit::TestCaller;

const NOW: u64 = 2_000_000_000;

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

fn alice() -> TestCaller {
    TestCaller::workload("storefront").user("alice").evidence(Evidence::Actor).judged_at(Timestamp::from_secs(NOW))
}

fn signed_in(caller: TestCaller, class: Option<&str>, at: Option<u64>) -> TestCaller {
    caller.authentication(AuthenticationContext {
        acr: class.map(str::to_owned),
        auth_time: at.map(Timestamp::from_secs),
        ..AuthenticationContext::default()
    })
}

fn with(caller: TestCaller, groups: Groups, roles: &[&str]) -> TestCaller {
    let roles = roles.iter().map(|role| (*role).into()).collect();
    caller.attributes(Attributes { groups, roles, ..Attributes::default() })
}

fn known(groups: &[&str]) -> Groups {
    Groups::Known(groups.iter().map(|group| (*group).into()).collect())
}

type Checked = Result<(), (RefusalKind, &'static str)>;

fn check(rule: &Rule, caller: &TestCaller) -> Checked {
    let inbound = Inbound::Caller(CallerContext::from(caller.clone()));
    rule.check(&inbound).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn asks(acr_values: &[&str], max_age: Option<Duration>) -> Checked {
    asks_beside("", acr_values, max_age)
}

/// One challenge for scopes and a sign-in.
fn asks_beside(scopes: &str, acr_values: &[&str], max_age: Option<Duration>) -> Checked {
    let acr_values = acr_values.iter().map(|value| (*value).to_owned()).collect();
    let scope = Scopes::parse(scopes).expect("scopes");
    Err((RefusalKind::InsufficientAuthentication { scope, acr_values, max_age }, "sign_in"))
}

fn denied(check: &'static str) -> Checked {
    Err((RefusalKind::Denied, check))
}

fn lacks(scopes: &str) -> Checked {
    Err((RefusalKind::InsufficientScope { required: Scopes::parse(scopes).expect("scopes") }, "scope"))
}

#[test]
fn rfc9470_a1_a_class_of_sign_in_is_one_of_the_acceptable_and_not_knowing_counts_as_failing() {
    let rule = acr(["gold", "silver"]);
    let cases = [
        (Some("gold"), Ok(())),
        (Some("silver"), Ok(())),
        (Some("bronze"), asks(&["gold", "silver"], None)),
        (Some("Gold"), asks(&["gold", "silver"], None)),
        (Some("gold silver"), asks(&["gold", "silver"], None)),
        (Some(""), asks(&["gold", "silver"], None)),
        (None, asks(&["gold", "silver"], None)),
    ];
    for (class, expected) in cases {
        assert_eq!(check(&rule, &signed_in(alice(), class, Some(NOW))), expected, "{class:?}");
    }
}

#[test]
fn rfc9470_a1_a_sign_in_is_as_old_as_it_was_when_the_request_was_judged() {
    let rule = max_age(minutes(5));
    let too_old = || asks(&[], Some(minutes(5)));
    let cases = [
        (Some(NOW), Ok(())),
        (Some(NOW - 300), Ok(())),
        (Some(NOW - 301), too_old()),
        (Some(0), too_old()),
        (None, too_old()),
        // The issuer's clock may be ahead, but no clock is years ahead: that is milliseconds.
        (Some(NOW + 120), Ok(())),
        (Some(NOW + 121), too_old()),
        (Some(NOW * 1000), too_old()),
    ];
    for (at, expected) in cases {
        assert_eq!(check(&rule, &signed_in(alice(), Some("gold"), at)), expected, "{at:?}");
    }
}

#[test]
fn rfc9470_a1_one_challenge_asks_for_all_that_is_missing_and_no_more() {
    let rule = acr(["gold"]).and(max_age(minutes(5)));
    let five = Some(minutes(5));
    let cases = [
        (signed_in(alice(), Some("gold"), Some(NOW)), Ok(())),
        (signed_in(alice(), None, Some(NOW)), asks(&["gold"], None)),
        (signed_in(alice(), Some("gold"), None), asks(&[], five)),
        (signed_in(alice(), None, None), asks(&["gold"], five)),
    ];
    for (caller, expected) in cases {
        assert_eq!(check(&rule, &caller), expected);
        assert_eq!(check(&max_age(minutes(9)).and(rule.clone()).and(user()), &caller), expected);
    }
    let unknown = signed_in(alice(), None, None);
    assert_eq!(check(&max_age(minutes(5)).and(acr(["gold"])), &unknown), asks(&["gold"], five));
    assert_eq!(check(&max_age(minutes(9)).and(max_age(minutes(5))), &unknown), asks(&[], five));
    assert_eq!(check(&acr(["gold", "silver"]).and(acr(["silver"])), &unknown), asks(&["gold", "silver"], None));
    // What cannot be asked for ends it.
    assert_eq!(check(&role("approver").and(rule.clone()), &unknown), denied("role"));
    assert_eq!(check(&rule.or(scope("a")), &unknown.scope("a")), Ok(()));
}

#[test]
fn rfc9470_a1_scopes_that_are_missing_are_asked_for_together() {
    assert_eq!(check(&scope("a").and(scope("b")), &alice()), lacks("a b"));
    assert_eq!(check(&scope("a").and(scope("b")), &alice().scope("a")), lacks("b"));
}

#[test]
fn rfc9470_a1_one_challenge_asks_for_a_sign_in_and_for_scopes_whichever_the_rule_names_first() {
    let rules = [
        scope("a").and(acr(["gold"])).and(scope("b")).and(max_age(minutes(5))),
        acr(["gold"]).and(scope("b")).and(max_age(minutes(5))).and(scope("a")),
        scope("a b").and(acr(["gold"]).and(max_age(minutes(5)))),
        acr(["gold"]).and(max_age(minutes(5))).and(scope("a b")),
    ];
    let five = Some(minutes(5));
    let (weak, strong) = (signed_in(alice(), None, None), signed_in(alice(), Some("gold"), Some(NOW)));
    for rule in &rules {
        assert_eq!(check(rule, &weak), asks_beside("a b", &["gold"], five), "{rule}");
        assert_eq!(check(rule, &signed_in(alice(), Some("gold"), None)), asks_beside("a b", &[], five), "{rule}");
        assert_eq!(check(rule, &weak.clone().scope("a b")), asks(&["gold"], five), "{rule}");
        assert_eq!(check(rule, &strong), lacks("a b"), "{rule}");
        assert_eq!(check(rule, &strong.clone().scope("a b")), Ok(()), "{rule}");
    }
    // Scopes that the token has are not asked for again, but for those that a rule names together.
    assert_eq!(check(&rules[0], &weak.clone().scope("a")), asks_beside("b", &["gold"], five));
    assert_eq!(check(&rules[2], &weak.scope("a")), asks_beside("a b", &["gold"], five));
}

#[test]
fn a_group_is_had_not_had_or_unknown_which_is_not_the_same() {
    let rule = group("staff");
    let cases = [
        (known(&["staff"]), Ok(())),
        (known(&["other", "staff"]), Ok(())),
        (known(&["Staff", "staff ", "staf", "staffs"]), denied("group")),
        (known(&[]), denied("group")),
        (Groups::Unknown, denied("groups_unknown")),
    ];
    for (groups, expected) in cases {
        let caller = with(alice(), groups.clone(), &["staff"]);
        assert_eq!(check(&rule, &caller), expected, "{groups:?}");
        assert_eq!(check(&rule.clone().or(scope("a")), &caller), expected, "{groups:?}");
        assert_eq!(check(&rule.clone().or(scope("a")), &caller.scope("a")), Ok(()), "{groups:?}");
    }
}

#[test]
fn a_role_is_compared_whole_and_is_no_group() {
    let rule = role("approver");
    assert_eq!(check(&rule, &with(alice(), Groups::Unknown, &["clerk", "approver"])), Ok(()));
    for roles in [&[][..], &["Approver", "approver2", "*"]] {
        assert_eq!(check(&rule, &with(alice(), known(&["approver"]), roles)), denied("role"));
    }
}

/// A token that a workload got for itself may have roles, groups and a sign-in too: they are the workload's, and it may
/// have more of them than the user that it acts for.
#[test]
fn two_a4_leaving_the_user_out_satisfies_no_rule_on_the_user() {
    let everything = |caller| signed_in(with(caller, known(&["staff"]), &["approver"]), Some("gold"), Some(NOW));
    let with_user = everything(alice());
    let without = everything(TestCaller::workload("storefront").judged_at(Timestamp::from_secs(NOW)));
    let nothing = alice();
    let cases = [
        (group("staff"), denied("user")),
        (role("approver"), denied("user")),
        (acr(["gold"]), asks(&["gold"], None)),
        (max_age(minutes(5)), asks(&[], Some(minutes(5)))),
        (group("staff").or(role("approver")).or(acr(["gold"])), denied("user")),
        (callers(["storefront"]).and(role("approver")), denied("user")),
    ];
    for (rule, expected) in cases {
        assert_eq!(check(&rule, &with_user), Ok(()), "{rule}");
        assert_eq!(check(&rule, &without), expected, "{rule}");
        assert_ne!(check(&rule, &nothing), Ok(()), "{rule}");
    }
    // The control: an alternative that does not look at the user holds with and without one.
    let either = role("approver").or(callers(["storefront"]));
    for caller in [with_user, without, nothing] {
        assert_eq!(check(&either, &caller), Ok(()));
    }
}

#[test]
fn a_named_condition_is_code_under_its_name() {
    let rule = named("of the home issuer", |caller| caller.caller_token().is_of_home());
    assert_eq!(check(&rule, &alice()), Ok(()));
    assert_eq!(check(&rule, &alice().foreign("https://partner.example")), denied("named"));
    assert_eq!(rule.check(&Inbound::Anonymous).expect_err("anonymous").kind(), &RefusalKind::NoCredential);
    assert_eq!(scope("a").or(rule.clone()).to_string(), "scope a or of the home issuer");
    assert_eq!(format!("{rule:?}"), "Rule(of the home issuer)");

    let same = rule.clone();
    assert_eq!(rule, same);
    assert_ne!(rule, named("of the home issuer", |caller| caller.caller_token().is_of_home()));
    for rule in [rule.clone(), scope("a").and(rule)] {
        let refused = serde_json::to_string(&rule).expect_err("code is no text").to_string();
        assert_eq!(refused, "the enum variant Node::Named cannot be serialized");
    }
    let refused = serde_json::from_str::<Rule>(r#"{"named":"of the home issuer"}"#).expect_err("nor text code");
    assert!(refused.to_string().starts_with("unknown variant `named`"), "{refused}");
}

#[test]
fn the_operator_reads_what_was_found() {
    let detail = |rule: &Rule, caller: &TestCaller| {
        let refusal = rule.check(&Inbound::Caller(caller.context())).expect_err("refused");
        refusal.explanation().expect("a detail").to_owned()
    };
    let cases = [
        (
            acr(["gold", "silver"]),
            signed_in(alice(), Some("br\"onze"), None),
            r#"needs a sign-in of a class among gold, silver, found class "br\"onze", at no time"#,
        ),
        (
            acr(["gold"]).and(max_age(minutes(1))),
            signed_in(alice(), None, Some(NOW - 90)),
            "needs a sign-in of a class among gold, found class \"none\", 90 s ago; \
             needs a sign-in within 60 s, found class \"none\", 90 s ago",
        ),
        (max_age(minutes(1)), TestCaller::workload("batch"), "needs a sign-in within 60 s, found no user"),
        (group("staff"), with(alice(), known(&["secret club"]), &[]), "needs a user of the group staff"),
        (
            group("staff"),
            with(alice(), Groups::Unknown, &[]),
            "needs a user of the group staff, and the token names no groups: too many",
        ),
        (role("approver"), with(alice(), known(&[]), &["secret role"]), "needs a user with the role approver"),
    ];
    for (rule, caller, expected) in cases {
        assert_eq!(detail(&rule, &caller), expected);
    }
}

#[test]
fn rules_on_the_user_read_as_sentences_and_survive_a_configuration() {
    let cases = [
        (group("staff"), "a user of the group staff", r#"{"group":"staff"}"#),
        (role("approver"), "a user with the role approver", r#"{"role":"approver"}"#),
        (acr(["gold", "silver"]), "a sign-in of a class among gold, silver", r#"{"acr":["gold","silver"]}"#),
        (max_age(Duration::from_millis(300_900)), "a sign-in within 300 s", r#"{"max_age_seconds":300}"#),
        (
            acr(["gold"]).and(group("a b")).or(role("x")),
            "a sign-in of a class among gold and a user of the group a b or a user with the role x",
            r#"{"any":[{"all":[{"acr":["gold"]},{"group":"a b"}]},{"role":"x"}]}"#,
        ),
    ];
    for (rule, sentence, configuration) in cases {
        assert_eq!(rule.to_string(), sentence);
        assert_eq!(serde_json::to_string(&rule).expect("writes"), configuration);
        assert_eq!(serde_json::from_str::<Rule>(configuration).expect("reads"), rule);
    }
}

#[test]
fn rules_on_the_user_that_may_not_stand_refuse_as_our_fault() {
    let class = "acr: a class is one or more visible ASCII characters without quote and backslash";
    let padded = "has white space around it or a control character in it";
    let cases = [
        (acr([] as [&str; 0]), "acr: is empty".to_owned(), Some(r#"{"acr":[]}"#)),
        (acr(["gold", ""]), class.to_owned(), Some(r#"{"acr":["gold",""]}"#)),
        (acr(["gold silver"]), class.to_owned(), Some(r#"{"acr":["gold silver"]}"#)),
        (acr(["gold\r\n"]), class.to_owned(), Some(r#"{"acr":["gold\r\n"]}"#)),
        (
            max_age(Duration::from_millis(999)),
            "max_age_seconds: is less than a second".to_owned(),
            Some(r#"{"max_age_seconds":0}"#),
        ),
        (group(""), "group: is empty".to_owned(), Some(r#"{"group":""}"#)),
        (group(" staff"), format!("group: {padded}"), Some(r#"{"group":" staff"}"#)),
        (role(" "), "role: is empty".to_owned(), Some(r#"{"role":" "}"#)),
        (role("a\0b"), format!("role: {padded}"), Some(r#"{"role":"a\u0000b"}"#)),
        (named("", |_| true), "named: is empty".to_owned(), None),
    ];
    let everything = with(signed_in(alice(), Some(""), Some(NOW)), known(&["", " staff"]), &[" ", "a\0b"]);
    for (rule, fault, configuration) in cases {
        assert_eq!(rule.clone().valid().expect_err("not valid").to_string(), fault);
        assert_eq!(check(&rule, &everything), Err((RefusalKind::Misconfigured, "rule")), "{rule}");
        let refused = configuration.map(|text| serde_json::from_str::<Rule>(text).expect_err(text).to_string());
        assert!(refused.is_none_or(|refused| refused.contains(&fault)), "{fault}");
    }
    for (wrong, reason) in [
        (r#"{"max_age_seconds":-1}"#, "invalid value: integer `-1`, expected u64"),
        (r#"{"max_age_seconds":"300"}"#, "invalid type: string \"300\", expected u64"),
        (r#"{"acr":"gold"}"#, "invalid type: string \"gold\", expected a sequence"),
        (r#"{"group":["a"]}"#, "invalid type: sequence, expected a string"),
    ] {
        let refused = serde_json::from_str::<Rule>(wrong).expect_err(wrong).to_string();
        assert!(refused.starts_with(reason), "{wrong}: {refused}");
    }
}
