//! Tokens that are bound to a certificate (RFC 8705 §3): every attack beside a control that differs in one thing.

use base64_simd::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tower_identity_core::{Binding, CertificateThumbprint, Evidence, RefusalKind};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_testkit::{Endpoint, TestAuthority, TestCertificate, TestIssuer};
use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{ManualClock, accepted, at_once, claims, invalid, key, refused, sign};

const LOGIN: &str = "https://login.example.com";

/// What a token says of the certificate that it is bound to.
pub(crate) fn x5t(certificate: &TestCertificate) -> String {
    URL_SAFE_NO_PAD.encode_to_string(thumbprint(certificate).as_bytes())
}

fn thumbprint(certificate: &TestCertificate) -> CertificateThumbprint {
    CertificateThumbprint::of(&certificate.chain()[0])
}

/// An issuer whose keys are given, and two certificates that no verifier has heard of.
struct Shop {
    clock: ManualClock,
    key: SigningKey,
    own: TestCertificate,
    other: TestCertificate,
    verifier: Verifier,
}

impl Shop {
    fn new() -> Self {
        let (clock, key) = (ManualClock::new(), key());
        let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
        let home = TrustedIssuer::keys(LOGIN, keys).audience("orders");
        let verifier = Verifier::builder(home).clock(clock.clock()).build().expect("valid");
        let [own, other] = [(); 2].map(|()| TestAuthority::new(&clock.clock()).certificate().build());
        Self { clock, key, own, other, verifier }
    }

    fn claims(&self) -> Value {
        claims(LOGIN, self.clock.now())
    }

    /// A token of alice's at storefront with this `cnf`.
    fn bound(&self, cnf: Value) -> String {
        let mut claims = self.claims();
        claims["cnf"] = cnf;
        sign(&self.key, &claims)
    }

    fn bound_to_own(&self) -> String {
        self.bound(json!({"x5t#S256": x5t(&self.own)}))
    }

    /// What becomes of a token over a connection of this certificate.
    fn over(
        &self,
        certificate: Option<&TestCertificate>,
        token: &str,
    ) -> Result<Evidence, (RefusalKind, &'static str)> {
        let decision = at_once(self.verifier.current().over(certificate.map(thumbprint)).bearer(token));
        if decision.is_err() {
            return Err(refused(decision));
        }
        let caller = accepted(decision);
        assert_eq!(caller.principal().binding(), Binding::SameToken);
        Ok(caller.principal().evidence())
    }
}

#[test]
fn rfc8705_a1_a_bound_token_is_good_over_connections_of_its_certificate_alone() {
    let shop = Shop::new();
    let (bound, free) = (shop.bound_to_own(), sign(&shop.key, &shop.claims()));
    // Whichever comes first, and whatever is remembered.
    for _ in 0..3 {
        assert_eq!(shop.over(None, &bound), Err(invalid("cnf")));
        assert_eq!(shop.over(Some(&shop.other), &bound), Err(invalid("cnf")));
        assert_eq!(shop.over(Some(&shop.own), &bound), Ok(Evidence::Proven));
        assert_eq!(refused(at_once(shop.verifier.bearer(&bound))), invalid("cnf"));
        assert_eq!(refused(at_once(shop.verifier.alone(&bound))), invalid("cnf"));
        assert!(shop.verifier.current().recall(bound.as_bytes()).is_none());
        for certificate in [None, Some(&shop.own), Some(&shop.other)] {
            assert_eq!(shop.over(certificate, &free), Ok(Evidence::IssuedTo), "the control");
        }
    }
    assert!(shop.verifier.current().recall(free.as_bytes()).is_some(), "the control");
    let over = |certificate| at_once(shop.verifier.current().over(Some(thumbprint(certificate))).bearer(&bound));
    let told = |certificate| over(certificate).map(drop).expect_err("refused").explanation().map(str::to_owned);
    let told_of_other = "the token is bound to another certificate than that of the connection";
    assert_eq!(told(&shop.other).as_deref(), Some(told_of_other));
    let twice = [over(&shop.own), over(&shop.own)].map(|caller| accepted(caller).caller_token().clone());
    assert!(std::sync::Arc::ptr_eq(&twice[0], &twice[1]), "it is remembered");
    assert_eq!(twice[0].bound_to(), Some(&thumbprint(&shop.own)));
}

#[test]
fn rfc8705_a1_the_digest_is_of_the_whole_certificate() {
    let shop = Shop::new();
    let mut der = shop.own.chain()[0].to_vec();
    let token = shop.bound_to_own();
    let over = |der: &[u8]| at_once(shop.verifier.current().over(Some(CertificateThumbprint::of(der))).bearer(&token));
    accepted(over(&der));
    *der.last_mut().expect("not empty") ^= 1;
    assert_eq!(refused(over(&der)), invalid("cnf"));
    assert_eq!(refused(over(&CertificateDer::from(Vec::new()))), invalid("cnf"));
}

#[test]
fn rfc8705_a3_a_binding_that_is_not_understood_whole_is_never_a_bearers() {
    let shop = Shop::new();
    let x5t = x5t(&shop.own);
    let mut spare_bits = x5t.clone();
    // 43 characters hold 258 bits, of which the last two are none of the digest's.
    let last = spare_bits.pop().expect("not empty");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).expect("base64url");
    spare_bits.push(char::from(alphabet.as_bytes()[at + 1]));
    for cnf in [
        json!({"jkt": x5t}),
        json!({"x5t#S256": x5t, "jkt": x5t}),
        json!({"x5t#S256": x5t, "of a later day": 1}),
        json!({"x5t#s256": x5t}),
        json!({"x5t": x5t}),
        json!({"x5t#S256": null}),
        json!({"x5t#S256": [x5t]}),
        json!({"x5t#S256": ""}),
        json!({"x5t#S256": format!("{x5t}=")}),
        json!({"x5t#S256": format!("{x5t}A")}),
        json!({"x5t#S256": &x5t[..42]}),
        json!({"x5t#S256": x5t.replace('-', "+").replace('_', "/") + "+"}),
        json!({"x5t#S256": spare_bits}),
        json!([{"x5t#S256": x5t}]),
        json!({}),
        json!(null),
        json!(x5t),
    ] {
        let token = shop.bound(cnf.clone());
        assert_eq!(shop.over(Some(&shop.own), &token), Err(invalid("cnf")), "{cnf}");
    }
    assert_eq!(shop.over(Some(&shop.own), &shop.bound(json!({"x5t#S256": x5t}))), Ok(Evidence::Proven), "the control");
}

/// What a bound token shows of its sender: that it is the client that it was issued to, and nobody of another issuer.
#[test]
fn rfc8705_a5_the_client_of_a_bound_token_is_proven_to_have_sent_it() {
    let shop = Shop::new();
    let with = |name: &str, value: Value| {
        let mut claims = shop.claims();
        claims["cnf"] = json!({"x5t#S256": x5t(&shop.own)});
        claims[name] = value;
        shop.over(Some(&shop.own), &sign(&shop.key, &claims))
    };
    assert_eq!(with("sub", "storefront".into()), Ok(Evidence::Proven));
    assert_eq!(with("act", json!({"sub": "storefront"})), Ok(Evidence::Proven));
    let of_another = json!({"sub": "audit", "iss": "https://other.example"});
    assert_eq!(with("act", of_another), Ok(Evidence::Actor));
}

#[test]
fn rfc8705_a4_two_tokens_that_are_bound_to_one_certificate_are_of_one_sender() {
    let shop = Shop::new();
    let (to_own, to_other) = (json!({"x5t#S256": x5t(&shop.own)}), json!({"x5t#S256": x5t(&shop.other)}));
    let token = |subject: &str, client: &str, cnf: Option<&Value>| {
        let mut claims = shop.claims();
        (claims["sub"], claims["client_id"]) = (subject.into(), client.into());
        if let Some(cnf) = cnf {
            claims["cnf"] = cnf.clone();
        }
        sign(&shop.key, &claims)
    };
    let pair = |caller: Option<&Value>, user: Option<&Value>| {
        let (caller, user) = (token("orders", "orders", caller), token("alice", "storefront", user));
        let own = Some(thumbprint(&shop.own));
        let decision = at_once(shop.verifier.current().over(own).pair(&caller, &user));
        decision.map(|caller| caller.principal().binding()).map_err(|refusal| refusal.check())
    };
    assert_eq!(pair(Some(&to_own), Some(&to_own)), Ok(Binding::SharedKey));
    assert_eq!(pair(Some(&to_own), None), Err("binding"));
    assert_eq!(pair(None, Some(&to_own)), Err("binding"));
    assert_eq!(pair(None, None), Err("binding"));
    assert_eq!(pair(Some(&to_own), Some(&to_other)), Err("cnf"));
    assert_eq!(pair(Some(&to_other), Some(&to_own)), Err("cnf"));
    let (caller, user) = (token("orders", "orders", Some(&to_own)), token("alice", "orders", Some(&to_own)));
    assert_eq!(refused(at_once(shop.verifier.pair(&caller, &user))), invalid("cnf"), "as bearer tokens");
}

/// What its issuer said of a token is remembered, and over which connection it came is not.
#[tokio::test]
async fn rfc8705_a1_a_bound_opaque_token_is_asked_for_its_certificate_each_time() {
    let issuer = TestIssuer::start();
    let us = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let introspection = Introspection::at(issuer.url(Endpoint::Introspection), us);
    let home = TrustedIssuer::opaque(issuer.issuer().as_str(), introspection).audience("orders");
    let verifier = Verifier::builder(home).build().expect("valid");
    let shop = Shop::new();
    let good = issuer.token().subject("alice").client("storefront").audience("orders");
    let token = issuer.opaque(good.claim("cnf", json!({"x5t#S256": x5t(&shop.own)})));
    for certificate in [Some(&shop.own), None, Some(&shop.other), Some(&shop.own)] {
        let over = verifier.current().over(certificate.map(thumbprint)).bearer(token.expose());
        let is_own = certificate.is_some_and(|certificate| std::ptr::eq(certificate, &shop.own));
        match over.await {
            Ok(caller) => assert!(is_own && caller.principal().evidence() == Evidence::Proven),
            Err(refusal) => assert_eq!((is_own, refusal.check()), (false, "cnf")),
        }
    }
    assert_eq!(issuer.calls(Endpoint::Introspection), 1);
}

/// For people: a bound token is told as refused for that alone, and as nothing else is wrong with it.
#[tokio::test]
async fn rfc8705_a1_what_is_explained_is_a_bearers_request() {
    let shop = Shop::new();
    let told = shop.verifier.explain(&shop.bound_to_own()).await;
    let failed: Vec<_> = told.failed().map(|failed| (failed.check, failed.detail.as_deref())).collect();
    let why = "the token is bound to a certificate, and came over a connection that proved none";
    assert_eq!(failed, [("cnf", Some(why))]);
    let free = shop.verifier.explain(&sign(&shop.key, &shop.claims())).await;
    assert_eq!(free.failed().count(), 0);
}
