//! A verifier of one issuer, of any profile, beside another, and everything that may be wrong with a token.

use serde_json::{Map, Value, json};
use tower_identity_jose::{Algorithm, KeySet, MediaType, SigningKey};
use tower_identity_verify::{Explanation, Profile, TrustedIssuer, Verifier};

use crate::support::{
    ManualClock,
    fixtures::{Fixture, NOW, Shape, fixture},
};

pub(crate) const PARTNER: &str = "https://partner.example";

/// Keys of one id, at one issuer, another, and nobody; and two more of the first issuer: one of an algorithm that is not
/// accepted, and one that says that it is of an issuer elsewhere.
pub(crate) struct Shop {
    pub(crate) home: SigningKey,
    pub(crate) partner: SigningKey,
    pub(crate) stranger: SigningKey,
    pub(crate) unaccepted: SigningKey,
    pub(crate) elsewhere: SigningKey,
    pub(crate) verifier: Verifier,
    fixture: Fixture,
}

impl Shop {
    pub(crate) fn new(profile: Profile) -> Self {
        let named = |algorithm, id| SigningKey::generate(algorithm).expect("generated").with_key_id(id);
        let es256 = |id| named(Algorithm::Es256, id);
        let (home, partner, stranger, elsewhere) = (es256("k1"), es256("k1"), es256("k1"), es256("k4"));
        let unaccepted = named(Algorithm::EdDsa, "k2");
        let published = [&home, &unaccepted, &elsewhere].map(|key| {
            let mut jwk = key.public_jwk();
            if key.key_id() == "k4" {
                jwk["issuer"] = json!("https://elsewhere.example");
            }
            jwk
        });
        let keys = KeySet::parse(json!({ "keys": published }).to_string().as_bytes()).expect("keys");
        let others = KeySet::from_keys([partner.verifying_key()]).expect("a key");

        let fixture = fixture(profile);
        let [first, more @ ..] = &*fixture.audiences else { panic!("an audience") };
        let trusted = TrustedIssuer::keys(&fixture.issuer, keys).audience(first).profile(profile);
        let trusted = more.iter().fold(trusted, TrustedIssuer::audience).algorithms([Algorithm::Es256]);
        let clock = ManualClock::new();
        clock.set(NOW);
        let verifier = Verifier::builder(trusted)
            .issuer(TrustedIssuer::keys(PARTNER, others).audience("orders").algorithms([Algorithm::Es256]))
            .clock(clock.clock())
            .build()
            .expect("valid");
        Self { home, partner, stranger, unaccepted, elsewhere, verifier, fixture }
    }

    pub(crate) async fn explain(&self, token: &str) -> Explanation {
        self.verifier.explain(token).await
    }

    /// Everything that its issuer issues, for whatever purpose.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.fixture.tokens.values()
    }
}

/// A token about to be signed.
pub(crate) struct Draft<'a> {
    pub(crate) key: &'a SigningKey,
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Value,
    /// In place of the payload.
    payload: Option<&'static str>,
    /// What is put behind it, after it was signed.
    after: &'static str,
}

impl<'a> Draft<'a> {
    /// One that is accepted: a user's, where there are users.
    pub(crate) fn of(shop: &'a Shop) -> Self {
        let tokens = &shop.fixture.tokens;
        Self::shaped(shop, tokens.get("user").or_else(|| tokens.get("workload")).expect("a token"))
    }

    pub(crate) fn shaped(shop: &'a Shop, shape: &Shape) -> Self {
        let mut header = shop.home.header(&MediaType::JWT);
        header.remove("typ");
        header.extend(shape.header.clone());
        Self { key: &shop.home, header, claims: shape.claims.clone(), payload: None, after: "" }
    }

    pub(crate) fn token(&self) -> String {
        let signed = self.key.sign_with_header(&self.header, &self.claims).expect("signed").expose().to_owned();
        let token = match (self.payload, &*signed.split('.').collect::<Vec<_>>()) {
            (Some(payload), [header, _, signature]) => format!("{header}.{payload}.{signature}"),
            _ => signed,
        };
        token + self.after
    }
}

/// One thing that is done to a draft.
#[derive(Clone)]
pub(crate) enum Change {
    Header(&'static str, Option<Value>),
    Claim(String, Option<Value>),
    /// Signed by this key, under the header that is there.
    Key(fn(&Shop) -> &SigningKey),
    /// Signed by this key, and saying so.
    Named(fn(&Shop) -> &SigningKey),
    Payload(&'static str),
    After(&'static str),
}

impl Change {
    pub(crate) fn claim(name: &str, value: Value) -> Self {
        Self::Claim(name.to_owned(), Some(value))
    }

    pub(crate) fn make<'a>(&self, draft: &mut Draft<'a>, shop: &'a Shop) {
        let set = |members: &mut Map<String, Value>, name: &str, value: &Option<Value>| match value {
            Some(value) => drop(members.insert(name.to_owned(), value.clone())),
            None => drop(members.remove(name)),
        };
        match self {
            Self::Header(name, value) => set(&mut draft.header, name, value),
            Self::Claim(name, value) => set(draft.claims.as_object_mut().expect("an object"), name, value),
            Self::Key(key) => draft.key = key(shop),
            Self::Named(key) => {
                draft.key = key(shop);
                draft.header.insert("kid".to_owned(), json!(draft.key.key_id()));
                draft.header.insert("alg".to_owned(), json!(draft.key.algorithm().as_str()));
            }
            Self::Payload(payload) => draft.payload = Some(payload),
            Self::After(after) => draft.after = after,
        }
    }
}

/// What may be wrong with a token, and what may look so and is not.
pub(crate) fn changes(shop: &Shop) -> Vec<Change> {
    let now = NOW.as_secs();
    let mut changes = vec![
        Change::Key(|shop| &shop.partner),
        Change::Key(|shop| &shop.stranger),
        Change::Named(|shop| &shop.unaccepted),
        Change::Named(|shop| &shop.elsewhere),
        // {} and [] and what is no JSON at all.
        Change::Payload("e30"),
        Change::Payload("W10"),
        Change::Payload("ISE"),
        Change::After("="),
        Change::After(".a.b"),
    ];
    let header = [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("alg", json!(5)),
        ("typ", json!("at+jwt")),
        ("typ", json!("JWT")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!(5)),
        ("cty", json!("JWT")),
        ("kid", json!("k3")),
        ("kid", json!(["k1"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("x5u", json!("https://attacker.example")),
    ];
    changes.extend(header.map(|(name, value)| Change::Header(name, Some(value))));
    changes.extend(["alg", "typ", "kid"].map(|name| Change::Header(name, None)));
    let claims = [
        ("iss", json!("https://as.example/")),
        ("iss", json!(PARTNER)),
        ("aud", json!("payments")),
        ("aud", json!(["payments", "orders"])),
        ("exp", json!(now - 29)),
        ("exp", json!(now - 30)),
        ("nbf", json!(now + 31)),
        ("nbf", json!(null)),
        ("iat", json!(now + 31)),
        ("cnf", json!({"jkt": "x"})),
        ("sub", json!("storefront")),
        ("scope", json!(["orders:write"])),
        ("auth_time", json!("now")),
        ("sid", json!(" ")),
        ("txn", json!(5)),
        ("act", json!({"sub": "storefront"})),
        ("act", json!({"sub": "orders"})),
        ("act", json!({"sub": "clearing", "iss": PARTNER})),
        ("act", json!([])),
        ("nonce", json!("n")),
        ("events", json!({})),
        ("client_id", json!("other")),
        ("idtyp", json!("app")),
        ("groups", json!([7])),
        ("roles", json!([""])),
    ];
    changes.extend(claims.map(|(name, value)| Change::claim(name, value)));
    // And everything that the token has: gone, of another type, empty.
    for name in Draft::of(shop).claims.as_object().expect("an object").keys() {
        changes.extend([None, Some(json!(7)), Some(json!(""))].map(|value| Change::Claim(name.clone(), value)));
    }
    changes
}
