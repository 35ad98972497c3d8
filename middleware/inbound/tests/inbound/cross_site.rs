//! Requests that another site makes a browser send.

use http::{
    HeaderName, Method, Request,
    header::{AUTHORIZATION, COOKIE, HOST},
};
use http_body_util::Full;
use tower_identity_core::Refusal;
use tower_identity_inbound::{AuthLayer, Source};
use tower_identity_testkit::{LogCapture, TestIssuer};

use crate::support::{found, issuer_token, refused, request, through, value, warm};

async fn guarded(issuer: &TestIssuer) -> AuthLayer {
    let sources = [Source::authorization(), Source::cookie("session").expect("a cookie")];
    warm(issuer).await.sources(sources).expect("valid")
}

type Fields<'a> = &'a [(&'static str, &'a str)];

/// To `https://shop.example`, with a good token for a cookie.
fn with_cookie(issuer: &TestIssuer, method: &Method, fields: Fields<'_>) -> Request<Full<bytes::Bytes>> {
    let mut request = request([]);
    *request.method_mut() = method.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, value("shop.example"));
    headers.insert(COOKIE, value(&format!("session={}", issuer_token(issuer).build().expose())));
    for (name, text) in fields {
        headers.append(HeaderName::from_static(name), value(text));
    }
    request
}

const SAME_ORIGIN: Fields<'_> = &[("sec-fetch-site", "same-origin"), ("origin", "https://shop.example")];
const CROSS_SITE: Fields<'_> = &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];

#[tokio::test]
async fn csrf_a1_what_changes_things_comes_from_this_origin() {
    let issuer = TestIssuer::start();
    let layer = guarded(&issuer).await;
    let foreign: [Fields<'_>; 9] = [
        CROSS_SITE,
        &[("sec-fetch-site", "same-site"), ("origin", "https://blog.shop.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://shop.example:8443")],
        &[("origin", "https://shop.example"), ("origin", "https://shop.example")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://shop.example"), ("host", "evil.example")],
    ];
    let own: [Fields<'_>; 4] = [
        SAME_ORIGIN,
        &[("sec-fetch-site", "none")],
        &[("origin", "https://shop.example")],
        // No browser.
        &[],
    ];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::CONNECT, Method::TRACE] {
        for fields in foreign {
            let response = through(&layer, with_cookie(&issuer, &method, fields)).await;
            assert_eq!(refused(response).await, (403, None, "denied".to_owned()), "{method} {fields:?}");
        }
        for fields in own {
            let response = through(&layer, with_cookie(&issuer, &method, fields)).await;
            assert_eq!(response.status(), 200, "{method} {fields:?}");
        }
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        for fields in foreign {
            let response = through(&layer, with_cookie(&issuer, &method, fields)).await;
            assert_eq!(response.status(), 200, "{method} {fields:?}");
        }
    }
}

#[tokio::test]
async fn csrf_a2_a_handshake_comes_from_this_origin_whatever_its_method() {
    let issuer = TestIssuer::start();
    let layer = guarded(&issuer).await;
    let handshakes: [Fields<'_>; 7] = [
        &[("connection", "Upgrade"), ("upgrade", "websocket")],
        &[("upgrade", "h2c")],
        &[("connection", "upgrade")],
        &[("connection", "keep-alive, UPGRADE")],
        &[("connection", "keep-alive"), ("connection", "upgrade")],
        // By way of a proxy that leaves out what is of its connection.
        &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")],
        &[("sec-websocket-version", "13")],
    ];
    for handshake in handshakes {
        let evil = with_cookie(&issuer, &Method::GET, &[handshake, CROSS_SITE].concat());
        assert_eq!(refused(through(&layer, evil).await).await, (403, None, "denied".to_owned()), "{handshake:?}");
        // Older browsers say nothing but the origin.
        let evil = with_cookie(&issuer, &Method::GET, &[handshake, &[("origin", "https://evil.example")]].concat());
        assert_eq!(through(&layer, evil).await.status(), 403, "{handshake:?}");
        let own = with_cookie(&issuer, &Method::GET, &[handshake, SAME_ORIGIN].concat());
        assert_eq!(through(&layer, own).await.status(), 200, "{handshake:?}");
    }
    let others: [Fields<'_>; 2] = [&[("connection", "upgraded")], &[("sec-websocket-protocol", "chat")]];
    for none in others {
        let not_one = with_cookie(&issuer, &Method::GET, &[none, CROSS_SITE].concat());
        assert_eq!(through(&layer, not_one).await.status(), 200, "{none:?}");
    }
}

#[tokio::test]
async fn csrf_a3_other_origins_are_let_through_by_their_very_name() {
    let issuer = TestIssuer::start();
    let layer =
        guarded(&issuer).await.allowed_origins(["https://app.example", "http://127.0.0.1:8080"]).expect("valid");
    let status = async |origin: &str, site: &str| {
        let fields = [("origin", origin), ("sec-fetch-site", site)];
        through(&layer, with_cookie(&issuer, &Method::POST, &fields)).await.status().as_u16()
    };
    for site in ["cross-site", "same-site", ""] {
        assert_eq!(status("https://app.example", site).await, 200, "{site}");
        assert_eq!(status("http://127.0.0.1:8080", site).await, 200, "{site}");
        for other in ["http://app.example", "https://app.example:8443", "https://app.example.evil", "https://app"] {
            assert_eq!(status(other, site).await, 403, "{other} {site}");
        }
    }
}

#[tokio::test]
async fn csrf_a3_an_origin_that_no_browser_writes_is_refused_with_its_place() {
    let layer = guarded(&TestIssuer::start()).await;
    let refused = |origin: &str| {
        let layer = layer.clone().allowed_origins(["https://good.example", origin]);
        layer.map(drop).expect_err(origin).to_string()
    };
    for (origin, rule) in [
        ("https://Shop.example", "matches nothing: a browser writes https://shop.example"),
        ("https://shop.example:443", "matches nothing: a browser writes https://shop.example"),
        ("http://shop.example:80", "matches nothing: a browser writes http://shop.example"),
        ("https://me@shop.example", "matches nothing: a browser writes https://shop.example"),
    ] {
        assert_eq!(refused(origin), format!("allowed_origins[1]: {rule}"));
    }
    for origin in ["", "null", "*", "shop.example", "https://shop.example/", "ftp://shop.example", "https://é.example"]
    {
        assert!(refused(origin).starts_with("allowed_origins[1]: "), "{origin}");
    }
    for origin in ["http://shop.example:443", "https://[::1]:8443", "https://xn--9ca.example"] {
        assert!(layer.clone().allowed_origins([origin]).is_ok(), "{origin}");
    }
}

#[tokio::test]
async fn csrf_a4_only_what_came_by_cookie_is_guarded() {
    let issuer = TestIssuer::start();
    let layer = guarded(&issuer).await;
    let mut by_header = with_cookie(&issuer, &Method::POST, CROSS_SITE);
    by_header.headers_mut().remove(COOKIE);
    by_header.headers_mut().insert(COOKIE, value("theme=dark"));
    by_header.headers_mut().insert(AUTHORIZATION, issuer_token(&issuer).bearer());
    let response = through(&layer, by_header).await;
    assert_eq!(found(&response).and_then(|found| found.user).as_deref(), Some("alice"));

    // Without a credential there is nothing to guard: it is refused for that.
    let mut bare = with_cookie(&issuer, &Method::POST, CROSS_SITE);
    bare.headers_mut().remove(COOKIE);
    let (status, _, code) = refused(through(&layer, bare).await).await;
    assert_eq!((status, code.as_str()), (401, "no_credential"));
}

#[tokio::test]
async fn csrf_a5_the_refusal_says_its_check_to_the_operator_and_comes_before_the_token_is_looked_at() {
    let issuer = TestIssuer::start();
    let layer = guarded(&issuer).await;
    let logs = LogCapture::start();
    let mut request = with_cookie(&issuer, &Method::POST, CROSS_SITE);
    request.headers_mut().insert(COOKIE, value("session=bad"));
    let response = through(&layer, request).await;
    let check = response.extensions().get().map(|refusal: &Refusal| refusal.check());
    assert_eq!((response.status().as_u16(), check), (403, Some("cross_site")));
    let (event, cause) = (r#"kind="denied" check="cross_site" fault="caller""#, "Cross-Origin request detected");
    assert!(logs.text().contains(event) && logs.text().contains(cause), "{}", logs.text());

    let mut request = with_cookie(&issuer, &Method::POST, SAME_ORIGIN);
    request.headers_mut().insert(COOKIE, value("session=bad"));
    assert_eq!(through(&layer, request).await.status(), 401);
}

#[tokio::test]
async fn csrf_a1_where_the_request_names_its_host_itself_that_is_the_origin() {
    let issuer = TestIssuer::start();
    let layer = guarded(&issuer).await;
    let status = async |uri: &'static str| {
        let mut request = with_cookie(&issuer, &Method::POST, &[("origin", "https://shop.example")]);
        // As over HTTP/2, where there is no Host.
        request.headers_mut().remove(HOST);
        *request.uri_mut() = uri.parse().expect("a URI");
        through(&layer, request).await.status().as_u16()
    };
    assert_eq!(status("https://shop.example/orders").await, 200);
    assert_eq!(status("https://evil.example/orders").await, 403);
    assert_eq!(status("/orders").await, 403);
}

#[tokio::test]
async fn csrf_a1_an_origin_of_plaintext_is_another_where_this_one_is_known_to_be_of_tls() {
    let issuer = TestIssuer::start();
    let with_others = async |cookie: &'static str, others: &[Source], uri: &'static str, fields: Fields<'static>| {
        let sources = others.iter().cloned().chain([Source::cookie(cookie).expect("a cookie")]);
        let layer = warm(&issuer).await.sources(sources).expect("valid");
        let layer = layer.allowed_origins(["http://app.example"]).expect("valid");
        let mut request = with_cookie(&issuer, &Method::POST, fields);
        request.headers_mut().insert(COOKIE, value(&format!("{cookie}={}", issuer_token(&issuer).build().expose())));
        *request.uri_mut() = uri.parse().expect("a URI");
        through(&layer, request).await.status().as_u16()
    };
    let status = async |cookie, uri, fields| with_others(cookie, &[Source::authorization()], uri, fields).await;
    let (plain, tls): (Fields<'_>, Fields<'_>) =
        (&[("origin", "http://shop.example")], &[("origin", "https://shop.example")]);
    // Over HTTP/1.1 the cookie's name tells.
    for cookie in ["__Host-session", "__Secure-session"] {
        assert_eq!(status(cookie, "/orders", plain).await, 403, "{cookie}");
        assert_eq!(status(cookie, "/orders", &[("origin", "HTTP://shop.example")]).await, 403, "{cookie}");
        assert_eq!(status(cookie, "/orders", tls).await, 200, "{cookie}");
    }
    for cookie in ["session", "x__Host-session", "__Hosts", "__host-session"] {
        assert_eq!(status(cookie, "/orders", plain).await, 200, "{cookie}: served over http, for all that is known");
        assert_eq!(status(cookie, "/orders", tls).await, 200, "{cookie}: a proxy in front may end TLS");
    }
    let older = [Source::cookie("session").expect("a cookie")];
    assert_eq!(with_others("__Host-session", &older, "/orders", plain).await, 200, "one of two is sent over http too");
    // Over HTTP/2 the request does.
    assert_eq!(status("session", "https://shop.example/orders", plain).await, 403);
    assert_eq!(status("session", "https://shop.example/orders", tls).await, 200);
    assert_eq!(status("session", "http://shop.example/orders", plain).await, 200);
    assert_eq!(status("session", "http://shop.example/orders", tls).await, 200, "a proxy in front may end TLS");
    // By name it is allowed all the same, and what the browser knows counts first.
    assert_eq!(status("__Host-session", "/orders", &[("origin", "http://app.example")]).await, 200);
    let known: Fields<'_> = &[("origin", "http://shop.example"), ("sec-fetch-site", "same-origin")];
    assert_eq!(status("__Host-session", "/orders", known).await, 200);
    // Nothing is no origin of plaintext.
    assert_eq!(status("__Host-session", "/orders", &[]).await, 200);
}
