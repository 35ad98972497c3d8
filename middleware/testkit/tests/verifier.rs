//! The kit against the real verifier: what it mints is what it says, and its callers are as verification makes them.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{
    Attributes, AuthenticationContext, CallerContext, Email, Groups, RefusalKind, SecretToken, SessionId, Timestamp,
};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestCaller, TestIssuer, TokenBuilder, assert_hides};
use tower_identity_verify::{Profile, TrustedIssuer, Verifier};

struct House {
    clock: ManualClock,
    issuer: TestIssuer,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        let trusted = TrustedIssuer::keys_at(issuer.issuer().as_str(), issuer.url(Endpoint::Keys)).audience("test");
        let verifier = Verifier::builder(trusted).clock(clock.clock()).build().expect("a verifier");
        Self { clock, issuer, verifier }
    }

    /// The check that refuses the token, or `ok`.
    async fn judge(&self, token: TokenBuilder) -> &'static str {
        self.verifier.bearer(token.build().expose()).await.map_or_else(|refusal| refusal.check(), |_| "ok")
    }
}

#[tokio::test]
async fn a_token_is_wrong_in_the_one_way_that_was_asked_for() {
    let house = House::new();
    let token = || house.issuer.token();
    let foreign = SigningKey::generate(Algorithm::Es256).expect("a key");
    let other = SigningKey::generate(Algorithm::Ed25519).expect("a key");
    house.issuer.publish_key(&other);
    let now = house.clock.clock().wall();
    let cases = [
        (token(), "ok"),
        (token().subject("alice").client("orders").scope("a b").acted_by("orders"), "ok"),
        (token().sign_with(&other), "ok"),
        (token().header("typ", "application/AT+JWT"), "ok"),
        (token().header("typ", "JWT"), "typ"),
        (token().without_header("typ"), "typ"),
        (token().header("crit", json!(["b64"])), "crit"),
        (token().unsigned(), "format"),
        (token().unsigned().signature([0; 64]), "alg"),
        (token().sign_with(&foreign).header("kid", house.issuer.key().key_id()), "signature"),
        (token().tampered(), "signature"),
        (token().signature([0; 64]), "signature"),
        (token().payload(b"no json".as_slice()), "claims"),
        (token().claim("iss", "https://else.example"), "iss"),
        (token().audience("payments"), "aud"),
        (token().without("jti"), "claims"),
        (token().expires_at(now.saturating_sub(Duration::from_secs(30))), "exp"),
        (token().issued_at(now.saturating_add(Duration::from_secs(31))), "iat"),
        (token().acted_by("orders").claim("client_id", "storefront"), "act"),
    ];
    for (at, (token, expected)) in cases.into_iter().enumerate() {
        assert_eq!(house.judge(token.clone()).await, expected, "case {at}: {token:?}");
    }
}

#[tokio::test]
async fn bytes_go_into_the_token_as_they_are() {
    let house = House::new();
    let claims = Value::Object(house.issuer.token().claims().clone()).to_string();
    assert_eq!(house.judge(house.issuer.token().payload(claims.clone())).await, "ok");
    let twice = claims.replacen('{', r#"{"sub":"mallory","#, 1);
    assert_eq!(house.judge(house.issuer.token().payload(twice)).await, "claims");
    assert_eq!(house.judge(house.issuer.token().payload(claims).tampered()).await, "claims");
}

#[tokio::test]
async fn a_bearer_header_presents_the_token_and_hides_it() {
    let house = House::new();
    let value = house.issuer.token().bearer();
    let token = value.to_str().expect("visible ASCII").strip_prefix("Bearer ").expect("the scheme").to_owned();
    assert_eq!(house.verifier.bearer(&token).await.map(drop).map_err(|refusal| refusal.check()), Ok(()));
    assert_hides(&value, [token]);
}

/// All that a context says.
fn told(context: &CallerContext) -> (Value, String, Attributes, Timestamp, bool, Value) {
    let (principal, token) = (context.principal(), context.caller_token());
    let seen = format!("{:?} {:?} {:?}", principal.evidence(), principal.authentication(), principal.transaction());
    let claims = token.claims().expect("an object");
    (json!(principal), seen, token.attributes().clone(), principal.expires_at(), token.is_of_home(), claims)
}

#[tokio::test]
async fn a_signed_test_caller_is_to_the_word_what_verification_makes_of_its_token() {
    let house = House::new();
    let end = house.clock.clock().wall().saturating_add(Duration::from_secs(60));
    let signed_in = AuthenticationContext {
        auth_time: Some(Timestamp::from_secs(1_767_000_000)),
        acr: Some("urn:acr:2".to_owned()),
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        session: Some(SessionId::parse("s-1").expect("a name")),
    };
    let alone = TestCaller::workload("orders").scope("a b").expires_at(end);
    let cases = [
        alone.clone(),
        alone.clone().user("alice"),
        alone.clone().user("alice").acting_after(["storefront"]).transaction("t-1").claim("x", json!(["x"])),
        alone.clone().user("alice").attributes(Attributes {
            display_name: Some("Alice".into()),
            email: Some(Email { address: "alice@example.com".into(), verified: true }),
            groups: Groups::Known(vec!["staff".into()]),
            roles: vec!["clerk".into(), "buyer".into()],
        }),
        alone.user("alice").authentication(signed_in),
    ];
    for caller in cases {
        let stated = caller.signed_by(&house.issuer).context();
        let token: &SecretToken = stated.caller_token().token().expect("a token");
        let verified = house.verifier.bearer(token.expose()).await.expect("a valid token");
        assert_eq!(told(&stated), told(&verified));
    }
}

#[tokio::test]
async fn an_unsigned_test_caller_is_worth_nothing_to_a_verifier() {
    let house = House::new();
    let stated = TestCaller::workload("orders").issuer(house.issuer.issuer()).context();
    let token = stated.caller_token().token().expect("a token");
    let refusal = house.verifier.bearer(token.expose()).await.expect_err("unsigned");
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "format"));
}

#[tokio::test]
async fn jwks_a3_garbage_beside_the_keys_is_skipped_and_an_outage_is_no_verdict() {
    let house = House::new();
    house.issuer.publish_jwk(json!({"kty": "AKP", "kid": "later"}));
    house.issuer.fail_once(Endpoint::Keys, Failure::Html);
    let token = house.issuer.token().build();
    let refusal = house.verifier.bearer(token.expose()).await.expect_err("no keys yet");
    assert!(matches!(refusal.kind(), RefusalKind::Unavailable { .. }), "{refusal}");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.verifier.bearer(token.expose()).await.map(drop).map_err(|refusal| refusal.check()), Ok(()));
    assert_eq!(house.issuer.calls(Endpoint::Keys), 2);
}

#[tokio::test]
async fn a_token_is_written_as_each_profile_reads_it() {
    const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for profile in Profile::ALL {
        let path = match profile {
            Profile::EntraV1 => format!("/{TENANT}/"),
            Profile::EntraV2 => format!("/{TENANT}/v2.0"),
            _ => String::new(),
        };
        let issuer = TestIssuer::start();
        let name = match profile {
            Profile::JwtSvid => "spiffe://example.org".to_owned(),
            _ => format!("https://login.example.com{path}"),
        };
        let keys = KeySet::from_keys([issuer.key().verifying_key()]).expect("a key");
        let trusted = TrustedIssuer::keys(&*name, keys).audience("orders").profile(profile);
        let verifier = Verifier::builder(trusted.algorithms([Algorithm::Es256])).build().expect("valid");
        let (client, user) = match profile {
            Profile::JwtSvid => ("spiffe://example.org/storefront", None),
            Profile::Kubernetes => ("system:serviceaccount:shop:storefront", None),
            Profile::Auth0 => ("storefront", Some("auth0|alice")),
            _ => ("storefront", Some("alice")),
        };
        let token = issuer.token().claim("iss", name).client(client).audience("orders").scope("orders:read");
        for user in [None, user] {
            let token = user.iter().fold(token.clone(), TokenBuilder::subject).written_as(profile).build();
            let caller =
                verifier.bearer(token.expose()).await.unwrap_or_else(|refusal| panic!("{profile:?}: {refusal}"));
            let principal = caller.principal();
            let named = (principal.workload().id.as_str(), principal.user().map(|user| user.id.as_str()));
            assert_eq!(named, (client, user), "{profile:?}");
        }
    }
}
