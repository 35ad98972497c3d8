//! What a candidate says, and what it changes of a row.

use super::*;

fn row() -> Target {
    Target::origin("https://payments.internal")
        .expect("origin")
        .path_prefix("/v1")
        .audience("payments")
        .resource("https://payments.internal/")
        .scope("a b")
        .tolerate_scope("profile")
        .server("old")
        .token_exchange()
        .actor_token()
}

fn read(text: &str) -> Candidate {
    toml::from_str(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"))
}

#[test]
fn what_a_candidate_leaves_out_is_as_in_the_row() {
    let text = |target: &Target| format!("{target:?}");
    let same = Candidate::shadow();
    assert_eq!(text(&same.over(&row())), text(&row()));
    assert_eq!(text(&same.over(&row().candidate(Candidate::shadow()))), text(&row()), "one, and no other in it");

    let every = Candidate::percent(10)
        .audience("ledger")
        .scope("c")
        .scope("d")
        .tolerate_scope("email")
        .client_credentials()
        .server("new")
        .readable_jwt(ReadableJwt::new());
    let expected = Target::origin("https://payments.internal")
        .expect("origin")
        .path_prefix("/v1")
        .audience("ledger")
        .scope("c d")
        .tolerate_scope("email")
        .server("new")
        .client_credentials()
        .readable_jwt(ReadableJwt::new());
    assert_eq!(text(&every.over(&row())), text(&expected));
}

#[test]
fn whom_the_token_is_for_is_said_anew_or_not_at_all() {
    let resource = Candidate::shadow().resource("https://ledger.internal/").over(&row());
    assert_eq!((resource.audience.is_none(), resource.resource.is_some()), (true, true));
    let audience = Candidate::shadow().audience("ledger").over(&row());
    assert_eq!((audience.audience.is_some(), audience.resource.is_none()), (true, true));
}

#[test]
fn what_is_of_an_exchange_goes_with_the_strategy_that_it_belongs_to() {
    let of_workloads = row().on_behalf_of(OnBehalfOf::Workload);
    assert_eq!(Candidate::shadow().over(&of_workloads).on_behalf_of, Some(OnBehalfOf::Workload));
    assert_eq!(Candidate::shadow().client_credentials().over(&of_workloads).on_behalf_of, None);
    let of_users = Candidate::shadow().on_behalf_of(OnBehalfOf::User).over(&of_workloads);
    assert_eq!(of_users.on_behalf_of, Some(OnBehalfOf::User));
    assert!(Candidate::shadow().token_exchange().over(&row()).actor_token);
    assert!(!Candidate::shadow().client_credentials().over(&row()).actor_token);
    assert!(!Candidate::shadow().actor_token(false).over(&row()).actor_token);
    let own = Target::origin("https://a.internal").expect("origin").audience("a").client_credentials();
    assert!(Candidate::shadow().token_exchange().actor_token(true).over(&own).actor_token);
}

#[test]
fn a_file_says_what_code_says() {
    assert_eq!(read("mode = 'shadow'"), Candidate::shadow());
    let file = read(
        "percent = 10\naudience = 'ledger'\nscope = ['c', 'd']\ntolerate_scope = 'email'\n\
         strategy = 'token_exchange'\nserver = 'new'\nactor_token = false\nreadable_jwt = {}\non_behalf_of = 'workload'",
    );
    let code = Candidate::percent(10)
        .audience("ledger")
        .scope("c d")
        .tolerate_scope("email")
        .token_exchange()
        .server("new")
        .actor_token(false)
        .on_behalf_of(OnBehalfOf::Workload)
        .readable_jwt(ReadableJwt::new());
    assert_eq!(file, code);
    assert!(toml::from_str::<Candidate>("mode = 'shadow'\norigin = 'https://a.internal'").is_err());
    assert!(toml::from_str::<Candidate>("mode = 'percent'").is_err());
}

#[test]
fn it_is_for_nobody_yet_or_for_a_percentage() {
    let budget = |in_flight, per_second| Ok(Mode::Shadow { in_flight, per_second });
    let refused = |rule: &str| Err(rule.to_owned());
    let cases = [
        ("mode = 'shadow'", budget(4, 10)),
        ("mode = 'shadow'\nmax_in_flight = 64\nmax_per_second = 1000", budget(64, 1000)),
        ("percent = 0", Ok(Mode::Percent(0))),
        ("percent = 100", Ok(Mode::Percent(100))),
        ("percent = 101", refused("percent: is more than 100")),
        ("server = 'new'", refused("mode: is missing: mode = \"shadow\", or percent")),
        ("mode = 'shadow'\npercent = 10", refused("percent: is of no use to a shadow, which is sent for nobody")),
        ("mode = 'shadow'\nmax_in_flight = 0", refused("max_in_flight: is not from 1 to 64")),
        ("mode = 'shadow'\nmax_in_flight = 65", refused("max_in_flight: is not from 1 to 64")),
        ("mode = 'shadow'\nmax_per_second = 0", refused("max_per_second: is not from 1 to 1000")),
        ("mode = 'shadow'\nmax_per_second = 1001", refused("max_per_second: is not from 1 to 1000")),
        ("percent = 1\nmax_in_flight = 1", refused("max_in_flight: is of a shadow's budget")),
        ("percent = 1\nmax_per_second = 1", refused("max_per_second: is of a shadow's budget")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).check().map_err(|wrong| wrong.to_string()), expected, "{text}");
    }
    let scope = Candidate::shadow().scope("a\"b").check().expect_err("no scope").to_string();
    assert!(scope.starts_with("scope: "), "{scope}");
}
