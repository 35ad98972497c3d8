//! A service of ours, started with a file alone, against a foreign issuer of each profile's shape.
//!
//! The shapes are those that the room `verify` tests check by check, as the vendors document them; here they come over
//! real HTTP to a service that found the keys by its settings.

use std::collections::BTreeMap;

use axum::{Json, Router, routing::get};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_identity::{Profile, SigningKey};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::{
    interop::service::{Service, invalid_token},
    servers::Server,
};

/// When the tokens of the fixtures were issued.
const FIXTURES_NOW: i64 = 4_000_000_000;

/// What most vendors sign with. Worth nothing: everybody can read it.
const RSA: &str = include_str!("../../../middleware/jose/tests/jose/fixtures/rsa-2048.pem");

#[derive(Deserialize)]
struct Vendor {
    issuer: String,
    audiences: Vec<String>,
    tokens: BTreeMap<String, Shape>,
}

#[derive(Clone, Deserialize)]
struct Shape {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    expect: Value,
}

fn vendor(profile: Profile) -> Vendor {
    let file =
        format!("{}/../middleware/verify/tests/verify/fixtures/{}.json", env!("CARGO_MANIFEST_DIR"), profile.as_str());
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

impl Shape {
    /// The token, issued now.
    fn sign(&self, key: &SigningKey) -> String {
        let now = i64::try_from(system_clock().wall().as_secs()).expect("a time of this age");
        let mut claims = self.claims.clone();
        for time in ["iat", "exp", "nbf", "auth_time"] {
            if let Some(value) = claims.get_mut(time) {
                *value = json!(value.as_i64().expect("whole seconds") - FIXTURES_NOW + now);
            }
        }
        let mut header = Map::new();
        header.insert("alg".into(), json!(key.algorithm().as_str()));
        header.insert("kid".into(), json!(key.key_id()));
        header.extend(self.header.clone());
        key.sign_with_header(&header, &Value::Object(claims)).expect("signed").expose().to_owned()
    }

    /// The same, said to be signed by this key.
    fn as_if_by(&self, key: &SigningKey) -> Self {
        let mut shape = self.clone();
        shape.header.insert("kid".to_owned(), json!(key.key_id()));
        shape
    }

    fn with(&self, claim: &str, value: Value) -> Self {
        let mut shape = self.clone();
        shape.claims.insert(claim.to_owned(), value);
        shape
    }

    /// What the service answers: whom it sees, or the one answer to every bad token.
    fn expected(&self) -> Result<Value, crate::answers::Answer> {
        let Value::Object(mut seen) = self.expect.clone() else { return invalid_token() };
        for attribute in ["display_name", "email", "groups", "roles"] {
            seen.remove(attribute);
        }
        Ok(Value::Object(seen))
    }
}

fn settings(profile: Profile, vendor: &Vendor, keys: &str) -> String {
    let anchor = match vendor.issuer.strip_prefix("spiffe://") {
        Some(domain) => format!("trust_domain = '{domain}'"),
        None => format!("issuer = '{}'\nprofile = '{}'", vendor.issuer, profile.as_str()),
    };
    format!("[[inbound.issuer]]\n{anchor}\naudience = {:?}\nkeys.url = '{keys}'\n", vendor.audiences)
}

#[tokio::test]
async fn a_file_is_enough_for_an_issuer_of_every_profile() {
    for profile in Profile::ALL {
        let vendor = vendor(profile);
        let issuer = TestIssuer::start();
        let (key, stranger) = match profile {
            Profile::Rfc9068 | Profile::Plain | Profile::Keycloak | Profile::Kubernetes | Profile::JwtSvid => {
                (issuer.key(), TestIssuer::start().key())
            }
            _ => (SigningKey::from_pem(RSA).expect("a key"), issuer.key()),
        };
        let mut jwk = key.public_jwk();
        if profile == Profile::JwtSvid {
            jwk["use"] = json!("jwt-svid");
        }
        issuer.publish_jwk(jwk);
        let service = Service::start(&settings(profile, &vendor, &issuer.url(Endpoint::Keys))).await;

        let mut accepted = 0;
        for (name, shape) in &vendor.tokens {
            assert_eq!(service.ask(&shape.sign(&key)).await, shape.expected(), "{profile:?}: {name}");
            if shape.expected().is_err() {
                continue;
            }
            accepted += 1;
            assert_eq!(
                service.ask(&shape.as_if_by(&key).sign(&stranger)).await,
                invalid_token(),
                "{profile:?}: {name}, by a stranger"
            );
            let elsewhere = shape.with("aud", json!("payments")).with("client_id", json!("another"));
            assert_eq!(service.ask(&elsewhere.sign(&key)).await, invalid_token(), "{profile:?}: {name}, not for us");
            let ended = shape.with("exp", json!(FIXTURES_NOW - 31));
            assert_eq!(service.ask(&ended.sign(&key)).await, invalid_token(), "{profile:?}: {name}, ended");
        }
        assert!(accepted > 0, "{profile:?} accepts nothing");
        assert_eq!(issuer.calls(Endpoint::Keys), 1, "{profile:?}: no key was looked for");
    }
}

/// Entra publishes one document for all of its tenants, which names the issuer by a pattern.
#[tokio::test]
async fn rfc8414_a1_tenants_are_found_by_the_document_that_names_their_pattern() {
    const LISTED: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const SECOND: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
    const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    let pattern = format!("{origin}/{{tenantid}}/v2.0");
    let of_tenants = SigningKey::from_pem(RSA).expect("a key");
    let mut jwk = of_tenants.public_jwk();
    jwk["issuer"] = json!(pattern);
    let document = json!({"issuer": pattern, "jwks_uri": format!("{origin}/common/discovery/v2.0/keys")});
    let router = Router::new()
        .route("/common/v2.0/.well-known/openid-configuration", get(async move || Json(document)))
        .route("/common/discovery/v2.0/keys", get(async move || Json(json!({"keys": [jwk]}))));
    let _entra = Server::on(listener, router);

    let vendor = vendor(Profile::EntraV2);
    let service = Service::start(&format!(
        "[[inbound.issuer]]\nissuer = '{pattern}'\nprofile = 'entra_v2'\ntenants = ['{LISTED}', '{SECOND}']\naudience = {:?}\n",
        vendor.audiences
    ))
    .await;
    let of = |tenant: &str, named: &str| {
        let issuer = format!("{origin}/{named}/v2.0");
        vendor.tokens["user"].with("iss", json!(issuer)).with("tid", json!(tenant)).sign(&of_tenants)
    };

    for tenant in [LISTED, SECOND] {
        let seen = service.ask(&of(tenant, tenant)).await.expect("the control");
        assert_eq!(seen["user"]["tenant"], json!(tenant));
        assert_eq!(seen["user"]["issuer"], json!(format!("{origin}/{tenant}/v2.0")));
    }
    for (tenant, named) in
        [(OTHER, OTHER), (OTHER, LISTED), (LISTED, OTHER), ("{tenantid}", "{tenantid}"), ("common", "common")]
    {
        assert_eq!(service.ask(&of(tenant, named)).await, invalid_token(), "tid {tenant}, iss of {named}");
    }
}
