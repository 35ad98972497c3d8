//! What is measured: one access token for each algorithm, of the same length, and the service behind the layers.

use std::{convert::Infallible, future::Ready, hint::black_box, task::Poll};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    },
};
use axum::http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use base64_simd::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tower::{Layer, Service};
use tower_identity::{Algorithm, AuthLayer, KeySet, Remember, SigningKey, TrustedIssuer, Verifier};
use tower_identity_jose::VerifyingKey;
use tower_identity_testkit::TestIssuer;

/// The algorithms that are measured.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// The length of the token, in bytes: one with scopes, roles and a chain of two actors.
const TOKEN_BYTES: usize = 1039;

/// The service that is measured.
pub(crate) type Authenticated = <AuthLayer as Layer<Inner>>::Service;

/// One token, and its key.
pub(crate) struct Sample {
    pub(crate) algorithm: Algorithm,
    /// What a bearer sends.
    pub(crate) bearer: HeaderValue,
    /// Header, dot and payload.
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// The public key, as the cryptography itself has it.
    pub(crate) bare: ParsedPublicKey,
    key: SigningKey,
}

impl Sample {
    pub(crate) fn new(issuer: &TestIssuer, algorithm: Algorithm) -> Self {
        // Of a length that lets the token have its own.
        let key = signing_key(algorithm).with_key_id("signing-key-of-2026-11-12-b");
        let roles = |filler: usize| json!(["clerk", "buyer:eu-central", "x".repeat(filler)]);
        let token = issuer
            .token()
            .subject("248289761001")
            .audience("payments")
            .scope("payments:charge payments:read payments:refund")
            .acted_by("storefront")
            .acted_by("orders")
            .sign_with(&key);
        let text = (1..TOKEN_BYTES)
            .map(|filler| token.clone().claim("roles", roles(filler)).build())
            .find(|text| text.expose().len() >= TOKEN_BYTES)
            .expect("a token grows with its claims");
        let text = text.expose();
        assert_eq!(text.len(), TOKEN_BYTES, "{algorithm}");

        let (signed, signature) = text.rsplit_once('.').expect("three parts");
        let mut bearer = HeaderValue::try_from(format!("Bearer {text}")).expect("visible ASCII");
        bearer.set_sensitive(true);
        let sample = Self {
            algorithm,
            bearer,
            signed: signed.into(),
            signature: decode(signature),
            bare: bare(&key.public_jwk()),
            key,
        };
        sample.verify_bare();
        sample
    }

    pub(crate) fn token(&self) -> &str {
        let text = self.bearer.to_str().expect("visible ASCII");
        text.strip_prefix("Bearer ").expect("a bearer token")
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The check of the signature alone: what nobody can do without.
    pub(crate) fn verify_bare(&self) {
        self.bare.verify_sig(black_box(&self.signed), black_box(&self.signature)).expect("genuine");
    }

    /// A service that asks for this issuer's tokens, and remembers none.
    pub(crate) fn service(&self, issuer: &TestIssuer) -> Authenticated {
        self.service_that(issuer, Remember::nothing())
    }

    /// A service that has seen the token, and remembers it.
    pub(crate) fn warm_service(&self, issuer: &TestIssuer) -> Authenticated {
        let mut service = self.service_that(issuer, Remember::default());
        self.call(&mut service);
        service
    }

    fn service_that(&self, issuer: &TestIssuer, remember: Remember) -> Authenticated {
        AuthLayer::new(self.verifier(issuer, remember)).layer(Inner)
    }

    /// A verifier of this issuer's tokens that has seen none.
    pub(crate) fn verifier(&self, issuer: &TestIssuer, remember: Remember) -> Verifier {
        let keys = KeySet::from_keys([self.key.verifying_key()]).expect("a key");
        let trusted = TrustedIssuer::keys(issuer.issuer().as_str(), keys).audience("payments").algorithms(ALGORITHMS);
        Verifier::builder(trusted).remember(remember).build().expect("valid")
    }

    /// One request through the layer.
    pub(crate) fn call(&self, service: &mut Authenticated) {
        self.call_with(service, &self.bearer);
    }

    pub(crate) fn call_with(&self, service: &mut Authenticated, bearer: &HeaderValue) {
        let mut request = Request::new(());
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        let response = service.call(request).now_or_never().expect("keys are at hand").expect("infallible");
        assert_eq!(response.status(), 200);
    }

    /// The same request to the service within, for what the layer adds.
    pub(crate) fn call_inner(&self) {
        self.call_inner_with(&self.bearer);
    }

    pub(crate) fn call_inner_with(&self, bearer: &HeaderValue) {
        let mut request = Request::new(());
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        Inner.call(request).now_or_never().expect("ready").expect("infallible");
    }
}

fn signing_key(algorithm: Algorithm) -> SigningKey {
    if algorithm != Algorithm::Rs256 {
        return SigningKey::generate(algorithm).expect("keys of this algorithm are generated");
    }
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key");
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("exportable");
    let base64 = base64_simd::STANDARD.encode_to_string(der.as_ref());
    SigningKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")).expect("a key")
}

fn bare(jwk: &Value) -> ParsedPublicKey {
    let bytes = |name: &str| decode(jwk[name].as_str().expect("text"));
    let parsed = match jwk["kty"].as_str() {
        Some("RSA") => {
            RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        }
        Some("EC") => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], bytes("x"), bytes("y")].concat()),
        _ => ParsedPublicKey::new(&ED25519, bytes("x")),
    };
    parsed.expect("the values of a key")
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}

/// Answers at once, with nothing.
#[derive(Clone)]
pub(crate) struct Inner;

impl<B> Service<Request<B>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request);
        std::future::ready(Ok(Response::new(String::new())))
    }
}
