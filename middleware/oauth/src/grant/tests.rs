use tower_identity_core::{Scopes, SecretToken, bearer::MAX_TOKEN_BYTES};

use super::*;

fn form(grant: &Grant) -> Vec<(String, String)> {
    let mut form = Serializer::new(String::new());
    grant.append_to(&mut form);
    form_urlencoded::parse(form.finish().as_bytes()).into_owned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn payments() -> TargetService {
    TargetService {
        audience: Some("payments".parse().expect("audience")),
        resource: Some("https://payments.test/a?b".parse().expect("resource")),
        scopes: Scopes::parse("charge refund").expect("scopes"),
        tolerated: Scopes::parse("profile").expect("scopes"),
        parameters: crate::Parameters::default(),
    }
}

#[test]
fn te_b1_an_actor_token_goes_only_with_its_type() {
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let plain = TokenExchange::new(SecretToken::new("user"), payments()).expect("exchangeable");
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "user"),
        ("subject_token_type", access),
        ("requested_token_type", access),
        ("audience", "payments"),
        ("resource", "https://payments.test/a?b"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&plain.clone().into()), pairs(&expected));

    let actor = ActorToken::new(SecretToken::new("us"), TokenType::Jwt).expect("exchangeable");
    let mut with_actor = expected.to_vec();
    with_actor.insert(4, ("actor_token", "us"));
    with_actor.insert(5, ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"));
    assert_eq!(form(&plain.actor(actor).into()), pairs(&with_actor));
}

#[test]
fn te_b1_another_type_of_token_is_requested_by_its_name() {
    for (token_type, name) in [
        (TokenType::AccessToken, "urn:ietf:params:oauth:token-type:access_token"),
        (TokenType::Jwt, "urn:ietf:params:oauth:token-type:jwt"),
        (TokenType::IdToken, "urn:ietf:params:oauth:token-type:id_token"),
        (TokenType::IdJag, "urn:ietf:params:oauth:token-type:id-jag"),
    ] {
        let exchange = TokenExchange::new(SecretToken::new("user"), payments()).expect("exchangeable");
        let grant = Grant::from(exchange.requested_token_type(token_type));
        assert_eq!(form(&grant)[3], ("requested_token_type".to_owned(), name.to_owned()));
        assert_eq!(grant.requested_token_type(), Some(token_type));
    }
}

#[test]
fn kc_b1_keycloak_is_sent_what_it_knows_and_a_resource_is_refused() {
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let target = TargetService { resource: None, ..payments() };
    let grant = KeycloakExchange::new(SecretToken::new("user"), target).expect("exchangeable").into();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "user"),
        ("subject_token_type", access),
        ("requested_token_type", access),
        ("audience", "payments"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&grant), pairs(&expected));
    assert_eq!(KeycloakExchange::new(SecretToken::new("user"), payments()), Err(Unexchangeable::Resource));
}

#[test]
fn obo_b4_on_behalf_of_sends_the_users_token_its_use_and_the_scopes() {
    let grant = EntraOnBehalfOf::new(SecretToken::new("user"), payments()).expect("exchangeable").into();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", "user"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&grant), pairs(&expected));
}

#[test]
fn obo_b4_what_is_permitted_at_a_service_is_all_of_it_and_nothing_of_another() {
    let asking = |scopes: &str| {
        let target = TargetService { scopes: Scopes::parse(scopes).expect("scopes"), ..TargetService::default() };
        Grant::from(EntraOnBehalfOf::new(SecretToken::new("user"), target).expect("exchangeable"))
    };
    let everything = asking("api://payments/.default");
    for (scope, covered) in [
        ("api://payments/charge", true),
        ("api://payments/.default", true),
        ("api://payments/a/b", false),
        ("api://payment/charge", false),
        ("api://payments-2/charge", false),
        ("charge", false),
    ] {
        assert_eq!(everything.covers(scope), covered, "{scope}");
        assert!(!asking("api://payments/refund").covers(scope), "{scope}");
    }
    assert!(!asking(".default").covers("charge"));
}

/// A JWT with this header.
fn jwt(header: &str) -> String {
    let encode = |part: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(part);
    format!("{}.{}.c2ln", encode(header), encode("{}"))
}

#[test]
fn rfc7523_b2_an_assertion_is_sent_with_resource_and_scopes() {
    let assertion = jwt(r#"{"alg":"ES256","typ":"authorization-grant+jwt"}"#);
    let grant = JwtBearer::new(SecretToken::new(assertion.as_str()), payments()).expect("an assertion").into();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
        ("resource", "https://payments.test/a?b"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&grant), pairs(&expected));
}

#[test]
fn rfc7523_b2_an_assertion_is_a_jwt_and_no_token_of_another_kind() {
    let made = |assertion: &str| match JwtBearer::new(SecretToken::new(assertion), payments()) {
        Ok(_) => "made",
        Err(InvalidAssertion::NotAJwt(_)) => "not a JWT",
        Err(InvalidAssertion::OtherKind) => "another kind",
    };
    for (typ, expected) in [
        ("authorization-grant+jwt", "made"),
        ("application/authorization-grant+jwt", "made"),
        ("oauth-id-jag+jwt", "made"),
        ("JWT", "made"),
        ("jwt", "made"),
        ("at+jwt", "another kind"),
        ("application/at+jwt", "another kind"),
        ("client-authentication+jwt", "another kind"),
        ("", "another kind"),
    ] {
        assert_eq!(made(&jwt(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#))), expected, "{typ}");
    }
    assert_eq!(made(&jwt(r#"{"alg":"ES256"}"#)), "made");
    for opaque in ["", "opaque", "a.b"] {
        assert_eq!(made(opaque), "not a JWT", "{opaque}");
    }
}

#[test]
fn deleg_b1_a_custom_grant_has_a_free_name_and_a_free_parameter_for_the_token() {
    let delegation = CustomGrantType::new("delegation", "token").expect("usable");
    let grant = CustomGrant::new(delegation, SecretToken::new("user"), payments()).expect("exchangeable").into();
    let expected = [
        ("grant_type", "delegation"),
        ("token", "user"),
        ("audience", "payments"),
        ("resource", "https://payments.test/a?b"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&grant), pairs(&expected));
}

#[test]
fn deleg_b1_everything_of_a_custom_grant_is_in_its_fingerprint() {
    let make = |name: &str, subject: &str| CustomGrantType::new(name, subject).expect("usable").fingerprint();
    let all = [make("delegation", "token"), make("delegation2", "token"), make("delegation", "user_token")];
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    assert_eq!(make("delegation", "token"), all[0]);
}

#[test]
fn deleg_b1_a_file_says_what_code_says() {
    let read = |text: &str| serde_json::from_str::<CustomGrantType>(text).map_err(|wrong| wrong.to_string());
    let code = CustomGrantType::new("delegation", "token").expect("usable");
    assert_eq!(read(r#"{"grant_type":"delegation","subject_parameter":"token"}"#), Ok(code));
    for (text, rule) in [
        (r#"{"grant_type":"password","subject_parameter":"token"}"#, "grant_type: \"password\" is no grant"),
        (r#"{"grant_type":"a"}"#, "missing field `subject_parameter`"),
        (r#"{"grant_type":"a","subject_parameter":"t","secret":"s"}"#, "unknown field `secret`"),
    ] {
        let refused = read(text).expect_err(text);
        assert!(refused.starts_with(rule), "{refused}");
    }
}

#[test]
fn deleg_b1_what_a_custom_grant_may_not_be_is_refused() {
    let made =
        |name: &str, subject: &str| CustomGrantType::new(name, subject).map(drop).map_err(|wrong| wrong.to_string());
    let named = |name: &str| made(name, "token");
    let spaces = "has white space around it, or control characters";
    assert_eq!(named("urn:example:delegation"), Ok(()));
    assert_eq!(named(""), Err("grant_type: is empty".to_owned()));
    assert_eq!(named(" a"), Err(format!("grant_type: {spaces}")));
    for name in
        ["client_credentials", "password", "refresh_token", "authorization_code", token_exchange::TOKEN_EXCHANGE]
    {
        assert_eq!(named(name), Err(format!("grant_type: {name:?} is no grant of the server's own")));
    }
    let sent_as = |subject: &str| made("delegation", subject);
    let reserved = "is written by the target's row, or by who proves which client this is";
    assert_eq!(sent_as("assertion"), Ok(()));
    assert_eq!(sent_as(""), Err("subject_parameter: is empty".to_owned()));
    assert_eq!(sent_as("a\n"), Err(format!("subject_parameter: {spaces}")));
    for name in ["client_assertion", "grant_type", "SCOPE"] {
        assert_eq!(sent_as(name), Err(format!("subject_parameter: {reserved}")));
    }
}

#[test]
fn client_credentials_send_no_empty_parameter() {
    let bare = ClientCredentials::new(TargetService::default());
    assert_eq!(form(&bare.into()), pairs(&[("grant_type", "client_credentials")]));
}

#[test]
fn cve_2026_9704_an_empty_or_oversize_subject_never_becomes_a_grant() {
    let exchange = |token: &str| TokenExchange::new(SecretToken::new(token), payments()).err();
    let actor = |token: &str| ActorToken::new(SecretToken::new(token), TokenType::Jwt).err();
    let bare = || TargetService { resource: None, ..payments() };
    let keycloak = |token: &str| KeycloakExchange::new(SecretToken::new(token), bare()).err();
    let entra = |token: &str| EntraOnBehalfOf::new(SecretToken::new(token), bare()).err();
    let delegation = CustomGrantType::new("delegation", "token").expect("usable");
    let custom = |token: &str| CustomGrant::new(delegation.clone(), SecretToken::new(token), bare()).err();
    let longest = "a".repeat(MAX_TOKEN_BYTES);
    let too_long = "a".repeat(MAX_TOKEN_BYTES + 1);
    for (token, refused) in [
        ("", Some(Unexchangeable::Empty)),
        (" ", Some(Unexchangeable::Empty)),
        (too_long.as_str(), Some(Unexchangeable::TooLong)),
        (longest.as_str(), None),
        ("a", None),
    ] {
        assert_eq!(exchange(token), refused, "{} bytes", token.len());
        assert_eq!(actor(token), refused, "{} bytes", token.len());
        assert_eq!((keycloak(token), entra(token), custom(token)), (refused, refused, refused));
    }
}

#[cfg(feature = "transaction-tokens")]
#[test]
fn tx_b3_a_transaction_token_is_asked_for_by_its_trust_domain_scopes_and_what_it_is_about() {
    let shop = || TargetService {
        audience: Some("shop.internal".parse().expect("audience")),
        scopes: Scopes::parse("charge").expect("scopes"),
        ..TargetService::default()
    };
    let urn = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    let [access, txn] = [urn("access_token"), urn("txn_token")];
    let asked = |subject_type: &str| {
        let all = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", "user"),
            ("subject_token_type", subject_type),
            ("requested_token_type", &*txn),
            ("audience", "shop.internal"),
            ("scope", "charge"),
        ];
        pairs(&all)
    };
    let exchange = || TransactionTokenExchange::new(SecretToken::new("user"), shop()).expect("exchangeable");
    assert_eq!(form(&exchange().into()), asked(&access));
    assert_eq!(form(&exchange().subject_token_type(TokenType::TransactionToken).into()), asked(&txn));

    let about = Transaction::new().details(serde_json::json!({"order": "8a77"})).expect("an object");
    let about = about.context(serde_json::json!({"channel": "web"})).expect("an object");
    let said = [("request_context", r#"{"channel":"web"}"#), ("request_details", r#"{"order":"8a77"}"#)];
    assert_eq!(form(&exchange().transaction(about).into()), [asked(&access), pairs(&said)].concat());

    let refused = |target: TargetService| TransactionTokenExchange::new(SecretToken::new("user"), target).err();
    assert_eq!(refused(TargetService { audience: None, ..shop() }), Some(Unexchangeable::TrustDomain));
    assert_eq!(refused(TargetService { scopes: Scopes::default(), ..shop() }), Some(Unexchangeable::Scope));
    assert_eq!(refused(payments()), Some(Unexchangeable::Resource));
    assert_eq!(refused(shop()), None, "the control");
    let empty = TransactionTokenExchange::new(SecretToken::new(""), shop());
    assert_eq!(empty, Err(Unexchangeable::Empty));
}
