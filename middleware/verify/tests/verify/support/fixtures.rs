//! Tokens as vendors document them: their shapes, and what is made of them.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_identity_core::{CallerContext, Groups, Refusal, Timestamp};
use tower_identity_jose::{Algorithm, KeySet, SigningKey};
use tower_identity_verify::{Profile, TrustedIssuer, Verifier};

use super::{ManualClock, at_once};

/// When the tokens of the fixtures were issued.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

/// One vendor's tokens.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fixture {
    /// Where the shapes are documented.
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    /// By name.
    pub(crate) tokens: std::collections::BTreeMap<String, Shape>,
}

/// A token that is not signed yet.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shape {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Value,
    /// What is made of it at its own issuer: a principal and its attributes, or the check that refuses it.
    #[serde(default)]
    pub(crate) expect: Value,
}

pub(crate) fn fixture(profile: Profile) -> Fixture {
    let text = match profile {
        Profile::Rfc9068 => include_str!("../fixtures/rfc9068.json"),
        Profile::Plain => include_str!("../fixtures/plain.json"),
        Profile::Keycloak => include_str!("../fixtures/keycloak.json"),
        Profile::EntraV1 => include_str!("../fixtures/entra_v1.json"),
        Profile::EntraV2 => include_str!("../fixtures/entra_v2.json"),
        Profile::Okta => include_str!("../fixtures/okta.json"),
        Profile::Auth0 => include_str!("../fixtures/auth0.json"),
        Profile::Cognito => include_str!("../fixtures/cognito.json"),
        Profile::JwtSvid => include_str!("../fixtures/jwt_svid.json"),
        Profile::Kubernetes => include_str!("../fixtures/kubernetes.json"),
        other => panic!("{other:?} has no fixture"),
    };
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{profile:?}: {error}"))
}

/// Tokens of kinds that no profile accepts.
pub(crate) fn other_kinds() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/kinds.json")).expect("a fixture")
}

impl Fixture {
    pub(crate) fn shape(&self, name: &str) -> Shape {
        self.tokens.get(name).unwrap_or_else(|| panic!("no token {name:?}")).clone()
    }
}

impl Shape {
    pub(crate) fn with(mut self, claim: &str, value: Value) -> Self {
        self.claims[claim] = value;
        self
    }

    pub(crate) fn without(mut self, claim: &str) -> Self {
        self.claims.as_object_mut().expect("an object").remove(claim).unwrap_or_else(|| panic!("no {claim}"));
        self
    }

    pub(crate) fn header(mut self, member: &str, value: Value) -> Self {
        self.header.insert(member.to_owned(), value);
        self
    }

    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        let mut header = Map::from_iter([
            ("alg".to_owned(), json!(key.algorithm().as_str())),
            ("kid".to_owned(), json!(key.key_id())),
        ]);
        header.extend(self.header.clone());
        key.sign_with_header(&header, &self.claims).expect("signed").expose().to_owned()
    }
}

/// A verifier of one profile's tokens, and the key that signs them.
pub(crate) struct Vendor {
    pub(crate) fixture: Fixture,
    pub(crate) key: SigningKey,
    pub(crate) verifier: Verifier,
}

impl Vendor {
    /// Signed by a key that is quickly made: what else a profile lets an issuer sign with is another matter.
    pub(crate) fn new(profile: Profile) -> Self {
        Self::told(profile, |issuer| issuer.algorithms([Algorithm::Es256]))
    }

    /// An issuer that is told more than its profile and its audiences.
    pub(crate) fn told(profile: Profile, more: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        let (fixture, key) = (fixture(profile), super::key());
        let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
        let mut audiences = fixture.audiences.iter();
        let first = audiences.next().expect("an audience");
        let issuer = TrustedIssuer::keys(&fixture.issuer, keys).audience(first).profile(profile);
        let verifier = verifier(more(audiences.fold(issuer, TrustedIssuer::audience)));
        Self { fixture, key, verifier }
    }

    pub(crate) fn shape(&self, name: &str) -> Shape {
        self.fixture.shape(name)
    }

    pub(crate) fn judged(&self, shape: &Shape) -> Result<CallerContext, Refusal> {
        at_once(self.verifier.bearer(&shape.sign(&self.key)))
    }

    /// What is made of a token: as a fixture says it.
    pub(crate) fn made_of(&self, shape: &Shape) -> Value {
        match self.judged(shape) {
            Ok(caller) => seen(&caller),
            Err(refusal) => json!(refusal.check()),
        }
    }
}

/// A verifier of one issuer, whose clock stands at [`NOW`].
pub(crate) fn verifier(issuer: TrustedIssuer) -> Verifier {
    let clock = ManualClock::new();
    clock.set(NOW);
    Verifier::builder(issuer).clock(clock.clock()).build().unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A caller, and what is said of the subject.
pub(crate) fn seen(caller: &CallerContext) -> Value {
    let mut seen = serde_json::to_value(caller.principal()).expect("serializes");
    let attributes = caller.caller_token().attributes();
    seen["display_name"] = json!(attributes.display_name);
    seen["email"] =
        json!(attributes.email.as_ref().map(|email| json!({"address": email.address, "verified": email.verified})));
    seen["groups"] = match &attributes.groups {
        Groups::Known(groups) => json!(groups),
        Groups::Unknown => json!("unknown"),
    };
    seen["roles"] = json!(attributes.roles);
    seen
}
