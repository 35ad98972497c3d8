//! oauth-as, in this process: alice's browser signs in through the gateway, which calls orders for her, which calls
//! payments.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::Router;
use oauth_as::{
    ApprovalDecision, AuthorizationServer, ClientAuth, ClientId, GrantType, MemoryStorage, ResourceServerRegistration,
    ScopeSet, ServerConfig, ServiceBuilder,
    jwt::{AccessTokenFormat, EcdsaP256Key, JwtConfig},
};
use reqwest::{Client, Url, header::LOCATION};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_identity::system_clock;

use super::service::{Service, claims, client, invalid_token, tampered};
use crate::servers::Server;

const GATEWAY: &str = "https://gateway.test";
pub(super) const ORDERS: &str = "https://orders.test";
const PAYMENTS: &str = "https://payments.test";
const SCOPES: &str = "orders:read payments:charge";
pub(super) const SECRET: &str = "a secret that every client of the tests has";
/// The field that says who is at a browser.
const USER: &str = "user";
const BACK: &str = "https://gateway.test/signed-in";

/// The pair that RFC 7636, appendix B, prints.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A clock that is late by this much.
struct Late(Duration);

impl oauth_as::server::Clock for Late {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + system_clock().wall().saturating_sub(self.0).since_epoch()
    }
}

/// A running oauth-as.
pub(super) struct OauthAs {
    _server: Server,
    pub(super) issuer: String,
    client: Client,
}

impl OauthAs {
    pub(super) async fn start(late: Duration) -> Self {
        Self::with(late, |issuer, config| {
            let signing = JwtConfig::new(EcdsaP256Key::generate("the only key"), GATEWAY);
            let signing = signing.with_jwks_uri(format!("{issuer}/jwks"));
            config.access_token_format = AccessTokenFormat::Jwt(Box::new(signing));
        })
        .await
    }

    /// One whose tokens are opaque: orders and payments ask what they are, each about those for itself.
    async fn opaque() -> Self {
        Self::with(Duration::ZERO, |_, config| {
            config.access_token_format = AccessTokenFormat::Opaque;
            let resource_server =
                |id: &str, resource: &str| ResourceServerRegistration::new(ClientId::new(id), [resource]);
            let all = [resource_server("orders", ORDERS), resource_server("payments", PAYMENTS)];
            config.resource_servers = Some(Box::new(all));
        })
        .await
    }

    async fn with(late: Duration, change: impl FnOnce(&str, &mut ServerConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let mut config = ServerConfig::new(&issuer, format!("{issuer}/device"));
        change(&issuer, &mut config);
        let server = Arc::new(AuthorizationServer::with_clock(config, MemoryStorage::new(), Late(late)));
        for id in ["gateway", "orders", "payments"] {
            server.register_client(registration(id)).await.expect("registered");
        }
        // Whoever a browser says is there is there, and agrees.
        let service = ServiceBuilder::new(server)
            .with_subject_resolver(|headers| Some(headers.get(USER)?.to_str().ok()?.to_owned()))
            .with_approval_resolver(|_| ApprovalDecision::Approve)
            .build()
            .expect("it serves what it advertises");
        Self { _server: Server::on(listener, Router::from(service)), issuer, client: client() }
    }

    async fn token(&self, id: &str, form: &[(&str, &str)]) -> String {
        let who = [("client_id", id), ("client_secret", SECRET)];
        let form: Vec<_> = who.iter().chain(form).collect();
        let request = self.client.post(format!("{}/token", self.issuer)).form(&form);
        let answer: Value = request.send().await.expect("it is up").json().await.expect("json");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// A client's own token.
    pub(super) async fn own(&self, id: &str) -> String {
        self.token(id, &[("grant_type", "client_credentials"), ("scope", SCOPES), ("resource", ORDERS)]).await
    }

    /// Alice's token at the gateway, good for every resource.
    pub(super) async fn signed_in(&self) -> String {
        self.signed_in_as("alice").await
    }

    /// The same of another user.
    pub(super) async fn signed_in_as(&self, user: &str) -> String {
        let mut address = Url::parse(&format!("{}/authorize", self.issuer)).expect("a URL");
        address.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", "gateway"),
            ("redirect_uri", BACK),
            ("scope", SCOPES),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", GATEWAY),
            ("resource", ORDERS),
            ("resource", PAYMENTS),
        ]);
        let answer = self.client.get(address).header(USER, user).send().await.expect("it is up");
        let back = answer.headers().get(LOCATION).expect("back to the gateway").to_str().expect("ascii");
        let back = Url::parse(back).expect("a URL");
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").expect("alice agrees");
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        self.token("gateway", &form).await
    }

    /// The token that a client gets in exchange for this one, acting itself or in the subject's place.
    async fn exchange(&self, id: &str, subject_token: &str, resources: &[&str], acts: bool) -> String {
        let access_token = "urn:ietf:params:oauth:token-type:access_token";
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", subject_token),
            ("subject_token_type", access_token),
        ];
        let own = self.own(id).await;
        if acts {
            form.extend([("actor_token", own.as_str()), ("actor_token_type", access_token)]);
        }
        form.extend(resources.iter().map(|resource| ("resource", *resource)));
        self.token(id, &form).await
    }

    async fn service(&self, audience: &str) -> Service {
        let issuer = &self.issuer;
        Service::start(&format!("[[inbound.issuer]]\nissuer = {issuer:?}\naudience = {audience:?}\n")).await
    }

    /// A service of ours that asks what tokens are, as this client.
    async fn asking(&self, id: &str, audience: &str) -> Service {
        let issuer = &self.issuer;
        Service::start(&format!(
            "[[inbound.issuer]]\nissuer = {issuer:?}\naudience = {audience:?}\n\
             [inbound.issuer.introspection]\nurl = \"{issuer}/introspect\"\n\
             client_id = {id:?}\nclient_secret = {SECRET:?}\n"
        ))
        .await
    }

    /// Whom our service sees by a token: who sent it, for which user, through whose hands.
    fn seen(&self, token: &str, caller: &str, user: Option<&str>, actors: &[&str]) -> Value {
        let named = |id: &str| json!({ "id": id, "issuer": self.issuer });
        let claims = claims(token);
        let evidence = match (actors, user) {
            ([_, ..], _) => "actor",
            ([], Some(_)) => "issued_to",
            ([], None) => "subject",
        };
        json!({
            "caller": named(caller),
            "user": user.map(named),
            "actors": actors.iter().map(|id| named(id)).collect::<Vec<_>>(),
            "scopes": SCOPES.split(' ').collect::<Vec<_>>(),
            "audience": claims["aud"],
            "evidence": evidence,
            "binding": "same_token",
            "token_id": claims["jti"],
        })
    }
}

fn registration(id: &str) -> oauth_as::Client {
    let scopes = ScopeSet::parse(SCOPES).expect("scopes");
    oauth_as::Client {
        client_id: ClientId::new(id),
        auth: ClientAuth::ConfidentialSecret { secret: SECRET.to_owned() },
        grant_types: vec![GrantType::ClientCredentials, GrantType::AuthorizationCode, GrantType::TokenExchange],
        redirect_uris: vec![BACK.to_owned()],
        allowed_scopes: scopes.clone(),
        default_scopes: scopes,
        name: None,
        registration: None,
    }
}

#[tokio::test]
async fn rfc9068_a5_tokens_of_oauth_as_are_accepted_for_us_and_in_their_time() {
    let (server, late) = (OauthAs::start(Duration::ZERO).await, OauthAs::start(Duration::from_secs(7200)).await);
    let (orders, payments) = (server.service(ORDERS).await, server.service(PAYMENTS).await);
    let (own, of_alice) = (server.own("gateway").await, server.signed_in().await);

    assert_eq!(orders.ask(&own).await, Ok(server.seen(&own, "gateway", None, &[])));
    assert_eq!(orders.ask(&of_alice).await, Ok(server.seen(&of_alice, "gateway", Some("alice"), &[])));
    assert_eq!(payments.ask(&own).await, invalid_token(), "for orders alone");
    assert_eq!(payments.ask(&of_alice).await, Ok(server.seen(&of_alice, "gateway", Some("alice"), &[])));
    assert_eq!(orders.ask(&tampered(&own, "sub", "alice")).await, invalid_token());

    let expired = late.own("gateway").await;
    assert_eq!(orders.ask(&expired).await, invalid_token(), "of another issuer");
    assert_eq!(late.service(ORDERS).await.ask(&expired).await, invalid_token(), "expired an hour ago");
}

#[tokio::test]
async fn te_a1_the_actors_of_an_exchanged_token_are_the_hands_that_it_went_through() {
    let server = OauthAs::start(Duration::ZERO).await;
    let (orders, payments) = (server.service(ORDERS).await, server.service(PAYMENTS).await);
    let of_alice = server.signed_in().await;

    let first = server.exchange("gateway", &of_alice, &[ORDERS, PAYMENTS], true).await;
    let second = server.exchange("orders", &first, &[PAYMENTS], true).await;
    assert_eq!(orders.ask(&first).await, Ok(server.seen(&first, "gateway", Some("alice"), &["gateway"])));
    assert_eq!(payments.ask(&second).await, Ok(server.seen(&second, "orders", Some("alice"), &["orders", "gateway"])));
    assert_eq!(orders.ask(&second).await, invalid_token(), "it was narrowed to payments");
    assert_eq!(payments.ask(&tampered(&second, "client_id", "gateway")).await, invalid_token());

    // Without an actor token nobody acts: the token says whom it was issued to, and no more.
    let silent = server.exchange("orders", &first, &[PAYMENTS], false).await;
    assert_eq!(payments.ask(&silent).await, Ok(server.seen(&silent, "orders", Some("alice"), &[])));
}

#[tokio::test]
async fn rfc7662_a3_opaque_tokens_of_oauth_as_are_what_it_says_of_them_to_whom_they_are_for() {
    let server = OauthAs::opaque().await;
    let (orders, payments) = (server.asking("orders", ORDERS).await, server.asking("payments", PAYMENTS).await);
    let (own, of_alice) = (server.own("gateway").await, server.signed_in().await);
    let exchanged = server.exchange("gateway", &of_alice, &[ORDERS], true).await;
    let seen = |actors: &[&str], audience: &str| {
        let evidence = if actors.is_empty() { "issued_to" } else { "actor" };
        let named = |id: &str| json!({ "id": id, "issuer": server.issuer });
        Ok(json!({
            "caller": named("gateway"),
            "user": named("alice"),
            "actors": actors.iter().map(|id| named(id)).collect::<Vec<_>>(),
            "scopes": SCOPES.split(' ').collect::<Vec<_>>(),
            "audience": audience,
            "evidence": evidence,
            "binding": "same_token",
            "token_id": null,
        }))
    };
    assert!(!own.contains('.'), "they are opaque");
    assert_eq!(orders.ask(&own).await, invalid_token(), "whose it is is not said: it might be a user's");
    assert_eq!(orders.ask(&of_alice).await, seen(&[], ORDERS));
    assert_eq!(payments.ask(&of_alice).await, seen(&[], PAYMENTS));
    assert_eq!(orders.ask(&exchanged).await, seen(&["gateway"], ORDERS));
    assert_eq!(payments.ask(&own).await, invalid_token(), "for orders alone");
    assert_eq!(payments.ask(&exchanged).await, invalid_token(), "for orders alone");
    assert_eq!(orders.ask("made-up").await, invalid_token());
}
