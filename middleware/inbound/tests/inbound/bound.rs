//! Tokens that are bound to the certificate of their connection (RFC 8705 §3), through the layer.

use std::net::SocketAddr;

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, header::COOKIE};
use http_body_util::Full;
use serde_json::json;
use tower_identity_core::{CertificateThumbprint, Refusal, SecretToken};
use tower_identity_inbound::{AuthLayer, Connection, Source};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer};

use crate::support::{issuer_token, request, through, value, warm};

/// An issuer, a layer that knows no authority of certificates, and a token of alice's that is bound to one.
struct Door {
    layer: AuthLayer,
    own: TestCertificate,
    other: TestCertificate,
    bound: SecretToken,
    free: SecretToken,
}

impl Door {
    async fn new() -> Self {
        let issuer = TestIssuer::start();
        let [own, other] = [(); 2].map(|()| TestAuthority::new(&system_clock()).certificate().build());
        let digest = CertificateThumbprint::of(&own.chain()[0]);
        let cnf = json!({"x5t#S256": URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())});
        let (bound, free) = (issuer_token(&issuer).claim("cnf", cnf).build(), issuer_token(&issuer).build());
        Self { layer: warm(&issuer).await, own, other, bound, free }
    }

    fn with(&self, token: &SecretToken) -> Request<Full<Bytes>> {
        request([value(&format!("Bearer {}", token.expose()))])
    }
}

fn over(connection: &Connection, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.extensions_mut().insert(connection.clone());
    request
}

fn connection(certificate: Option<&TestCertificate>) -> Connection {
    Connection::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), certificate.map(TestCertificate::chain))
}

/// The status, and the check of a refusal.
async fn send(layer: &AuthLayer, request: Request<Full<Bytes>>) -> (u16, Option<&'static str>) {
    let response = through(layer, request).await;
    (response.status().as_u16(), response.extensions().get::<Refusal>().map(Refusal::check))
}

const OK: (u16, Option<&str>) = (200, None);
const REFUSED: (u16, Option<&str>) = (401, Some("cnf"));

#[tokio::test]
async fn rfc8705_a1_a_bound_token_is_good_over_connections_of_its_certificate_alone() {
    let door = Door::new().await;
    let [own, other, none] = [Some(&door.own), Some(&door.other), None].map(connection);
    assert_eq!(own.thumbprint(), Some(CertificateThumbprint::of(&door.own.chain()[0])));
    assert_eq!(none.thumbprint(), None);
    for layer in [door.layer.clone(), door.layer.clone().optional()] {
        // Remembered from the first time on, and asked each time.
        for _ in 0..2 {
            assert_eq!(send(&layer, over(&own, door.with(&door.bound))).await, OK);
            assert_eq!(send(&layer, over(&other, door.with(&door.bound))).await, REFUSED);
            assert_eq!(send(&layer, over(&none, door.with(&door.bound))).await, REFUSED);
            assert_eq!(send(&layer, door.with(&door.bound)).await, REFUSED, "nobody knows of a connection");
        }
        for connection in [&own, &other, &none] {
            assert_eq!(send(&layer, over(connection, door.with(&door.free))).await, OK, "the control");
        }
        assert_eq!(send(&layer, door.with(&door.free)).await, OK, "the control");
    }
}

/// Wherever the token stands.
#[tokio::test]
async fn rfc8705_a1_a_bound_token_is_asked_for_its_certificate_in_a_cookie_too() {
    let door = Door::new().await;
    let source = Source::cookie("__Host-session").expect("a name");
    let layer = door.layer.clone().sources([source]).expect("valid");
    let with = |token: &SecretToken| {
        let mut request = request([]);
        request.headers_mut().insert(COOKIE, value(&format!("__Host-session={}", token.expose())));
        request
    };
    let [own, other] = [&door.own, &door.other].map(|certificate| connection(Some(certificate)));
    assert_eq!(send(&layer, over(&other, with(&door.bound))).await, REFUSED);
    assert_eq!(send(&layer, over(&own, with(&door.bound))).await, OK);
    assert_eq!(send(&layer, with(&door.bound)).await, REFUSED);
    assert_eq!(send(&layer, with(&door.free)).await, OK);
}

/// The certificate in whichever field: nobody but an acceptor knows of one.
#[tokio::test]
async fn rfc8705_a2_a_certificate_in_a_header_proves_nothing() {
    let door = Door::new().await;
    let der = STANDARD.encode_to_string(&*door.own.chain()[0]);
    for (name, text) in [
        ("client-cert", format!(":{der}:")),
        ("x-forwarded-client-cert", format!("Cert=\"{der}\"")),
        ("x-ssl-client-cert", der.clone()),
        ("x-forwarded-tls-client-cert", der.clone()),
        ("ssl-client-cert", format!("-----BEGIN CERTIFICATE----- {der} -----END CERTIFICATE-----")),
    ] {
        for connection in [connection(None), connection(Some(&door.other))] {
            let mut request = over(&connection, door.with(&door.bound));
            request.headers_mut().insert(name, value(&text));
            assert_eq!(send(&door.layer, request).await, REFUSED, "{name}");
        }
    }
    assert_eq!(send(&door.layer, over(&connection(Some(&door.own)), door.with(&door.bound))).await, OK, "the control");
}
