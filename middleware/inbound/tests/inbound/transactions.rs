//! Transaction tokens, beside the credential of whoever carries them.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{Binding, CallerName, InvalidSetting};
use tower_identity_inbound::{
    AuthLayer, ClientCertificate, Connection, Inbound, RequireLayer, Source,
    rule::{callers, no_user, scope, user},
};
use tower_identity_refresh::system_clock;
use tower_identity_testkit::{Endpoint, LogCapture, TestAuthority, TestCertificate, TestIssuer, TokenBuilder};
use tower_identity_verify::{CertificateAnchor, TransactionTokens, TrustedIssuer, Verifier, VerifierBuilder};

use crate::support::{refused, request, value};

const SHOP: &str = "shop.internal";
const FIELD: HeaderName = HeaderName::from_static("txn-token");
const SPIRE: &str = "spiffe://example.org";

/// One issuer, of access tokens and of transaction tokens: by the same key, so that their types alone differ.
struct Door {
    issuer: TestIssuer,
}

/// What came of a request: who the handler found; or the status, whether there is a challenge, and the check.
type Outcome = Result<String, (u16, Option<String>, String)>;

impl Door {
    fn new() -> Self {
        Self { issuer: TestIssuer::start() }
    }

    fn builder(&self) -> VerifierBuilder {
        let name = self.issuer.issuer().as_str();
        let shop = TransactionTokens::of(SHOP, self.issuer.url(Endpoint::Keys)).workloads_of(name);
        Verifier::builder(TrustedIssuer::discover(name).audience("payments"))
            .transaction_tokens(shop.carriers(["orders"]))
    }

    fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.builder().build().expect("valid")).transaction_tokens().expect("valid")
    }

    /// A workload's own token.
    fn own(&self, client: &str) -> TokenBuilder {
        self.issuer.token().client(client).audience("payments").scope("payments:everything")
    }

    fn alice(&self) -> TokenBuilder {
        let token = self.issuer.transaction_token(SHOP, "storefront").subject("alice").scope("payments:charge");
        token.claim("txn", "97053963").claim("iss", self.issuer.issuer().as_str())
    }

    /// A request with these in `Txn-Token`.
    fn carrying(&self, own: Option<TokenBuilder>, tokens: &[&str]) -> Request<Full<Bytes>> {
        let mut request = request(own.map(TokenBuilder::bearer));
        for token in tokens {
            request.headers_mut().append(FIELD, value(token));
        }
        request
    }
}

/// What a handler found.
#[derive(Clone)]
struct Seen {
    inbound: Inbound,
    headers: HeaderMap,
}

async fn handler<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let inbound = Inbound::of(request.extensions()).expect("always there").clone();
    let mut response = Response::new(Full::default());
    response.extensions_mut().insert(Seen { inbound, headers: request.headers().clone() });
    Ok(response)
}

fn seen<B>(response: &Response<B>) -> Option<Seen> {
    response.extensions().get().cloned()
}

async fn send(layer: &AuthLayer, request: Request<Full<Bytes>>) -> Outcome {
    let Ok(response) = layer.layer(service_fn(handler)).oneshot(request).await;
    match seen(&response) {
        Some(seen) => Ok(told(&seen.inbound)),
        None => Err(refused(response).await),
    }
}

fn told(inbound: &Inbound) -> String {
    let Some(caller) = inbound.caller() else { return "anonymous".to_owned() };
    let principal = caller.principal();
    let user = principal.user().map_or("nobody", |user| user.id.as_str());
    let carried = if principal.binding() == Binding::Transaction { ", carried" } else { "" };
    format!("{} for {user}{carried}: {}", principal.workload().id, principal.scopes())
}

fn ok(told: &str) -> Outcome {
    Ok(told.to_owned())
}

const CARRIED: &str = "orders for alice, carried: payments:charge";

fn bad() -> Outcome {
    Err((400, None, "invalid_transaction_token".to_owned()))
}

fn malformed() -> Outcome {
    Err((400, Some(r#"Bearer error="invalid_request""#.to_owned()), "malformed_request".to_owned()))
}

fn absent() -> Outcome {
    Err((401, Some(r#"Bearer realm="api""#.to_owned()), "no_credential".to_owned()))
}

fn invalid() -> Outcome {
    Err((401, Some(r#"Bearer error="invalid_token""#.to_owned()), "invalid_token".to_owned()))
}

fn unrelated() -> Outcome {
    Err((403, None, "unrelated_credentials".to_owned()))
}

#[tokio::test]
async fn e8_a_transaction_token_that_fails_is_400_and_names_no_check() {
    let door = Door::new();
    let layer = door.layer();
    let judged = async |token: TokenBuilder| {
        let token = token.build();
        send(&layer, door.carrying(Some(door.own("orders")), &[token.expose()])).await
    };
    assert_eq!(judged(door.alice()).await, ok(CARRIED), "the control");
    for wrong in [
        door.alice().tampered(),
        door.alice().audience("other.internal"),
        door.alice().lifetime(std::time::Duration::from_secs(301)),
        door.alice().without("req_wl"),
        // An access token, of the same key and for the same audience.
        door.alice().header("typ", "at+jwt"),
    ] {
        assert_eq!(judged(wrong).await, bad());
    }
}

#[tokio::test]
async fn tx_a2_one_field_has_one_token_and_nothing_else() {
    let door = Door::new();
    let layer = door.layer();
    let (alice, bob) = (door.alice().build(), door.alice().subject("bob").build());
    let sent = async |tokens: &[&str]| send(&layer, door.carrying(Some(door.own("orders")), tokens)).await;
    let (alice, bob) = (alice.expose(), bob.expose());
    assert_eq!(sent(&[alice]).await, ok(CARRIED), "the control");
    assert_eq!(sent(&[alice, bob]).await, malformed());
    assert_eq!(sent(&[alice, alice]).await, malformed());
    for text in [format!("Bearer {alice}"), format!("Txn-Token {alice}"), format!("{alice},{bob}"), String::new()] {
        assert_eq!(sent(&[&text]).await, malformed(), "{text:?}");
    }
    let long = "a".repeat(9_000);
    assert_eq!(sent(&[&long]).await, malformed());
}

#[tokio::test]
async fn tx_a3_each_kind_of_token_has_its_own_field() {
    let logs = LogCapture::start();
    let door = Door::new();
    let layer = door.layer();
    let own = door.own("orders").build();
    assert_eq!(send(&layer, door.carrying(Some(door.alice()), &[])).await, invalid());
    assert!(logs.text().contains(r#"check="typ""#), "{}", logs.text());
    assert_eq!(send(&layer, door.carrying(Some(door.own("orders")), &[own.expose()])).await, bad());
    let in_the_query = || {
        let mut request = door.carrying(Some(door.own("orders")), &[door.alice().build().expose()]);
        *request.uri_mut() = "/?access_token=x".parse().expect("a path");
        request
    };
    assert_eq!(send(&layer, in_the_query()).await, malformed());
}

#[tokio::test]
async fn tx_a4_without_the_callers_own_credential_it_is_as_good_as_nothing() {
    let door = Door::new();
    let (demanding, optional) = (door.layer(), door.layer().optional());
    let alice = door.alice().build();
    for layer in [&demanding, &optional] {
        assert_eq!(send(layer, door.carrying(None, &[alice.expose()])).await, absent());
        assert_eq!(send(layer, door.carrying(None, &["nonsense"])).await, absent());
        assert_eq!(send(layer, door.carrying(Some(door.own("orders")), &[alice.expose()])).await, ok(CARRIED));
    }
}

#[tokio::test]
async fn tx_a9_who_carries_it_counts_and_who_leaves_it_out_has_no_more() {
    let door = Door::new();
    let (layer, alice) = (door.layer(), door.alice().build());
    let carried = async |client: &str| send(&layer, door.carrying(Some(door.own(client)), &[alice.expose()])).await;
    assert_eq!(carried("orders").await, ok(CARRIED));
    assert_eq!(carried("storefront").await, ok("storefront for alice, carried: payments:charge"), "it asked for it");
    assert_eq!(carried("reports").await, unrelated());
    let delegated = door.own("storefront").subject("bob").acted_by("orders");
    assert_eq!(send(&layer, door.carrying(Some(delegated), &[alice.expose()])).await, unrelated());

    let behind = async |rule, tokens: &[&str]| {
        let inner = RequireLayer::new(rule).layer(service_fn(handler));
        let Ok(response) = layer.layer(inner).oneshot(door.carrying(Some(door.own("orders")), tokens)).await;
        response.status().as_u16()
    };
    let alice = alice.expose();
    assert_eq!(behind(user().and(scope("payments:charge")), &[alice]).await, 200);
    assert_eq!(behind(scope("payments:everything"), &[alice]).await, 403, "the caller's own scope");
    assert_eq!(behind(scope("payments:everything"), &[]).await, 403);
    assert_eq!(behind(user(), &[]).await, 403);
    let for_itself = |allows| scope(allows).and(callers(["orders"])).and(no_user());
    assert_eq!(behind(for_itself("payments:everything"), &[]).await, 200);
    assert_eq!(behind(for_itself("payments:charge"), &[alice]).await, 403);
}

#[tokio::test]
async fn tx_a9_a_users_own_credential_beside_it_is_a_second_user() {
    let door = Door::new();
    let layer = door.layer().user_source(Source::header("x-user-token").expect("a field")).expect("valid");
    let (alice, bob) = (door.alice().build(), door.own("orders").subject("bob").build());
    let sent = async |transaction: bool, users_own: bool| {
        let mut request = door.carrying(Some(door.own("orders")), &[]);
        if transaction {
            request.headers_mut().insert(FIELD, value(alice.expose()));
        }
        if users_own {
            request.headers_mut().insert("x-user-token", value(bob.expose()));
        }
        send(&layer, request).await
    };
    assert_eq!(sent(true, false).await, ok(CARRIED));
    assert_eq!(sent(false, true).await, ok("orders for bob: payments:everything"));
    assert_eq!(sent(true, true).await, malformed());
    assert_eq!(sent(false, false).await, ok("orders for nobody: "));
}

#[tokio::test]
async fn tx_a7_the_handler_sees_no_token_and_the_log_has_the_transaction() {
    let logs = LogCapture::start();
    let door = Door::new();
    let (own, alice) = (door.own("orders"), door.alice().build());
    let request = door.carrying(Some(own.clone()), &[alice.expose()]);
    let Ok(response) = door.layer().layer(service_fn(handler)).oneshot(request).await;
    let seen = seen(&response).expect("let through");
    assert!(!seen.headers.contains_key(FIELD) && !seen.headers.contains_key("authorization"));
    assert_eq!(seen.inbound.caller().expect("a caller").token().token(), Some(&alice));
    let text = logs.text();
    assert!(text.contains(r#"outcome="accepted""#) && text.contains(r#"txn="97053963""#), "{text}");
    logs.assert_hides([alice.expose(), own.build().expose()]);
}

#[tokio::test]
async fn tx_a4_a_certificate_says_who_carries_it() {
    let (door, authority) = (Door::new(), TestAuthority::new(&system_clock()));
    let name = |id: &str| CallerName::of_issuer(SPIRE, format!("{SPIRE}/{id}")).expect("a name");
    let known = |id: &str| [CallerName::try_from(id).expect("a name"), name(id)];
    let builder = door.builder().certificates(CertificateAnchor::trust_domain("example.org", authority.pem()));
    let verifier = builder.workload(known("orders")).workload(known("reports")).build().expect("valid");
    let of = |wanted| {
        let layer = AuthLayer::new(verifier.clone()).client_certificate(wanted).expect("valid");
        layer.transaction_tokens().expect("valid")
    };
    let (required, optional) = (of(ClientCertificate::Required), of(ClientCertificate::Optional));
    let certificate = |id: &str| authority.certificate().uri(&format!("{SPIRE}/{id}")).build();
    let (orders, reports) = (certificate("orders"), certificate("reports"));
    let alice = door.alice().build();
    let over = |certificate: Option<&TestCertificate>, own: Option<TokenBuilder>, carries: bool| {
        let tokens = if carries { vec![alice.expose()] } else { vec![] };
        let mut request = door.carrying(own, &tokens);
        let chain = certificate.map(TestCertificate::chain);
        request.extensions_mut().insert(Connection::new(SocketAddr::from(([192, 0, 2, 1], 40_000)), chain));
        request
    };
    let own = |client: &str| Some(door.own(client));
    let bob = || Some(door.own("orders").subject("bob"));
    for (name, certificate, token, carries, expected) in [
        ("a carrier's", Some(&orders), None, true, ok(CARRIED)),
        ("another's", Some(&reports), None, true, unrelated()),
        ("a carrier's, with a token of its own", Some(&orders), own("orders"), true, ok(CARRIED)),
        ("with another's", Some(&orders), own("reports"), true, unrelated()),
        ("with a user's", Some(&orders), bob(), true, unrelated()),
        ("with a user's, and no transaction", Some(&orders), bob(), false, ok("orders for bob: payments:everything")),
        ("alone", Some(&orders), None, false, ok("orders for nobody: ")),
        ("alone, with a token of its own", Some(&orders), own("orders"), false, ok("orders for nobody: ")),
        ("nobody's", None, None, true, absent()),
    ] {
        assert_eq!(send(&required, over(certificate, token, carries)).await, expected, "{name}");
    }
    let mut in_the_query = over(Some(&orders), None, true);
    *in_the_query.uri_mut() = "/?access_token=x".parse().expect("a path");
    assert_eq!(send(&required, in_the_query).await, malformed());
    assert_eq!(send(&optional, over(None, None, true)).await, absent());
    assert_eq!(send(&optional, over(None, own("orders"), true)).await, ok(CARRIED));
}

#[tokio::test]
async fn tx_a4_nobody_outside_has_one() {
    let door = Door::new();
    let alice = door.alice().build();
    let own = || door.own("orders").subject("bob");
    for layer in [door.layer().edge(), door.layer().edge_if(false).edge_also(["x-acme"]).expect("valid")] {
        let Ok(response) =
            layer.layer(service_fn(handler)).oneshot(door.carrying(Some(own()), &[alice.expose()])).await;
        let seen = seen(&response).expect("let through");
        assert_eq!(told(&seen.inbound), "orders for bob: payments:everything");
        assert!(!seen.headers.contains_key(FIELD));
    }
}

#[test]
fn tx_a2_what_is_said_of_the_field_is_said_once() {
    let door = Door::new();
    let field = || Source::header("Txn-Token").expect("a field");
    let refused = |layer: Result<AuthLayer, InvalidSetting>| layer.map(drop).expect_err("refused").to_string();
    let plain =
        Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("x")).build().expect("valid");
    let plain = AuthLayer::new(plain).transaction_tokens();
    assert_eq!(refused(plain), "transaction_tokens: names no trust domain");
    let trusting = || AuthLayer::new(door.builder().build().expect("valid"));
    let of_callers = |layer: AuthLayer| layer.sources([Source::authorization(), field()]);
    let taken = "is the field of transaction tokens";
    assert_eq!(refused(of_callers(door.layer())), format!("sources[1]: {taken}"));
    assert_eq!(
        refused(of_callers(trusting()).expect("a field like any other").transaction_tokens()),
        format!("sources[1]: {taken}")
    );
    assert_eq!(refused(door.layer().user_source(field())), format!("user_source: {taken}"));
    let of_user = trusting().user_source(field()).expect("a field like any other");
    assert_eq!(refused(of_user.transaction_tokens()), format!("user_source: {taken}"));
    let named = tower_identity_inbound::danger::plain_user(trusting(), "txn-token").expect("a field like any other");
    let looked_for = "plain_user_header: is a field that a credential is looked for in";
    assert_eq!(refused(named.transaction_tokens()), looked_for);
    assert!(door.layer().sources([Source::header("x-token").expect("a field")]).is_ok());
}
