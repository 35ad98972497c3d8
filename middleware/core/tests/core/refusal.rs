use std::{error::Error, fmt, time::Duration};

use tower_identity_core::{Fault, Refusal, RefusalKind, Scopes};

/// An error of somebody else's, around a cause.
#[derive(Debug)]
struct Around(Option<Box<dyn Error + Send + Sync>>);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl Error for Around {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

fn around(cause: impl Error + Send + Sync + 'static) -> Around {
    Around(Some(Box::new(cause)))
}

fn check(error: &(dyn Error + 'static)) -> Option<&'static str> {
    Refusal::find(error).map(Refusal::check)
}

#[test]
fn a_refusal_is_found_among_an_error_and_its_causes() {
    let refusal = || Refusal::new(RefusalKind::InvalidToken, "aud");
    assert_eq!(check(&refusal()), Some("aud"));
    assert_eq!(check(&around(refusal())), Some("aud"));
    assert_eq!(check(&around(around(refusal()))), Some("aud"));
    assert_eq!(check(&around(Around(None))), None);
}

#[test]
fn of_several_refusals_the_outermost_is_found() {
    let inner = Refusal::new(RefusalKind::BadUpstream, "document");
    let outer = Refusal::new(RefusalKind::Unavailable { retry_after: Duration::from_secs(1) }, "keys").caused_by(inner);
    assert_eq!(check(&around(outer.clone())), Some("keys"));
    assert_eq!(outer.source().and_then(check), Some("document"));
}

#[test]
fn display_says_kind_check_and_detail_and_leaves_the_source_to_source() {
    let bare = Refusal::new(RefusalKind::InvalidToken, "aud");
    assert_eq!(bare.to_string(), "invalid_token (aud)");
    let full = bare.clone().detail("expected payments, found ledger").caused_by(Around(None));
    assert_eq!(full.to_string(), "invalid_token (aud): expected payments, found ledger");
    assert_eq!(full.source().map(ToString::to_string).as_deref(), Some("around"));
    assert!(bare.source().is_none());
}

#[test]
fn what_is_added_to_a_clone_does_not_reach_the_shared_one() {
    let shared = Refusal::new(RefusalKind::Denied, "rule");
    let mine = shared.clone().detail("mine").issuer("https://as.example".parse().expect("issuer"));
    assert_eq!((shared.explanation(), shared.named_issuer()), (None, None));
    assert_eq!(mine.explanation(), Some("mine"));
    assert_eq!(mine.named_issuer().map(ToString::to_string).as_deref(), Some("https://as.example"));
}

#[test]
fn every_kind_has_its_word_and_whose_fault_it_is() {
    for (kind, word, fault) in [
        (RefusalKind::NoCredential, "no_credential", Fault::Caller),
        (RefusalKind::MalformedRequest, "malformed_request", Fault::Caller),
        (RefusalKind::InvalidToken, "invalid_token", Fault::Caller),
        (RefusalKind::InsufficientScope { required: Scopes::default() }, "insufficient_scope", Fault::Caller),
        (
            RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values: vec![], max_age: None },
            "insufficient_user_authentication",
            Fault::Caller,
        ),
        (RefusalKind::UnrelatedCredentials, "unrelated_credentials", Fault::Caller),
        (RefusalKind::Denied, "denied", Fault::Caller),
        (RefusalKind::Misconfigured, "misconfigured", Fault::Configuration),
        (RefusalKind::Unavailable { retry_after: Duration::ZERO }, "unavailable", Fault::AuthorizationServer),
        (RefusalKind::BadUpstream, "bad_upstream", Fault::AuthorizationServer),
    ] {
        let refusal = Refusal::new(kind.clone(), "check");
        assert_eq!((refusal.kind(), refusal.kind().as_str(), refusal.fault()), (&kind, word, fault));
    }
}
