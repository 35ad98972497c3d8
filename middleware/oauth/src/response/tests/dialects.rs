//! What failures mean by the grants of one make of server.

use tower_identity_core::DemandedClaims;

use super::*;
use crate::{ConfigurationProblem, CustomGrant, CustomGrantType, EntraOnBehalfOf, KeycloakExchange};

fn code(text: &str) -> ErrorCode {
    ErrorCode::read(text).expect("code")
}

fn kind(grant: &Grant, status: u16, body: &str) -> TokenErrorKind {
    read(grant, &answer(status, body.to_owned())).expect_err("a failure").kind
}

fn user() -> SecretToken {
    SecretToken::new("user")
}

fn ours(problem: ConfigurationProblem) -> TokenErrorKind {
    TokenErrorKind::OurConfiguration { problem }
}

#[test]
fn kc_b1_who_is_not_in_the_audience_and_an_unknown_audience_are_our_configuration() {
    let keycloak = KeycloakExchange::new(user(), target()).expect("exchangeable").into();
    let not_within = r#"{"error":"access_denied","error_description":"Client is not within the token audience"}"#;
    let not_found = r#"{"error":"invalid_client","error_description":"Audience not found"}"#;
    assert_eq!(kind(&keycloak, 403, not_within), ours(ConfigurationProblem::NotInAudience));
    assert_eq!(kind(&keycloak, 400, not_found), ours(ConfigurationProblem::UnknownAudience));

    // What differs in one thing: the status of a failed authentication, another code, and another grant.
    let invalid_client = || ours(ConfigurationProblem::Code(code("invalid_client")));
    assert_eq!(kind(&keycloak, 401, not_found), invalid_client());
    let rejected = |name: &str| TokenErrorKind::Rejected { code: code(name) };
    assert_eq!(kind(&keycloak, 400, r#"{"error":"invalid_request"}"#), rejected("invalid_request"));
    assert_eq!(kind(&exchange(), 403, not_within), rejected("access_denied"));
    assert_eq!(kind(&exchange(), 400, not_found), invalid_client());

    for problem in [ConfigurationProblem::NotInAudience, ConfigurationProblem::UnknownAudience] {
        assert_eq!(ours(problem).refusal_kind(), RefusalKind::Misconfigured);
    }
    assert_eq!(
        ours(ConfigurationProblem::NotInAudience).to_string(),
        "our configuration is not accepted there: the subject token is not for this client; have client_id put into its \
         aud there, by an audience mapper"
    );
    assert_eq!(
        ours(ConfigurationProblem::UnknownAudience).to_string(),
        "our configuration is not accepted there: the target's audience is not the id of an enabled client there, or \
         this client is a public one"
    );
}

#[test]
fn obo_b3_the_user_is_sent_to_sign_in_again_with_what_will_do() {
    let entra = EntraOnBehalfOf::new(user(), target()).expect("exchangeable").into();
    let claims = r#""claims":"{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}""#;
    let step_up = |name: &str, acr_values: &[&str]| {
        let worded = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let claims = (!acr_values.is_empty()).then(|| DemandedClaims::parse(worded).expect("an object"));
        let acr_values = acr_values.iter().map(|&class| class.to_owned()).collect();
        TokenErrorKind::StepUp { code: code(name), acr_values, max_age: None, claims }
    };
    let interaction = format!(r#"{{"error":"interaction_required","suberror":"basic_action",{claims}}}"#);
    assert_eq!(kind(&entra, 400, &interaction), step_up("interaction_required", &["c1"]));
    let with_claims = format!(r#"{{"error":"invalid_grant","error_codes":[50076],{claims}}}"#);
    assert_eq!(kind(&entra, 400, &with_claims), step_up("invalid_grant", &["c1"]));
    for suberror in ["basic_action", "additional_action", "message_only", "consent_required", "user_password_expired"] {
        let body = format!(r#"{{"error":"invalid_grant","suberror":"{suberror}"}}"#);
        assert_eq!(kind(&entra, 400, &body), step_up("invalid_grant", &[]), "{suberror}");
    }

    let rejected = || TokenErrorKind::Rejected { code: code("invalid_grant") };
    for plain in [r#"{"error":"invalid_grant","suberror":"bad_token"}"#, r#"{"error":"invalid_grant"}"#] {
        assert_eq!(kind(&entra, 400, plain), rejected(), "{plain}");
    }
    assert_eq!(kind(&exchange(), 400, &with_claims), rejected(), "of another grant the code is enough");
    let resource = ours(ConfigurationProblem::Code(code("invalid_resource")));
    assert_eq!(kind(&entra, 400, r#"{"error":"invalid_resource"}"#), resource);
    let unlike_step_up = TokenErrorKind::Rejected { code: code("invalid_resource") };
    assert_eq!(kind(&exchange(), 400, r#"{"error":"invalid_resource"}"#), unlike_step_up);
}

#[test]
fn deleg_b1_a_custom_grant_that_is_refused_is_the_callers_matter() {
    let delegation = CustomGrantType::new("delegation", "token").expect("usable");
    let custom = CustomGrant::new(delegation, user(), target()).expect("exchangeable").into();
    let rejected = TokenErrorKind::Rejected { code: code("invalid_grant") };
    assert_eq!(kind(&custom, 400, r#"{"error":"invalid_grant"}"#), rejected);
    let unsupported = ours(ConfigurationProblem::Code(code("unsupported_grant_type")));
    assert_eq!(kind(&custom, 400, r#"{"error":"unsupported_grant_type"}"#), unsupported);
}
