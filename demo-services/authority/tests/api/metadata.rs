use serde_json::json;

use crate::support::Running;

#[tokio::test]
async fn rfc8414_c1_both_documents_say_the_same_and_nothing_empty() {
    let authority = Running::start().await;
    let issuer = &authority.issuer;
    let expected = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "jwks_uri": format!("{issuer}/jwks"),
        "grant_types_supported": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
        "subject_types_supported": ["public"],
    });
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let answer = authority.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn the_keys_are_public_and_may_be_cached() {
    let authority = Running::start().await;
    let answer = authority.get("/jwks").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let keys = answer.body["keys"].as_array().expect("keys");
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().expect("a key").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&json!("ES256"), &json!("sig")));
}
