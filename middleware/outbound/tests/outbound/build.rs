//! A configuration is refused whole, and the first wrong field is named.

use tower_identity_core::SecretToken;
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{Outbound, OutboundBuilder, Target};

fn server(issuer: &str) -> TokenEndpoint {
    let auth = ClientAuth::client_secret_basic("orders", SecretToken::new("s3cret")).expect("client");
    TokenEndpoint::discover(issuer, auth)
}

fn target() -> Target {
    Target::origin("https://payments.internal").expect("origin").audience("payments").token_exchange()
}

fn builder() -> OutboundBuilder {
    Outbound::builder(server("https://login.example.com")).target(target())
}

#[test]
fn it_builds_without_a_runtime_and_without_a_server_that_is_up() {
    let built = builder()
        .server("partner", server("https://partner.example"))
        .target(target().path_prefix("/partner").server("partner"))
        .build();
    assert_eq!(built.map(drop), Ok(()));
}

#[test]
fn the_first_wrong_field_is_named() {
    let wrong = [
        (
            Outbound::builder(server("http://login.example.com")).build(),
            "default.issuer: \"http://login.example.com\" is neither https nor http on a loopback address",
        ),
        (
            builder().server("partner", server("http://partner.example")).build(),
            "server.partner.issuer: \"http://partner.example\" is neither https nor http on a loopback address",
        ),
        (
            builder().server("a", server("https://a.example")).server("a", server("https://b.example")).build(),
            "server: has two servers of the name \"a\"",
        ),
        (
            builder().target(target().path_prefix("/v1").server("partner")).build(),
            "target[1].server: names \"partner\", and there is no such server",
        ),
        (builder().target(target().path_prefix("v1")).build(), "target[1].path: does not begin with a slash"),
        (
            builder()
                .target(Target::origin("https://PAYMENTS.internal:443/").expect("origin").scope("x").token_exchange())
                .build(),
            "target[1].origin: is listed by an earlier target, with the same path",
        ),
        (builder().cache_capacity(0).build(), "cache_capacity: is zero; without remembering, every request asks"),
    ];
    for (built, expected) in wrong {
        assert_eq!(built.map(drop).map_err(|wrong| wrong.to_string()), Err(expected.to_owned()));
    }
}
