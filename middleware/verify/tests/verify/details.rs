//! What a refusal says to the operator: bounded, whoever wrote the token, and nobody's name.

use serde_json::{Value, json};
use tower_identity_core::Refusal;
use tower_identity_jose::KeySet;
use tower_identity_verify::{Profile, TrustedIssuer};

use crate::support::{
    at_once, claims,
    fixtures::{NOW, Vendor, verifier},
    key, sign,
};

const ISSUER: &str = "https://as.example";

/// The check that refuses these claims, and what is said of it.
fn detail(change: impl FnOnce(&mut Value)) -> (&'static str, String) {
    let own = key();
    let keys = KeySet::from_keys([own.verifying_key()]).expect("a key");
    let mut claims = claims(ISSUER, NOW);
    change(&mut claims);
    said(at_once(verifier(TrustedIssuer::keys(ISSUER, keys).audience("orders")).bearer(&sign(&own, &claims))).err())
}

fn said(refusal: Option<Refusal>) -> (&'static str, String) {
    let refusal = refusal.expect("refused");
    (refusal.check(), refusal.explanation().expect("a detail").to_owned())
}

#[test]
fn e_p1_what_a_token_says_is_in_a_detail_up_to_256_characters() {
    let long = "é".repeat(1_000);
    let beginning = "é".repeat(255);
    assert_eq!(detail(|claims| claims["iss"] = json!("é")), ("iss", "\"é\" is not trusted".to_owned()), "the control");
    assert_eq!(detail(|claims| claims["iss"] = json!(long)), ("iss", format!("\"{beginning}… is not trusted")));
    let many: Vec<_> = (0..200).map(|at| format!("audience-{at}")).collect();
    let (check, detail) = detail(|claims| claims["aud"] = json!(many));
    assert_eq!((check, detail.chars().count()), ("aud", "expected one of [\"orders\"], found ".len() + 257));

    let keycloak = Vendor::new(Profile::Keycloak);
    let kind = |typ: &str| said(keycloak.judged(&keycloak.shape("user").with("typ", json!(typ))).err());
    assert_eq!(kind("ID"), ("kind", "expected typ \"Bearer\", found \"ID\"".to_owned()));
    assert_eq!(kind(&long), ("kind", format!("expected typ \"Bearer\", found \"{beginning}…")));
}

#[test]
fn e_p1_no_detail_names_an_actor_or_a_subject() {
    let other = detail(|claims| claims["act"] = json!({"sub": "bob@example.com"}));
    assert_eq!(other, ("act", "the actor is another than the client that the token was issued to".to_owned()));
    let kubernetes = Vendor::new(Profile::Kubernetes);
    let other = kubernetes.shape("workload").with("sub", json!("bob@example.com"));
    let (check, detail) = said(kubernetes.judged(&other).err());
    assert_eq!(check, "subject");
    assert!(detail.starts_with("expected the service account ") && !detail.contains("bob"), "{detail}");
}
