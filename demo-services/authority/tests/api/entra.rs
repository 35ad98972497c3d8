//! The authority in Entra ID's shape: its tokens, its two grants, how it refuses, and where everything is.

use std::path::Path;

use serde_json::{Map, Value, json};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, Unverified, random_id};

use crate::support::{
    ARCHIVE_KEY, Answer, As, Form, LEDGER_KEY, ORDERS, Running, STOREFRONT, TOKEN_EXCHANGE, accepted, authority,
    changed, settings, sign,
};

const TENANT: &str = "4e1c6a52-9b0d-4f3e-8a77-2d5b90c1f684";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const GRANT: (&str, &str) = ("grant_type", JWT_BEARER);
const USE: (&str, &str) = ("requested_token_use", "on_behalf_of");
const CHARGE: (&str, &str) = ("scope", "api://payments/payments:charge");
const OWN: (&str, &str) = ("grant_type", "client_credentials");

/// In the place of a user's good token for orders.
const HERS: &str = "hers";

fn issuer_at(origin: &str) -> String {
    format!("{origin}/{TENANT}/v2.0")
}

fn as_entra(settings: &mut Value) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("entra.pem");
    std::fs::write(file, ARCHIVE_KEY.to_pem().expect("a PEM").expose()).expect("written");
    let origin = settings["issuer"].as_str().expect("an issuer").to_owned();
    settings["issuer"] = issuer_at(&origin).into();
    settings["answers_as"] = "entra".into();
    settings["signing_key_file"] = "entra.pem".into();
}

async fn entra() -> Running {
    Running::with(as_entra).await
}

fn endpoint() -> String {
    format!("/{TENANT}/oauth2/v2.0/token")
}

async fn ask(authority: &Running, client: As<'_>, form: Form<'_>) -> Answer {
    let hers = orders_token(authority, json!({}));
    let form: Vec<_> = form.iter().map(|&(name, value)| (name, if value == HERS { &hers } else { value })).collect();
    authority.post_form(&endpoint(), client, &form).await
}

/// The claims of a token, verified with the published keys.
async fn claims(authority: &Running, token: &str) -> Map<String, Value> {
    let url = format!("{}/{TENANT}/discovery/v2.0/keys", authority.issuer);
    let keys = authority.http.get(url).send().await.expect("sent").bytes().await.expect("read");
    let accept = Accept::new([MediaType::JWT], [Algorithm::Rs256]);
    let token = Unverified::<Map<String, Value>>::parse(token, &Limits::default()).expect("a token");
    token.open(&KeySet::parse(&keys).expect("keys"), &accept).expect("signed by the authority").into_claims()
}

/// A good token of alice for orders, with these claims changed.
fn orders_token(authority: &Running, changes: Value) -> String {
    let good = json!({
        "iss": issuer_at(&authority.issuer), "sub": "hers at orders", "oid": "alice", "aud": "orders", "azp": "storefront",
        "azpacr": "1", "tid": TENANT, "ver": "2.0", "uti": "1", "scp": "orders:read orders:write",
        "iat": authority.now(), "exp": authority.now() + 120,
    });
    sign(&ARCHIVE_KEY, &MediaType::JWT, &changed(good.as_object().expect("an object").clone(), changes))
}

#[tokio::test]
async fn obo_c1_a_token_on_behalf_of_a_user_names_no_actor_and_has_a_subject_of_its_audiences_own() {
    let authority = entra().await;
    let scope = ("scope", "api://payments/.default");
    let answer = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", HERS), scope]).await;
    let token = answer.token();
    let expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 300, "ext_expires_in": 300,
        "scope": "api://payments/payments:charge api://payments/payments:read",
    });
    assert_eq!(answer.body, expected);

    let told = claims(&authority, &token).await;
    let expected = json!({
        "iss": issuer_at(&authority.issuer), "sub": told["sub"], "oid": "alice", "aud": "payments", "azp": "orders",
        "azpacr": "1", "tid": TENANT, "ver": "2.0", "uti": told["uti"], "scp": "payments:charge payments:read",
        "iat": authority.now(), "nbf": authority.now(), "exp": authority.now() + 300,
    });
    assert_eq!(Value::Object(told.clone()), expected);

    // Another name at another service, and another user's is another; at the same service it stays.
    let subject = async |token: String| claims(&authority, &token).await["sub"].clone();
    let again = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", HERS), CHARGE]).await.token();
    let at_orders = ("scope", "api://orders/orders:read");
    let elsewhere = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", HERS), at_orders]).await.token();
    let bobs = orders_token(&authority, json!({ "oid": "bob" }));
    let bobs = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", &bobs), CHARGE]).await.token();
    let hers = told["sub"].clone();
    assert_eq!(subject(again).await, hers);
    for other in [subject(elsewhere).await, subject(bobs).await, json!("alice")] {
        assert_ne!(other, hers);
    }
}

#[tokio::test]
async fn obo_c1_a_clients_own_token_has_roles_and_no_scopes() {
    let authority = entra().await;
    let answer = ask(&authority, ORDERS, &[OWN, ("scope", "api://payments/.default")]).await;
    let token = answer.token();
    let expected = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300, "ext_expires_in": 300 });
    assert_eq!(answer.body, expected);
    let told = claims(&authority, &token).await;
    let expected = json!({
        "iss": issuer_at(&authority.issuer), "sub": "orders", "oid": "orders", "aud": "payments", "azp": "orders",
        "azpacr": "1", "idtyp": "app", "tid": TENANT, "ver": "2.0", "uti": told["uti"],
        "roles": ["payments:read", "payments:settle"],
        "iat": authority.now(), "nbf": authority.now(), "exp": authority.now() + 300,
    });
    assert_eq!(Value::Object(told), expected);
    // It is no user's, and nothing is to be had on behalf of it, though it were for orders.
    let own = orders_token(&authority, json!({ "oid": "orders", "sub": "orders", "idtyp": "app", "scp": null }));
    let refused = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", &own), CHARGE]).await;
    assert_eq!((refused.outcome().1.as_str(), number(&refused)), ("invalid_grant", 7_000_114));
}

#[tokio::test]
async fn te_c5_another_token_of_the_same_key_is_no_access_token_of_entras() {
    let authority = entra().await;
    let number_of = async |changes: Value| {
        let token = orders_token(&authority, changes);
        let answer = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", &token), CHARGE]).await;
        if answer.outcome() == accepted() { 0 } else { number(&answer) }
    };
    assert_eq!(number_of(json!({})).await, 0);
    let cases = [
        json!({ "ver": "1.0" }),
        json!({ "ver": null }),
        json!({ "oid": null }),
        json!({ "azp": null }),
        json!({ "uti": null }),
        json!({ "iss": authority.issuer }),
        json!({ "exp": authority.now() }),
        json!({ "scope": "orders:write" }),
    ];
    for changes in cases {
        assert_eq!(number_of(changes.clone()).await, 50_013, "{changes}");
    }
    let event = orders_token(&authority, json!({}));
    let payload = Unverified::<Map<String, Value>>::parse(&event, &Limits::default()).expect("a token");
    let event = sign(&ARCHIVE_KEY, &MediaType::SECURITY_EVENT, payload.claims_unverified());
    let refused = ask(&authority, ORDERS, &[GRANT, USE, ("assertion", &event), CHARGE]).await;
    assert_eq!(number(&refused), 50_013);
}

fn number(answer: &Answer) -> u64 {
    answer.body["error_codes"][0].as_u64().unwrap_or_else(|| panic!("{}", answer.body))
}

#[tokio::test]
async fn obo_c1_refusals_have_entras_numbers() {
    let authority = entra().await;
    let assertion = ("assertion", HERS);
    let default = ("scope", "api://payments/.default");
    let cases: &[(As<'_>, Form<'_>, (u16, &str, u64))] = &[
        (ORDERS, &[USE, assertion, CHARGE], (400, "invalid_request", 900_144)),
        (ORDERS, &[GRANT, assertion, CHARGE], (400, "invalid_request", 900_144)),
        (ORDERS, &[GRANT, USE, CHARGE], (400, "invalid_request", 900_144)),
        (ORDERS, &[GRANT, USE, assertion], (400, "invalid_request", 900_144)),
        (ORDERS, &[GRANT, GRANT, USE, assertion, CHARGE], (400, "invalid_request", 9_002_313)),
        (
            ORDERS,
            &[("grant_type", TOKEN_EXCHANGE), ("subject_token", HERS), ("audience", "payments")],
            (400, "unsupported_grant_type", 70_003),
        ),
        (As::Basic("orders", "not the secret"), &[GRANT, USE, assertion, CHARGE], (401, "invalid_client", 7_000_215)),
        (As::Nobody, &[GRANT, USE, assertion, CHARGE], (401, "invalid_client", 7_000_218)),
        (ORDERS, &[GRANT, USE, ("assertion", "opaque"), CHARGE], (400, "invalid_grant", 50_013)),
        // It is for orders.
        (STOREFRONT, &[GRANT, USE, assertion, CHARGE], (400, "invalid_grant", 500_131)),
        (ORDERS, &[GRANT, USE, assertion, ("scope", "api://nobody/.default")], (400, "invalid_resource", 500_011)),
        (ORDERS, &[GRANT, USE, assertion, ("scope", "api://ledger/.default")], (400, "invalid_grant", 65_001)),
        (ORDERS, &[GRANT, USE, assertion, ("scope", "api://payments/admin")], (400, "invalid_grant", 65_001)),
        (ORDERS, &[GRANT, USE, assertion, ("scope", "payments:charge")], (400, "invalid_scope", 70_011)),
        (
            ORDERS,
            &[GRANT, USE, assertion, ("scope", "api://payments/.default api://payments/payments:charge")],
            (400, "invalid_scope", 70_011),
        ),
        (
            ORDERS,
            &[GRANT, USE, assertion, ("scope", "api://payments/payments:charge api://orders/orders:read")],
            (400, "invalid_scope", 28_000),
        ),
        (ORDERS, &[OWN, ("scope", "api://payments/payments:settle")], (400, "invalid_scope", 1_002_012)),
        (ORDERS, &[OWN, ("scope", "api://nobody/.default")], (400, "invalid_resource", 500_011)),
        (ORDERS, &[OWN, ("scope", "api://ledger/.default")], (400, "invalid_grant", 501_051)),
        (STOREFRONT, &[OWN, default], (400, "invalid_grant", 501_051)),
    ];
    for (client, form, (status, code, expected)) in cases {
        let answer = ask(&authority, *client, form).await;
        assert_eq!((answer.outcome(), number(&answer)), ((*status, (*code).to_owned()), *expected), "{form:?}");
        let text = |name: &str| answer.body[name].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned();
        let description = text("error_description");
        assert!(description.starts_with(&format!("AADSTS{expected}: ")), "{description}");
        let told = [
            format!("Trace ID: {}", text("trace_id")),
            format!("Correlation ID: {}", text("correlation_id")),
            format!("Timestamp: {}", text("timestamp")),
        ];
        assert!(description.ends_with(&told.join(" ")), "{description}");
        let suberror = (*expected == 65_001).then_some("consent_required");
        assert_eq!(answer.body["suberror"].as_str(), suberror, "{form:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn obo_c1_a_clients_assertion_is_for_the_endpoint_that_it_goes_to() {
    let authority = entra().await;
    let token_endpoint = format!("{}{}", authority.issuer, endpoint());
    let cases = [(token_endpoint.as_str(), 0), (&issuer_at(&authority.issuer), 700_023), (&authority.issuer, 700_023)];
    for (audience, expected) in cases {
        let claims = json!({
            "iss": "ledger", "sub": "ledger", "aud": audience, "jti": random_id(), "exp": authority.now() + 60,
        });
        let assertion = sign(&LEDGER_KEY, &MediaType::JWT, claims.as_object().expect("an object"));
        let form = [OWN, ("scope", "api://payments/.default")];
        let answer = ask(&authority, As::Assertion(&assertion), &form).await;
        let found = if answer.outcome() == accepted() { 0 } else { number(&answer) };
        assert_eq!(found, expected, "{audience}");
    }
}

#[tokio::test]
async fn obo_c1_everything_is_where_entra_has_it_and_nowhere_else() {
    let authority = entra().await;
    let issuer = issuer_at(&authority.issuer);
    let document = authority.get(&format!("/{TENANT}/v2.0/.well-known/openid-configuration")).await;
    let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]);
    let expected = json!({
        "issuer": issuer,
        "token_endpoint": format!("{}{}", authority.issuer, endpoint()),
        "jwks_uri": format!("{}/{TENANT}/discovery/v2.0/keys", authority.issuer),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["pairwise"],
    });
    assert_eq!((document.status.as_u16(), document.body), (200, expected));
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        &format!("/.well-known/oauth-authorization-server/{TENANT}/v2.0"),
        "/jwks",
        "/token",
        "/introspect",
    ] {
        assert_eq!(authority.get(path).await.status, 404, "{path}");
    }
}

#[test]
fn obo_c1_the_issuer_is_a_tenants() {
    let clock = tower_identity_testkit::ManualClock::new();
    let built = |issuer: &str, product: Option<&str>| {
        let mut settings = settings("https://login.example");
        if product == Some("entra") {
            as_entra(&mut settings);
        }
        settings["issuer"] = issuer.into();
        authority(settings, clock.clock()).map(drop).map_err(|invalid| invalid.to_string())
    };
    let tenants = issuer_at("https://login.example");
    assert_eq!(built(&tenants, Some("entra")), Ok(()));
    assert_eq!(built("https://login.example", None), Ok(()));
    let rule = "issuer: has more than scheme, host and port";
    assert_eq!(built(&tenants, None), Err(rule.to_owned()));
    for other in [
        "https://login.example".to_owned(),
        format!("https://login.example/{TENANT}"),
        format!("{tenants}/"),
        "https://login.example//v2.0".to_owned(),
        "https://login.example/{tenantid}/v2.0".to_owned(),
    ] {
        let rule = "issuer: does not go on with /{tenant}/v2.0 after the port";
        assert_eq!(built(&other, Some("entra")), Err(rule.to_owned()), "{other}");
    }
}
