//! Requests whose token is remembered, through the layer: known by its bytes where it is written as nearly always, and
//! refused as any other wherever the request is not so plain.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::COOKIE};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{SecretToken, VerifiedToken};
use tower_identity_inbound::{AuthBody, AuthLayer, ClientCertificate, Inbound, Source};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{Endpoint, Failure, LogCapture, TestAuthority, TestIssuer};
use tower_identity_verify::{CertificateAnchor, Remember, TrustedIssuer, Verifier};

use crate::support::{issuer_token, refused, request, value};

/// An issuer, a token of Alice's, and a verifier that remembers it.
struct Door {
    issuer: TestIssuer,
    verifier: Verifier,
    token: SecretToken,
}

impl Door {
    async fn new() -> Self {
        Self::remembering(Remember::default()).await
    }

    async fn remembering(remember: Remember) -> Self {
        let issuer = TestIssuer::start();
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let domain = CertificateAnchor::trust_domain("example.org", TestAuthority::new(&system_clock()).pem());
        let verifier = Verifier::builder(home).certificates(domain).remember(remember).build().expect("valid");
        let token = issuer_token(&issuer).build();
        let door = Self { issuer, verifier, token };
        let first = verified(&through(&door.layer(), request([door.bearer()])).await).expect("accepted");
        let second = verified(&through(&door.layer(), request([door.bearer()])).await).expect("accepted");
        assert_eq!(Arc::ptr_eq(&first, &second), remember != Remember::nothing());
        door
    }

    fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.verifier.clone())
    }

    fn bearer(&self) -> HeaderValue {
        self.written("Bearer ", "")
    }

    fn written(&self, before: &str, after: &str) -> HeaderValue {
        value(&format!("{before}{}{after}", self.token.expose()))
    }

    /// What is remembered of the token.
    async fn kept(&self) -> Arc<VerifiedToken> {
        verified(&through(&self.layer(), request([self.bearer()])).await).expect("accepted")
    }
}

type Answer = Response<AuthBody<Full<Bytes>>>;

async fn through(layer: &AuthLayer, request: Request<Full<Bytes>>) -> Answer {
    let handler = service_fn(|request: Request<Full<Bytes>>| async move {
        let inbound = Inbound::of(request.extensions()).expect("always there");
        let mut response = Response::new(Full::default());
        response.extensions_mut().insert(inbound.caller().map(|caller| Arc::clone(caller.caller_token())));
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    response
}

/// What was verified for the handler, if it was called: the very same where it was remembered.
fn verified(answer: &Answer) -> Option<Arc<VerifiedToken>> {
    answer.extensions().get::<Option<Arc<VerifiedToken>>>().cloned().flatten()
}

fn at(uri: &'static str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.uri_mut() = Uri::from_static(uri);
    request
}

fn with_cookie(cookie: HeaderValue, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().insert(COOKIE, cookie);
    request
}

#[tokio::test]
async fn warm_a11_however_its_header_is_written_a_remembered_token_is_not_verified_again() {
    let door = Door::new().await;
    let kept = door.kept().await;
    let written = [
        ("plainly", request([door.bearer()])),
        ("the scheme in another case", request([door.written("bearer ", "")])),
        ("several spaces", request([door.written("Bearer   ", "")])),
        ("a query without a token", at("/?token=x", request([door.bearer()]))),
        ("a cookie that is no source", with_cookie(value("session=x"), request([door.bearer()]))),
    ];
    for (name, request) in written {
        let found = verified(&through(&door.layer(), request).await).expect(name);
        assert!(Arc::ptr_eq(&kept, &found), "{name}");
    }
}

/// The same of a verifier that remembers nothing: no answer tells whether a token was remembered.
#[tokio::test]
async fn warm_a11_what_stands_beside_a_remembered_token_or_around_it_is_refused_as_ever() {
    for remember in [Remember::default(), Remember::nothing()] {
        let door = Door::remembering(remember).await;
        let another = issuer_token(&door.issuer).subject("bob").build();
        let another = value(&format!("Bearer {}", another.expose()));
        let not_text = HeaderValue::from_bytes(&[door.bearer().as_bytes(), b"\xff"].concat()).expect("a value");
        let (malformed, invalid) = ((400, "malformed_request"), (401, "invalid_token"));
        let cases = [
            ("authorization", malformed, request([door.bearer(), door.bearer()])),
            ("authorization", malformed, request([door.bearer(), another.clone()])),
            ("authorization", malformed, request([another, door.bearer()])),
            ("authorization", malformed, request([door.bearer(), value("")])),
            ("authorization", malformed, request([not_text])),
            ("query", malformed, at("/?access_token=x", request([door.bearer()]))),
            ("query", malformed, at("/?a=b&access%5Ftoken=x", request([door.bearer()]))),
            ("token68", malformed, request([door.written("Bearer ", ", Bearer x")])),
            ("token68", malformed, request([door.written("Bearer ", " ")])),
            ("token68", malformed, request([door.written("Bearer \t", "")])),
            ("token68", malformed, request([door.written("Bearer ", ",")])),
            ("token68", malformed, request([value("Bearer ")])),
            ("length", malformed, request([door.written("Bearer ", &"x".repeat(9_000))])),
            ("scheme", malformed, request([door.written("Bearer\t", "")])),
            ("format", invalid, request([door.written("Bearer ", "=")])),
            ("format", invalid, request([door.written("Bearer ", ".x")])),
            ("scheme", (401, "no_credential"), request([door.written("Bearers ", "")])),
        ];
        for (check, (status, code), request) in cases {
            let logs = LogCapture::start();
            let answer = through(&door.layer(), request).await;
            assert!(verified(&answer).is_none(), "{check}");
            let (found, _, problem) = refused(answer).await;
            assert_eq!((found, &*problem), (status, code), "{check}");
            assert!(logs.text().contains(&format!("check=\"{check}\"")), "{check}: {}", logs.text());
        }
    }
}

#[tokio::test]
async fn warm_a11_a_layer_that_reads_credentials_otherwise_reads_them_so_whatever_is_remembered() {
    let door = Door::new().await;
    let (cookie, header) =
        (Source::cookie("session").expect("a name"), Source::header("x-user-token").expect("a name"));
    let cookie_alone = door.layer().sources([cookie.clone()]).expect("valid");
    let either = door.layer().sources([Source::authorization(), cookie.clone()]).expect("valid");
    let beside = door.layer().user_source(header).expect("valid");
    let [required, optional] = [ClientCertificate::Required, ClientCertificate::Optional]
        .map(|wanted| door.layer().client_certificate(wanted).expect("valid"));
    let (bearer, in_cookie) = (|| request([door.bearer()]), door.written("session=", ""));
    let cases = [
        ("no source", &cookie_alone, bearer(), (401, "no_credential")),
        ("in two sources", &either, with_cookie(in_cookie.clone(), bearer()), (400, "malformed_request")),
        ("a user's in the caller's place", &beside, bearer(), (403, "unrelated_credentials")),
        ("a certificate is the caller's, and no acceptor", &required, bearer(), (500, "misconfigured")),
        ("it may be, and no acceptor", &optional, bearer(), (500, "misconfigured")),
    ];
    for (name, layer, request, (status, code)) in cases {
        let (found, _, problem) = refused(through(layer, request).await).await;
        assert_eq!((found, &*problem), (status, code), "{name}");
    }
    // The controls, each with the token where its layer looks for it.
    let kept = door.kept().await;
    for (layer, request) in
        [(&door.layer(), bearer()), (&either, bearer()), (&cookie_alone, with_cookie(in_cookie, request([])))]
    {
        let found = verified(&through(layer, request).await).expect("accepted");
        assert!(Arc::ptr_eq(&kept, &found));
    }
}

/// Nor is anything else done about it, before it is known to be none.
#[tokio::test]
async fn warm_a11_for_what_is_no_token_by_its_characters_no_issuer_is_asked_for_keys() {
    let issuer = TestIssuer::start();
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let layer = AuthLayer::new(Verifier::builder(home).build().expect("valid"));
    issuer.fail(Endpoint::Keys, Failure::Status(StatusCode::INTERNAL_SERVER_ERROR));
    let token = issuer_token(&issuer).build();
    let (signed, signature) = token.expose().rsplit_once('.').expect("three parts");
    let spoiled = value(&format!("Bearer {signed}.,{}", &signature[1..]));
    assert_eq!(refused(through(&layer, request([spoiled])).await).await.0, 400);
    assert_eq!((issuer.calls(Endpoint::Metadata), issuer.calls(Endpoint::Keys)), (0, 0));
    // The control: what is of the grammar waits for keys, which cannot be had.
    let genuine = value(&format!("Bearer {}", token.expose()));
    assert_eq!(refused(through(&layer, request([genuine])).await).await.0, 503);
    assert_eq!(issuer.calls(Endpoint::Keys), 1);
}
