//! Answers that are signed (RFC 9701).

use serde_json::json;
use tower_identity_core::RefusalKind;
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, TokenBuilder};
use tower_identity_verify::{Profile, TrustedIssuer, Verifier};

use super::{Desk, nonsense};
use crate::support::{SECOND, accepted, invalid, refused, unavailable};

const TYPE: &str = "token-introspection+jwt";

fn desk() -> Desk {
    let desk = Desk::with(tower_identity_oauth::Introspection::signed);
    assert_eq!(desk.issuer.calls(Endpoint::Keys), 0);
    desk
}

#[tokio::test]
async fn rfc9701_a1_a_signed_answer_is_the_issuers_and_for_us() {
    let desk = desk();
    accepted(desk.ask(&desk.token()).await);
    let [call] = &desk.issuer.introspection_calls()[..] else { panic!("one call") };
    assert_eq!(call.headers().get("accept").expect("asked for"), "application/token-introspection+jwt");

    type Change = fn(TokenBuilder) -> TokenBuilder;
    type Expected = Option<(RefusalKind, &'static str)>;
    let cases: [(&str, Change, Expected); 12] = [
        ("as it is", |answer| answer, None),
        ("for our audience", |answer| answer.audience("orders"), None),
        ("for us among others", |answer| answer.claim("aud", json!(["payments", "orders"])), None),
        ("for somebody else", |answer| answer.audience("payments"), Some(nonsense())),
        ("of another issuer", |answer| answer.claim("iss", "https://other.example"), Some(nonsense())),
        ("without iat", |answer| answer.without("iat"), Some(nonsense())),
        ("an access token", |answer| answer.header("typ", "at+jwt"), Some(nonsense())),
        ("tampered with", TokenBuilder::tampered, Some(nonsense())),
        ("not signed", TokenBuilder::unsigned, Some(nonsense())),
        ("without a word of the token", |answer| answer.without("token_introspection"), Some(nonsense())),
        (
            "a word beside it",
            |answer| answer.claim("token_introspection", json!({})).claim("active", true).claim("aud", "orders"),
            Some(invalid("introspection")),
        ),
        ("of a token for nobody", |answer| answer.claim("sub", "mallory"), None),
    ];
    for (name, change, expected) in cases {
        desk.issuer.edit_answers(change);
        let decision = desk.ask(&desk.token()).await;
        if let Ok(caller) = &decision {
            assert_eq!(caller.principal().user().map(|user| user.id.as_str()), Some("alice"), "{name}");
        }
        let found = decision.map(drop).map_err(|refusal| (refusal.kind().clone(), refusal.check()));
        assert_eq!(found, expected.map_or(Ok(()), Err), "{name}");
    }
    assert_eq!(desk.issuer.calls(Endpoint::Keys), 1);
}

#[tokio::test]
async fn rfc9701_a1_an_answer_that_was_issued_before_it_was_asked_for_is_a_replay() {
    let desk = desk();
    let asked = desk.now().as_secs();
    for (name, issued, expected) in [
        ("two days ago", asked - 2 * 86_400, Err(nonsense())),
        ("just beyond the leeway", asked - 31, Err(nonsense())),
        ("by a clock that is late", asked - 30, Ok(())),
        ("now", asked, Ok(())),
        ("by a clock that is early", asked + 30, Ok(())),
        ("in the future", asked + 31, Err(nonsense())),
    ] {
        desk.issuer.edit_answers(move |answer| answer.claim("iat", issued));
        let decision = desk.ask(&desk.token()).await;
        let found = decision.map(drop).map_err(|refusal| (refusal.kind().clone(), refusal.check()));
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn rfc9701_a1_what_is_said_in_it_is_judged_as_if_it_were_plain() {
    let desk = desk();
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Member("active", json!("true")));
    assert_eq!(refused(desk.ask(&desk.token()).await), invalid("introspection"));
    let elsewhere = desk.issuer.opaque(desk.good().audience("payments"));
    assert_eq!(refused(desk.ask(&elsewhere).await), invalid("aud"));
    let token = desk.token();
    desk.issuer.revoke(&token);
    assert_eq!(refused(desk.ask(&token).await), invalid("introspection"));
}

#[tokio::test]
async fn rfc9701_a2_a_plain_answer_is_refused_where_a_signed_one_is_demanded() {
    let desk = desk();
    let token = desk.token();
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Plain);
    assert_eq!(refused(desk.ask(&token).await), nonsense());
    accepted(desk.ask(&token).await);

    let plain = Desk::new();
    let token = plain.token();
    plain.issuer.fail_once(Endpoint::Introspection, Failure::Plain);
    accepted(plain.ask(&token).await);
}

#[tokio::test]
async fn rfc9701_a3_a_signed_answer_is_not_an_access_token() {
    let desk = desk();
    let trusts = |profile| {
        let issuer = desk.issuer.issuer().as_str();
        let trusted = TrustedIssuer::keys_at(issuer, desk.issuer.url(Endpoint::Keys)).audience("orders");
        Verifier::builder(trusted.profile(profile)).clock(desk.clock.clock()).build().expect("valid")
    };
    // It says all that an access token has to say, also beside what it says of the token.
    let answer = desk.good().claim("token_introspection", json!({"active": true})).header("typ", TYPE).build();
    for (profile, expected) in [(Profile::Rfc9068, "typ"), (Profile::Plain, "typ")] {
        assert_eq!(refused(trusts(profile).bearer(answer.expose()).await), invalid(expected));
        accepted(trusts(profile).bearer(desk.good().build().expose()).await);
    }
    assert_eq!(refused(desk.ask(&answer).await), invalid("iss"));
    assert_eq!(desk.calls(), 0);
}

#[tokio::test]
async fn an_answer_of_a_new_key_is_verified_by_newer_keys() {
    let desk = desk();
    accepted(desk.ask(&desk.token()).await);
    desk.issuer.rotate_key();
    accepted(desk.ask(&desk.token()).await);
    assert_eq!(desk.issuer.calls(Endpoint::Keys), 2);

    // A key that is nowhere: not now, and not the token's fault.
    let token = desk.token();
    desk.issuer.sign_with(&SigningKey::generate(Algorithm::Es256).expect("a key"));
    assert_eq!(refused(desk.ask(&token).await), unavailable(30 * SECOND));
}

#[tokio::test]
async fn an_answer_is_not_believed_while_the_keys_are_out_of_reach() {
    let desk = desk();
    let token = desk.token();
    desk.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 9 });
    assert_eq!(refused(desk.ask(&token).await), unavailable(9 * SECOND));
    desk.issuer.recover(Endpoint::Keys);
    desk.clock.advance(9 * SECOND);
    accepted(desk.ask(&token).await);
}
