use std::sync::Arc;

use serde::Deserialize;
use tower_identity_core::{Fingerprint, SecretToken};

use crate::support::{ISSUER, parts, token, user};

fn fingerprint(text: &str) -> Fingerprint {
    let mut parts = parts();
    parts.token = SecretToken::new(text);
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
    one.token = SecretToken::new("wide");
    two.token = SecretToken::new("narrow");
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
    parts.payload = Arc::from(*br#"{"iss":"https://as.example","department":"shipping"}"#);
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
    parts.payload = Arc::from(*br#"{"embedded":"another-token"}"#);
    let text = format!("{:?}", token(parts));
    assert!(text.contains("orders") && text.contains("payments"), "{text}");
    for hidden in ["head", "signature", "another-token", "123, 34"] {
        assert!(!text.contains(hidden), "{text}");
    }
}
