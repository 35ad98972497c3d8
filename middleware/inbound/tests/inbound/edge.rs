//! What requests from outside say of an identity.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_inbound::{AtEdge, AuthLayer, EdgeBody, Source, edge::stripped};
use tower_identity_testkit::TestIssuer;

use crate::support::{OF_THE_MESSAGE, issuer_token, request, value, warm};

fn headers(names: &[&'static str]) -> HeaderMap {
    names.iter().map(|name| (HeaderName::from_static(name), value("alice"))).collect()
}

/// The names of what a handler finds.
async fn left<B>(layer: &AuthLayer<AtEdge>, request: Request<B>) -> Vec<String> {
    let handler = service_fn(|request: Request<EdgeBody<B>>| async move {
        let mut names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
        names.sort();
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(names);
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    assert_eq!(response.status(), 200);
    response.extensions().get::<Vec<String>>().cloned().expect("a handler's answer")
}

async fn at(layer: &AuthLayer<AtEdge>, issuer: &TestIssuer, names: &[&'static str]) -> Vec<String> {
    let mut request = request([issuer_token(issuer).bearer()]);
    request.headers_mut().extend(headers(names));
    left(layer, request).await
}

const NONE: [String; 0] = [];

#[tokio::test]
async fn rfc6750_a9_identity_from_outside_is_taken_away_in_every_spelling() {
    let issuer = TestIssuer::start();
    let warm = warm(&issuer).await;
    let (edge, inside) = (warm.clone().edge(), warm.edge_if(false));
    for (name, _) in stripped() {
        let name = name.replace('*', "id");
        for spelling in [name.clone(), name.replace('-', "_"), name.replace('-', "."), name.replacen('-', "_", 1)] {
            let name = HeaderName::from_bytes(spelling.as_bytes()).expect("a name");
            let send = async |layer: &AuthLayer<AtEdge>| {
                let mut request = request([issuer_token(&issuer).bearer()]);
                request.headers_mut().append(&name, value("alice"));
                request.headers_mut().append(&name, value("bob"));
                left(layer, request).await
            };
            assert_eq!(send(&edge).await, NONE, "{spelling}");
            assert_eq!(send(&inside).await, [spelling], "further in it passes");
        }
    }
    for ours in ["x-forwarded-user", "x_user_id", "x-auth-request-email", "x-remote-user", "txn-token"] {
        assert_eq!(at(&edge, &issuer, &[ours]).await, NONE, "{ours}");
    }
}

/// As gateways write them, one for each name that is taken away.
const WRITTEN: &str = "
    txn-token workload-identity-token workload-proof-token client-cert client-cert-chain x-forwarded-client-cert
    x-forwarded-tls-client-cert-info x-client-cert x-client-verify x-client-dn x-tls-client-subject x-ssl-client-s-dn
    ssl-client-verify x-amzn-mtls-clientcert-subject x-arr-clientcert x-spiffe-id spiffe-id l5d-client-id
    x-auth-request-user x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username
    x-forwarded-access-token x-forwarded-id-token x-user-id x-auth-user x-authenticated-userid x-id-token x-jwt-assertion
    x-token-subject remote-user remote-groups remote-name remote-email x-remote-user x-remote-group
    x-remote-extra-scopes x-remote-uid x-shib-eppn impersonate-user x-webauth-user x-authentik-username
    x-pomerium-jwt-assertion x-vouch-user x-consumer-custom-id x-credential-identifier x-anonymous-consumer
    cf-access-jwt-assertion x-goog-authenticated-user-email x-goog-iap-jwt-assertion x-amzn-oidc-identity
    x-ms-client-principal-id x-ms-token-aad-id-token
    x-access-token shib-identity-provider oidc_claim_sub x-endpoint-api-userinfo x-apigateway-api-userinfo
    tailscale-user-login x-auth-subject x-auth-email x-auth-roles x-auth-groups";

#[tokio::test]
async fn rfc6750_a9_every_gateways_names_are_taken_away() {
    let issuer = TestIssuer::start();
    let edge = warm(&issuer).await.edge();
    let written: Vec<_> = WRITTEN.split_whitespace().collect();
    assert_eq!(written.len(), stripped().count());
    for name in written {
        let near = format!("no-{name}");
        let mut request = request([issuer_token(&issuer).bearer()]);
        for name in [name, &near] {
            request.headers_mut().insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value("alice"));
        }
        assert_eq!(left(&edge, request).await, [near]);
    }
}

#[tokio::test]
async fn cred_a4_further_in_too_no_other_spelling_of_a_sources_field_goes_on() {
    let issuer = TestIssuer::start();
    let warm = warm(&issuer).await;
    let source = Source::header("x-acme").expect("a header");
    let (layer, warm) = (warm.clone().sources([source]).expect("valid").edge_if(false), warm.edge_if(false));
    let with = |credential: &'static str| {
        let mut request = request([]);
        request.headers_mut().insert(credential, issuer_token(&issuer).bearer());
        request.headers_mut().insert("x_acme", value("another"));
        request.headers_mut().insert("x_acmes", value("another"));
        request
    };
    assert_eq!(left(&layer, with("x-acme")).await, ["x_acmes"]);
    // The control: what is no source is nobody's.
    assert_eq!(left(&warm, with("authorization")).await, ["x_acme", "x_acmes"]);
}

#[tokio::test]
async fn rfc6750_a9_what_is_no_identity_passes() {
    let issuer = TestIssuer::start();
    let edge = warm(&issuer).await.edge();
    let others =
        ["accept", "content-type", "cookie", "forwarded", "host", "user-agent", "x-forwarded-for", "x-request-id"];
    assert_eq!(at(&edge, &issuer, &others).await, others);
}

#[tokio::test]
async fn rfc6750_a9_a_setting_names_further_ones() {
    let issuer = TestIssuer::start();
    let edge = warm(&issuer).await.edge();
    let more = edge.clone().edge_also(["X-Tenant", "x-acme-*"]).expect("valid");
    let names = ["x-acme-role", "x-tenant", "x-tenants", "x_acme_", "x_tenant"];
    assert_eq!(at(&edge, &issuer, &names).await, names);
    assert_eq!(at(&more, &issuer, &names).await, ["x-tenants"]);
    // They stay while the layer is at the edge, and nothing is taken away where it is no more.
    assert_eq!(at(&more.clone().edge_if(true), &issuer, &names).await, ["x-tenants"]);
    assert_eq!(at(&more.clone().edge_if(false), &issuer, &names).await, names);
    // Those before it are kept.
    let still_more = more.edge_also(["x-tenants"]).expect("valid");
    assert_eq!(at(&still_more, &issuer, &names).await, NONE);

    let refused = |name: &str| edge.clone().edge_also(["x-a", name]).map(drop).expect_err(name).to_string();
    let pieces = ["Content-Type", "content-x*", "c*", "transfer_encoding", "sec-*"];
    for name in pieces.into_iter().chain(OF_THE_MESSAGE.split_whitespace()) {
        assert_eq!(refused(name), "edge_also[1]: would take away what belongs to the message itself", "{name}");
    }
    for name in ["", "*", "a b", "x-*-id"] {
        let rule = "edge_also[1]: is no name of header fields, nor the beginning of some";
        assert_eq!(refused(name), rule, "{name}");
    }
}

#[tokio::test]
async fn rfc6750_a9_a_credential_is_read_first_and_no_other_spelling_of_its_field_goes_on() {
    let issuer = TestIssuer::start();
    let warm = warm(&issuer).await;
    let sources = [Source::header("x-user-token").expect("a header")];
    let layer = warm.clone().sources(sources).expect("valid").edge();
    let mut request = request([]);
    request.headers_mut().insert("x-user-token", issuer_token(&issuer).bearer());
    request.headers_mut().insert("x_user_token", value("another"));
    assert_eq!(left(&layer, request).await, NONE);

    let acme = Source::header("acme-token").expect("a header");
    for layer in [layer.clone().sources([acme.clone()]), layer.edge_if(true).sources([acme])] {
        let mut request = self::request([]);
        request.headers_mut().insert("acme-token", issuer_token(&issuer).bearer());
        request.headers_mut().insert("acme_token", value("another"));
        assert_eq!(left(&layer.expect("valid"), request).await, NONE);
    }

    let user = Source::header("acme-user").expect("a header");
    let own = issuer.token().subject("storefront").client("storefront").audience("orders");
    for (layer, expected) in [
        (warm.clone().user_source(user).expect("valid").edge(), &[][..]),
        // The control: what is no source is no credential.
        (warm.edge(), &["acme_user".to_owned()]),
    ] {
        let mut request = self::request([own.clone().bearer()]);
        request.headers_mut().insert("acme_user", value("another"));
        assert_eq!(left(&layer, request).await, expected);
    }
}

/// A few bytes, then these trailers.
struct WithTrailers {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for WithTrailers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}

/// The body that a handler reads, and its trailers.
async fn read(layer: &AuthLayer<AtEdge>, issuer: &TestIssuer, trailers: HeaderMap) -> (Bytes, Option<HeaderMap>) {
    let body = WithTrailers { data: Some(Bytes::from_static(b"order")), trailers: Some(trailers) };
    let seen = Arc::<Mutex<Option<(Bytes, Option<HeaderMap>)>>>::default();
    let keep = Arc::clone(&seen);
    let handler = service_fn(move |request: Request<EdgeBody<WithTrailers>>| {
        let keep = Arc::clone(&keep);
        async move {
            let body = request.into_body().collect().await?;
            let trailers = body.trailers().cloned();
            *keep.lock().expect("unharmed") = Some((body.to_bytes(), trailers));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let request = request([issuer_token(issuer).bearer()]).map(|_| body);
    let Ok(response) = layer.layer(handler).oneshot(request).await;
    assert_eq!(response.status(), 200);
    seen.lock().expect("unharmed").take().expect("a handler's answer")
}

#[tokio::test]
async fn rfc6750_a9_trailers_speak_of_no_identity_either_and_bring_no_credential() {
    let issuer = TestIssuer::start();
    let warm = warm(&issuer).await.sources([Source::authorization(), Source::header("acme-token").expect("a header")]);
    let (edge, inside) = (warm.clone().expect("valid").edge(), warm.expect("valid").edge_if(false));
    let all = ["x-user", "x_user_id", "acme-token", "acme_token", "authorization", "cookie", "x-checksum"];
    let data = Bytes::from_static(b"order");
    assert_eq!(read(&edge, &issuer, headers(&all)).await, (data.clone(), Some(headers(&["x-checksum"]))));
    assert_eq!(read(&edge, &issuer, headers(&all[..6])).await, (data.clone(), None));
    assert_eq!(read(&edge.observe(), &issuer, headers(&all)).await, (data.clone(), Some(headers(&all))));
    assert_eq!(read(&inside, &issuer, headers(&all)).await, (data, Some(headers(&all))));
}

#[test]
fn rfc6750_a9_the_end_and_the_size_of_a_body_are_as_before() {
    // Else every request without a body would be chunked on its way onward.
    let layer = |body| {
        let seen = Arc::<Mutex<Option<(bool, Option<u64>)>>>::default();
        let keep = Arc::clone(&seen);
        let handler = service_fn(move |request: Request<EdgeBody<Full<Bytes>>>| {
            *keep.lock().expect("unharmed") =
                Some((request.body().is_end_stream(), request.body().size_hint().exact()));
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        });
        let home = tower_identity_verify::TrustedIssuer::discover("https://as.example").audience("orders");
        let verifier = tower_identity_verify::Verifier::builder(home).build().expect("valid");
        let service = AuthLayer::new(verifier).optional().edge().layer(handler);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let Ok(_) = runtime.block_on(service.oneshot(Request::new(Full::new(body))));
        *seen.lock().expect("unharmed")
    };
    assert_eq!(layer(Bytes::new()), Some((true, Some(0))));
    assert_eq!(layer(Bytes::from_static(b"order")), Some((false, Some(5))));
}
