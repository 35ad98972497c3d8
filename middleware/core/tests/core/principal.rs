use std::sync::Arc;

use tower_identity_core::{
    Actor, ActorChain, Binding, CallerContext, Credential, Evidence, Scopes, SecretToken, Timestamp,
};

use crate::support::{ISSUER, acting_for, context, parts, token, user, workload};

fn json(context: &CallerContext) -> String {
    serde_json::to_string(&context.principal()).expect("a principal is always representable")
}

#[test]
fn a_principal_with_a_user_serializes_as_documented() {
    let mut caller = parts();
    caller.identity.user = Some(user("alice"));
    caller.actors = ActorChain::new(vec![Actor {
        id: "orders".parse().expect("subject"),
        issuer: ISSUER.parse().expect("issuer"),
    }]);
    caller.identity.evidence = Evidence::Actor;
    caller.token_id = Some("1f0c".parse().expect("token id"));
    assert_eq!(
        json(&context(caller, None, Binding::SameToken)),
        concat!(
            r#"{"caller":{"id":"orders","issuer":"https://as.example"},"#,
            r#""user":{"id":"alice","issuer":"https://as.example"},"#,
            r#""actors":[{"id":"orders","issuer":"https://as.example"}],"#,
            r#""scopes":["payments:charge"],"audience":"payments","#,
            r#""evidence":"actor","binding":"same_token","token_id":"1f0c"}"#,
        )
    );
}

#[test]
fn a_principal_without_a_user_says_null() {
    assert_eq!(
        json(&context(parts(), None, Binding::SameToken)),
        concat!(
            r#"{"caller":{"id":"orders","issuer":"https://as.example"},"user":null,"actors":[],"#,
            r#""scopes":["payments:charge"],"audience":"payments","#,
            r#""evidence":"subject","binding":"same_token","token_id":null}"#,
        )
    );
}

#[test]
fn a_user_of_a_tenant_is_written_with_it() {
    let mut caller = parts();
    let mut of_tenant = user("alice");
    of_tenant.tenant = Some("t1".parse().expect("tenant"));
    caller.identity.user = Some(of_tenant);
    let written = serde_json::to_value(context(caller, None, Binding::SameToken).principal()).expect("json");
    assert_eq!(written["user"], serde_json::json!({"id": "alice", "issuer": ISSUER, "tenant": "t1"}));
}

/// RFC 7519 §4.1.3: `aud` is a string for one value, else a list.
#[test]
fn one_audience_is_a_string_and_several_are_a_list() {
    for (audience, expected) in [
        (vec!["payments"], serde_json::json!("payments")),
        (vec!["payments", "ledger"], serde_json::json!(["payments", "ledger"])),
    ] {
        let mut caller = parts();
        caller.audience = audience.iter().map(|name| name.parse().expect("audience")).collect();
        let written = serde_json::to_value(context(caller, None, Binding::SameToken).principal()).expect("json");
        assert_eq!(written["audience"], expected);
    }
}

#[test]
fn every_binding_has_its_word() {
    for (binding, word) in [
        (Binding::SameToken, "same_token"),
        (Binding::ProofOverAll, "proof_over_all"),
        (Binding::SharedKey, "shared_key"),
        (Binding::IssuerNamed, "issuer_named"),
        (Binding::Transaction, "transaction"),
        (Binding::SelfAsserted, "self_asserted"),
        (Binding::None, "none"),
    ] {
        let written = serde_json::to_value(context(parts(), None, binding).principal()).expect("json");
        assert_eq!(written["binding"], word);
    }
}

#[test]
fn the_users_token_is_its_own_else_the_callers_if_it_names_a_user() {
    let alone = context(parts(), None, Binding::SameToken);
    assert!(alone.user_token().is_none(), "a service's token speaks for no user");

    let composite = acting_for("alice");
    let chosen = composite.user_token().expect("the caller's token names a user");
    assert!(Arc::ptr_eq(chosen, composite.caller_token()));

    let mut of_bob = parts();
    of_bob.identity.user = Some(user("bob"));
    let mut of_alice = parts();
    of_alice.identity.user = Some(user("alice"));
    let two = context(of_alice, Some(of_bob), Binding::SharedKey);
    let chosen = two.user_token().expect("there is one");
    assert!(!Arc::ptr_eq(chosen, two.caller_token()));
    assert_eq!(two.principal().user(), Some(&user("bob")), "the user's own token wins");
}

#[test]
fn with_two_tokens_rights_are_the_users_and_the_sender_is_the_callers() {
    let mut of_user = parts();
    of_user.identity.user = Some(user("alice"));
    of_user.identity.workload = workload("storefront");
    of_user.scopes = Scopes::parse("payments:read").expect("scopes");
    of_user.audience = vec!["ledger".parse().expect("audience")];
    of_user.token_id = Some("of-alice".parse().expect("token id"));
    let both = context(parts(), Some(of_user), Binding::IssuerNamed);
    let principal = both.principal();
    assert_eq!(principal.workload(), &workload("orders"));
    assert_eq!(principal.user(), Some(&user("alice")));
    assert_eq!(principal.scopes(), &Scopes::parse("payments:read").expect("scopes"));
    assert_eq!(principal.audience(), ["ledger"]);
    assert_eq!(principal.token_id(), Some(&"of-alice".parse().expect("token id")));
    assert_eq!(principal.binding(), Binding::IssuerNamed);
}

#[test]
fn a_request_ends_with_the_first_of_its_tokens() {
    for (caller_ends, user_ends) in [(900, 1000), (1000, 900)] {
        let (mut caller, mut of_user) = (parts(), parts());
        caller.expires_at = Timestamp::from_secs(caller_ends);
        of_user.expires_at = Timestamp::from_secs(user_ends);
        let both = context(caller, Some(of_user), Binding::SharedKey);
        assert_eq!(both.principal().expires_at(), Timestamp::from_secs(900));
    }
}

#[test]
fn two_a8_a_workload_and_a_user_of_one_name_stay_two() {
    let (mut caller, mut of_user) = (parts(), parts());
    caller.identity.workload = workload("alice");
    of_user.identity.user = Some(user("alice"));
    let both = context(caller, Some(of_user), Binding::IssuerNamed);
    assert_eq!(both.principal().workload(), &workload("alice"));
    assert_eq!(both.principal().user(), Some(&user("alice")));

    let mut only_caller = parts();
    only_caller.identity.workload = workload("alice");
    assert_eq!(context(only_caller, None, Binding::SameToken).principal().user(), None);
}

/// A certificate, and a token of the same workload that names no user: the token says what it may, and nobody is a user.
#[test]
fn cert_a9_a_workloads_own_token_beside_its_certificate_gives_rights_and_no_user() {
    let mut certificate = parts();
    certificate.credential = Credential::Certificate(Arc::from(*b"der"));
    certificate.identity.evidence = Evidence::Proven;
    certificate.scopes = Scopes::default();
    certificate.audience.clear();
    certificate.expires_at = Timestamp::from_secs(950);
    let both = context(certificate, Some(parts()), Binding::SameToken);
    let principal = both.principal();
    assert_eq!((principal.evidence(), principal.user(), both.user_token().is_none()), (Evidence::Proven, None, true));
    assert_eq!((principal.scopes(), principal.audience()), (&parts().scopes, &parts().audience[..]));
    assert_eq!(principal.expires_at(), Timestamp::from_secs(950), "the first of the two to end");
    assert_eq!(both.token().token().map(SecretToken::expose), Some("head.payload.signature"));
    assert_eq!(both.caller_token().token(), None);
}

#[test]
fn no_debug_of_a_context_shows_its_token() {
    let secret = token(parts()).token().expect("a token").expose().to_owned();
    let carried = acting_for("alice");
    let printed = format!("{:?} {carried:?} {:?} {:?}", parts(), carried.principal(), token(parts()));
    assert!(!printed.contains(&secret), "{printed}");
    assert!(printed.contains("alice"), "the control: what is no secret is there");
}
