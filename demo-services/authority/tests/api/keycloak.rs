//! The authority in Keycloak's shape, beside itself in its own: what differs, and what must not.

use serde_json::{Value, json};
use tower_identity_jose::MediaType;

use crate::support::{ACCESS_TOKEN, As, Form, ORDERS, Running, STOREFRONT, TOKEN_EXCHANGE, accepted};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

const TO_PAYMENTS: [(&str, &str); 2] = [("audience", "payments"), ("scope", "payments:charge")];

async fn keycloak() -> Running {
    Running::with(|settings| settings["answers_as"] = json!("keycloak")).await
}

/// A good token of alice for orders, in Keycloak's shape, with these claims changed.
fn orders_token(authority: &Running, changes: Value) -> String {
    let mut shape = json!({ "client_id": null, "act": null, "azp": "storefront", "typ": "Bearer" });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    shape.as_object_mut().expect("an object").extend(changes);
    authority.orders_token_as(&MediaType::JWT, shape)
}

#[tokio::test]
async fn an_exchanged_token_names_no_actor_has_the_default_scopes_and_outlives_its_subject() {
    let authority = keycloak().await;
    let subject = orders_token(&authority, json!({ "sid": "session-1", "exp": authority.now() + 120 }));
    let answer = authority.exchange(ORDERS, &subject, &TO_PAYMENTS).await;
    let token = answer.token();
    let expected = json!({
        "access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300,
        "scope": "email payments:charge profile", "refresh_expires_in": 0, "not-before-policy": 0,
    });
    assert_eq!(answer.body, expected);
    let claims = authority.claims_of(&MediaType::JWT, &token).await;
    let expected = json!({
        "iss": authority.issuer, "sub": "alice", "aud": "payments", "azp": "orders", "typ": "Bearer",
        "preferred_username": "alice", "scope": "email payments:charge profile", "sid": "session-1",
        "iat": authority.now(), "exp": authority.now() + 300, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);

    let ours = Running::start().await;
    let answer = ours.exchange(ORDERS, &ours.orders_token(json!({})), &TO_PAYMENTS).await;
    let (scope, seconds) = (&answer.body["scope"], &answer.body["expires_in"]);
    assert_eq!((scope, seconds), (&json!("payments:charge"), &json!(120)));
}

#[tokio::test]
async fn a_clients_own_token_is_that_of_its_service_account() {
    let authority = keycloak().await;
    let form = [("grant_type", "client_credentials"), ("audience", "payments"), ("scope", "payments:settle")];
    let claims = authority.claims_of(&MediaType::JWT, &authority.token(ORDERS, &form).await.token()).await;
    let expected = json!({
        "iss": authority.issuer, "sub": "orders", "aud": "payments", "azp": "orders", "client_id": "orders",
        "typ": "Bearer", "preferred_username": "service-account-orders", "scope": "email payments:settle profile",
        "iat": authority.now(), "exp": authority.now() + 300, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
}

/// What its header calls a JWT is one for access by what its payload says, and by nothing less.
#[tokio::test]
async fn te_c5_another_token_of_the_same_key_is_no_access_token() {
    let authority = keycloak().await;
    let outcome = async |token: &str| authority.exchange(ORDERS, token, &TO_PAYMENTS).await.outcome();
    let invalid = (400, "invalid_request".to_owned());
    assert_eq!(outcome(&orders_token(&authority, json!({}))).await, accepted());
    for changes in [
        json!({ "typ": "ID" }),
        json!({ "typ": "Refresh" }),
        json!({ "typ": null }),
        json!({ "typ": ["Bearer"] }),
        json!({ "azp": null }),
    ] {
        assert_eq!(outcome(&orders_token(&authority, changes.clone())).await, invalid, "{changes}");
    }
    let ours = authority.orders_token(json!({ "typ": "Bearer", "azp": "storefront" }));
    assert_eq!(outcome(&ours).await, invalid);
}

/// Stands for a good token of alice for orders, in the shape of whoever is asked.
const HERS: &str = "hers";

const GRANT: (&str, &str) = ("grant_type", TOKEN_EXCHANGE);
const SUBJECT: (&str, &str) = ("subject_token", HERS);
const TYPE: (&str, &str) = ("subject_token_type", ACCESS_TOKEN);
const PAYMENTS: As<'_> = As::Basic("payments", "payments-secret-of-the-test");

/// Who asks, for what, what Keycloak says to it, and what is said here otherwise.
type Case<'a> = (As<'a>, Form<'a>, (u16, &'a str, &'a str), (u16, &'a str));

#[tokio::test]
async fn refusals_have_keycloaks_status_code_and_words() {
    let (keycloak, ours) = (keycloak().await, Running::start().await);
    let invalid = (400, "invalid_request");
    let cases: &[Case<'_>] = &[
        (ORDERS, &[], (400, "invalid_request", "Missing form parameter: grant_type"), invalid),
        (
            ORDERS,
            &[("grant_type", "password")],
            (400, "unsupported_grant_type", "Unsupported grant_type"),
            (400, "unsupported_grant_type"),
        ),
        (
            As::Basic("orders", "not the secret of orders"),
            &[GRANT, SUBJECT, TYPE, ("audience", "payments")],
            (401, "unauthorized_client", "Invalid client or Invalid client credentials"),
            (401, "invalid_client"),
        ),
        (
            ORDERS,
            &[GRANT, TYPE, ("audience", "payments")],
            (400, "invalid_request", "Parameter 'subject_token' required for standard token exchange"),
            invalid,
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, ("audience", "payments")],
            (400, "invalid_request", "Parameter 'subject_token_type' required for standard token exchange"),
            invalid,
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, ("subject_token_type", JWT), ("audience", "payments")],
            (400, "invalid_request", "Parameter 'subject_token' supports access tokens only"),
            invalid,
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, TYPE, ("requested_token_type", ID_TOKEN), ("audience", "payments")],
            (400, "invalid_request", "requested_token_type unsupported"),
            invalid,
        ),
        (
            ORDERS,
            &[GRANT, ("subject_token", "opaque"), TYPE, ("audience", "payments")],
            (400, "invalid_request", "Invalid token"),
            invalid,
        ),
        (
            PAYMENTS,
            &[GRANT, SUBJECT, TYPE, ("audience", "payments")],
            (403, "access_denied", "Client is not within the token audience"),
            invalid,
        ),
        // It is hers by way of the storefront, which gets as far as the policy.
        (
            STOREFRONT,
            &[GRANT, SUBJECT, TYPE, ("audience", "payments")],
            (400, "invalid_request", "Requested audience not available"),
            invalid,
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, TYPE, ("audience", "nobody")],
            (400, "invalid_client", "Audience not found"),
            (400, "invalid_target"),
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, TYPE, ("audience", "ledger")],
            (400, "invalid_request", "Requested audience not available"),
            (400, "invalid_target"),
        ),
        (
            ORDERS,
            &[GRANT, SUBJECT, TYPE, ("audience", "payments"), ("scope", "admin")],
            (400, "invalid_scope", "Invalid scopes"),
            (400, "invalid_scope"),
        ),
    ];
    for (client, form, (status, code, words), expected) in cases {
        let ask = async |authority: &Running, hers: String| {
            let form: Vec<_> =
                form.iter().map(|&(name, value)| (name, if value == HERS { &hers } else { value })).collect();
            authority.token(*client, &form).await
        };
        let answer = ask(&keycloak, orders_token(&keycloak, json!({}))).await;
        let told = json!({ "error": code, "error_description": words });
        assert_eq!((answer.status.as_u16(), &answer.body), (*status, &told));
        let answer = ask(&ours, ours.orders_token(json!({}))).await;
        assert_eq!(answer.outcome(), (expected.0, expected.1.to_owned()), "{words}");
    }
}
