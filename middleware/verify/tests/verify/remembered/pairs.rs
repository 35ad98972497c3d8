//! Two credentials on one request: each may be remembered, and that they belong together never is.

use std::sync::Arc;

use serde_json::json;
use tower_identity_core::{Binding, RefusalKind};
use tower_identity_testkit::assert_hides;
use tower_identity_verify::{Verification, Verifier, VerifierBuilder, danger};

use super::{HOME, Shop, Told, trusted};
use crate::support::{ManualClock, accepted, at_once, claims, invalid, key, refused, sign};

/// Who calls for whom, tied by what, with which scopes; or the refusal.
type Outcome = Result<(String, Option<String>, Binding, String), (RefusalKind, &'static str)>;

fn outcome(verification: Verification) -> Outcome {
    match at_once(verification) {
        Ok(caller) => {
            let principal = caller.principal();
            let user = principal.user().map(|user| user.id.to_string());
            Ok((principal.workload().id.to_string(), user, principal.binding(), principal.scopes().to_string()))
        }
        Err(refusal) => Err((refusal.kind().clone(), refusal.check())),
    }
}

fn ok(caller: &str, user: Option<&str>, binding: Binding, scopes: &str) -> Outcome {
    Ok((caller.to_owned(), user.map(str::to_owned), binding, scopes.to_owned()))
}

fn unrelated() -> Outcome {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

impl Shop {
    /// A token of this subject, issued to this client.
    fn of(&self, subject: &str, client: &str) -> String {
        let mut claims = self.claims();
        claims["sub"] = json!(subject);
        claims["client_id"] = json!(client);
        claims["scope"] = json!(format!("of:{subject}"));
        sign(&self.key, &claims)
    }
}

#[test]
fn warm_a7_two_a2_that_two_tokens_belong_together_is_decided_on_every_request() {
    let told = Told::listen();
    let shop = Shop::new();
    let [storefront, payments] = ["storefront", "payments"].map(|client| shop.of(client, client));
    let (alice, bob) = (shop.of("alice", "storefront"), shop.of("bob", "payments"));
    let pair = |caller: &str, user: &str| outcome(shop.verifier.pair(caller, user));
    let tied = |caller, user| ok(caller, Some(user), Binding::IssuerNamed, &format!("of:{user}"));
    for round in 0..3 {
        assert_eq!(pair(&storefront, &alice), tied("storefront", "alice"));
        assert_eq!(pair(&payments, &bob), tied("payments", "bob"));
        // Each of the four is good, and was good in a pair just now.
        assert_eq!(pair(&payments, &alice), unrelated());
        assert_eq!(pair(&storefront, &bob), unrelated());
        let expected = if round == 0 { (2, 2, 2.0) } else { (4, 0, 2.0) };
        assert_eq!(told.of(["callers", "users"]), [expected; 2], "{round}");
    }
}

#[test]
fn warm_a7_two_a4_how_a_caller_stands_is_decided_on_every_request() {
    let shop = Shop::new();
    let (own, alice) = (shop.of("storefront", "storefront"), shop.of("alice", "storefront"));
    let with_rights = || ok("storefront", None, Binding::SameToken, "of:storefront");
    for _ in 0..3 {
        assert_eq!(outcome(shop.verifier.bearer(&own)), with_rights());
        // Its user left out: no rights.
        assert_eq!(outcome(shop.verifier.alone(&own)), ok("storefront", None, Binding::SameToken, ""));
        let of_alice = ok("storefront", Some("alice"), Binding::SameToken, "of:alice");
        assert_eq!(outcome(shop.verifier.bearer(&alice)), of_alice);
        assert_eq!(outcome(shop.verifier.alone(&alice)), unrelated(), "in the place of the caller's");
        let tied = ok("storefront", Some("alice"), Binding::IssuerNamed, "of:alice");
        assert_eq!(outcome(shop.verifier.pair(&own, &alice)), tied);
    }
}

#[test]
fn warm_a9_callers_and_users_tokens_are_remembered_apart() {
    let (clock, key) = (ManualClock::new(), key());
    let build = |change: fn(VerifierBuilder) -> VerifierBuilder| -> Verifier {
        let builder = Verifier::builder(trusted(&key, "orders")).user_issuer(trusted(&key, "shop"));
        change(builder).clock(clock.clock()).build().expect("valid")
    };
    let signed = |subject: &str, audience: &str| {
        let mut claims = claims(HOME, clock.now());
        (claims["sub"], claims["aud"]) = (json!(subject), json!(audience));
        sign(&key, &claims)
    };
    let (own, alice) = (signed("storefront", "orders"), signed("alice", "shop"));
    let verifier = build(|builder| builder);
    for _ in 0..3 {
        accepted(at_once(verifier.pair(&own, &alice)));
        accepted(at_once(verifier.bearer(&own)));
        // The user's is for us as a user's alone, and the caller's as a caller's.
        assert_eq!(refused(at_once(verifier.bearer(&alice))), invalid("aud"));
        assert_eq!(refused(at_once(verifier.pair(&alice, &alice))), invalid("aud"));
        assert_eq!(refused(at_once(verifier.pair(&own, &own))), invalid("aud"));
    }

    // Of one issuer for both, a token of each is remembered twice: their rules differ.
    let shop = Shop::new();
    let own = shop.of("storefront", "storefront");
    let as_user = accepted(at_once(shop.verifier.pair(&own, &shop.of("alice", "storefront"))));
    let as_caller = accepted(at_once(shop.verifier.bearer(&shop.of("alice", "storefront"))));
    let token = |caller: Option<&Arc<_>>| Arc::clone(caller.expect("a user's"));
    assert!(!Arc::ptr_eq(&token(as_user.user_token()), &token(as_caller.user_token())));
}

#[test]
fn warm_a7_whose_word_is_taken_is_decided_by_each_verifiers_own_settings() {
    let (clock, key) = (ManualClock::new(), key());
    let builder = || Verifier::builder(trusted(&key, "orders")).clock(clock.clock());
    let trusting = danger::trusted_caller(builder(), ["gateway"], [HOME]).build().expect("valid");
    let plain = builder().build().expect("valid");
    let token = |subject: &str, client: &str| {
        let mut claims = claims(HOME, clock.now());
        (claims["sub"], claims["client_id"]) = (json!(subject), json!(client));
        sign(&key, &claims)
    };
    let (gateway, storefront, alice) =
        (token("gateway", "gateway"), token("storefront", "storefront"), token("alice", "web"));
    for _ in 0..3 {
        let on_trust = ok("gateway", Some("alice"), Binding::None, "orders:write");
        assert_eq!(outcome(trusting.pair(&gateway, &alice)), on_trust);
        assert_eq!(outcome(trusting.pair(&storefront, &alice)), unrelated());
        assert_eq!(outcome(plain.pair(&gateway, &alice)), unrelated());
    }
}

#[test]
fn warm_a7_a_verifier_that_remembers_shows_no_token() {
    let shop = Shop::new();
    let token = shop.token();
    shop.accepted(&token);
    assert_hides(&shop.verifier, [&token, token.rsplit('.').next().expect("a signature")]);
}
