//! What is measured of requests from outside: one token and its internal identity, both remembered; and the making of such
//! an identity.

use std::hint::black_box;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::http::{Request, header::AUTHORIZATION};
use futures_util::FutureExt;
use tower::{Layer, Service};
use tower_identity::{
    Algorithm, AuthLayer, CallerContext, EdgeLayer, KeyRing, KeyedHash, Mint, Pairwise, Remember, Rotation,
    TrustDomain, system_clock,
};
use tower_identity_core::Audience;
use tower_identity_testkit::TestIssuer;

use crate::sample::{Inner, Sample};

const TRUST_DOMAIN: &str = "shop.internal";

/// The service that is measured.
type AtEdge = <EdgeLayer as Layer<Inner>>::Service;

/// A mint and a caller from outside.
pub(crate) struct Outside {
    sample: Sample,
    service: AtEdge,
    mint: Mint,
    trust_domain: Audience,
    caller: CallerContext,
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// As long as what the mint signs.
    signed: Vec<u8>,
}

impl Outside {
    pub(crate) fn new(issuer: &TestIssuer) -> Self {
        // Of whichever algorithm: nothing is verified.
        let sample = Sample::new(issuer, Algorithm::Es256);
        let mint = mint();
        let trust_domain = Audience::parse(TRUST_DOMAIN).expect("a name");
        let verifier = sample.verifier(issuer, Remember::default());
        let caller = verifier.bearer(sample.token()).now_or_never().expect("keys are at hand").expect("genuine");
        let minted = mint.mint(&caller, &trust_domain).expect("an identity");
        let (signed, _) = minted.token().expose().rsplit_once('.').expect("three parts");
        let layer = EdgeLayer::new(AuthLayer::new(verifier).edge(), mint.clone(), TRUST_DOMAIN).expect("a layer");
        let mut outside = Self {
            service: layer.layer(Inner),
            signed: signed.into(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            random: SystemRandom::new(),
            sample,
            mint,
            trust_domain,
            caller,
        };
        outside.call();
        outside
    }

    /// One request through the layer, whose token and internal identity are remembered.
    pub(crate) fn call(&mut self) {
        let mut request = Request::new(());
        request.headers_mut().insert(AUTHORIZATION, self.sample.bearer.clone());
        let response = self.service.call(request).now_or_never().expect("both are remembered").expect("infallible");
        assert_eq!(response.status(), 200);
    }

    /// The same request to the service within, for what the layer adds.
    pub(crate) fn call_inner(&self) {
        self.sample.call_inner();
    }

    /// An internal identity, which nobody remembers.
    pub(crate) fn mint(&self) {
        black_box(self.mint.mint(black_box(&self.caller), &self.trust_domain)).expect("an identity");
    }

    /// A signature over as many bytes: what nobody can do without.
    pub(crate) fn sign_bare(&self) {
        black_box(self.key.sign(&self.random, black_box(&self.signed))).expect("signed");
    }
}

/// With rows for the scopes of the sample.
fn mint() -> Mint {
    let secret = || KeyedHash::new([7; 32]).expect("32 bytes");
    let keys = KeyRing::generated(Algorithm::Es256, Rotation::default(), system_clock()).expect("a rotation");
    let domain = ["charge", "read", "refund"]
        .iter()
        .fold(TrustDomain::new(TRUST_DOMAIN, Pairwise::new(secret())), |domain, right| {
            domain.scope(format!("payments:{right}"), format!("inside:{right}"))
        });
    Mint::builder("gateway", keys, secret()).trust_domain(domain).build().expect("a mint")
}
