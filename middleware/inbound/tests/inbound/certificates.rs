//! The client certificate of the connection as the caller's credential.

mod forwarded;
mod named;

use std::{convert::Infallible, net::SocketAddr};

use base64_simd::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{CallerName, Evidence, InvalidSetting, Refusal, ambient};
use tower_identity_inbound::{
    AuthLayer, ClientCertificate, Connection, Inbound, RequireLayer, Rule, Source, danger,
    rule::{callers, no_user, scope, user},
};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{LogCapture, TestAuthority, TestCertificate, TestIssuer, TokenBuilder};
use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier};

use crate::support::{issuer_token, refused, request, see};

const DOMAIN: &str = "spiffe://example.org";

/// An issuer, the authority of a trust domain, and whom it knows.
struct Door {
    issuer: TestIssuer,
    authority: TestAuthority,
    storefront: TestCertificate,
    verifier: Verifier,
}

/// What came of a request: who the handler found; or the status and the check.
type Outcome = Result<String, (u16, &'static str)>;

impl Door {
    fn new() -> Self {
        let (issuer, authority) = (TestIssuer::start(), TestAuthority::new(&system_clock()));
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let in_domain = |name: &str| CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/{name}")).expect("a name");
        let named = |name: &str| [CallerName::try_from(name).expect("a name"), in_domain(name)];
        let verifier = Verifier::builder(home)
            .certificates(CertificateAnchor::trust_domain("example.org", authority.pem()))
            .workload(named("storefront"))
            .workload(named("payments"))
            .build()
            .expect("valid");
        let storefront = authority.certificate().uri(&format!("{DOMAIN}/storefront")).build();
        Self { issuer, authority, storefront, verifier }
    }

    fn layer(&self, wanted: ClientCertificate) -> AuthLayer {
        AuthLayer::new(self.verifier.clone()).client_certificate(wanted).expect("valid")
    }

    fn required(&self) -> AuthLayer {
        self.layer(ClientCertificate::Required)
    }

    fn alice_at(&self, client: &str) -> HeaderValue {
        issuer_token(&self.issuer).client(client).bearer()
    }

    fn own(&self, client: &str) -> TokenBuilder {
        self.issuer.token().subject(client).client(client).audience("orders").scope("orders:write")
    }

    /// Of an authority that nobody trusts.
    fn forged(&self) -> TestCertificate {
        TestAuthority::new(&system_clock()).certificate().uri(&format!("{DOMAIN}/storefront")).build()
    }
}

/// A request over a connection whose peer sent this certificate.
fn over(certificate: Option<&TestCertificate>, token: Option<HeaderValue>) -> Request<Full<Bytes>> {
    let mut request = request(token);
    let facts = Connection::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), certificate.map(TestCertificate::chain));
    request.extensions_mut().insert(facts);
    request
}

/// What a handler leaves that tells whom it found.
async fn handler(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let inbound = Inbound::of(request.extensions()).expect("always there").clone();
    assert_eq!(ambient::current().is_some(), inbound.caller().is_some());
    let mut response = Response::new(Full::default());
    response.extensions_mut().insert(inbound);
    Ok(response)
}

async fn send(layer: &AuthLayer, request: Request<Full<Bytes>>) -> Outcome {
    let Ok(response) = layer.layer(service_fn(handler)).oneshot(request).await;
    outcome(&response.map(drop))
}

/// The same, behind a rule.
async fn send_to(layer: &AuthLayer, rule: Rule, request: Request<Full<Bytes>>) -> Outcome {
    let Ok(response) = layer.layer(RequireLayer::new(rule).layer(service_fn(handler))).oneshot(request).await;
    outcome(&response.map(drop))
}

fn outcome(response: &Response<()>) -> Outcome {
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        return Err((response.status().as_u16(), refusal.check()));
    }
    let inbound = response.extensions().get::<Inbound>().expect("the handler's");
    let Some(caller) = inbound.caller() else { return Ok("anonymous".to_owned()) };
    let principal = caller.principal();
    let user = principal.user().map_or("nobody", |user| user.id.as_str());
    let proven = if principal.evidence() == Evidence::Proven { "proven" } else { "unproven" };
    Ok(format!("{proven} {} for {user}: {}", principal.workload().id, principal.scopes()))
}

fn ok(told: &str) -> Outcome {
    Ok(told.to_owned())
}

#[tokio::test]
async fn cert_a10_what_certificate_and_token_come_to() {
    let door = Door::new();
    let (forged, alice) = (door.forged(), || Some(door.alice_at("storefront")));
    let stolen = || Some(door.alice_at("payments"));
    let own = |client: &str| Some(door.own(client).bearer());
    let good = Some(&door.storefront);
    let required = door.required();
    let optional = door.layer(ClientCertificate::Optional);

    for layer in [&required, &optional, &required.clone().optional(), &optional.clone().optional()] {
        assert_eq!(send(layer, over(good, None)).await, ok("proven storefront for nobody: "));
        assert_eq!(send(layer, over(good, alice())).await, ok("proven storefront for alice: orders:write"));
        assert_eq!(send(layer, over(good, stolen())).await, Err((403, "binding")));
        assert_eq!(send(layer, over(good, own("storefront"))).await, ok("proven storefront for nobody: orders:write"));
        assert_eq!(send(layer, over(good, own("payments"))).await, Err((403, "binding")));
        // Bad is never absent, nor is a bad token.
        for token in [None, alice(), own("storefront")] {
            assert_eq!(send(layer, over(Some(&forged), token)).await, Err((401, "certificate")));
        }
        assert_eq!(send(layer, over(good, Some(HeaderValue::from_static("Bearer bad")))).await, Err((401, "format")));
        let malformed = || Some(HeaderValue::from_static("Bearer b,d"));
        assert_eq!(send(layer, over(good, malformed())).await, Err((400, "token68")));
        assert_eq!(send(layer, over(None, malformed())).await, Err((400, "token68")));
    }

    assert_eq!(send(&required, over(None, alice())).await, Err((401, "certificate")));
    assert_eq!(send(&required, over(None, None)).await, Err((401, "credential")));
    assert_eq!(send(&required.clone().optional(), over(None, None)).await, ok("anonymous"));
    assert_eq!(send(&required.optional(), over(None, alice())).await, Err((401, "certificate")));

    let by_token = ok("unproven storefront for alice: orders:write");
    assert_eq!(send(&optional, over(None, alice())).await, by_token);
    assert_eq!(send(&optional, over(None, None)).await, Err((401, "credential")));
    assert_eq!(send(&optional.optional(), over(None, None)).await, ok("anonymous"));
}

#[tokio::test]
async fn cert_a10_what_the_peer_learns() {
    let door = Door::new();
    let layer = door.required();
    let answer = async |request| {
        let Ok(response) = layer.layer(service_fn(handler)).oneshot(request).await;
        refused(response).await
    };
    let challenge = |text: &str| Some(text.to_owned());
    assert_eq!(
        answer(over(None, Some(door.alice_at("storefront")))).await,
        (401, challenge(r#"Bearer realm="api""#), "no_credential".to_owned()),
    );
    assert_eq!(
        answer(over(Some(&door.forged()), None)).await,
        (401, challenge(r#"Bearer error="invalid_token""#), "invalid_token".to_owned()),
    );
    let stolen = over(Some(&door.storefront), Some(door.alice_at("payments")));
    assert_eq!(answer(stolen).await, (403, None, "unrelated_credentials".to_owned()));
}

/// Anybody can write a header: only the acceptor's word counts, and without it nothing does.
#[tokio::test]
async fn cert_a5_a_certificate_in_a_header_is_none() {
    let door = Door::new();
    let layer = door.required();
    let pem = STANDARD.encode_to_string(&door.storefront.chain()[0]);
    let forwarded = format!("By=x;Hash=y;URI={DOMAIN}/storefront;Cert=\"{pem}\"");
    let fields = [
        ("client-cert", format!(":{pem}:")),
        ("client-cert-chain", format!(":{pem}:")),
        ("x-forwarded-client-cert", forwarded),
        ("x-forwarded-tls-client-cert", pem.clone()),
        ("x-client-cert", pem.clone()),
        ("ssl-client-cert", pem),
    ];
    for (name, value) in fields {
        let with = |mut request: Request<Full<Bytes>>| {
            request.headers_mut().insert(name, value.parse().expect("a value"));
            request
        };
        assert_eq!(send(&layer, with(over(None, None))).await, Err((401, "credential")), "{name}");
        let alice = Some(door.alice_at("storefront"));
        assert_eq!(send(&layer, with(over(None, alice))).await, Err((401, "certificate")), "{name}");
        let facts = with(over(Some(&door.storefront), None));
        assert_eq!(send(&layer, facts).await, ok("proven storefront for nobody: "), "{name}");
    }
}

#[tokio::test]
async fn cert_a5_an_acceptor_that_says_nothing_is_a_wiring_error() {
    let door = Door::new();
    for layer in [door.required(), door.layer(ClientCertificate::Optional), door.required().optional()] {
        assert_eq!(send(&layer, request([door.alice_at("storefront")])).await, Err((500, "wiring")));
        assert_eq!(send(&layer, request([])).await, Err((500, "wiring")));
    }
}

/// As ever, where nobody asked for certificates.
#[tokio::test]
async fn cert_a5_without_the_setting_nobody_looks_at_certificates() {
    let door = Door::new();
    let layer = AuthLayer::new(door.verifier.clone());
    let by_token = ok("unproven storefront for alice: orders:write");
    for certificate in [None, Some(&door.storefront), Some(&door.forged())] {
        assert_eq!(send(&layer, over(certificate, Some(door.alice_at("storefront")))).await, by_token);
        assert_eq!(send(&layer, over(certificate, None)).await, Err((401, "credential")));
    }
}

/// A6: whoever leaves the user out may no more.
#[tokio::test]
async fn cert_a10_leaving_the_user_out_opens_nothing() {
    let door = Door::new();
    let layer = door.required();
    let alone = || over(Some(&door.storefront), None);
    let for_alice = || over(Some(&door.storefront), Some(door.alice_at("storefront")));
    let with_user = ok("proven storefront for alice: orders:write");
    for rule in [scope("orders:write"), user(), callers(["storefront"]).and(scope("orders:write"))] {
        assert_eq!(send_to(&layer, rule.clone(), for_alice()).await, with_user, "{rule}");
        assert_eq!(send_to(&layer, rule.clone(), alone()).await.map_err(|(status, _)| status), Err(403), "{rule}");
    }
    let for_itself = || callers(["storefront"]).and(no_user());
    assert_eq!(send_to(&layer, for_itself(), alone()).await, ok("proven storefront for nobody: "));
    assert_eq!(send_to(&layer, for_itself(), for_alice()).await.map_err(|(status, _)| status), Err(403));
    assert_eq!(send_to(&layer, callers(["payments"]), alone()).await.map_err(|(status, _)| status), Err(403));
}

/// Browsers send certificates along, whoever made them ask.
#[tokio::test]
async fn csrf_a4_a_certificate_alone_is_guarded_as_a_cookie_is() {
    let door = Door::new();
    let layer = door.required();
    let alice = door.alice_at("storefront");
    let alone = ok("proven storefront for nobody: ");
    let from = |site: &'static str, method: Method, token: Option<HeaderValue>| {
        let mut request = over(Some(&door.storefront), token);
        *request.method_mut() = method;
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static(site));
        request
    };
    assert_eq!(send(&layer, from("cross-site", Method::POST, None)).await, Err((403, "cross_site")));
    assert_eq!(send(&layer, from("same-origin", Method::POST, None)).await, alone);
    assert_eq!(send(&layer, from("cross-site", Method::GET, None)).await, alone);
    // A page of another site cannot set the field without being asked about first (CORS).
    let with_token = ok("proven storefront for alice: orders:write");
    assert_eq!(send(&layer, from("cross-site", Method::POST, Some(alice.clone()))).await, with_token);

    let session = Source::cookie("__Host-session").expect("valid");
    let by_cookie = layer.sources([session]).expect("valid");
    let cookie = |site| {
        let mut request = from(site, Method::POST, None);
        let token = alice.to_str().expect("text").trim_start_matches("Bearer ");
        request.headers_mut().insert("cookie", format!("__Host-session={token}").parse().expect("a value"));
        request
    };
    assert_eq!(send(&by_cookie, cookie("cross-site")).await, Err((403, "cross_site")));
    assert_eq!(send(&by_cookie, cookie("same-origin")).await, with_token);
}

#[tokio::test]
async fn cert_a11_settings_that_ask_for_nothing_are_refused() {
    let door = Door::new();
    let home = TrustedIssuer::discover(door.issuer.issuer().as_str()).audience("orders");
    let plain = AuthLayer::new(Verifier::builder(home).build().expect("valid"));
    let needs = InvalidSetting::new("client_certificate", "needs certificates: whose are trusted");
    assert_eq!(plain.clone().client_certificate(ClientCertificate::Required).map(drop), Err(needs));

    let three = || InvalidSetting::new("user_source", "beside client_certificate the user's credential is in sources");
    let header = || Source::header("x-user-token").expect("valid");
    assert_eq!(door.required().user_source(header()).map(drop), Err(three()));
    let with_user = AuthLayer::new(door.verifier.clone()).user_source(header()).expect("valid");
    assert_eq!(with_user.client_certificate(ClientCertificate::Required).map(drop), Err(three()));
    door.required().sources([header()]).expect("the control");
}

/// By whose rules, by a name from the configuration; and nothing of the certificate.
#[tokio::test]
async fn obs_a1_what_is_observed_of_certificates_is_told_and_changes_nothing() {
    let door = Door::new();
    let logs = LogCapture::start();
    let layer = door.required().observe();
    let inner = service_fn(|request: Request<Full<Bytes>>| async move {
        assert!(request.extensions().get::<Inbound>().is_none() && ambient::current().is_none());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    for certificate in [&door.storefront, &door.forged()] {
        let Ok(response) = layer.layer(inner).oneshot(over(Some(certificate), None)).await;
        assert_eq!(see(response).await.status, 200);
    }
    let told = logs.text();
    let lines: Vec<_> = told.lines().filter(|line| line.contains("tower_identity::decision")).collect();
    let [accepted, refused] = &lines[..] else { panic!("two decisions: {told}") };
    for part in ["accepted", "enforced=false", "spiffe://example.org"] {
        assert!(accepted.contains(part), "{part}: {accepted}");
    }
    for part in ["refused", "enforced=false", "certificate", "spiffe://example.org", "InvalidSignature"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

/// The explanation is one of tokens.
#[tokio::test]
async fn cert_a6_development_explains_no_certificate() {
    let door = Door::new();
    let layer = danger::explain_refusals(door.required()).expect("a debug build");
    let explained = async |request| {
        let Ok(response) = layer.layer(service_fn(handler)).oneshot(request).await;
        let seen = see(response).await;
        (seen.status, seen.body.get("explanation").is_some())
    };
    let alice = || Some(door.alice_at("storefront"));
    assert_eq!(explained(over(Some(&door.forged()), alice())).await, (401, false));
    let elsewhere = issuer_token(&door.issuer).audience("elsewhere").bearer();
    assert_eq!(explained(over(Some(&door.storefront), Some(elsewhere))).await, (401, true));
}

#[test]
fn cert_a8_facts_of_a_connection_print_no_certificate() {
    let door = Door::new();
    let facts = Connection::new(None, Some(door.storefront.chain()));
    assert_eq!(format!("{facts:?}"), "Connection { peer_addr: None, peer_certificates: 1 }");
    assert_eq!(facts.peer_certificates(), door.storefront.chain());
    assert_eq!((facts.peer_addr(), Connection::new(None, None).peer_certificates().len()), (None, 0));
    assert!(!door.authority.pem().is_empty());
}
