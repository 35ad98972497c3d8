//! oidc-provider: tokens of each algorithm for a client and for a user, what is no access token for us, what its keys may
//! do while our service runs, and opaque tokens, which it is asked about. And, in `certificates`, its clients that have some.

mod certificates;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tower_identity::system_clock;
use tower_identity_testkit::TestIssuer;

use super::{
    install,
    peer::Peer,
    service::{Service, claims, client, invalid_token, tampered, unavailable},
};

const CIBA: &str = "urn:openid:params:grant-type:ciba";

/// A resource whose tokens are opaque.
const OPAQUE: &str = "https://opaque.orders.test";

/// A running oidc-provider with two clients: `gateway`, and `orders`, which asks what tokens are.
pub(super) struct OidcProvider {
    peer: Peer,
    pub(super) issuer: String,
    client: Client,
}

impl OidcProvider {
    pub(super) async fn start() -> Option<Self> {
        let script = include_str!("../../../interop/oidc-provider.mjs");
        let (peer, says) = Peer::node("oidc-provider", install::node()?, script).await;
        let issuer = says["issuer"].as_str().expect("its issuer").to_owned();
        Some(Self { peer, issuer, client: client() })
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        self.send(path, form).await.json().await.expect("json")
    }

    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let gateway = [("client_id", "gateway"), ("client_secret", "the secret of the gateway")];
        let form: Vec<_> = gateway.iter().chain(form).collect();
        self.client.post(format!("{}{path}", self.issuer)).form(&form).send().await.expect("it is up")
    }

    /// Takes a token of the gateway back (RFC 7009).
    async fn revoke(&self, token: &str) {
        let answer = self.send("/token/revocation", &[("token", token)]).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// The gateway's own token for a resource, whose host names the algorithm.
    async fn token(&self, resource: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", "orders:read"), ("resource", resource)];
        text(&self.post("/token", &form).await, "access_token")
    }

    /// The access token and the ID token that the gateway has of a user.
    pub(super) async fn tokens_of(&self, user: &str, resource: &str) -> (String, String) {
        let form = [("scope", "openid orders:read orders:write"), ("login_hint", user), ("resource", resource)];
        let request = text(&self.post("/backchannel", &form).await, "auth_req_id");
        let tokens = self.post("/token", &[("grant_type", CIBA), ("auth_req_id", &request)]).await;
        (text(&tokens, "access_token"), text(&tokens, "id_token"))
    }

    /// Gives an order, and returns how often the key set was asked for so far.
    async fn order(&mut self, order: Value) -> u64 {
        self.peer.ask(&order).await["fetches"].as_u64().expect("a number")
    }

    /// How often the key set was asked for. Ends an outage of it.
    async fn fetches(&mut self) -> u64 {
        self.order(json!({ "do": "keys", "answer": "set" })).await
    }

    /// A service of ours that takes this server's tokens for this audience.
    async fn service(&self, audience: &[&str], more: &str) -> Service {
        let issuer = &self.issuer;
        Service::start(&format!("[[inbound.issuer]]\nissuer = {issuer:?}\naudience = {audience:?}\n{more}\n")).await
    }

    /// A service of ours that asks this server what its tokens are.
    async fn asking(&self, introspection: &str) -> Service {
        let us = "client_id = \"orders\"\nclient_secret = \"the secret of orders\"";
        let table = format!("[inbound.issuer.introspection]\n{us}\n{introspection}");
        self.service(&[OPAQUE], &table).await
    }

    /// Whom it sees by an opaque token of the gateway: it has no `jti` but itself.
    fn of_opaque(&self, user: Option<&str>, scopes: &[&str]) -> Value {
        json!({
            "caller": { "id": "gateway", "issuer": self.issuer },
            "user": user.map(|id| json!({ "id": id, "issuer": self.issuer })),
            "actors": [],
            "scopes": scopes,
            "audience": OPAQUE,
            "evidence": if user.is_some() { "issued_to" } else { "subject" },
            "binding": "same_token",
            "token_id": null,
        })
    }

    /// Whom our service sees by the gateway's own token.
    fn gateway(&self, token: &str) -> Value {
        let claims = claims(token);
        json!({
            "caller": { "id": "gateway", "issuer": self.issuer },
            "user": null,
            "actors": [],
            "scopes": ["orders:read"],
            "audience": claims["aud"],
            "evidence": "subject",
            "binding": "same_token",
            "token_id": claims["jti"],
        })
    }

    /// Whom it sees by the gateway's token of alice.
    fn alice(&self, token: &str) -> Value {
        let mut seen = self.gateway(token);
        seen["user"] = json!({ "id": "alice", "issuer": self.issuer });
        seen["evidence"] = json!("issued_to");
        seen["scopes"] = json!(["orders:read", "orders:write"]);
        seen
    }
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("no {member} in {answer}")).to_owned()
}

#[tokio::test]
async fn rfc9068_a8_tokens_of_each_algorithm_name_the_caller_and_the_user() {
    let Some(server) = OidcProvider::start().await else { return };
    let resources = ["es256", "rs256", "ps256", "eddsa", "es384"].map(|of| format!("https://{of}.orders.test"));
    let audience = resources.each_ref().map(String::as_str);
    let (service, es384) = (server.service(&audience, "").await, "algorithms = [\"ES384\"]");
    let [common @ .., rare] = audience;
    for resource in common {
        let token = server.token(resource).await;
        assert_eq!(service.ask(&token).await, Ok(server.gateway(&token)), "{resource}");
        let (token, _) = server.tokens_of("alice", resource).await;
        assert_eq!(service.ask(&token).await, Ok(server.alice(&token)), "{resource}");
    }
    let token = server.token(rare).await;
    assert_eq!(service.ask(&token).await, invalid_token(), "not an algorithm of ours, unless it is asked for");
    assert_eq!(server.service(&audience, es384).await.ask(&token).await, Ok(server.gateway(&token)));
}

#[tokio::test]
async fn rfc9068_a4_other_tokens_of_oidc_provider_are_refused() {
    let Some(mut server) = OidcProvider::start().await else { return };
    let (ours, theirs) = ("https://es256.orders.test", "https://es256.payments.test");
    // An ID token's audience is the client: if only its audience stood in the way, this service would take it.
    let audience = [ours, "gateway"];
    let (strict, plain) = (server.service(&audience, "").await, server.service(&audience, "profile = \"plain\"").await);

    let (token, id_token) = server.tokens_of("alice", ours).await;
    let (elsewhere, _) = server.tokens_of("alice", theirs).await;
    let (of_carol, full_id_token) = server.tokens_of("carol", ours).await;
    server.order(json!({ "do": "clock", "seconds": -3600 })).await;
    let (expired, _) = server.tokens_of("alice", ours).await;
    let stranger = TestIssuer::start();
    let of_stranger = stranger.token().subject("alice").client("gateway").audience(ours);
    let forged = of_stranger.clone().claim("iss", server.issuer.as_str());

    for service in [&strict, &plain] {
        for (name, attack) in [
            ("an ID token", id_token.as_str()),
            ("for another audience", &elsewhere),
            ("expired", &expired),
            ("another user's, by the same signature", &tampered(&token, "sub", "bob")),
            ("of another issuer", of_stranger.clone().build().expose()),
            ("in this issuer's name", forged.clone().build().expose()),
        ] {
            assert_eq!(service.ask(attack).await, invalid_token(), "{name}");
        }
        assert_eq!(service.ask(&token).await, Ok(server.alice(&token)), "the control");
    }
    assert_eq!(strict.ask(&full_id_token).await, invalid_token(), "an ID token with the claims of an access token");
    let mut carol = server.alice(&of_carol);
    carol["user"]["id"] = "carol".into();
    assert_eq!(strict.ask(&of_carol).await, Ok(carol), "its control");
}

#[tokio::test]
async fn jwks_a2_a_new_key_costs_one_fetch_and_the_earlier_one_goes_on() {
    let Some(mut server) = OidcProvider::start().await else { return };
    let resource = "https://rs256.orders.test";
    let service = server.service(&[resource], "").await;
    let before = server.token(resource).await;
    assert_eq!(service.ask(&before).await, Ok(server.gateway(&before)));
    assert_eq!(server.fetches().await, 1);

    server.order(json!({ "do": "rotate", "retire": false })).await;
    let after = server.token(resource).await;
    for token in [&after, &before, &after] {
        assert_eq!(service.ask(token).await, Ok(server.gateway(token)));
    }
    assert_eq!(server.fetches().await, 2);
}

#[tokio::test]
async fn jwks_a4_a_key_that_oidc_provider_withdraws_is_refused_from_the_next_fetch_on() {
    let Some(mut server) = OidcProvider::start().await else { return };
    let resource = "https://es256.orders.test";
    let service = server.service(&[resource], "").await;
    // Older than clocks differ, and than issuers set `iat` back: so its key cannot be newer than what was fetched.
    server.order(json!({ "do": "clock", "seconds": -600 })).await;
    let before = server.token(resource).await;
    server.order(json!({ "do": "clock", "seconds": 0 })).await;
    assert_eq!(service.ask(&before).await, Ok(server.gateway(&before)));

    server.order(json!({ "do": "rotate", "retire": true })).await;
    assert_eq!(service.ask(&before).await, Ok(server.gateway(&before)), "nothing was fetched since");
    let after = server.token(resource).await;
    assert_eq!(service.ask(&after).await, Ok(server.gateway(&after)));
    assert_eq!(service.ask(&before).await, invalid_token());
    assert_eq!(server.fetches().await, 2);
}

#[tokio::test]
async fn jwks_a3_an_outage_of_the_key_set_is_no_verdict_and_ends_with_one_fetch() {
    let Some(mut server) = OidcProvider::start().await else { return };
    let resource = "https://es256.orders.test";
    for outage in ["busy", "closed"] {
        let (warm, cold) = (server.service(&[resource], "").await, server.service(&[resource], "").await);
        let token = server.token(resource).await;
        assert_eq!(warm.ask(&token).await, Ok(server.gateway(&token)));
        server.order(json!({ "do": "rotate", "retire": false })).await;
        let of_new_key = server.token(resource).await;

        let before = server.order(json!({ "do": "keys", "answer": outage })).await;
        assert_eq!(warm.ask(&token).await, Ok(server.gateway(&token)), "{outage}: known keys go on");
        unavailable(warm.ask(&of_new_key).await, 30);
        let retry_after = unavailable(cold.ask(&token).await, 2);
        let during = server.fetches().await;
        assert_eq!(during, before + 2, "{outage}: each asked in vain");

        // Who comes back when it was told to is served, by one fetch.
        system_clock().sleep(retry_after).await;
        assert_eq!(cold.ask(&token).await, Ok(server.gateway(&token)), "{outage}");
        assert_eq!(cold.ask(&of_new_key).await, Ok(server.gateway(&of_new_key)), "{outage}");
        assert_eq!(server.fetches().await, during + 1, "{outage}");
    }
}

#[tokio::test]
async fn rfc9701_a1_opaque_tokens_are_what_oidc_provider_says_of_them_signed_or_not() {
    let Some(mut server) = OidcProvider::start().await else { return };
    for (introspection, fetches) in [("signed = false", 0), ("signed = true", 1)] {
        let service = server.asking(introspection).await;
        let before = server.fetches().await;
        let own = server.token(OPAQUE).await;
        let (of_alice, _) = server.tokens_of("alice", OPAQUE).await;
        assert!(!own.contains('.') && !of_alice.contains('.'), "they are opaque");
        for _ in 0..2 {
            assert_eq!(service.ask(&own).await, Ok(server.of_opaque(None, &["orders:read"])), "{introspection}");
            let alice = server.of_opaque(Some("alice"), &["orders:read", "orders:write"]);
            assert_eq!(service.ask(&of_alice).await, Ok(alice), "{introspection}");
        }
        assert_eq!(server.fetches().await - before, fetches, "{introspection}");

        let (elsewhere, _) = server.tokens_of("alice", "https://opaque.payments.test").await;
        let (jwt, id_token) = server.tokens_of("alice", "https://es256.orders.test").await;
        for (name, attack) in [
            ("for another audience", elsewhere.as_str()),
            ("unknown", "made-up"),
            ("a JWT of the same issuer", &jwt),
            ("an ID token", &id_token),
        ] {
            assert_eq!(service.ask(attack).await, invalid_token(), "{introspection}: {name}");
        }
    }
}

#[tokio::test]
async fn rfc7662_a4_a_token_that_oidc_provider_revokes_is_refused_once_nothing_is_remembered_of_it() {
    let Some(server) = OidcProvider::start().await else { return };
    let (remembers, forgets) = (server.asking("").await, server.asking("signed = true\nremember_seconds = 0").await);
    let token = server.token(OPAQUE).await;
    let seen = || Ok(server.of_opaque(None, &["orders:read"]));
    assert_eq!((remembers.ask(&token).await, forgets.ask(&token).await), (seen(), seen()));
    server.revoke(&token).await;
    assert_eq!(forgets.ask(&token).await, invalid_token());
    assert_eq!(remembers.ask(&token).await, seen(), "for a minute");
    assert_eq!(server.asking("").await.ask(&token).await, invalid_token());
}

#[tokio::test]
async fn rfc7662_a5_a_server_that_does_not_accept_us_says_nothing_of_the_token() {
    let Some(server) = OidcProvider::start().await else { return };
    let stranger = "[inbound.issuer.introspection]\nclient_id = \"orders\"\nclient_secret = \"another\"";
    let service = server.service(&[OPAQUE], stranger).await;
    unavailable(service.ask(&server.token(OPAQUE).await).await, 30);
}
