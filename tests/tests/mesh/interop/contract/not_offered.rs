//! What a server does not offer: it says so, and what it says is an error of ours that says whose fault it is.

use std::time::Duration;

use serde_json::json;
use tower_identity::{ClientAuth, CustomGrantType, SecretToken, SigningKey, TargetService};
use tower_identity_jose::{Algorithm, MediaType};
use tower_identity_oauth::{
    ClientCredentials, CustomGrant, Grant, JwtBearer, Nonsense, TokenErrorKind, TokenExchange, TokenType,
};

use super::{Addresses, Authgent, Mesh, Moved, OURS, OauthAs, OidcProvider, SECRET};
use crate::interop::asked::{Way, code, post, refused};

/// Whose fault it is, and the server's word for it.
type Said = (&'static str, &'static str);

/// What the fault is in the case of each: an exchange, one for a grant, a grant, and a grant of no standard.
struct NotOffered {
    exchange: Option<Said>,
    for_a_grant: Option<Said>,
    grant: Option<Said>,
    custom: Said,
}

fn to_orders() -> TargetService {
    TargetService { resource: Some(OURS.parse().expect("a resource")), ..TargetService::default() }
}

fn a_token() -> SecretToken {
    SecretToken::new("a-token-of-somebody")
}

async fn are_refused(issuer: &str, auth: ClientAuth, expected: NotOffered) {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let claims = json!({ "iss": "https://stranger.test", "sub": "alice", "aud": issuer, "exp": 4_000_000_000_u64 });
    let assertion = key.sign(&MediaType::JWT, &claims).expect("signed");
    let exchange = TokenExchange::new(a_token(), to_orders()).expect("exchangeable");
    let delegation = CustomGrantType::new("delegation", "token").expect("usable");
    let grants: [(&str, Grant, Option<Said>); 4] = [
        ("an exchange", exchange.clone().into(), expected.exchange),
        ("for a grant", exchange.requested_token_type(TokenType::Jwt).into(), expected.for_a_grant),
        ("a grant", JwtBearer::new(assertion, to_orders()).expect("a grant").into(), expected.grant),
        (
            "of its own",
            CustomGrant::new(delegation, a_token(), to_orders()).expect("usable").into(),
            Some(expected.custom),
        ),
    ];
    let way = Way::to(issuer).await;
    for (name, grant, expected) in grants {
        let Some(expected) = expected else { continue };
        let kind: TokenErrorKind = refused(&way, issuer, auth.clone(), grant).await;
        assert_eq!(code(&kind), expected, "{name}");
    }
}

#[tokio::test]
async fn out_b33_what_oauth_as_does_not_offer_is_whose_fault_it_says() {
    let server = OauthAs::start(Duration::ZERO).await;
    let expected = NotOffered {
        exchange: None,
        for_a_grant: Some(("rejected", "invalid_request")),
        grant: Some(("ours", "unsupported_grant_type")),
        custom: ("ours", "unsupported_grant_type"),
    };
    are_refused(&server.issuer, post("orders", SECRET), expected).await;
}

#[tokio::test]
async fn out_b33_what_oidc_provider_does_not_offer_is_whose_fault_it_says() {
    let Some(server) = OidcProvider::start().await else { return };
    let expected = NotOffered {
        exchange: Some(("ours", "unsupported_grant_type")),
        for_a_grant: Some(("ours", "unsupported_grant_type")),
        grant: Some(("ours", "unsupported_grant_type")),
        custom: ("ours", "unsupported_grant_type"),
    };
    are_refused(&server.issuer, post("gateway", "the secret of the gateway"), expected).await;
}

#[tokio::test]
async fn out_b33_what_authgent_does_not_offer_is_whose_fault_it_says() {
    let Some(server) = Authgent::start(&[]).await else { return };
    let expected = NotOffered {
        exchange: None,
        for_a_grant: None,
        // It trusts nobody's.
        grant: Some(("rejected", "invalid_request")),
        custom: ("rejected", "invalid_request"),
    };
    let agent = post(&server.agent, &server.secret);
    are_refused(&server.issuer, agent.clone(), expected).await;

    // Where no scope is asked for it grants all that the client may have, which nobody asked for.
    let unasked = ClientCredentials::new(to_orders()).into();
    let kind = refused(&Way::to(&server.issuer).await, &server.issuer, agent, unasked).await;
    assert!(matches!(&kind, TokenErrorKind::Nonsense { what: Nonsense::WiderScope { .. } }), "{kind}");
}

#[tokio::test]
async fn out_b33_what_our_authority_does_not_offer_is_whose_fault_it_says() {
    let shop = Moved::new();
    let _mesh = Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started");
    let expected = NotOffered {
        exchange: None,
        for_a_grant: None,
        // It trusts the partner's, and no stranger's.
        grant: Some(("rejected", "invalid_grant")),
        custom: ("ours", "unsupported_grant_type"),
    };
    let storefront = ClientAuth::client_secret_basic("storefront", "storefront: demo only, 100% public");
    are_refused(&shop.origin("authority"), storefront.expect("usable"), expected).await;
}
