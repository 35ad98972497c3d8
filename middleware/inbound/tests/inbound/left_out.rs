//! Law 7: where a caller may present its user's credential beside its own, leaving it out never opens more.

use std::time::Duration;

use proptest::prelude::*;
use tower_identity_core::{Attributes, AuthenticationContext, Binding, Groups, RefusalKind, Scopes, Timestamp};
use tower_identity_inbound::{
    Inbound, Rule,
    rule::{
        acr, any_scope, callers, callers_of, group, max_actors, max_age, no_user, role, scope, scope_or_wider, user,
        users_of,
    },
};
use tower_identity_testkit::TestCaller;

const ISSUER: &str = "https://issuer.test";
const NOW: u64 = 2_000_000_000;

/// What a token gives whoever presents it, whether it is a workload's own or a user's.
#[derive(Debug, Clone)]
struct Rights {
    scopes: &'static str,
    gold: bool,
    staff: bool,
    approver: bool,
}

impl Rights {
    const ALL: Self = Self { scopes: "a a:b b", gold: true, staff: true, approver: true };
    const NONE: Self = Self { scopes: "", gold: false, staff: false, approver: false };

    fn of(&self, caller: TestCaller) -> TestCaller {
        let listed = |name: &str, is: bool| is.then(|| name.into()).into_iter().collect::<Vec<Box<str>>>();
        let attributes = Attributes {
            groups: Groups::Known(listed("staff", self.staff)),
            roles: listed("approver", self.approver),
            ..Attributes::default()
        };
        let authentication = AuthenticationContext {
            acr: self.gold.then(|| "gold".to_owned()),
            auth_time: self.gold.then_some(Timestamp::from_secs(NOW)),
            ..AuthenticationContext::default()
        };
        caller.scope(self.scopes).attributes(attributes).authentication(authentication)
    }
}

fn rights() -> impl Strategy<Value = Rights> {
    let scopes = prop_oneof![Just(""), Just("a"), Just("b"), Just("a:b"), Just("a b")];
    (scopes, any::<[bool; 3]>()).prop_map(|(scopes, [gold, staff, approver])| Rights { scopes, gold, staff, approver })
}

/// Every rule that data can say, but `no_user`.
fn rules() -> impl Strategy<Value = Rule> {
    let parts = vec![
        scope("a"),
        scope("a b"),
        any_scope(["a", "b"]),
        scope_or_wider("a:b", ':'),
        callers(["storefront"]),
        callers(["orders", "storefront"]),
        callers_of([ISSUER]),
        users_of([ISSUER]),
        max_actors(1),
        user(),
        group("staff"),
        role("approver"),
        acr(["gold"]),
        max_age(Duration::from_secs(60)),
    ];
    proptest::sample::select(parts).prop_recursive(4, 12, 2, |rule| {
        prop_oneof![
            (rule.clone(), rule.clone()).prop_map(|(one, other)| one.and(other)),
            (rule.clone(), rule).prop_map(|(one, other)| one.or(other)),
        ]
    })
}

fn with_and_without(id: &str, own: &Rights, of_user: &Rights) -> (TestCaller, TestCaller) {
    let caller = own.of(TestCaller::workload(id));
    let with_user = caller.clone().beside(of_user.of(TestCaller::workload(id).user("alice")));
    (with_user, caller.alone())
}

fn check(rule: &Rule, caller: &TestCaller) -> Result<(), RefusalKind> {
    rule.check(&Inbound::Caller(caller.context())).map_err(|refusal| refusal.kind().clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn two_a4_leaving_the_user_out_turns_no_refusal_into_acceptance(
        rule in rules(),
        id in prop_oneof![Just("storefront"), Just("orders")],
        own in rights(),
        of_user in rights(),
    ) {
        let (with_user, without) = with_and_without(id, &own, &of_user);
        prop_assert!(check(&rule, &without).is_err() || check(&rule, &with_user).is_ok(), "{}", rule);
    }

    #[test]
    fn two_a4_without_its_user_a_callers_own_rights_change_nothing(rule in rules(), own in rights()) {
        let alone = |own: &Rights| check(&rule, &with_and_without("storefront", own, &Rights::NONE).1).is_ok();
        prop_assert_eq!(alone(&own), alone(&Rights::NONE), "{}", rule);
    }
}

#[test]
fn two_a4_the_rights_of_a_caller_count_for_itself_only_where_a_rule_demands_it() {
    let lacks = |scope: &str| Err(RefusalKind::InsufficientScope { required: Scopes::parse(scope).expect("scopes") });
    let (with_user, alone) = with_and_without("storefront", &Rights::ALL, &Rights::NONE);
    let never_beside_a_user = Rights::ALL.of(TestCaller::workload("storefront"));
    let nightly = || callers(["storefront"]).and(no_user());
    let cases = [
        (scope("a"), lacks("a"), lacks("a"), Ok(())),
        (callers(["storefront"]).and(scope("a")), lacks("a"), lacks("a"), Ok(())),
        (scope("a").or(callers(["storefront"])), Ok(()), Ok(()), Ok(())),
        // The one that may: it declares that the caller's own rights count, and lets no user in.
        (nightly().and(scope("a")), Err(RefusalKind::Denied), Ok(()), Ok(())),
        (nightly().and(scope("x").or(any_scope(["b"]))), Err(RefusalKind::Denied), Ok(()), Ok(())),
        (nightly().and(scope("x")), Err(RefusalKind::Denied), lacks("x"), lacks("x")),
        (nightly(), Err(RefusalKind::Denied), Ok(()), Ok(())),
    ];
    for (rule, beside, left_out, never) in cases {
        let found = [&with_user, &alone, &never_beside_a_user].map(|caller| check(&rule, caller));
        assert_eq!(found, [beside, left_out, never], "{rule}");
    }
}

#[test]
fn e9_two_p6_rules_let_through_what_is_tied_and_nothing_else() {
    let of_alice = || TestCaller::workload("storefront").user("alice").scope("a");
    let pair = TestCaller::workload("storefront").beside(of_alice());
    for (binding, expected) in [
        (Binding::IssuerNamed, Ok(())),
        (Binding::SelfAsserted, Err(RefusalKind::UnrelatedCredentials)),
        (Binding::None, Err(RefusalKind::UnrelatedCredentials)),
    ] {
        for rule in [scope("a"), user(), callers(["storefront"])] {
            assert_eq!(check(&rule, &pair.clone().binding(binding)), expected, "{binding:?}, {rule}");
        }
    }
}
