use super::*;
use crate::TokenExchange;

fn target() -> Target {
    Target::origin("https://payments.internal").expect("origin").audience("payments").token_exchange()
}

fn refused(target: &Target) -> String {
    target.check().expect_err("refused").to_string()
}

#[test]
fn a_row_with_a_strategy_and_an_audience_is_enough() {
    assert_eq!(target().check(), Ok(&TokenExchange::new().into()));
    assert_eq!(target().client_credentials().check(), Ok(&Strategy::ClientCredentials.into()));
    assert_eq!(target().path_prefix("/v1").scope("a b").actor_token().check(), Ok(&TokenExchange::new().into()));
}

#[test]
fn the_first_wrong_value_of_a_row_is_named() {
    let bare = || Target::origin("https://payments.internal").expect("origin");
    let cases = [
        (target().path_prefix("v1"), "path: does not begin with a slash"),
        (bare().audience(""), "audience: audience is empty"),
        (bare().audience("payments"), "strategy: is missing: token_exchange or client_credentials, say"),
        (bare().token_exchange(), "audience: is missing, as are resource and scope: a token for what?"),
        (target().resource("/payments"), "resource: a resource is an absolute URI without fragment"),
        (target().resource("https://p#x"), "resource: a resource is an absolute URI without fragment"),
        (
            target().scope("a\"b").path_prefix("v1"),
            "scope: a scope is one or more visible ASCII characters without quote and backslash",
        ),
        (
            target().client_credentials().actor_token(),
            "actor_token: belongs to an exchange; with client_credentials nobody acts",
        ),
    ];
    for (target, expected) in cases {
        assert_eq!(refused(&target), expected);
    }
}

#[test]
fn te_b3_a_second_audience_or_resource_is_refused() {
    assert_eq!(refused(&target().audience("ledger")), "audience: is given twice; a token is for one audience");
    let twice = target().resource("https://a.internal/").resource("https://b.internal/");
    assert_eq!(refused(&twice), "resource: is given twice; a token is for one resource");
    assert_eq!(target().resource("https://a.internal/").check(), Ok(&TokenExchange::new().into()));
}

#[test]
fn out_t1_a_second_tenant_is_refused() {
    let of = |tenant: &str| target().subjects_of("https://login.example.com").tenant(tenant);
    assert_eq!(refused(&of("acme").tenant("umbrella")), "tenant: is given twice; a row is for one tenant");
    assert!(of("acme").check().is_ok());
}
