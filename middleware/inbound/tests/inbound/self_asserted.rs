//! Callers whose own word is all that ties them to their user: no rule lets them through that does not say so.

use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{Attributes, AuthenticationContext, Binding, Groups, Refusal, RefusalKind, Timestamp};
use tower_identity_inbound::{
    Inbound, RequireLayer, Rule,
    rule::{
        acr, any_scope, callers, callers_of, group, max_actors, max_age, named, no_user, role, scope, scope_or_wider,
        self_asserted_user, user, users_of,
    },
};
use tower_identity_testkit::{TestCaller, with_caller};

const NOW: u64 = 2_000_000_000;

/// A caller that every rule lets through, but for its binding.
fn orders(binding: Binding) -> TestCaller {
    let attributes = Attributes {
        groups: Groups::Known(vec!["staff".into()]),
        roles: vec!["approver".into()],
        ..Attributes::default()
    };
    let signed_in = AuthenticationContext {
        auth_time: Some(Timestamp::from_secs(NOW - 10)),
        acr: Some("urn:example:gold".to_owned()),
        ..AuthenticationContext::default()
    };
    let caller = TestCaller::workload("orders").user("alice").scope("a b").acting_after([] as [&str; 0]);
    caller.attributes(attributes).authentication(signed_in).binding(binding)
}

fn check(rule: &Rule, caller: &TestCaller) -> Result<(), (RefusalKind, &'static str)> {
    rule.check(&Inbound::Caller(caller.context())).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
}

fn unrelated() -> Result<(), (RefusalKind, &'static str)> {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

#[test]
fn said_a3_no_rule_lets_a_caller_through_by_its_own_word_unless_it_says_so() {
    let every = || {
        [
            scope("a"),
            any_scope(["a", "c"]),
            scope_or_wider("a:c", ':'),
            user(),
            callers(["orders"]),
            callers_of(["https://issuer.test"]),
            users_of(["https://issuer.test"]),
            max_actors(1),
            group("staff"),
            role("approver"),
            acr(["urn:example:gold"]),
            max_age(Duration::from_secs(60)),
            named("anybody", |_| true),
            scope("a").and(user()),
            scope("a").or(user()),
            scope("a").or(callers(["orders"]).and(user())),
            scope("a").and(user().or(scope("b"))),
        ]
    };
    let (tied, said) = (orders(Binding::SameToken), orders(Binding::SelfAsserted));
    for rule in every() {
        assert_eq!(check(&rule, &tied), Ok(()), "the control: {rule}");
        assert_eq!(check(&rule, &said), unrelated(), "{rule}");
        let let_through = Inbound::Caller(said.context().at_its_word());
        assert!(rule.check(&let_through).is_err(), "whatever another rule has let through: {rule}");
        for rule in [rule.clone().and(self_asserted_user()), self_asserted_user().and(rule)] {
            assert_eq!(check(&rule, &tied), Ok(()), "{rule}");
            assert_eq!(check(&rule, &said), Ok(()), "{rule}");
            assert_eq!(check(&rule, &orders(Binding::None)), unrelated(), "nothing is not its word: {rule}");
        }
    }
    assert_eq!(check(&callers(["orders"]).and(no_user()), &said), unrelated());
}

#[test]
fn said_a3_an_alternative_is_open_to_its_word_where_that_stands_in_it() {
    let said = orders(Binding::SelfAsserted);
    let lacks = |scope: &str| {
        let required = tower_identity_core::Scopes::parse(scope).expect("scopes");
        Err((RefusalKind::InsufficientScope { required }, "scope"))
    };
    let cases = [
        (self_asserted_user(), Ok(())),
        (scope("a").or(self_asserted_user()), Ok(())),
        (scope("a").or(scope("b").and(self_asserted_user())), Ok(())),
        (scope("a").or(scope("x").and(self_asserted_user())), lacks("x")),
        (scope("x").and(self_asserted_user()).or(scope("b").and(self_asserted_user())), Ok(())),
        // Beside what else is asked, and not below it: a part that does not say so is asked first.
        (scope("a").and(user().or(self_asserted_user())), unrelated()),
        (scope("a").and(self_asserted_user()).and(user().or(scope("x"))), Ok(())),
    ];
    for (rule, expected) in cases {
        assert_eq!(check(&rule, &said), expected, "{rule}");
    }
    let alone = TestCaller::workload("orders").scope("a");
    assert_eq!(check(&self_asserted_user(), &alone), Err((RefusalKind::Denied, "user")), "nobody is no user");
}

#[test]
fn said_a3_the_refusal_names_the_word_and_a_file_says_it() {
    let refuse = |rule: &Rule| -> Refusal {
        rule.check(&Inbound::Caller(orders(Binding::SelfAsserted).context())).expect_err("refused")
    };
    let refusal = refuse(&user());
    assert!(refusal.explanation().expect("a detail").contains("self_asserted_user"), "{refusal:?}");
    let rule = scope("a").and(self_asserted_user());
    assert_eq!(rule.to_string(), "scope a and a user, also at the caller's word");
    let written = serde_json::to_value(&rule).expect("no code in it");
    assert_eq!(written, serde_json::json!({"all": [{"scope": ["a"]}, "self_asserted_user"]}));
    assert_eq!(serde_json::from_value::<Rule>(written).expect("read"), rule);
    let wrong = callers(["orders"]).and(no_user()).and(self_asserted_user()).valid().expect_err("nobody");
    assert_eq!(wrong.to_string(), "all[2].self_asserted_user: a request is for a user, or for none");
}

/// How the request stands behind a layer: whether caller and user count together, and by what.
async fn behind(layer: RequireLayer) -> (u16, Option<(bool, Binding)>) {
    let handler = service_fn(|request: Request<String>| async move {
        let inbound = Inbound::of(request.extensions()).expect("authenticated");
        let caller = inbound.caller().expect("a caller");
        let said = format!("{} {}", caller.counts_together(), caller.principal().binding() == Binding::SelfAsserted);
        Ok::<_, std::convert::Infallible>(Response::new(said))
    });
    let service = with_caller(orders(Binding::SelfAsserted)).layer(layer.layer(handler));
    let response = service.oneshot(Request::new(String::new())).await.expect("infallible");
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
    let found = match &*body {
        b"true true" => Some((true, Binding::SelfAsserted)),
        b"false true" => Some((false, Binding::SelfAsserted)),
        _ => None,
    };
    (status, found)
}

#[tokio::test]
async fn said_a3_behind_a_rule_that_says_so_the_word_counts_and_stays_what_it_is() {
    let counts = Some((true, Binding::SelfAsserted));
    assert_eq!(behind(RequireLayer::new(self_asserted_user())).await, (200, counts));
    assert_eq!(behind(RequireLayer::new(user())).await, (403, None));
    assert_eq!(behind(RequireLayer::new(user()).observe()).await, (200, counts), "which lets everything through");
}
