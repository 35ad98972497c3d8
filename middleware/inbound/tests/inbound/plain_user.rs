//! Users in plain text: who is heard, what else a request may have, and what it may do without a name.

use std::{convert::Infallible, net::SocketAddr};

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response};
use http_body_util::Full;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{CertificateThumbprint, InvalidSetting};
use tower_identity_inbound::{
    AuthLayer, CertificateForm, Connection, ForwardedCertificate, ProxyPeer, RequireLayer, Rule, Source, danger,
    rule::{callers, no_user, scope, user},
};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{TestAuthority, TestCertificate, TestIssuer, TokenBuilder};
use tower_identity_verify::{
    TrustedIssuer, Verifier,
    danger::{id_tokens, plain_users},
};

use crate::support::{found, issuer_token, refused, request, through, value};

const FIELD: &str = "x-user-id";
const ID_TOKEN: &str = "x-id-token";

/// A layer that hears `gateway`, and has the issuer's keys.
async fn hearing(issuer: &TestIssuer) -> AuthLayer {
    let login = issuer.issuer().as_str();
    let home = TrustedIssuer::discover(login).audience("orders");
    let verifier = plain_users(Verifier::builder(home), ["gateway"], login).build().expect("valid");
    verifier.bearer(own(issuer, "gateway").build().expose()).await.expect("good");
    danger::plain_user(AuthLayer::new(verifier), FIELD).expect("valid")
}

fn own(issuer: &TestIssuer, client: &str) -> TokenBuilder {
    issuer.token().subject(client).client(client).audience("orders").scope("orders:write")
}

fn with(mut request: Request<Full<Bytes>>, fields: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    for (name, text) in fields {
        request.headers_mut().append(HeaderName::from_static(name), value(text));
    }
    request
}

#[tokio::test]
async fn named_a5_a_listed_caller_is_heard_and_the_field_does_not_go_on() {
    let issuer = TestIssuer::start();
    let layer = hearing(&issuer).await;
    let ask = || with(request([own(&issuer, "gateway").bearer()]), &[("x-user-agent", "kept")]);
    let response = through(&layer, with(ask(), &[(FIELD, "alice")])).await;
    let expected: HeaderMap = [(HeaderName::from_static("x-user-agent"), value("kept"))].into_iter().collect();
    let heard = found(&response).expect("it went on");
    assert_eq!((heard.user.as_deref(), heard.ambient.as_deref()), (Some("alice"), Some("alice")));
    assert_eq!(heard.headers, expected);

    let outcome = async |request| {
        let (status, challenge, code) = refused(through(&layer, request).await).await;
        (status, challenge.is_some(), code)
    };
    let of = |code: &str| code.to_owned();
    let named = |token: TokenBuilder| with(request([token.bearer()]), &[(FIELD, "alice")]);
    assert_eq!(outcome(named(own(&issuer, "reports"))).await, (403, false, of("unrelated_credentials")));
    // A token that has a user already, even of a caller that is listed.
    let bobs = issuer_token(&issuer).subject("bob").client("gateway");
    assert_eq!(outcome(named(bobs)).await, (403, false, of("unrelated_credentials")));
    assert_eq!(outcome(with(ask(), &[(FIELD, "alice"), (FIELD, "bob")])).await, (400, true, of("malformed_request")));
    assert_eq!(outcome(with(ask(), &[("x_user_id", "alice")])).await, (400, true, of("malformed_request")));
    assert_eq!(outcome(with(request([]), &[(FIELD, "alice")])).await, (401, true, of("no_credential")));
    let optional = layer.clone().optional();
    let (status, _, code) = refused(through(&optional, with(request([]), &[(FIELD, "alice")])).await).await;
    assert_eq!((status, code.as_str()), (401, "no_credential"), "a name alone is nobody, and not anonymous");
}

#[tokio::test]
async fn named_a5_a_name_beside_a_users_own_credential_is_one_too_many() {
    let issuer = TestIssuer::start();
    let both = Source::header("x-user-token").expect("a source");
    let layer = hearing(&issuer).await.user_source(both).expect("valid");
    let alice = issuer_token(&issuer).client("gateway").build();
    let token = [("x-user-token", alice.expose())];
    let ask = |fields: &[(&'static str, &str)]| with(request([own(&issuer, "gateway").bearer()]), fields);
    let (status, _, code) = refused(through(&layer, ask(&[token[0], (FIELD, "alice")])).await).await;
    assert_eq!((status, code.as_str()), (400, "malformed_request"));
    // The controls: either of them alone.
    for fields in [&token[..], &[(FIELD, "alice")]] {
        let user = found(&through(&layer, ask(fields)).await).and_then(|found| found.user);
        assert_eq!(user.as_deref(), Some("alice"), "{fields:?}");
    }
}

#[tokio::test]
async fn named_a5_leaving_the_user_out_opens_nothing() {
    let issuer = TestIssuer::start();
    let layer = hearing(&issuer).await;
    let status = async |layer: &AuthLayer, rule: Rule, name: Option<&str>| {
        let handler =
            service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
        let fields: Vec<_> = name.into_iter().map(|name| (FIELD, name)).collect();
        let asked = with(request([own(&issuer, "gateway").bearer()]), &fields);
        let Ok(response) = layer.layer(RequireLayer::new(rule).layer(handler)).oneshot(asked).await;
        response.status().as_u16()
    };
    let for_itself = || scope("orders:write").and(callers(["gateway"])).and(no_user());
    for (rule, named, alone) in [
        (scope("orders:write").and(user()), 200, 403),
        (scope("orders:write"), 200, 403),
        // Who calls is the same either way.
        (callers(["gateway"]), 200, 200),
        (for_itself(), 403, 200),
        (scope("orders:admin").and(user()), 403, 403),
    ] {
        assert_eq!(status(&layer, rule.clone(), Some("alice")).await, named, "{rule}");
        assert_eq!(status(&layer, rule.clone(), None).await, alone, "{rule}");
    }
}

#[tokio::test]
async fn csrf_a4_a_caller_that_came_by_cookie_is_guarded_whomever_it_names() {
    let issuer = TestIssuer::start();
    let sources = [Source::authorization(), Source::cookie("session").expect("a cookie")];
    let layer = hearing(&issuer).await.sources(sources).expect("valid");
    let cookie = format!("session={}", own(&issuer, "gateway").build().expose());
    let answer = async |site: &str| {
        let mut asked = with(request([]), &[("cookie", &cookie), ("sec-fetch-site", site), (FIELD, "alice")]);
        *asked.method_mut() = Method::POST;
        let response = through(&layer, asked).await;
        (response.status().as_u16(), found(&response).and_then(|found| found.user))
    };
    assert_eq!(answer("cross-site").await, (403, None));
    assert_eq!(answer("same-origin").await, (200, Some("alice".to_owned())));
}

#[tokio::test]
async fn rfc8705_a1_a_callers_bound_token_is_asked_for_its_certificate_beside_a_name_too() {
    let issuer = TestIssuer::start();
    let layer = hearing(&issuer).await;
    let [proven, other] = [(); 2].map(|()| TestAuthority::new(&system_clock()).certificate().build());
    let digest = CertificateThumbprint::of(&proven.chain()[0]);
    let cnf = json!({"x5t#S256": URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())});
    let bound = own(&issuer, "gateway").claim("cnf", cnf).build();
    let status = async |certificate: Option<&TestCertificate>| {
        let bearer = value(&format!("Bearer {}", bound.expose()));
        let mut asked = with(request([bearer]), &[(FIELD, "alice")]);
        let peer = SocketAddr::from(([192, 0, 2, 1], 40_000));
        asked.extensions_mut().insert(Connection::new(peer, certificate.map(TestCertificate::chain)));
        through(&layer, asked).await.status().as_u16()
    };
    assert_eq!([status(Some(&proven)).await, status(Some(&other)).await, status(None).await], [200, 401, 401]);
}

#[tokio::test]
async fn named_a5_at_an_edge_nobody_is_heard() {
    let issuer = TestIssuer::start();
    let layer = hearing(&issuer).await;
    let handler = service_fn(|request: Request<tower_identity_inbound::EdgeBody<Full<Bytes>>>| {
        let is_there = request.headers().contains_key(FIELD);
        async move {
            assert!(!is_there, "it is taken away");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let rule = || RequireLayer::new(scope("orders:write").and(user()));
    let asked = || with(request([own(&issuer, "gateway").bearer()]), &[(FIELD, "alice")]);
    let Ok(response) = layer.clone().edge().layer(rule().layer(handler)).oneshot(asked()).await;
    assert_eq!(response.status(), 403, "the caller has no user");
}

/// A layer that takes ID tokens of `gateway`, of sign-ins at `shop-web`.
async fn taking_id_tokens(issuer: &TestIssuer) -> AuthLayer {
    let login = |audience: &str| TrustedIssuer::discover(issuer.issuer().as_str()).audience(audience);
    let verifier =
        id_tokens(Verifier::builder(login("orders")), ["gateway"], login("shop-web")).build().expect("valid");
    verifier.bearer(own(issuer, "gateway").build().expose()).await.expect("good");
    danger::id_token(AuthLayer::new(verifier), ID_TOKEN).expect("valid")
}

/// What the issuer signs for the client at which the user signs in, and no access token by its `typ`.
fn alices(issuer: &TestIssuer) -> TokenBuilder {
    let token = issuer.token().subject("alice").audience("shop-web").header("typ", "JWT");
    ["client_id", "scope", "jti"].into_iter().fold(token, TokenBuilder::without)
}

#[tokio::test]
async fn named_a6_an_id_token_is_heard_of_a_listed_caller_and_does_not_go_on() {
    let issuer = TestIssuer::start();
    let layer = taking_id_tokens(&issuer).await;
    let text = |token: TokenBuilder| token.build().expose().to_owned();
    let ask = |client: &str, fields: &[(&'static str, &str)]| with(request([own(&issuer, client).bearer()]), fields);
    let good = text(alices(&issuer));
    let response = through(&layer, ask("gateway", &[(ID_TOKEN, &good), ("x-user-agent", "kept")])).await;
    let heard = found(&response).expect("it went on");
    let expected: HeaderMap = [(HeaderName::from_static("x-user-agent"), value("kept"))].into_iter().collect();
    assert_eq!((heard.user.as_deref(), heard.headers), (Some("alice"), expected));

    let outcome = async |request| {
        let (status, _, code) = refused(through(&layer, request).await).await;
        (status, code)
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    let other = text(alices(&issuer).audience("another"));
    for (asked, expected) in [
        (ask("reports", &[(ID_TOKEN, &good)]), is(403, "unrelated_credentials")),
        (with(request([]), &[(ID_TOKEN, &good)]), is(401, "no_credential")),
        (ask("gateway", &[(ID_TOKEN, &good), (ID_TOKEN, &good)]), is(400, "malformed_request")),
        (ask("gateway", &[("x_id_token", &good)]), is(400, "malformed_request")),
        (ask("gateway", &[(ID_TOKEN, "alice, bob")]), is(400, "malformed_request")),
        (ask("gateway", &[(ID_TOKEN, "")]), is(400, "malformed_request")),
        (ask("gateway", &[(ID_TOKEN, "alice")]), is(401, "invalid_token")),
        (ask("gateway", &[(ID_TOKEN, &other)]), is(401, "invalid_token")),
        (ask("gateway", &[(ID_TOKEN, &text(alices(&issuer).tampered()))]), is(401, "invalid_token")),
        (ask("gateway", &[(ID_TOKEN, &text(own(&issuer, "gateway").audience("shop-web")))]), is(401, "invalid_token")),
    ] {
        assert_eq!(outcome(asked).await, expected);
    }
    let by_name = danger::plain_user(layer.clone(), FIELD).expect_err("one of the two");
    assert_eq!(by_name.path(), InvalidSetting::new("plain_user_header", "").path());
}

#[test]
fn named_a4_the_field_is_one_for_a_clients_word_and_no_source_of_credentials() {
    let issuer = TestIssuer::start();
    let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let layer = AuthLayer::new(Verifier::builder(home).build().expect("valid"));
    let wrong = |rule: &str| Some(InvalidSetting::new("plain_user_header", rule));
    let refused = |layer: &AuthLayer, name: &str| danger::plain_user(layer.clone(), name).err();
    assert_eq!(refused(&layer, "x-user-id"), None);
    assert_eq!(refused(&layer, "x_user_id"), wrong("is written with _, which gateways take for - or drop"));
    assert_eq!(refused(&layer, "cookie"), wrong("has another meaning, and is no place for a credential"));
    let taken = layer.clone().user_source(Source::header("x-user-id").expect("a source")).expect("valid");
    let twice = wrong("is a field that a credential is looked for in");
    assert_eq!(refused(&taken, "x-user-id"), twice);

    // Whichever of the two is said last.
    let source = || Source::header(FIELD).expect("a source");
    let loopback = || ForwardedCertificate::by_header(FIELD, CertificateForm::Base64Der, [ProxyPeer::Loopback]);
    let forwarded = || loopback().expect("valid");
    let hearing = danger::plain_user(layer.clone(), FIELD).expect("valid");
    for (layer, expected) in [(&layer, None), (&hearing, twice.clone())] {
        let said = [
            layer.clone().sources([source()]).err(),
            layer.clone().user_source(source()).err(),
            layer.clone().forwarded_certificate(forwarded()).err(),
        ];
        assert_eq!(said, [expected.clone(), expected.clone(), expected]);
    }
    let forwarding = layer.forwarded_certificate(forwarded()).expect("valid");
    assert_eq!(refused(&forwarding, FIELD), twice);
    assert_eq!(refused(&forwarding, "x-user"), None);
}
