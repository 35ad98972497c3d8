//! A configuration is refused whole, and the first wrong field is named.

use tower_identity_core::SecretToken;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::{AssertionAudience, AssertionStyle, ClientAuth, TokenEndpoint};
use tower_identity_outbound::{OnBehalfOf, Outbound, OutboundBuilder, Plaintext, Target};

use crate::support::Log;

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

/// What is logged while something is built.
fn heard<T>(build: impl FnOnce() -> T) -> (T, String) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let built = tracing::subscriber::with_default(subscriber, build);
    (built, log.text())
}

#[test]
fn rfc6750_b1_tokens_go_out_in_the_clear_only_by_a_word_and_the_operator_is_told() {
    let at = |origin: &str| Target::origin(origin).expect("origin").audience("payments").token_exchange();
    let build = |plaintext| {
        let (a, b) = (at("http://a.internal").path_prefix("/v1"), at("http://b.internal:8080"));
        let builder = Outbound::builder(server("https://login.example.com")).plaintext(plaintext);
        let builder = builder.target(a).target(b).target(at("http://127.0.0.1:1")).target(target());
        heard(|| builder.build().map(drop).map_err(|wrong| wrong.to_string()))
    };
    let rule = "would get tokens over http; make it https, or say plaintext = \"sidecar-mtls\" where sidecars encrypt";
    for plaintext in [Plaintext::Never, Plaintext::Loopback] {
        assert_eq!(build(plaintext), (Err(format!("target[0].origin: {rule}")), String::new()));
    }
    let (built, told) = build(Plaintext::SidecarMtls);
    assert_eq!((built, told.lines().count()), (Ok(()), 1), "{told}");
    assert!(
        told.contains("WARN") && told.contains("targets=\"http://a.internal/v1, http://b.internal:8080\""),
        "{told}"
    );

    // What a target says of itself counts, and not what is said of all.
    let one = |of_all, of_it| {
        let builder = Outbound::builder(server("https://login.example.com")).plaintext(of_all);
        heard(|| builder.target(at("http://a.internal").plaintext(of_it)).build().is_ok())
    };
    assert!(!one(Plaintext::SidecarMtls, Plaintext::Never).0);
    assert!(one(Plaintext::Never, Plaintext::SidecarMtls).1.contains("http://a.internal"));
}

#[test]
fn rfc7523_b1_a_key_that_signs_for_somebody_else_than_the_issuer_signs_for_one_server() {
    let key = || SigningKey::generate(Algorithm::Es256).expect("key");
    let shared = key();
    let signed = |issuer: &str, key: &SigningKey, audience: AssertionAudience| {
        let auth = ClientAuth::private_key_jwt("orders", key.clone()).expect("usable");
        let auth = auth.assertion(AssertionStyle::new().audience(audience)).expect("usable");
        TokenEndpoint::at(issuer, format!("{issuer}/token"), auth)
    };
    let build = |one: TokenEndpoint, other: TokenEndpoint| {
        let built = Outbound::builder(one).server("partner", other).target(target()).build();
        built.map(drop).map_err(|wrong| wrong.to_string())
    };
    let (ours, theirs) = ("https://login.example.com", "https://partner.example");
    let endpoint = || AssertionAudience::TokenEndpoint;
    let rule = "is another than the issuer, here or at https://login.example.com, where the same key signs; use a key of \
                its own for each";
    let refused = Err(format!("server.partner.assertion.audience: {rule}"));
    assert_eq!(build(signed(ours, &shared, AssertionAudience::Issuer), signed(theirs, &shared, endpoint())), refused);
    assert_eq!(build(signed(ours, &shared, endpoint()), signed(theirs, &shared, AssertionAudience::Issuer)), refused);

    assert_eq!(build(signed(ours, &shared, endpoint()), signed(theirs, &key(), endpoint())), Ok(()), "another key");
    assert_eq!(build(signed(ours, &shared, endpoint()), signed(ours, &shared, endpoint())), Ok(()), "the same server");
    let issuer = || AssertionAudience::Issuer;
    assert_eq!(
        build(signed(ours, &shared, issuer()), signed(theirs, &shared, issuer())),
        Ok(()),
        "for the issuer alone"
    );
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
            "target[1].origin: is listed by an earlier target, with the same path; tell them apart by methods, \
             subjects_of or tenant",
        ),
        (
            builder().target(target().method("GET")).target(target().subjects_of("https://login.example.com")).build(),
            "target[2].origin: is listed by an earlier target, with the same path, and a request may be of both: neither \
             is the more exact, so make methods, subjects_of and tenant of one a part of the other's, or keep them apart",
        ),
        (
            builder().target(target().path_prefix("/v1").client_credentials().on_behalf_of(OnBehalfOf::User)).build(),
            "target[1].on_behalf_of: belongs to a caller's token; client_credentials is this service itself, so leave it out",
        ),
        (
            builder().target(target().path_prefix("/v1").tenant("acme")).build(),
            "target[1].tenant: needs subjects_of: the issuer whose tenant it is",
        ),
        (builder().cache_capacity(0).build(), "cache_capacity: is zero; without remembering, every request asks"),
        (builder().cache_bytes(0).build(), "cache_bytes: is zero; without remembering, every request asks"),
    ];
    for (built, expected) in wrong {
        assert_eq!(built.map(drop).map_err(|wrong| wrong.to_string()), Err(expected.to_owned()));
    }
}
