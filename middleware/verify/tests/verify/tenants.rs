//! Issuers of several tenants, and several issuers of several kinds in one verifier.

use serde_json::{Value, json};
use tower_identity_core::{CallerContext, Issuer, Refusal};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_verify::{Profile, TrustedIssuer, Verifier};

use crate::support::{
    ManualClock, accepted, at_once,
    fixtures::{NOW, Shape, fixture},
    invalid, key, refused,
};

const A: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const B: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const STRANGER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Entra's two forms of an issuer, with the tenant left out.
const FORMS: [(Profile, &str); 2] = [
    (Profile::EntraV1, "https://sts.windows.net/{tenantid}/"),
    (Profile::EntraV2, "https://login.microsoftonline.com/{tenantid}/v2.0"),
];

struct Entra {
    pattern: &'static str,
    user: Shape,
    key: SigningKey,
    verifier: Verifier,
}

impl Entra {
    /// Trusts these tenants; the key says that it is for this issuer, if for any.
    fn new(profile: Profile, pattern: &'static str, tenants: &[&str], key_issuer: Option<&str>) -> Self {
        let key = key();
        let mut jwk = key.public_jwk();
        if let Some(issuer) = key_issuer {
            jwk["issuer"] = json!(issuer);
        }
        let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("one key");
        let fixture = fixture(profile);
        let trusted = TrustedIssuer::keys(pattern, keys)
            .audience(&fixture.audiences[0])
            .profile(profile)
            .tenants(tenants.iter().copied())
            .algorithms([Algorithm::Es256]);
        let verifier = crate::support::fixtures::verifier(trusted);
        Self { pattern, user: fixture.shape("user"), key, verifier }
    }

    fn issuer(&self, tenant: &str) -> String {
        self.pattern.replace("{tenantid}", tenant)
    }

    fn user_of(&self, tenant: &str) -> Shape {
        self.user.clone().with("iss", json!(self.issuer(tenant))).with("tid", json!(tenant))
    }

    fn judged(&self, shape: &Shape) -> Result<CallerContext, Refusal> {
        at_once(self.verifier.bearer(&shape.sign(&self.key)))
    }
}

#[test]
fn jwt_a22_a_token_is_of_a_listed_tenant_by_its_issuer_and_its_tid() {
    for (profile, pattern) in FORMS {
        let entra = Entra::new(profile, pattern, &[A, B], None);
        for tenant in [A, B] {
            let caller = accepted(entra.judged(&entra.user_of(tenant)));
            let user = caller.principal().user().expect("a user").clone();
            let workload = caller.principal().workload();
            let found = (user.issuer.as_str(), user.tenant.as_ref().map(ToString::to_string), workload.issuer.as_str());
            let issuer = entra.issuer(tenant);
            assert_eq!(found, (issuer.as_str(), Some(tenant.to_owned()), issuer.as_str()));
            assert_eq!(caller.caller_token().issuer().as_str(), issuer);
        }
        let of_a = || entra.user_of(A);
        let attacks = [
            entra.user_of(STRANGER),
            of_a().with("tid", json!(B)),
            of_a().with("tid", json!(STRANGER)),
            of_a().with("tid", json!(A.to_uppercase())),
            of_a().with("tid", json!(null)),
            of_a().with("tid", json!([A])),
            of_a().without("tid"),
            of_a().with("iss", json!(entra.issuer(B))),
            of_a().with("iss", json!(pattern)),
            of_a().with("iss", json!(entra.issuer("common"))),
            of_a().with("iss", json!(entra.issuer(&A.to_uppercase()))),
            of_a().with("iss", json!(format!("{}/", entra.issuer(A)))),
            of_a().with("iss", json!([entra.issuer(A)])),
            of_a().without("iss"),
        ];
        for attack in attacks {
            assert_eq!(refused(entra.judged(&attack)), invalid("iss"), "{}", attack.claims);
        }
    }
}

#[test]
fn users_of_two_tenants_are_two_users_whatever_their_ids() {
    let [_, (profile, pattern)] = FORMS;
    let entra = Entra::new(profile, pattern, &[A, B], None);
    let user = |tenant| accepted(entra.judged(&entra.user_of(tenant))).principal().user().cloned().expect("a user");
    assert_eq!(user(A).id, user(B).id);
    assert_ne!(user(A), user(B));
}

#[test]
fn workload_names_without_an_issuer_mean_those_of_one_tenant_or_of_none() {
    for (profile, pattern) in FORMS {
        for (tenants, home) in [(&[A][..], true), (&[A, B], false)] {
            let entra = Entra::new(profile, pattern, tenants, None);
            let caller = accepted(entra.judged(&entra.user_of(A)));
            assert_eq!(caller.caller_token().is_of_home(), home);
            let named = if home { entra.issuer(A) } else { pattern.to_owned() };
            assert_eq!(entra.verifier.home().as_str(), named);
            let anchor = entra.verifier.anchor_of(caller.caller_token().issuer());
            assert_eq!(anchor.as_ref().map(Issuer::as_str), Some(&*named));
            let refusal = entra.judged(&entra.user_of(A).with("aud", json!("payments"))).expect_err("for another");
            assert_eq!(refusal.named_issuer().map(Issuer::as_str), Some(&*named));
        }
        let entra = Entra::new(profile, pattern, &[A], None);
        assert_eq!(entra.verifier.anchor_of(&entra.issuer(B).parse().expect("issuer")), None);
    }
}

#[test]
fn jwt_a10_a_key_that_says_whose_it_is_signs_for_no_other() {
    for (profile, pattern) in FORMS {
        let of = |tenant| pattern.replace("{tenantid}", tenant);
        let (of_a, of_b, slash) = (of(A), of(B), format!("{}/", of(A)));
        let cases = [
            (None, Ok(()), Ok(())),
            (Some(pattern), Ok(()), Ok(())),
            (Some(&*of_a), Ok(()), Err("key")),
            (Some(&*of_b), Err("key"), Ok(())),
            (Some(&*slash), Err("key"), Err("key")),
            (Some("https://login.microsoftonline.com/{tenantid}"), Err("key"), Err("key")),
            (Some(""), Err("key"), Err("key")),
        ];
        for (key_issuer, for_a, for_b) in cases {
            let entra = Entra::new(profile, pattern, &[A, B], key_issuer);
            let judged = |tenant| entra.judged(&entra.user_of(tenant)).map(drop).map_err(|refusal| refusal.check());
            assert_eq!((judged(A), judged(B)), (for_a, for_b), "{profile:?} {key_issuer:?}");
        }
        // The pattern is known of a tenant alone, too.
        let entra = Entra::new(profile, pattern, &[A], Some(pattern));
        accepted(entra.judged(&entra.user_of(A)));
    }
    // And of an issuer without tenants.
    let fixture = fixture(Profile::Rfc9068);
    for (says, expected) in [("https://as.example", Ok(())), ("https://as.example/", Err("key"))] {
        let key = key();
        let mut jwk = key.public_jwk();
        jwk["issuer"] = json!(says);
        let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("one key");
        let verifier =
            crate::support::fixtures::verifier(TrustedIssuer::keys(&fixture.issuer, keys).audience("orders"));
        let judged = at_once(verifier.bearer(&fixture.shape("user").sign(&key)));
        assert_eq!(judged.map(drop).map_err(|refusal| refusal.check()), expected, "{says}");
    }
}

#[test]
fn a_tenant_names_no_actor_of_another() {
    let [_, (profile, pattern)] = FORMS;
    let entra = Entra::new(profile, pattern, &[A, B], None);
    let acted = |actor: Value| entra.user_of(A).with("act", actor);
    let client = entra.user.claims["azp"].clone();
    accepted(entra.judged(&acted(json!({"sub": client, "iss": entra.issuer(A)}))));
    assert_eq!(refused(entra.judged(&acted(json!({"sub": client, "iss": entra.issuer(B)})))), invalid("act"));
}

#[test]
fn jwt_a10_issuers_of_every_profile_side_by_side_keep_keys_and_audiences_apart() {
    // Every issuer's key goes by the same id; every issuer knows us by its own name.
    let issuers: Vec<_> =
        Profile::ALL.into_iter().map(|profile| (profile, fixture(profile), key().with_key_id("k1"))).collect();
    let trusted = |at: usize| {
        let (profile, fixture, key) = &issuers[at];
        let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
        let audience = if *profile == Profile::Cognito { fixture.audiences[0].clone() } else { format!("orders-{at}") };
        TrustedIssuer::keys(&fixture.issuer, keys).audience(audience).profile(*profile).algorithms([Algorithm::Es256])
    };
    let clock = ManualClock::new();
    clock.set(NOW);
    let builder = Verifier::builder(trusted(0)).clock(clock.clock());
    let verifier = (1..issuers.len()).fold(builder, |builder, at| builder.issuer(trusted(at))).build().expect("valid");

    for (at, (profile, fixture, own)) in issuers.iter().enumerate() {
        let name = if fixture.tokens.contains_key("user") { "user" } else { "workload" };
        let shape = fixture.shape(name);
        let addressed = |to: usize| match profile {
            Profile::Cognito if to == at => shape.clone(),
            _ => shape.clone().with("aud", json!(format!("orders-{to}"))),
        };
        let caller = accepted(at_once(verifier.bearer(&addressed(at).sign(own))));
        assert_eq!(caller.caller_token().issuer().as_str(), fixture.issuer, "{profile:?}");
        assert_eq!(caller.caller_token().is_of_home(), at == 0, "{profile:?}");
        for (other, (_, _, key)) in issuers.iter().enumerate().filter(|(other, _)| *other != at) {
            let forged = at_once(verifier.bearer(&addressed(at).sign(key)));
            assert_eq!(refused(forged), invalid("signature"), "{profile:?} signed by {other}");
            let elsewhere = at_once(verifier.bearer(&addressed(other).sign(own)));
            assert_eq!(refused(elsewhere), invalid("aud"), "{profile:?} for {other}");
        }
    }
}

#[test]
fn svid_a2_a_trusted_issuer_goes_before_a_trust_domain_and_neither_signs_for_the_other() {
    let (issuers_key, domains_key) = (key().with_key_id("k1"), key().with_key_id("k1"));
    let keys = |key: &SigningKey| KeySet::from_keys([key.verifying_key()]).expect("one key");
    let clock = ManualClock::new();
    clock.set(NOW);
    let domain =
        TrustedIssuer::keys("spiffe://example.org", keys(&domains_key)).audience("orders").profile(Profile::JwtSvid);
    let verifier = Verifier::builder(domain)
        .issuer(TrustedIssuer::keys("https://as.example", keys(&issuers_key)).audience("orders"))
        .clock(clock.clock())
        .build()
        .expect("valid");
    let svid = fixture(Profile::JwtSvid).shape("workload, typ JWT");
    let token = fixture(Profile::Rfc9068).shape("user").with("sub", svid.claims["sub"].clone());
    let named = |shape: &Shape, key: &SigningKey| {
        let decision = at_once(verifier.bearer(&shape.sign(key)));
        decision.map(|caller| caller.caller_token().issuer().to_string()).map_err(|refusal| refusal.check())
    };
    assert_eq!(named(&svid, &domains_key), Ok("spiffe://example.org".to_owned()));
    assert_eq!(named(&token, &issuers_key), Ok("https://as.example".to_owned()));
    assert_eq!(named(&svid, &issuers_key), Err("signature"));
    assert_eq!(named(&token, &domains_key), Err("signature"));
    // A JWT-SVID that claims to be of the issuer is judged as the issuer's.
    let claims_both = svid.clone().with("iss", json!("https://as.example"));
    assert_eq!(named(&claims_both, &domains_key), Err("typ"));
    assert_eq!(
        named(&svid.with("iss", json!("https://elsewhere.example")), &domains_key),
        Ok("spiffe://example.org".to_owned())
    );
    // And a stranger is a stranger.
    let stranger = token.with("iss", json!("https://elsewhere.example")).with("sub", json!("alice"));
    assert_eq!(named(&stranger, &issuers_key), Err("iss"));
}
