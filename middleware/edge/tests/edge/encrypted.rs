//! Internal identities that nobody reads on their way.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{CallerContext, RefusalKind, SecretToken, ambient, transaction_tokens::FIELD};
use tower_identity_edge::EdgeLayer;
use tower_identity_inbound::EdgeBody;
use tower_identity_jose::{DecryptionKey, DecryptionKeys, Limits};
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{Outbound, Target, TransactionToken};
use tower_identity_testkit::{Endpoint, TestCaller};
use tower_identity_verify::{TransactionTokens, TrustedIssuer, Verifier, check};

use crate::support::{Edge, SHOP, audience, builder, opened, shop};

fn header(token: &SecretToken) -> Value {
    let header = token.expose().split('.').next().expect("a part");
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
    serde_json::from_slice(&header).expect("an object")
}

#[test]
fn mint_c6_what_is_encrypted_says_to_whom_and_nothing_of_whom() {
    let edge = Edge::new();
    let (ours, other) = (DecryptionKey::generate(), DecryptionKey::generate());
    let mint = |domain| builder(&edge.clock).trust_domain(domain).build().expect("a mint");
    let encrypting = mint(shop().encrypted_to(ours.encryption_key().clone()));
    let alice = TestCaller::workload("browser").user("alice").context();
    let minted = encrypting.mint(&alice, &audience(SHOP)).expect("an identity");

    let mut outside = header(minted.token());
    assert_eq!(outside["epk"].as_object().map(serde_json::Map::len), Some(4));
    outside.as_object_mut().expect("an object").remove("epk");
    let kid = ours.encryption_key().key_id();
    assert_eq!(outside, json!({"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": kid}));
    assert_eq!(minted.header_value().as_bytes(), minted.token().expose().as_bytes());

    let read =
        |key: &DecryptionKey| DecryptionKeys::new([key.clone()]).decrypt(minted.token().expose(), &Limits::default());
    let inside = read(&ours).expect("to us");
    let (typ, claims) = opened(&inside, &encrypting.keys().keys());
    assert_eq!((typ.as_str(), &claims["txn"]), ("txntoken+jwt", &json!(minted.transaction().as_str())));
    assert!(read(&other).is_err(), "and to nobody else");
    let plain = mint(shop()).mint(&alice, &audience(SHOP)).expect("an identity");
    assert_eq!(header(plain.token())["typ"], "txntoken+jwt", "unless it is said, nothing is encrypted");
    let printed = format!("{minted:?} {encrypting:?}");
    assert!(!printed.contains(inside.expose()) && !printed.contains(minted.token().expose()), "{printed}");
}

/// The service behind the edge calls on: what it sends is what its own caller context has.
#[tokio::test]
async fn mint_c6_what_the_edge_sends_on_is_the_encrypted_one_and_who_has_the_key_reads_it() {
    let edge = Edge::new();
    let ours = DecryptionKey::generate();
    let domain = shop().scope("orders:write", "orders:place").encrypted_to(ours.encryption_key().clone());
    let mint = builder(&edge.clock).trust_domain(domain).build().expect("a mint");
    let layer = EdgeLayer::new(edge.outside().edge(), mint.clone(), SHOP).expect("a layer").forwarding();

    let inner = service_fn(async |request: Request<EdgeBody<Empty<Bytes>>>| {
        let mut response = Response::new(Empty::<Bytes>::new());
        response.extensions_mut().insert((ambient::current().expect("a scope"), request.headers()[FIELD].clone()));
        Ok::<_, Infallible>(response)
    });
    let alice = edge.token("alice").build();
    let found = async || {
        let value = format!("Bearer {}", alice.expose());
        let request = Request::builder().header(AUTHORIZATION, value).body(Empty::new()).expect("a request");
        let Ok(response) = layer.layer(inner).oneshot(request).await;
        assert_eq!(response.status(), 200);
        let (caller, field) =
            response.extensions().get::<(CallerContext, http::HeaderValue)>().expect("called").clone();
        (caller, field.to_str().expect("text").to_owned())
    };
    let (caller, field) = found().await;
    assert_eq!(found().await.1, field, "made once");
    assert_eq!(caller.principal().scopes().to_string(), "orders:place");
    assert_eq!(header(&SecretToken::new(&*field))["enc"], "A256GCM");

    // Onward: in the field as it is, beside the service's own token.
    let auth = ClientAuth::client_secret_basic("shop", "s3cr3t").expect("a client");
    let server = TokenEndpoint::discover(edge.login.issuer().as_str(), auth);
    let target = Target::origin("https://payments.internal").expect("an origin").audience("payments");
    let outbound = Outbound::builder(server).target(target.strategy(TransactionToken::of(SHOP)));
    let outbound = outbound.clock(edge.clock.clock()).build().expect("an outbound");
    let client = outbound.layer().layer(service_fn(async |request: Request<()>| {
        let field = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
        Ok::<_, Infallible>(Response::new((field("authorization"), field("txn-token"))))
    }));
    let request = Request::get("https://payments.internal/").body(()).expect("a request");
    let (own, sent) = caller.scope(client.oneshot(request)).await.expect("sent").into_body();
    assert_eq!(sent, field, "byte for byte");

    // There: whoever has the key, and nobody else.
    let own = own.strip_prefix("Bearer ").expect("a bearer").to_owned();
    let there = |tokens: TransactionTokens| {
        let home =
            TrustedIssuer::keys_at(edge.login.issuer().as_str(), edge.login.url(Endpoint::Keys)).audience("payments");
        let verifier = Verifier::builder(home).transaction_tokens(tokens.carriers(["shop"])).clock(edge.clock.clock());
        let (verifier, own, sent) = (verifier.build().expect("a verifier"), own.clone(), sent.clone());
        async move {
            let settings = verifier.current();
            settings.transaction(settings.bearer(&own), Some(&sent)).await
        }
    };
    let tokens = || TransactionTokens::of_keys(SHOP, mint.keys().keys());
    let within = there(tokens().encrypted_to([ours.clone()])).await.expect("alice");
    let principal = within.principal();
    assert_eq!(principal.user().expect("a user").id, edge.name("alice").as_str());
    assert_eq!((principal.workload().id.as_str(), principal.scopes().to_string().as_str()), ("shop", "orders:place"));
    for (tokens, check) in
        [(tokens(), "format"), (tokens().encrypted_to([DecryptionKey::generate()]), check::ENCRYPTION)]
    {
        let refused = there(tokens).await.expect_err("not to be read there");
        assert_eq!((refused.kind(), refused.check()), (&RefusalKind::InvalidTransactionToken, check));
    }
    assert!(Arc::ptr_eq(caller.token(), caller.user_token().expect("alice's")));
}
