//! An issuer that cannot be asked says nothing of a token.

use std::time::Duration;

use http::StatusCode;
use tower_identity_core::{Fault, RefusalKind};
use tower_identity_oauth::{ClientAuth, DEADLINE, Introspection};
use tower_identity_testkit::{Endpoint, Failure};
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{Desk, later, nonsense};
use crate::support::{SECOND, accepted, invalid, refused};

#[tokio::test]
async fn rfc7662_a5_whatever_fails_is_never_the_tokens_fault() {
    let cases = [
        (Failure::Status(StatusCode::UNAUTHORIZED), later(30 * SECOND)),
        (Failure::Status(StatusCode::FORBIDDEN), later(30 * SECOND)),
        (Failure::Error { status: StatusCode::BAD_REQUEST, code: "invalid_client" }, later(30 * SECOND)),
        (Failure::Status(StatusCode::INTERNAL_SERVER_ERROR), later(2 * SECOND)),
        (Failure::Unavailable { retry_after: 7 }, later(7 * SECOND)),
        (Failure::Close, later(2 * SECOND)),
        (Failure::BreakOff, later(2 * SECOND)),
        (Failure::Html, nonsense()),
        (Failure::Oversize, nonsense()),
        (Failure::Redirect("/elsewhere".to_owned()), nonsense()),
        (Failure::Body(b"{\"active\":true,\"active\":true}".as_slice().into()), nonsense()),
    ];
    let desk = Desk::new();
    for (failure, expected) in cases {
        let token = desk.token();
        desk.issuer.fail_once(Endpoint::Introspection, failure.clone());
        let refusal = desk.ask(&token).await.expect_err("undecided");
        assert_eq!((refusal.kind().clone(), refusal.check()), expected, "{failure:?}");
        assert_eq!((refusal.fault(), refusal.named_issuer()), (Fault::AuthorizationServer, Some(desk.issuer.issuer())));
        desk.clock.advance(2 * SECOND);
        accepted(desk.ask(&token).await);
    }
}

#[tokio::test]
async fn rfc7662_a5_a_server_that_is_silent_or_gone_is_an_outage_and_what_is_remembered_goes_on() {
    let desk = Desk::new();
    let (token, other) = (desk.token(), desk.token());
    accepted(desk.ask(&token).await);

    desk.issuer.fail(Endpoint::Introspection, Failure::Silence);
    let waiting = tokio::spawn(desk.verifier.bearer(other.expose()));
    desk.issuer.arrived(Endpoint::Introspection, 2).await;
    desk.clock.sleepers(1).await;
    desk.clock.advance(DEADLINE);
    assert_eq!(refused(waiting.await.expect("no panic")), later(2 * SECOND));

    desk.issuer.stop();
    desk.clock.advance(2 * SECOND);
    assert_eq!(refused(desk.ask(&other).await), later(2 * SECOND));
    accepted(desk.ask_at_once(&token));
    desk.clock.advance(53 * SECOND);
    assert_eq!(refused(desk.ask(&token).await), later(2 * SECOND), "remembered for a minute, and no longer");

    desk.issuer.recover(Endpoint::Introspection);
    desk.issuer.restart();
    desk.clock.advance(2 * SECOND);
    accepted(desk.ask(&token).await);
}

#[tokio::test]
async fn rfc7662_a5_a_failure_is_remembered_for_the_same_token_and_not_for_long() {
    let desk = Desk::new();
    let (token, other) = (desk.token(), desk.token());
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Unavailable { retry_after: 7 });
    assert_eq!(refused(desk.ask(&token).await), later(7 * SECOND));
    desk.clock.advance(2 * SECOND - Duration::from_nanos(1));
    assert_eq!(refused(desk.ask(&token).await), later(7 * SECOND));
    assert_eq!(desk.calls(), 1);
    accepted(desk.ask(&other).await);
    desk.clock.advance(Duration::from_nanos(1));
    accepted(desk.ask(&token).await);
    assert_eq!(desk.calls(), 3);
}

#[tokio::test]
async fn the_endpoint_is_found_by_metadata_and_a_server_that_names_none_is_at_fault() {
    let desk = Desk::new();
    let auth = ClientAuth::client_secret_post("orders", "hunter2").expect("usable");
    let verifier = || {
        let introspection = Introspection::discovered(auth.clone());
        let trusted = TrustedIssuer::opaque(desk.issuer.issuer().as_str(), introspection).audience("orders");
        Verifier::builder(trusted).clock(desk.clock.clock()).build().expect("valid")
    };
    accepted(verifier().bearer(desk.token().expose()).await);
    assert_eq!((desk.calls(), desk.issuer.calls(Endpoint::Keys)), (1, 0), "nothing of it is signed");

    for endpoint in [Endpoint::Metadata, Endpoint::OpenIdMetadata] {
        desk.issuer.fail(endpoint, Failure::Without("introspection_endpoint"));
    }
    assert_eq!(refused(verifier().bearer(desk.token().expose()).await), nonsense());
    for endpoint in [Endpoint::Metadata, Endpoint::OpenIdMetadata] {
        desk.issuer.fail(endpoint, Failure::Unavailable { retry_after: 9 });
    }
    let undecided = refused(verifier().bearer(desk.token().expose()).await);
    assert_eq!(undecided, (RefusalKind::Unavailable { retry_after: 9 * SECOND }, "introspection"));
}

#[tokio::test]
async fn a_token_that_is_refused_while_its_issuer_is_up_stays_refused() {
    let desk = Desk::new();
    let token = desk.token();
    desk.issuer.revoke(&token);
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
    desk.issuer.stop();
    assert_eq!(refused(desk.ask_at_once(&token)), invalid("introspection"));
    desk.clock.advance(5 * SECOND);
    assert_eq!(refused(desk.ask(&token).await), later(2 * SECOND));
}
