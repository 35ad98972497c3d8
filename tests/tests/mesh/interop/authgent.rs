//! authgent-server, a server that does not know RFC 9068: its tokens say `typ: JWT`, and its clients are subjects of
//! the form `client:<client_id>`.

use reqwest::Client;
use serde_json::{Value, json};
use tower_identity::{RefusalKind, Settings, Verifier, transaction_tokens};

use super::{
    install,
    oidc_provider::OidcProvider,
    peer::Peer,
    service::{Service, claims, client, invalid_token, tampered},
};

pub(super) const OURS: &str = "https://orders.test";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A running authgent-server, and one agent that is registered there.
pub(super) struct Authgent {
    _peer: Peer,
    pub(super) issuer: String,
    client: Client,
    pub(super) agent: String,
    pub(super) secret: String,
}

impl Authgent {
    /// Starts one that exchanges the ID tokens of these issuers, and takes their grants.
    pub(super) async fn start(trusted: &[&str]) -> Option<Self> {
        let script = include_str!("../../../interop/authgent.py");
        let (peer, says) = Peer::python("authgent-server", install::python()?, script, trusted).await;
        let (issuer, client) = (says["issuer"].as_str().expect("its issuer").to_owned(), client());
        let agent = json!({
            "client_name": "reports",
            "scope": "orders:read",
            "grant_types": ["client_credentials", TOKEN_EXCHANGE, JWT_BEARER],
        });
        let registration = client.post(format!("{issuer}/register")).json(&agent).send().await.expect("it is up");
        let registered: Value = registration.json().await.expect("json");
        let (agent, secret) = (text(&registered, "client_id"), text(&registered, "client_secret"));
        Some(Self { _peer: peer, issuer, client, agent, secret })
    }

    async fn token(&self, form: &[(&str, &str)]) -> String {
        let agent = [("client_id", self.agent.as_str()), ("client_secret", &self.secret), ("scope", "orders:read")];
        let form: Vec<_> = agent.iter().chain(form).collect();
        let request = self.client.post(format!("{}/token", self.issuer)).form(&form);
        text(&request.send().await.expect("it is up").json().await.expect("json"), "access_token")
    }

    /// The agent's token of the user of this ID token.
    pub(super) async fn exchanged(&self, id_token: &str) -> String {
        let exchange = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", id_token),
            ("subject_token_type", ID_TOKEN),
            ("audience", OURS),
        ];
        self.token(&exchange).await
    }

    /// A grant of the user of this token, for another server.
    pub(super) async fn grant(&self, token: &str, issuer: &str) -> String {
        let exchange = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", JWT),
            ("audience", issuer),
        ];
        self.token(&exchange).await
    }

    async fn service(&self, profile: &str) -> Service {
        let issuer = &self.issuer;
        let settings = format!("[[inbound.issuer]]\nissuer = {issuer:?}\naudience = {OURS:?}\nprofile = {profile:?}\n");
        Service::start(&settings).await
    }

    /// Whom our service sees by the agent's own token.
    fn agent(&self, token: &str) -> Value {
        json!({
            "caller": { "id": self.agent, "issuer": self.issuer },
            "user": null,
            "actors": [],
            "scopes": ["orders:read"],
            "audience": OURS,
            "evidence": "subject",
            "binding": "same_token",
            "token_id": claims(token)["jti"],
        })
    }
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}")).to_owned()
}

#[tokio::test]
async fn rfc9068_a1_tokens_of_type_jwt_are_refused_unless_the_issuer_is_known_for_them() {
    let Some(server) = Authgent::start(&[]).await else { return };
    let own = |resource| [("grant_type", "client_credentials"), ("resource", resource)];
    let token = server.token(&own(OURS)).await;
    let elsewhere = server.token(&own("https://payments.test")).await;
    let (strict, plain) = (server.service("rfc9068").await, server.service("plain").await);

    assert_eq!(strict.ask(&token).await, invalid_token());
    assert_eq!(plain.ask(&token).await, Ok(server.agent(&token)), "the control");
    assert_eq!(plain.ask(&elsewhere).await, invalid_token());
    assert_eq!(plain.ask(&tampered(&token, "client_id", "agnt_of_somebody_else")).await, invalid_token());
}

#[tokio::test]
async fn rfc9068_a7_a_user_of_oidc_provider_arrives_by_way_of_authgent() {
    let Some(provider) = OidcProvider::start().await else { return };
    let Some(server) = Authgent::start(&[&provider.issuer]).await else { return };
    let (_, id_token) = provider.tokens_of("alice", "https://es256.orders.test").await;
    let token = server.exchanged(&id_token).await;
    let plain = server.service("plain").await;

    let mut seen = server.agent(&token);
    seen["user"] = json!({ "id": "user:alice", "issuer": server.issuer });
    seen["actors"] = json!([{ "id": server.agent, "issuer": server.issuer }]);
    seen["evidence"] = json!("actor");
    assert_eq!(plain.ask(&token).await, Ok(seen));
    assert_eq!(plain.ask(&id_token).await, invalid_token(), "what it was exchanged for is not for us");
}

/// It follows an earlier revision of the draft, whose tokens have all that this one asks for.
#[tokio::test]
async fn tx_a1_transaction_tokens_of_authgent_speak_for_their_users_in_the_hands_of_who_may_carry_them() {
    let Some(provider) = OidcProvider::start().await else { return };
    let Some(server) = Authgent::start(&[&provider.issuer]).await else { return };
    let (_, id_token) = provider.tokens_of("alice", "https://es256.orders.test").await;
    let of_alice = server.exchanged(&id_token).await;
    let own = server.token(&[("grant_type", "client_credentials"), ("resource", OURS)]).await;
    let transaction = async |subject: &str, trust_domain: &str| {
        let exchange = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", transaction_tokens::TOKEN_TYPE),
            ("audience", trust_domain),
            (transaction_tokens::REQUEST_CONTEXT, r#"{"req_ip":"203.0.113.7"}"#),
            (transaction_tokens::REQUEST_DETAILS, r#"{"action":"charge"}"#),
        ];
        server.token(&exchange).await
    };
    let verifier = |carriers: &str| {
        let issuer = &server.issuer;
        let settings = format!(
            "[[inbound.issuer]]\nissuer = {issuer:?}\naudience = {OURS:?}\nprofile = \"plain\"\n\
             [[inbound.transaction_tokens]]\ntrust_domain = \"shop.internal\"\nissuer = {issuer:?}\n\
             keys = {{ url = \"{issuer}/.well-known/jwks.json\" }}\ncarriers = {carriers}\n"
        );
        Settings::parse(&settings, "orders.toml").and_then(|settings| settings.verifier()).expect("a good file")
    };
    let judged = async |verifier: &Verifier, token: &str| {
        let settings = verifier.current();
        let verification = settings.transaction(settings.bearer(&own), Some(token));
        drop(settings);
        let caller = verification.await.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
        Ok(serde_json::to_value(caller.principal()).expect("json"))
    };

    let (token, carrier) = (transaction(&of_alice, "shop.internal").await, verifier(&format!("[{:?}]", server.agent)));
    let seen = json!({
        "caller": { "id": server.agent, "issuer": server.issuer },
        "user": { "id": "user:alice", "issuer": "shop.internal" },
        "actors": [],
        "scopes": ["orders:read"],
        "audience": "shop.internal",
        "evidence": "subject",
        "binding": "transaction",
        "token_id": null,
    });
    assert_eq!(judged(&carrier, &token).await, Ok(seen));
    assert_eq!(judged(&verifier("[]"), &token).await, Err((RefusalKind::UnrelatedCredentials, "binding")));
    let bad = |check| Err((RefusalKind::InvalidTransactionToken, check));
    assert_eq!(judged(&carrier, &tampered(&token, "sub", "user:bob")).await, bad("signature"));
    assert_eq!(judged(&carrier, &transaction(&of_alice, OURS).await).await, bad("aud"));
    assert_eq!(judged(&carrier, &transaction(&own, "shop.internal").await).await, bad("subject"), "of no user");
}
