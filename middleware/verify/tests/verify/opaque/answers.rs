//! What is said of a token, and what comes of it.

use serde_json::{Value, json};
use tower_identity_core::{Evidence, RefusalKind};
use tower_identity_oauth::Introspection;
use tower_identity_testkit::{ClientAuthentication, Endpoint, Failure, TestIssuer, TokenBuilder};
use tower_identity_verify::{TrustedIssuer, Verifier};

use super::{Desk, auth};
use crate::support::{MINUTE, accepted, invalid, refused};

#[tokio::test]
async fn rfc7662_a1_the_issuer_is_asked_by_who_we_are_and_says_who_calls() {
    let desk = Desk::new();
    let token = desk.token();
    let caller = accepted(desk.ask(&token).await);
    let principal = serde_json::to_value(caller.principal()).expect("serializes");
    let issuer = desk.issuer.issuer();
    assert_eq!(principal["caller"], json!({"id": "storefront", "issuer": issuer}));
    assert_eq!(principal["user"], json!({"id": "alice", "issuer": issuer}));
    assert_eq!(principal["scopes"], json!(["orders:write"]));
    assert_eq!((principal["audience"].clone(), principal["binding"].clone()), (json!("orders"), json!("same_token")));
    assert_eq!(caller.caller_token().token(), Some(&token));
    assert_eq!(caller.principal().expires_at(), desk.now().saturating_add(5 * MINUTE));
    assert!(caller.caller_token().is_of_home());
    assert_eq!(caller.caller_token().claims::<Value>().expect("an object")["active"], json!(true));

    let [call] = &desk.issuer.introspection_calls()[..] else { panic!("one call") };
    let us = ClientAuthentication::Basic { client_id: "orders".to_owned(), secret: "hunter2".into() };
    assert_eq!((call.client(), call.field("token")), (&us, Some(token.expose())));
    assert!(!format!("{call:?}").contains(token.expose()));
}

#[tokio::test]
async fn rfc7662_a2_only_a_boolean_true_is_active() {
    let desk = Desk::new();
    for active in [json!("true"), json!(1), json!(null), json!(false), json!([true]), json!({})] {
        desk.issuer.fail_once(Endpoint::Introspection, Failure::Member("active", active.clone()));
        assert_eq!(refused(desk.ask(&desk.token()).await), invalid("introspection"), "{active}");
    }
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Without("active"));
    assert_eq!(refused(desk.ask(&desk.token()).await), invalid("introspection"));
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Member("active", json!(true)));
    accepted(desk.ask(&desk.token()).await);
}

#[tokio::test]
async fn rfc7662_a3_what_is_said_meets_the_checks_that_claims_meet() {
    type Change = fn(TokenBuilder, &Desk) -> TokenBuilder;
    let cases: [(&str, Change, Option<&str>); 43] = [
        ("as it is", |good, _| good, None),
        ("another issuer", |good, _| good.claim("iss", "https://other.example"), Some("iss")),
        ("the issuer with a slash", |good, desk| good.claim("iss", format!("{}/", desk.issuer.issuer())), Some("iss")),
        ("the issuer as a list", |good, desk| good.claim("iss", json!([desk.issuer.issuer()])), Some("iss")),
        ("the issuer as null", |good, _| good.claim("iss", json!(null)), Some("iss")),
        ("no issuer", |good, _| good.without("iss"), None),
        ("another audience", |good, _| good.audience("payments"), Some("aud")),
        ("no audience", |good, _| good.without("aud"), Some("aud")),
        ("the audience as null", |good, _| good.claim("aud", json!(null)), Some("aud")),
        ("no audience in a list", |good, _| good.claim("aud", json!([])), Some("aud")),
        ("one audience of two", |good, _| good.claim("aud", json!(["payments", "orders"])), None),
        ("exp as a string", |good, desk| good.claim("exp", format!("{}", desk.now().as_secs() + 300)), Some("exp")),
        ("exp as null", |good, _| good.claim("exp", json!(null)), Some("exp")),
        ("exp as a fraction", |good, desk| good.claim("exp", desk.now().as_secs() as f64 + 300.5), None),
        ("no exp", |good, _| good.without("exp"), None),
        ("nbf to come", |good, desk| good.claim("nbf", desk.now().as_secs() + 31), Some("nbf")),
        ("nbf within the leeway", |good, desk| good.claim("nbf", desk.now().as_secs() + 30), None),
        ("nbf as null", |good, _| good.claim("nbf", json!(null)), Some("nbf")),
        ("iat to come", |good, desk| good.claim("iat", desk.now().as_secs() + 31), Some("iat")),
        ("iat as a string", |good, _| good.claim("iat", "1"), Some("iat")),
        ("no iat", |good, _| good.without("iat"), None),
        ("bearer", |good, _| good.claim("token_type", "bEaReR"), None),
        ("a token type of a bound token", |good, _| good.claim("token_type", "DPoP"), Some("kind")),
        ("a token type as null", |good, _| good.claim("token_type", json!(null)), Some("kind")),
        ("a refresh token", |good, _| good.claim("token_type", "refresh_token"), Some("kind")),
        ("a refresh token of Keycloak", |good, _| good.claim("typ", "Refresh"), Some("kind")),
        ("a refresh token of Hydra", |good, _| good.claim("token_use", "refresh_token"), Some("kind")),
        ("an ID token", |good, _| good.claim("nonce", "n"), Some("kind")),
        ("no client", |good, _| good.without("client_id"), Some("claims")),
        ("the client as null", |good, _| good.claim("client_id", json!(null)), Some("claims")),
        ("an empty client", |good, _| good.claim("client_id", ""), Some("claims")),
        ("two clients", |good, _| good.claim("azp", "gateway"), Some("claims")),
        ("the client by its other name", |good, _| good.without("client_id").claim("azp", "storefront"), None),
        ("an empty subject", |good, _| good.subject(""), Some("claims")),
        ("the subject as null", |good, _| good.claim("sub", json!(null)), Some("claims")),
        ("the subject as a number", |good, _| good.claim("sub", 7), Some("claims")),
        ("no subject", |good, _| good.without("sub"), Some("subject")),
        ("a username in the place of a subject", |good, _| good.without("sub").claim("username", "a"), Some("subject")),
        ("another client's account", |good, _| good.subject("client:gateway"), Some("subject")),
        ("scopes as a list", |good, _| good.claim("scope", json!(["orders:write"])), Some("claims")),
        ("no scopes", |good, _| good.without("scope"), None),
        ("an actor that is not the client", |good, _| good.claim("act", json!({"sub": "gateway"})), Some("act")),
        ("no jti", |good, _| good.without("jti"), None),
    ];
    let desk = Desk::new();
    for (name, change, check) in cases {
        let token = desk.issuer.opaque(change(desk.good(), &desk));
        let decision = desk.ask(&token).await;
        let found = decision.map(drop).map_err(|refusal| (refusal.kind().clone(), refusal.check()));
        assert_eq!(found, check.map_or(Ok(()), |check| Err(invalid(check))), "{name}");
    }
}

#[tokio::test]
async fn rfc7662_a3_a_token_that_has_ended_is_not_active_whatever_is_said() {
    let desk = Desk::new();
    let ended = |seconds| Failure::Member("exp", json!(desk.now().as_secs() - seconds));
    desk.issuer.fail_once(Endpoint::Introspection, ended(30));
    assert_eq!(refused(desk.ask(&desk.token()).await), invalid("exp"));
    desk.issuer.fail_once(Endpoint::Introspection, ended(29));
    accepted(desk.ask(&desk.token()).await);
}

#[tokio::test]
async fn rfc7662_a3_whether_there_is_a_user_is_read_from_evidence() {
    let desk = Desk::new();
    let good = || desk.good();
    for (token, user, evidence) in [
        (good(), Some("alice"), Evidence::IssuedTo),
        (good().subject("storefront"), None, Evidence::Subject),
        (good().subject("client:storefront"), None, Evidence::Subject),
    ] {
        let caller = accepted(desk.ask(&desk.issuer.opaque(token)).await);
        assert_eq!(caller.principal().user().map(|user| user.id.as_str()), user);
        assert_eq!(caller.principal().workload().id.as_str(), "storefront");
        assert_eq!(caller.principal().evidence(), evidence);
    }
    let acted = desk.issuer.opaque(good().acted_by("gateway"));
    let caller = accepted(desk.ask(&acted).await);
    assert_eq!(
        (caller.principal().workload().id.as_str(), caller.principal().evidence()),
        ("gateway", Evidence::Actor)
    );
}

#[tokio::test]
async fn rfc7662_a3_a_user_whom_the_server_leaves_out_does_not_become_the_client() {
    let desk = Desk::new();
    let of_alice = desk.token();
    desk.issuer.fail_once(Endpoint::Introspection, Failure::Without("sub"));
    let refusal = desk.ask(&of_alice).await.expect_err("whose token it is is not said");
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "subject"));
    let why = "sub is absent, or that of another client: the server has to send sub in its answer, the user, or the \
               client_id itself where the token is the client's own";
    assert_eq!(refusal.explanation(), Some(why));
    let control = accepted(desk.ask(&desk.token()).await);
    assert_eq!(control.principal().user().map(|user| user.id.as_str()), Some("alice"));
}

#[tokio::test]
async fn rfc7662_a6_a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    let desk = Desk::new();
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(null)] {
        let bound = desk.issuer.opaque(desk.good().claim("cnf", cnf.clone()));
        assert_eq!(refused(desk.ask(&bound).await), invalid("cnf"), "{cnf}");
    }
    accepted(desk.ask(&desk.issuer.opaque(desk.good().without("cnf"))).await);
}

#[tokio::test]
async fn what_no_token_is_costs_no_call() {
    let desk = Desk::new();
    for text in ["", "a b", "a\"b", "a\r\nb", "é", "a=b", &"a".repeat(8193)] {
        assert_eq!(refused(desk.verifier.bearer(text).await), invalid("format"), "{text:?}");
    }
    assert_eq!(desk.calls(), 0);
    assert_eq!(refused(desk.verifier.bearer(&"a".repeat(8192)).await), invalid("introspection"));
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn a_jwt_is_never_asked_about_and_is_none_of_the_issuers_tokens() {
    let desk = Desk::new();
    let jwt = desk.good().build();
    let refusal = desk.ask(&jwt).await.expect_err("a JWT");
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "iss"));
    assert_eq!(refusal.explanation(), Some("tokens of its issuer are opaque here, and this is a JWT"));
    assert_eq!(refused(desk.verifier.bearer("a.b.c.d.e").await), invalid("format"));
    assert_eq!((desk.calls(), desk.issuer.calls(Endpoint::Keys)), (0, 0));
    accepted(desk.ask(&desk.token()).await);
}

#[tokio::test]
async fn a_users_own_token_may_be_opaque_beside_a_callers() {
    let (desk, callers) = (Desk::new(), TestIssuer::start());
    let trusted = TrustedIssuer::keys_at(callers.issuer().as_str(), callers.url(Endpoint::Keys)).audience("orders");
    let introspection = Introspection::at(desk.issuer.url(Endpoint::Introspection), auth());
    let users = TrustedIssuer::opaque(desk.issuer.issuer().as_str(), introspection).audience("orders");
    let verifier = Verifier::builder(trusted).user_issuer(users).clock(desk.clock.clock()).build().expect("valid");

    let now = desk.now();
    let caller = callers.token().client("gateway").audience("orders").issued_at(now).lifetime(MINUTE).build();
    let act = json!({"sub": "gateway", "iss": callers.issuer()});
    let of_alice = |token: TokenBuilder| desk.issuer.opaque(token.claim("act", act.clone()));
    let user = of_alice(desk.good());
    let pair = accepted(verifier.pair(caller.expose(), user.expose()).await);
    assert_eq!(pair.principal().workload().id.as_str(), "gateway");
    assert_eq!(pair.principal().user().map(|user| user.id.as_str()), Some("alice"));
    assert_eq!(pair.user_token().and_then(|token| token.token().cloned()), Some(user.clone()));

    let alone = desk.issuer.opaque(desk.good());
    let unrelated = (RefusalKind::UnrelatedCredentials, "binding");
    assert_eq!(refused(verifier.pair(caller.expose(), alone.expose()).await), unrelated);
    let elsewhere = of_alice(desk.good().audience("payments"));
    assert_eq!(refused(verifier.pair(caller.expose(), elsewhere.expose()).await), invalid("aud"));
    // Of callers it is no issuer, and nobody is asked about a caller's token.
    let calls = desk.calls();
    assert_eq!(refused(verifier.bearer(user.expose()).await), invalid("format"));
    assert_eq!(desk.calls(), calls);
}
