use std::sync::Arc;

use serde::Deserialize;
use tower_identity_core::{Audience, Credential, Fingerprint, Revocation, Revocations, VerifiedTokenParts};

use crate::support::{ISSUER, clock, credential, parts, token, user};

fn fingerprint(text: &str) -> Fingerprint {
    let mut parts = parts();
    parts.credential = credential(text, "{}");
    token(parts).fingerprint()
}

#[test]
fn a_fingerprint_is_stable_and_each_token_has_its_own() {
    let verified = token(parts());
    assert_eq!(verified.fingerprint(), verified.fingerprint());
    assert_eq!(fingerprint("a.b.c"), fingerprint("a.b.c"));
    for other in ["a.b.d", "A.b.c", "a.b.c ", "a.b.", ""] {
        assert_ne!(fingerprint("a.b.c"), fingerprint(other), "{other:?}");
    }
    assert_ne!(
        fingerprint("a.b.c"),
        Fingerprint::of("another-domain").field("a.b.c").finish(),
        "nothing else has a verified token's fingerprint"
    );
}

/// Two tokens of one user with different rights must never share a cache entry.
#[test]
fn out_b1_a_fingerprint_is_of_the_token_and_not_of_whom_it_names() {
    let (mut one, mut two) = (parts(), parts());
    one.credential = credential("wide", "{}");
    two.credential = credential("narrow", "{}");
    one.identity.user = Some(user("alice"));
    two.identity.user = Some(user("alice"));
    assert_ne!(token(one).fingerprint(), token(two).fingerprint());
}

#[test]
fn claims_are_read_as_the_type_that_is_asked_for() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Claims {
        department: String,
    }
    let mut parts = parts();
    parts.credential = credential("a.b.c", r#"{"iss":"https://as.example","department":"shipping"}"#);
    let verified = token(parts);
    assert_eq!(verified.claims::<Claims>().expect("of that shape"), Claims { department: "shipping".to_owned() });
    assert_eq!(verified.claims::<serde_json::Value>().expect("any shape")["iss"], ISSUER);

    #[derive(Debug, Deserialize)]
    struct Others {
        #[expect(dead_code, reason = "it is the name that is missed")]
        region: String,
    }
    let missed = verified.claims::<Others>().expect_err("the payload has no such member");
    assert!(missed.is_data() && missed.to_string().starts_with("missing field `region`"), "{missed}");
}

#[test]
fn debug_tells_whom_a_token_names_and_neither_the_token_nor_its_payload() {
    let mut parts = parts();
    parts.credential = credential("head.payload.signature", r#"{"embedded":"another-token"}"#);
    let text = format!("{:?}", token(parts));
    assert!(text.contains("orders") && text.contains("payments"), "{text}");
    for hidden in ["head", "signature", "another-token", "123, 34"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

/// What is never relayed or exchanged has no text to relay or exchange.
#[test]
fn cert_a8_a_certificate_is_no_token_has_no_claims_and_never_the_fingerprint_of_a_token() {
    let of = |credential| {
        let mut parts = parts();
        parts.credential = credential;
        token(parts)
    };
    let certificate = |der: &str| of(Credential::Certificate(der.as_bytes().into()));
    let (own, same_bytes) = (certificate("a.b.c"), of(credential("a.b.c", "{}")));
    assert_eq!(own.token(), None);
    assert_eq!(same_bytes.token().map(tower_identity_core::SecretToken::expose), Some("a.b.c"));
    let none = own.claims::<serde_json::Value>().expect_err("there are none");
    assert_eq!((none.to_string().as_str(), none.is_data()), ("a certificate has no claims", true));

    assert_eq!(own.fingerprint(), certificate("a.b.c").fingerprint());
    assert_ne!(own.fingerprint(), certificate("a.b.d").fingerprint());
    assert_ne!(own.fingerprint(), same_bytes.fingerprint());

    let printed = format!("{own:?} {:?}", Credential::Certificate(Arc::from(*b"secret")));
    assert!(
        printed.ends_with("Certificate(..)") && !printed.contains("a.b.c") && !printed.contains("97, 46"),
        "{printed}"
    );
}

#[test]
fn tx_b1_a_token_says_of_which_trust_domain_it_is_a_transaction_token() {
    let of = |trust_domain: Option<&str>| {
        let trust_domain = trust_domain.map(|name| name.parse().expect("audience"));
        token(VerifiedTokenParts { trust_domain, ..parts() })
    };
    assert_eq!(of(Some("shop.internal")).trust_domain().map(Audience::as_str), Some("shop.internal"));
    assert_eq!(of(None).trust_domain(), None, "whatever its audience is");
}

/// What stops at the edge of a mesh is no more to be had behind it than its user's password.
#[test]
fn edge_a1_what_is_left_of_a_withdrawn_token_is_what_it_said_and_no_text() {
    let mut parts = parts();
    parts.credential = credential("head.payload.signature", r#"{"embedded":"another-token"}"#);
    parts.transaction = Some("t-1".parse().expect("transaction"));
    let whole = token(parts);
    let withdrawn = whole.withdrawn();

    assert_eq!(whole.token().map(tower_identity_core::SecretToken::expose), Some("head.payload.signature"));
    assert_eq!(withdrawn.token(), None);
    assert_eq!(whole.claims::<serde_json::Value>().expect("claims")["embedded"], "another-token");
    let none = withdrawn.claims::<serde_json::Value>().expect_err("there are none");
    assert_eq!(none.to_string(), "the token was replaced, and its claims with it");

    assert_eq!(withdrawn.fingerprint(), whole.fingerprint());
    assert_eq!(withdrawn.withdrawn().fingerprint(), whole.fingerprint());
    assert_eq!(format!("{withdrawn:?}"), format!("{whole:?}"));
    assert_eq!((withdrawn.expires_at(), withdrawn.transaction()), (whole.expires_at(), whole.transaction()));
    assert_eq!(format!("{:?}", Credential::Withdrawn(whole.fingerprint())), "Withdrawn(..)");
}

#[test]
fn edge_a1_whoever_revokes_a_token_has_revoked_what_is_left_of_it() {
    let revocations = Revocations::new(clock());
    let mut parts = parts();
    parts.token_id = Some("t-1".parse().expect("token id"));
    parts.revocations = revocations.clone();
    let withdrawn = token(parts).withdrawn();
    assert!(!withdrawn.is_revoked());
    revocations.revoke(Revocation::token(ISSUER.parse().expect("issuer"), "t-1".parse().expect("token id")));
    assert!(withdrawn.is_revoked());
}
