//! Answers to exchanges that are for an assertion, and for other types than an access token.

use super::*;

const JWT: &str = TokenType::Jwt.as_str();
const ID_JAG: &str = TokenType::IdJag.as_str();

fn requesting(token_type: TokenType) -> Grant {
    let exchange = TokenExchange::new(SecretToken::new("user"), target()).expect("exchangeable");
    exchange.requested_token_type(token_type).into()
}

/// A JWT of this kind.
pub(super) fn jwt(typ: &str) -> String {
    let encode = |part: String| base64_simd::URL_SAFE_NO_PAD.encode_to_string(part);
    format!("{}.{}.c2ln", encode(json!({"alg": "ES256", "typ": typ}).to_string()), encode("{}".to_owned()))
}

fn answered(issued: &str, token_type: &str, token: &str) -> Value {
    json!({"access_token": token, "token_type": token_type, "issued_token_type": issued, "expires_in": 60})
}

fn assertion(requested: TokenType, body: &Value) -> Result<IssuedAssertion, Nonsense> {
    read_issued_assertion(&requesting(requested), body.to_string().as_bytes())
}

#[test]
fn ch_b2_an_assertion_is_of_the_requested_type_and_no_access_token() {
    let grant = jwt("authorization-grant+jwt");
    let expected = || {
        let token = SecretToken::new(grant.as_str());
        Ok(IssuedAssertion { token, expires_in: Some(Duration::from_secs(60)) })
    };
    for token_type in ["N_A", "n_a"] {
        assert_eq!(assertion(TokenType::Jwt, &answered(JWT, token_type, &grant)), expected(), "{token_type}");
    }
    let bearer = Nonsense::NotForAssertions("Bearer".into());
    assert_eq!(assertion(TokenType::Jwt, &answered(JWT, "Bearer", &grant)), Err(bearer));
    let other = Nonsense::IssuedTokenType(ACCESS.into());
    assert_eq!(assertion(TokenType::Jwt, &answered(ACCESS, "N_A", &grant)), Err(other));
    let access_token = answered(JWT, "N_A", &jwt("at+jwt"));
    assert_eq!(assertion(TokenType::Jwt, &access_token), Err(Nonsense::NotAnAssertion));
    assert_eq!(assertion(TokenType::Jwt, &answered(JWT, "N_A", "opaque")), Err(Nonsense::NotAnAssertion));
}

#[test]
fn jag_b1_an_identity_assertion_says_that_it_is_one() {
    let read = |issued: &str, typ: &str| {
        assertion(TokenType::IdJag, &answered(issued, "N_A", &jwt(typ))).map(|assertion| assertion.expires_in())
    };
    assert_eq!(read(ID_JAG, "oauth-id-jag+jwt"), Ok(Some(Duration::from_secs(60))));
    for typ in ["JWT", "authorization-grant+jwt", "at+jwt"] {
        assert_eq!(read(ID_JAG, typ), Err(Nonsense::NotAnAssertion), "{typ}");
    }
    assert_eq!(read(JWT, "oauth-id-jag+jwt"), Err(Nonsense::IssuedTokenType(JWT.into())));
}

#[test]
fn te_b1_an_access_token_may_be_requested_as_a_jwt_and_an_assertion_is_none() {
    let token = jwt("at+jwt");
    let read = |token_type: &str| success(&requesting(TokenType::Jwt), &answered(JWT, token_type, &token));
    assert_eq!(read("Bearer").map(|issued| issued.access_token().expose().to_owned()), Ok(token.clone()));
    assert_eq!(read("N_A"), Err(Nonsense::TokenType("N_A".into())));
}

#[test]
fn obo_b4_the_scopes_of_a_service_are_granted_where_all_were_asked_for() {
    let asking = |asked: &str| {
        let target = TargetService { scopes: scopes(asked), ..TargetService::default() };
        Grant::from(crate::EntraOnBehalfOf::new(SecretToken::new("user"), target).expect("exchangeable"))
    };
    let body = json!({"access_token": "a", "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
        "scope": "api://payments/charge api://payments/refund"});
    let read = |asked: &str| success(&asking(asked), &body).map(|issued| issued.scopes().to_string());
    let granted = || "api://payments/charge api://payments/refund".to_owned();
    let wider = |accepted: &str| Nonsense::WiderScope { accepted: scopes(accepted), granted: scopes(&granted()) };
    assert_eq!(read("api://payments/.default"), Ok(granted()));
    assert_eq!(read("api://payments/charge"), Err(wider("api://payments/charge")));
    assert_eq!(read("api://ledger/.default"), Err(wider("api://ledger/.default")));
}
