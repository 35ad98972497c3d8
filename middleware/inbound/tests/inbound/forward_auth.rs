//! A proxy asks whether a request may pass: who may ask, and what is judged.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::COOKIE};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{BoxFuture, CallerName, InvalidSetting};
use tower_identity_inbound::{AuthLayer, Connection, ForwardAuthLayer, OriginalRequest, ProxyPeer, Source};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{TestAuthority, TestIssuer};
use tower_identity_verify::{CertificateAnchor, FeedError, Pulled, RevocationFeed, TrustedIssuer, Verifier};

use crate::support::{Seen, issuer_token, refused, see, value};

const DOMAIN: &str = "spiffe://example.org";
const ASKED: [(&str, &str); 4] = [
    ("x-forwarded-method", "POST"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.test"),
    ("x-forwarded-uri", "/orders/7?all=1"),
];

struct Door {
    issuer: TestIssuer,
    authority: TestAuthority,
    verifier: Verifier,
}

impl Door {
    fn new() -> Self {
        let (issuer, authority) = (TestIssuer::start(), TestAuthority::new(&system_clock()));
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let anchor = CertificateAnchor::trust_domain("example.org", authority.pem());
        let verifier = Verifier::builder(home).certificates(anchor).build().expect("valid");
        Self { issuer, authority, verifier }
    }

    fn asked_by(&self, original: OriginalRequest, peers: impl IntoIterator<Item = ProxyPeer>) -> ForwardAuthLayer {
        ForwardAuthLayer::new(self.verifier.clone(), original, peers).expect("valid")
    }

    fn alice(&self) -> HeaderValue {
        issuer_token(&self.issuer).bearer()
    }

    fn gateway(&self) -> ProxyPeer {
        ProxyPeer::Caller(CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/gateway")).expect("a name"))
    }
}

fn from(address: [u8; 4]) -> Connection {
    Connection::new(SocketAddr::from((address, 40_000)), None)
}

fn question(connection: &Connection, fields: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = "/auth".parse().expect("a path");
    request.extensions_mut().insert(connection.clone());
    for (name, text) in fields {
        request.headers_mut().append(*name, value(text));
    }
    request
}

fn with(
    fields: &[(&'static str, &'static str)],
    change: (&str, Option<&'static str>),
) -> Vec<(&'static str, &'static str)> {
    let kept = fields.iter().copied().filter_map(|(name, text)| match change {
        (changed, to) if changed == name => to.map(|to| (name, to)),
        _ => Some((name, text)),
    });
    kept.collect()
}

/// The answer, and what stood before the handler: the method, the URI and the host.
async fn ask(door: &ForwardAuthLayer, auth: &AuthLayer, question: Request<Full<Bytes>>) -> Result<String, Seen> {
    let handler = service_fn(|request: Request<Full<Bytes>>| async move {
        let host = request.headers().get("host").map(|host| host.to_str().expect("text").to_owned());
        let told = format!("{} {} at {}", request.method(), request.uri(), host.unwrap_or_default());
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().insert("x-told", value(&told));
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = door.layer(auth.layer(handler)).oneshot(question).await;
    match response.headers().get("x-told") {
        Some(told) => Ok(told.to_str().expect("text").to_owned()),
        None => Err(see(response).await),
    }
}

async fn status(door: &ForwardAuthLayer, auth: &AuthLayer, question: Request<Full<Bytes>>) -> u16 {
    ask(door, auth, question).await.map_or_else(|seen| seen.status, |_| 200)
}

#[tokio::test]
async fn fauth_a1_what_is_judged_is_the_request_that_the_question_is_about() {
    let door = Door::new();
    let auth = AuthLayer::new(door.verifier.clone());
    let with_alice = |mut question: Request<Full<Bytes>>| {
        question.headers_mut().insert("authorization", door.alice());
        question
    };
    let layer = door.asked_by(OriginalRequest::Forwarded, [ProxyPeer::Loopback]);
    let loopback = from([127, 0, 0, 1]);
    let told = ask(&layer, &auth, with_alice(question(&loopback, &ASKED))).await;
    assert_eq!(told, Ok("POST https://shop.test/orders/7?all=1 at shop.test".to_owned()));

    let layer = door.asked_by(OriginalRequest::AsAsked, [ProxyPeer::Loopback]);
    let mut asked = with_alice(question(&loopback, &ASKED));
    *asked.method_mut() = Method::DELETE;
    *asked.uri_mut() = "/orders/8".parse().expect("a path");
    asked.headers_mut().insert("host", value("shop.test"));
    assert_eq!(
        ask(&layer, &auth, asked).await,
        Ok("DELETE /orders/8 at shop.test".to_owned()),
        "whatever clients write"
    );
}

#[tokio::test]
async fn fauth_a1_a_token_in_the_query_and_a_page_of_another_site_are_seen() {
    let door = Door::new();
    let auth = AuthLayer::new(door.verifier.clone())
        .sources([Source::authorization(), Source::cookie("__Host-session").expect("a name")])
        .expect("valid");
    let layer = door.asked_by(OriginalRequest::Forwarded, [ProxyPeer::Loopback]);
    let loopback = from([127, 0, 0, 1]);
    let by_cookie = |fields: &[(&'static str, &str)], site: &str| {
        let mut question = question(&loopback, fields);
        let token = issuer_token(&door.issuer).build();
        question.headers_mut().insert(COOKIE, value(&format!("__Host-session={}", token.expose())));
        question.headers_mut().insert("sec-fetch-site", value(site));
        question
    };
    assert_eq!(status(&layer, &auth, by_cookie(&ASKED, "same-origin")).await, 200);
    assert_eq!(status(&layer, &auth, by_cookie(&ASKED, "cross-site")).await, 403);
    let reads = with(&ASKED, ("x-forwarded-method", Some("GET")));
    assert_eq!(status(&layer, &auth, by_cookie(&reads, "cross-site")).await, 200);
    let in_query = with(&ASKED, ("x-forwarded-uri", Some("/orders?access_token=x")));
    assert_eq!(status(&layer, &auth, by_cookie(&in_query, "same-origin")).await, 400);
}

/// Who may ask learns which tokens are good, and says what is asked for.
#[tokio::test]
async fn fauth_a2_nobody_but_a_proxy_may_ask() {
    let door = Door::new();
    let auth = AuthLayer::new(door.verifier.clone());
    let asks = |connection: &Connection| {
        let mut question = question(connection, &ASKED);
        question.headers_mut().insert("authorization", door.alice());
        question
    };
    let certified = |name: &str| {
        let own = door.authority.certificate().uri(&format!("{DOMAIN}/{name}")).build();
        Connection::new(SocketAddr::from(([127, 0, 0, 1], 40_000)), Some(own.chain()))
    };
    let [by_name, loopback, socket] = [door.gateway(), ProxyPeer::Loopback, ProxyPeer::UnixSocket]
        .map(|peer| door.asked_by(OriginalRequest::Forwarded, [peer]));
    let cases = [
        (&by_name, certified("gateway"), 200),
        (&by_name, certified("stock"), 403),
        (&by_name, from([127, 0, 0, 1]), 403),
        (&loopback, from([127, 0, 0, 1]), 200),
        (&loopback, from([192, 0, 2, 1]), 403),
        (&loopback, certified("gateway"), 403),
        (&socket, Connection::by_unix_socket(), 200),
        (&socket, from([127, 0, 0, 1]), 403),
    ];
    for (layer, connection, expected) in cases {
        assert_eq!(status(layer, &auth, asks(&connection)).await, expected, "{connection:?}");
    }
    let Ok(response) = loopback.layer(auth.layer(service_fn(never))).oneshot(asks(&from([192, 0, 2, 1]))).await;
    assert_eq!(refused(response).await, (403, None, "denied".to_owned()));
    let mut unsaid = asks(&from([127, 0, 0, 1]));
    unsaid.extensions_mut().clear();
    assert_eq!(status(&loopback, &auth, unsaid).await, 500);
}

/// Whether the proxy's certificate is revoked is not known: which is no answer, and not that it is nobody's.
#[tokio::test]
async fn fauth_a2_while_it_is_not_known_who_asks_nobody_is_judged() {
    #[derive(Debug)]
    struct Silent;
    impl RevocationFeed for Silent {
        fn since<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Pulled, FeedError>> {
            Box::pin(std::future::pending())
        }
    }
    let door = Door::new();
    let own = door.authority.certificate().uri(&format!("{DOMAIN}/gateway")).build();
    let connection = Connection::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), Some(own.chain()));
    let home = TrustedIssuer::discover(door.issuer.issuer().as_str()).audience("orders");
    let anchor = CertificateAnchor::trust_domain("example.org", door.authority.pem());
    let builder = Verifier::builder(home).certificates(anchor).require_revocation_feed(Silent);
    let waiting = Door { verifier: builder.build().expect("valid"), ..door };
    let layer = waiting.asked_by(OriginalRequest::Forwarded, [waiting.gateway()]);
    let Ok(response) = layer.layer(service_fn(never)).oneshot(question(&connection, &ASKED)).await;
    assert_eq!(refused(response).await, (503, None, "unavailable".to_owned()));
}

async fn never(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    panic!("it was refused")
}

#[tokio::test]
async fn fauth_a3_a_question_about_no_one_request_is_malformed() {
    let door = Door::new();
    let auth = AuthLayer::new(door.verifier.clone());
    let layer = door.asked_by(OriginalRequest::Forwarded, [ProxyPeer::Loopback]);
    let loopback = from([127, 0, 0, 1]);
    let asks = |fields: &[(&'static str, &str)]| {
        let mut question = question(&loopback, fields);
        question.headers_mut().insert("authorization", door.alice());
        question
    };
    for (name, text) in ASKED {
        assert_eq!(status(&layer, &auth, asks(&with(&ASKED, (name, None)))).await, 400, "{name}");
        let twice = [&ASKED[..], &[(name, text)]].concat();
        assert_eq!(status(&layer, &auth, asks(&twice)).await, 400, "{name}");
    }
    let wrong = [
        ("x-forwarded-method", "GE T"),
        ("x-forwarded-method", ""),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", ""),
        ("x-forwarded-host", "shop.test, evil.test"),
        ("x-forwarded-host", "alice@shop.test"),
        ("x-forwarded-uri", ""),
        ("x-forwarded-uri", "orders"),
        ("x-forwarded-uri", "*"),
        ("x-forwarded-uri", "https://evil.test/orders"),
        ("x-forwarded-uri", "//evil.test/orders"),
        ("x-forwarded-uri", "/open/../orders"),
        ("x-forwarded-uri", "/%6frders"),
        ("x-forwarded-uri", "/open%2f..%2forders"),
    ];
    for (name, text) in wrong {
        assert_eq!(status(&layer, &auth, asks(&with(&ASKED, (name, Some(text))))).await, 400, "{name}: {text}");
    }
    assert_eq!(status(&layer, &auth, asks(&ASKED)).await, 200, "the control");

    let as_asked = door.asked_by(OriginalRequest::AsAsked, [ProxyPeer::Loopback]);
    for (path, expected) in [("/orders", 200), ("/open/../orders", 400), ("//orders", 400)] {
        let mut question = asks(&[]);
        *question.uri_mut() = path.parse().expect("a path");
        assert_eq!(status(&as_asked, &auth, question).await, expected, "{path}");
    }
}

/// A refusal of gRPC has status 200, which a proxy would take for a yes.
#[tokio::test]
async fn fauth_a4_no_refusal_looks_like_a_yes() {
    let door = Door::new();
    let auth = AuthLayer::new(door.verifier.clone());
    let loopback = from([127, 0, 0, 1]);
    for kind in ["application/grpc", "application/grpc-web+proto", "application/json"] {
        for original in [OriginalRequest::Forwarded, OriginalRequest::AsAsked] {
            let layer = door.asked_by(original, [ProxyPeer::Loopback]);
            let mut question = question(&loopback, &ASKED);
            *question.method_mut() = Method::POST;
            question.headers_mut().insert("content-type", value(kind));
            let refused = ask(&layer, &auth, question).await.expect_err("nobody");
            assert_eq!((refused.status, refused.challenge.as_deref()), (401, Some(r#"Bearer realm="api""#)), "{kind}");
            // So is what is refused before.
            let mut stranger = Request::new(Full::default());
            *stranger.method_mut() = Method::POST;
            stranger.headers_mut().insert("content-type", value(kind));
            stranger.extensions_mut().insert(from([192, 0, 2, 1]));
            assert_eq!(status(&layer, &auth, stranger).await, 403, "{kind}");
        }
    }
}

#[test]
fn fauth_a2_a_list_without_a_proxy_is_refused() {
    let door = Door::new();
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    let without = Verifier::builder(home).build().expect("valid");
    let made = |verifier: &Verifier, peers: Vec<ProxyPeer>| {
        ForwardAuthLayer::new(verifier.clone(), OriginalRequest::Forwarded, peers).map(drop)
    };
    let none = InvalidSetting::new("peers", "names no proxy: whose word is taken");
    assert_eq!(made(&without, Vec::new()), Err(none));
    let rule = "has a proxy that is known by its certificate, and needs certificates: whose are trusted";
    assert_eq!(made(&without, vec![door.gateway()]), Err(InvalidSetting::new("peers", rule)));
    assert_eq!(made(&door.verifier, vec![door.gateway()]), Ok(()));
    assert_eq!(made(&without, vec![ProxyPeer::Loopback]), Ok(()));
}
