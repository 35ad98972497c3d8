//! Each grant on the wire, to the field, and what is made of the answer.

use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use tower_identity_core::{DemandedClaims, RefusalKind, Scopes, SecretToken};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_oauth::{
    ClientAuth, ConfigurationProblem, CustomGrant, CustomGrantType, DEFAULT_RETRY_AFTER, EntraOnBehalfOf, Grant,
    JwtBearer, KeycloakExchange, Nonsense, TargetService, TokenClient, TokenEndpoint, TokenErrorKind, TokenExchange,
    TokenType, Urgency,
};

use crate::support::{self, Arrived, ManualTime, Server};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

fn client(server: &Server, auth: ClientAuth) -> TokenClient {
    let endpoint = TokenEndpoint::at("https://as.example", server.url("/token"), auth);
    endpoint.connect(&ManualTime::new().http()).expect("loopback")
}

fn basic(server: &Server) -> TokenClient {
    client(server, ClientAuth::client_secret_basic("orders", "hunter2").expect("usable"))
}

fn post(server: &Server) -> TokenClient {
    client(server, ClientAuth::client_secret_post("orders", "hunter2").expect("usable"))
}

fn target(audience: Option<&str>, resource: Option<&str>, scopes: &str) -> TargetService {
    TargetService {
        audience: audience.map(|audience| audience.parse().expect("audience")),
        resource: resource.map(|resource| resource.parse().expect("resource")),
        scopes: Scopes::parse(scopes).expect("scopes"),
        ..TargetService::default()
    }
}

fn user() -> SecretToken {
    SecretToken::new("users-token")
}

fn answers(server: &Server, status: StatusCode, body: &Value) {
    let body = body.to_string();
    server.forget_answers().answer(move |_: &Arrived| (status, support::json(body.clone())));
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The only request that arrived.
fn only(server: &Server) -> Arrived {
    let mut arrived = server.arrived();
    assert_eq!(arrived.len(), 1);
    arrived.remove(0)
}

async fn token(client: &TokenClient, grant: impl Into<Grant>) -> String {
    client.request(&grant.into()).await.expect("a token").access_token().expose().to_owned()
}

async fn failure(client: &TokenClient, grant: impl Into<Grant>) -> (TokenErrorKind, RefusalKind) {
    let error = client.request(&grant.into()).await.expect_err("a failure");
    (error.kind().clone(), error.refusal().kind().clone())
}

/// An assertion of this kind.
fn assertion(typ: &str) -> SecretToken {
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    key.sign(&MediaType::parse(typ).expect("type"), &json!({"sub": "alice"})).expect("signed")
}

#[tokio::test]
async fn obo_b4_on_behalf_of_as_entra_id_documents_it() {
    let server = Server::start().await;
    answers(
        &server,
        StatusCode::OK,
        &json!({"token_type": "Bearer", "scope": "api://payments/charge", "expires_in": 3269, "ext_expires_in": 0,
            "access_token": "issued-token", "refresh_token": "OAQABAAAAAABnfiG"}),
    );
    let grant = || EntraOnBehalfOf::new(user(), target(None, None, "api://payments/.default")).expect("exchangeable");
    assert_eq!(token(&post(&server), grant()).await, "issued-token");
    let expected = [
        ("grant_type", JWT_BEARER),
        ("assertion", "users-token"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "api://payments/.default"),
        ("client_id", "orders"),
        ("client_secret", "hunter2"),
    ];
    assert_eq!(only(&server).form(), pairs(&expected));

    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    answers(
        &server,
        StatusCode::BAD_REQUEST,
        &json!({"error": "interaction_required", "error_description": "AADSTS50079: ..", "error_codes": [50079],
            "suberror": "basic_action", "claims": claims}),
    );
    let error = post(&server).request(&grant().into()).await.expect_err("no token");
    let acr_values = vec!["c1".to_owned()];
    let expected = RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values, max_age: None };
    let refusal = error.refusal();
    assert_eq!((refusal.kind(), refusal.demanded_claims().map(DemandedClaims::as_str)), (&expected, Some(claims)));
    assert!(!format!("{error:?} {error} {refusal:?} {refusal}").contains("essential"), "{error:?}");
    assert_eq!(server.arrived().len(), 1, "asked once");
}

#[tokio::test]
async fn kc_b1_an_exchange_as_keycloak_documents_it() {
    let server = Server::start().await;
    let success = json!({"access_token": "issued-token", "expires_in": 300, "refresh_expires_in": 0,
        "token_type": "Bearer", "not-before-policy": 0, "session_state": "7d3d7a8e", "scope": "payments:charge",
        "issued_token_type": ACCESS});
    answers(&server, StatusCode::OK, &success);
    let grant = || KeycloakExchange::new(user(), target(Some("payments"), None, "payments:charge")).expect("usable");
    assert_eq!(token(&basic(&server), grant()).await, "issued-token");
    let request = only(&server);
    let expected = [
        ("grant_type", EXCHANGE),
        ("subject_token", "users-token"),
        ("subject_token_type", ACCESS),
        ("requested_token_type", ACCESS),
        ("audience", "payments"),
        ("scope", "payments:charge"),
    ];
    assert_eq!(request.form(), pairs(&expected));
    assert_eq!(request.headers[header::AUTHORIZATION], "Basic b3JkZXJzOmh1bnRlcjI=");

    for (status, code, problem) in [
        (StatusCode::FORBIDDEN, "access_denied", ConfigurationProblem::NotInAudience),
        (StatusCode::BAD_REQUEST, "invalid_client", ConfigurationProblem::UnknownAudience),
    ] {
        answers(&server, status, &json!({"error": code, "error_description": "x"}));
        let expected = (TokenErrorKind::OurConfiguration { problem }, RefusalKind::Misconfigured);
        assert_eq!(failure(&basic(&server), grant()).await, expected, "{code}");
        assert_eq!(server.arrived().len(), 1, "asked once");
    }
    let mut untold = success;
    untold.as_object_mut().expect("object").remove("issued_token_type");
    answers(&server, StatusCode::OK, &untold);
    let what = Nonsense::Member("issued_token_type");
    assert_eq!(failure(&basic(&server), grant()).await, (TokenErrorKind::Nonsense { what }, RefusalKind::BadUpstream));
}

#[tokio::test]
async fn deleg_b1_the_delegation_grant_of_identity_server() {
    let server = Server::start().await;
    let success = json!({"access_token": "issued-token", "expires_in": 3600, "token_type": "Bearer", "scope": "api2"});
    answers(&server, StatusCode::OK, &success);
    let delegation = CustomGrantType::new("delegation", "token").expect("usable");
    let grant = || CustomGrant::new(delegation.clone(), user(), target(None, None, "api2")).expect("exchangeable");
    assert_eq!(token(&post(&server), grant()).await, "issued-token");
    let expected = [
        ("grant_type", "delegation"),
        ("token", "users-token"),
        ("scope", "api2"),
        ("client_id", "orders"),
        ("client_secret", "hunter2"),
    ];
    assert_eq!(only(&server).form(), pairs(&expected));

    answers(&server, StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant"}));
    assert_eq!(failure(&post(&server), grant()).await.1, RefusalKind::InvalidToken);
}

#[tokio::test]
async fn ch_b2_an_assertion_is_issued_for_another_server_and_made_an_access_token_there() {
    let (ours, theirs) = (Server::start().await, Server::start().await);
    let partner = "https://partner.example";
    for (requested, name, typ, resource) in [
        (TokenType::Jwt, JWT, "JWT", None),
        (TokenType::IdJag, ID_JAG, "oauth-id-jag+jwt", Some("https://credit.partner.example/")),
    ] {
        let grant = assertion(typ);
        answers(
            &ours,
            StatusCode::OK,
            &json!({"access_token": grant.expose(), "token_type": "N_A", "expires_in": 60, "issued_token_type": name}),
        );
        let exchange = TokenExchange::new(user(), target(Some(partner), resource, "")).expect("exchangeable");
        let exchange = exchange.requested_token_type(requested);
        let issued = basic(&ours).request_assertion(exchange, Urgency::Waiting).await.expect("an assertion");
        let mut expected = vec![
            ("grant_type", EXCHANGE),
            ("subject_token", "users-token"),
            ("subject_token_type", ACCESS),
            ("requested_token_type", name),
            ("audience", partner),
        ];
        expected.extend(resource.map(|resource| ("resource", resource)));
        assert_eq!(only(&ours).form(), pairs(&expected));

        let success = json!({"access_token": "issued-token", "token_type": "Bearer", "expires_in": 120});
        answers(&theirs, StatusCode::OK, &success);
        let bearer = JwtBearer::new(issued.into_token(), target(Some("credit"), None, "credit:check"));
        assert_eq!(token(&basic(&theirs), bearer.expect("an assertion")).await, "issued-token");
        let expected = [("grant_type", JWT_BEARER), ("assertion", grant.expose()), ("scope", "credit:check")];
        assert_eq!(only(&theirs).form(), pairs(&expected));
    }

    let access_token =
        json!({"access_token": assertion("at+jwt").expose(), "token_type": "N_A", "issued_token_type": JWT});
    answers(&ours, StatusCode::OK, &access_token);
    let exchange = TokenExchange::new(user(), target(Some(partner), None, "")).expect("exchangeable");
    let exchange = exchange.requested_token_type(TokenType::Jwt);
    let error = basic(&ours).request_assertion(exchange, Urgency::Waiting).await.expect_err("no assertion");
    assert_eq!(error.kind(), &TokenErrorKind::Nonsense { what: Nonsense::NotAnAssertion });
}

#[tokio::test]
async fn rfc7523_b2_an_assertion_is_sent_once_and_other_grants_to_the_next_endpoint() {
    let server = Server::start().await;
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let endpoint = TokenEndpoint::at("https://as.example", server.url("/a"), auth).also_at(server.url("/b"));
    let client = endpoint.connect(&ManualTime::new().http()).expect("loopback");
    let success =
        json!({"access_token": "issued-token", "token_type": "Bearer", "issued_token_type": ACCESS}).to_string();
    let fails_once = || {
        let success = success.clone();
        server
            .forget_answers()
            .answer(|_| StatusCode::SERVICE_UNAVAILABLE)
            .answer(move |_| support::json(success.clone()));
    };
    let to = || target(None, None, "charge");

    fails_once();
    let bearer = JwtBearer::new(assertion("authorization-grant+jwt"), to()).expect("an assertion");
    let (_, refusal) = failure(&client, bearer).await;
    assert_eq!(refusal, RefusalKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER });
    assert_eq!(server.paths(), ["/a"]);

    fails_once();
    assert_eq!(token(&client, TokenExchange::new(user(), to()).expect("exchangeable")).await, "issued-token");
    assert_eq!(server.paths(), ["/a", "/b"]);
}
