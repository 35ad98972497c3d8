//! Work that was handed over: no rule lets its caller through that does not say so, whatever other word it takes.

use tower_identity_core::{Binding, RefusalKind};
use tower_identity_inbound::{
    Inbound, Rule,
    rule::{callers, deferred_user, max_actors, named, no_user, scope, self_asserted_user, user, users_of},
};
use tower_identity_testkit::TestCaller;

fn orders(binding: Binding) -> Inbound {
    let caller = TestCaller::workload("orders").user("alice").acting_after([] as [&str; 0]);
    Inbound::Caller(caller.binding(binding).context())
}

fn check(rule: &Rule, inbound: &Inbound) -> Result<(), (RefusalKind, &'static str)> {
    rule.check(inbound).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn unrelated() -> Result<(), (RefusalKind, &'static str)> {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

#[test]
fn defer_a3_no_rule_is_open_to_work_that_was_handed_over_unless_it_says_so() {
    let every = || {
        [
            user(),
            callers(["orders"]),
            users_of(["https://issuer.test"]),
            max_actors(1),
            named("anybody", |_| true),
            user().or(callers(["orders"])),
            callers(["orders"]).and(user().or(deferred_user())),
        ]
    };
    let (tied, deferred) = (orders(Binding::SameToken), orders(Binding::Deferred));
    let let_through = Inbound::Caller(deferred.caller().expect("a caller").at_its_word());
    for rule in every() {
        assert_eq!(check(&rule, &tied), Ok(()), "the control: {rule}");
        for inbound in [&deferred, &let_through] {
            assert_eq!(check(&rule, inbound), unrelated(), "{rule}");
            let said = self_asserted_user().and(rule.clone());
            assert_eq!(check(&said, inbound), unrelated(), "what is spoken now is another word: {said}");
            for opened in [rule.clone().and(deferred_user()), deferred_user().and(rule.clone())] {
                assert_eq!(check(&opened, inbound), Ok(()), "{opened}");
                assert_eq!(check(&opened, &tied), Ok(()), "{opened}");
                assert_eq!(check(&opened, &orders(Binding::SelfAsserted)), unrelated(), "{opened}");
                assert_eq!(check(&opened, &orders(Binding::None)), unrelated(), "{opened}");
            }
        }
    }
    let both = self_asserted_user().and(deferred_user());
    for binding in [Binding::SameToken, Binding::SelfAsserted, Binding::Deferred] {
        assert_eq!(check(&both, &orders(binding)), Ok(()), "{binding:?}");
    }
    assert_eq!(check(&callers(["orders"]).and(no_user()), &deferred), unrelated());
}

#[test]
fn defer_a3_the_refusal_names_the_word_and_a_file_says_it() {
    let refusal = user().check(&orders(Binding::Deferred)).expect_err("handed over");
    let expected =
        "the work was handed over, and a record says for whom; a rule that accepts this has deferred_user in it";
    assert_eq!(refusal.explanation(), Some(expected));
    let rule = callers(["orders"]).and(deferred_user());
    assert_eq!(rule.to_string(), "a caller among orders and a user, also of work that was handed over");
    let written = serde_json::to_value(&rule).expect("no code in it");
    assert_eq!(written, serde_json::json!({"all": [{"callers": ["orders"]}, "deferred_user"]}));
    assert_eq!(serde_json::from_value::<Rule>(written).expect("read"), rule);
    let wrong = callers(["orders"]).and(no_user()).and(deferred_user()).valid().expect_err("nobody");
    assert_eq!(wrong.to_string(), "all[2].deferred_user: a request is for a user, or for none");
    let alone = Inbound::Caller(TestCaller::workload("orders").context());
    assert_eq!(check(&deferred_user(), &alone), Err((RefusalKind::Denied, "user")), "nobody is no user");
    let lacks = check(&scope("invoices:write").and(deferred_user()), &orders(Binding::Deferred));
    assert!(matches!(lacks, Err((RefusalKind::InsufficientScope { .. }, "scope"))), "{lacks:?}");
}
