//! What each failure means, and what is said of it.

use tower_identity_core::DemandedClaims;

use super::*;
use crate::{ConfigurationProblem, DEFAULT_RETRY_AFTER};

fn demanded(claims: &str) -> Option<DemandedClaims> {
    Some(DemandedClaims::parse(claims).expect("an object"))
}

#[test]
fn te_c1_each_failure_is_somebodys_fault_and_one_row_of_the_error_map() {
    let code = |code: &str| ErrorCode::read(code).expect("code");
    let rejected = |name: &str| TokenErrorKind::Rejected { code: code(name) };
    let ours = |name: &str| TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code(name)) };
    let by_status = |status: u16| TokenErrorKind::OurConfiguration {
        problem: ConfigurationProblem::Status(StatusCode::from_u16(status).expect("status")),
    };
    let nonsense = |status: u16| TokenErrorKind::Nonsense {
        what: Nonsense::Status(StatusCode::from_u16(status).expect("status")),
    };
    let unavailable = || TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER };
    let retry_after = RefusalKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER };
    let step_up =
        RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values: vec![], max_age: None };

    // The status, the body, and what either grant makes of it.
    let cases: [(u16, &str, TokenErrorKind, RefusalKind, TokenErrorKind); 40] = [
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            rejected("invalid_grant"),
            RefusalKind::InvalidToken,
            ours("invalid_grant"),
        ),
        (
            401,
            r#"{"error":"token_revoked"}"#,
            rejected("token_revoked"),
            RefusalKind::InvalidToken,
            ours("token_revoked"),
        ),
        (
            400,
            r#"{"error":"invalid_request"}"#,
            rejected("invalid_request"),
            RefusalKind::Denied,
            ours("invalid_request"),
        ),
        (400, r#"{"error":"access_denied"}"#, rejected("access_denied"), RefusalKind::Denied, ours("access_denied")),
        (
            403,
            r#"{"error":"scope_escalation"}"#,
            rejected("scope_escalation"),
            RefusalKind::Denied,
            ours("scope_escalation"),
        ),
        (
            401,
            r#"{"error":"invalid_token"}"#,
            rejected("invalid_token"),
            RefusalKind::InvalidToken,
            ours("invalid_token"),
        ),
        (
            403,
            r#"{"error":"insufficient_scope","error_description":"x"}"#,
            rejected("insufficient_scope"),
            RefusalKind::Denied,
            ours("insufficient_scope"),
        ),
        (
            403,
            r#"{"error":"may_act_violation"}"#,
            rejected("may_act_violation"),
            RefusalKind::Denied,
            ours("may_act_violation"),
        ),
        (
            403,
            r#"{"error":"delegation_depth_exceeded"}"#,
            rejected("delegation_depth_exceeded"),
            RefusalKind::Denied,
            ours("delegation_depth_exceeded"),
        ),
        // Nobody knows these here: the status decides.
        (
            400,
            r#"{"error":"authorization_pending"}"#,
            rejected("authorization_pending"),
            RefusalKind::Denied,
            ours("authorization_pending"),
        ),
        (401, r#"{"error":"no_such"}"#, ours("no_such"), RefusalKind::Misconfigured, ours("no_such")),
        (404, r#"{"error":"not_found"}"#, ours("not_found"), RefusalKind::Misconfigured, ours("not_found")),
        (405, r#"{"error":"x"}"#, ours("x"), RefusalKind::Misconfigured, ours("x")),
        (406, r#"{"error":"x"}"#, ours("x"), RefusalKind::Misconfigured, ours("x")),
        (410, r#"{"error":"x"}"#, ours("x"), RefusalKind::Misconfigured, ours("x")),
        (415, r#"{"error":"x"}"#, ours("x"), RefusalKind::Misconfigured, ours("x")),
        (422, r#"{"error":"x"}"#, rejected("x"), RefusalKind::Denied, ours("x")),
        (
            202,
            r#"{"error":"authorization_pending"}"#,
            nonsense(202),
            RefusalKind::BadUpstream,
            ours("authorization_pending"),
        ),
        (
            400,
            r#"{"error":"interaction_required","error_codes":[50076],"suberror":"basic_action",
                "claims":"{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}"}"#,
            TokenErrorKind::StepUp {
                code: code("interaction_required"),
                acr_values: vec!["c1".into()],
                max_age: None,
                claims: demanded(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#),
            },
            RefusalKind::InsufficientAuthentication {
                scope: Scopes::default(),
                acr_values: vec!["c1".into()],
                max_age: None,
            },
            ours("interaction_required"),
        ),
        (
            400,
            r#"{"error":"interaction_required"}"#,
            TokenErrorKind::StepUp {
                code: code("interaction_required"),
                acr_values: vec![],
                max_age: None,
                claims: None,
            },
            step_up,
            ours("interaction_required"),
        ),
        (
            400,
            r#"{"error":"insufficient_user_authentication","acr_values":"gold a\"b silver","max_age":60}"#,
            TokenErrorKind::StepUp {
                code: code("insufficient_user_authentication"),
                acr_values: vec!["gold".into(), "silver".into()],
                max_age: Some(Duration::from_secs(60)),
                claims: None,
            },
            RefusalKind::InsufficientAuthentication {
                scope: Scopes::default(),
                acr_values: vec!["gold".into(), "silver".into()],
                max_age: Some(Duration::from_secs(60)),
            },
            ours("insufficient_user_authentication"),
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            ours("invalid_client"),
            RefusalKind::Misconfigured,
            ours("invalid_client"),
        ),
        (
            400,
            r#"{"error":"unauthorized_client"}"#,
            ours("unauthorized_client"),
            RefusalKind::Misconfigured,
            ours("unauthorized_client"),
        ),
        (
            400,
            r#"{"error":"invalid_target"}"#,
            ours("invalid_target"),
            RefusalKind::Misconfigured,
            ours("invalid_target"),
        ),
        (
            400,
            r#"{"error":"invalid_scope","scope":"x"}"#,
            TokenErrorKind::Rejected { code: code("invalid_scope") },
            RefusalKind::Denied,
            ours("invalid_scope"),
        ),
        (
            400,
            r#"{"error":"scope_invalid"}"#,
            TokenErrorKind::Rejected { code: code("scope_invalid") },
            RefusalKind::Denied,
            ours("scope_invalid"),
        ),
        (
            400,
            r#"{"error":"unsupported_grant_type"}"#,
            ours("unsupported_grant_type"),
            RefusalKind::Misconfigured,
            ours("unsupported_grant_type"),
        ),
        (
            400,
            r#"{"error":"use_dpop_nonce"}"#,
            ours("use_dpop_nonce"),
            RefusalKind::Misconfigured,
            ours("use_dpop_nonce"),
        ),
        (403, "", by_status(403), RefusalKind::Misconfigured, by_status(403)),
        (401, "<html>", by_status(401), RefusalKind::Misconfigured, by_status(401)),
        (404, "Not Found", by_status(404), RefusalKind::Misconfigured, by_status(404)),
        (405, r#"{"error":7}"#, by_status(405), RefusalKind::Misconfigured, by_status(405)),
        (400, "<html>", nonsense(400), RefusalKind::BadUpstream, nonsense(400)),
        (400, "{\"error\":\"a\\nb\"}", nonsense(400), RefusalKind::BadUpstream, nonsense(400)),
        (201, r#"{"access_token":"a","token_type":"Bearer"}"#, nonsense(201), RefusalKind::BadUpstream, nonsense(201)),
        (500, r#"{"error":"invalid_grant"}"#, unavailable(), retry_after.clone(), unavailable()),
        (503, "", unavailable(), retry_after.clone(), unavailable()),
        (429, r#"{"title":"Too Many Requests"}"#, unavailable(), retry_after.clone(), unavailable()),
        (408, "", unavailable(), retry_after.clone(), unavailable()),
        (400, r#"{"error":"temporarily_unavailable"}"#, unavailable(), retry_after, unavailable()),
    ];
    let issuer: tower_identity_core::Issuer = "https://as.example".parse().expect("issuer");
    for (status, body, of_exchange, refusal, of_client_credentials) in cases {
        let read = |grant: &Grant| {
            let cause = read(grant, &answer(status, body)).expect_err("a failure");
            cause.of(grant.kind(), issuer.clone())
        };
        let error = read(&exchange());
        assert_eq!(error.kind(), &of_exchange, "{status} {body}");
        assert_eq!(error.refusal().kind(), &refusal, "{status} {body}");
        assert_eq!(error.fault(), refusal.fault());
        assert_eq!(error.refusal().named_issuer(), Some(&issuer));

        let error = read(&client_credentials());
        assert_eq!(error.kind(), &of_client_credentials, "{status} {body}");
        assert_ne!(error.fault(), Fault::Caller, "no caller has a part in client credentials");
    }
}

#[test]
fn an_error_says_grant_server_and_reason_and_nothing_that_the_server_wrote_freely() {
    let body = r#"{"error":"invalid_grant","error_description":"token eyJhbGciOi.secret is expired"}"#;
    let cause = read(&exchange(), &answer(400, body)).expect_err("a failure");
    let error = cause.of(crate::GrantKind::TokenExchange, "https://as.example".parse().expect("issuer"));
    assert_eq!(
        error.to_string(),
        "no token by token_exchange from https://as.example: \
         the caller's token is not accepted there, or no longer: invalid_grant; the caller needs a new one"
    );
    assert!(!format!("{error:?} {:?}", error.refusal()).contains("eyJhbGciOi"));
}

#[test]
fn te_c1_each_failure_says_what_to_do_and_only_an_outage_is_worth_another_try() {
    let code = |code: &str| ErrorCode::read(code).expect("code");
    let ours = |problem| TokenErrorKind::OurConfiguration { problem };
    let by_code = |name: &str| ours(ConfigurationProblem::Code(code(name)));
    let cases = [
        (
            TokenErrorKind::Rejected { code: code("invalid_grant") },
            "the caller's token is not accepted there, or no longer: invalid_grant; the caller needs a new one",
        ),
        (
            TokenErrorKind::Rejected { code: code("access_denied") },
            "what is asked for the caller is refused there: access_denied; the server's policy has to allow it",
        ),
        (
            TokenErrorKind::StepUp { code: code("login_required"), acr_values: vec![], max_age: None, claims: None },
            "the user has to sign in again: login_required; the caller is told what will do",
        ),
        (
            by_code("invalid_client"),
            "our configuration is not accepted there: it answers invalid_client; check client_id, and the secret, key or certificate",
        ),
        (
            by_code("unauthorized_client"),
            "our configuration is not accepted there: it answers unauthorized_client; the client has to be allowed this \
             grant there",
        ),
        (
            by_code("invalid_target"),
            "our configuration is not accepted there: it answers invalid_target; check the target's audience and resource",
        ),
        (
            by_code("scope_invalid"),
            "our configuration is not accepted there: it answers scope_invalid; check the target's scopes",
        ),
        (
            by_code("use_dpop_nonce"),
            "our configuration is not accepted there: it answers use_dpop_nonce; the server demands DPoP of the client, \
             which is not sent",
        ),
        (by_code("x"), "our configuration is not accepted there: it answers x; check the client, and what it asks for"),
        (
            ours(ConfigurationProblem::Status(StatusCode::NOT_FOUND)),
            "our configuration is not accepted there: it answers 404 Not Found without an error code; check the \
             endpoint's URL, and the client",
        ),
        (
            ours(ConfigurationProblem::Discovery),
            "our configuration is not accepted there: it has no metadata at the configured issuer; check issuer, or name \
             the endpoint",
        ),
        (
            ours(ConfigurationProblem::Assertion),
            "our configuration is not accepted there: the client assertion cannot be signed; check the key",
        ),
        (
            TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER },
            "the server is unavailable, to be asked again after 2 s",
        ),
        (
            TokenErrorKind::Nonsense { what: Nonsense::NotJson },
            "the server's answer cannot be used: the answer is not a JSON object without duplicate names",
        ),
    ];
    for (kind, text) in cases {
        assert_eq!(kind.to_string(), text);
        assert_eq!(kind.is_retriable(), matches!(kind, TokenErrorKind::Unavailable { .. }), "{text}");
    }
}
