//! What is outside is opaque. What its issuer says of it, to the service inside that asks, holds the token for the next
//! service: nothing is exchanged, and each service has a token of its own.

use std::time::Duration;

use axum::{Json, Router, extract::State, routing::get};
use axum_identity::{Caller, Problem};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tower_identity::{
    AuthLayer, ClientAuth, Embedded, HttpClient, Introspection, Outbound, Plaintext, SecretToken, Target,
    TokenEndpoint, TrustedIssuer, Verifier, system_clock,
};
use tower_identity_testkit::{Endpoint, TestIssuer, TokenBuilder};

use crate::{
    answers::{Answer, answer, refused},
    servers::Server,
};

/// A form that the answer about an opaque token may have.
type Form = fn(Introspection) -> Introspection;

const FORMS: [(&str, Form); 3] =
    [("plain", |asking| asking), ("signed", Introspection::signed), ("phantom", Introspection::phantom)];

/// A middle that takes opaque tokens, and a leaf that takes JWTs.
struct Mesh {
    issuer: TestIssuer,
    leaf: Server,
    middle: Server,
}

#[derive(Clone)]
struct Leaf {
    http: HttpClient,
    address: String,
}

async fn call_on(State(leaf): State<Leaf>) -> Result<Json<Value>, Problem> {
    Ok(Json(leaf.http.get(&leaf.address).send().await?.json().await?))
}

impl Mesh {
    async fn start(form: Form) -> Self {
        let issuer = TestIssuer::start();
        let name = issuer.issuer().as_str();
        let layer = |issuer| AuthLayer::new(Verifier::builder(issuer).build().expect("valid")).realm("mesh");
        let whoami = get(|caller: Caller| async { Json(caller) });
        let jwts = layer(TrustedIssuer::discover(name).audience("payments"));
        let leaf = Server::start(Router::new().fallback(whoami).layer(jwts)).await;

        let us = ClientAuth::client_secret_basic("orders", "secret").expect("valid");
        let row = Target::origin(&leaf.origin()).expect("valid").audience("payments");
        let outbound = Outbound::builder(TokenEndpoint::discover(name, us.clone()))
            .plaintext(Plaintext::Loopback)
            .target(row.strategy(Embedded::at("tokens.payments")));
        let http = outbound.build().expect("valid").reqwest(Client::builder()).expect("valid");
        let asking = form(Introspection::at(issuer.url(Endpoint::Introspection), us));
        let opaque = layer(TrustedIssuer::opaque(name, asking).audience("orders"));
        let state = Leaf { http, address: leaf.url("/") };
        let middle = Server::start(Router::new().route("/", get(call_on)).layer(opaque).with_state(state)).await;
        Self { issuer, leaf, middle }
    }

    /// A token of this user, for this service.
    fn token(&self, user: &str, client: &str, audience: &str) -> TokenBuilder {
        self.issuer.token().subject(user).client(client).audience(audience)
    }

    /// What alice or bob have: it stands for their token for orders, which holds this one.
    fn opaque(&self, user: &str, holds: &TokenBuilder) -> SecretToken {
        let tokens = json!({ "payments": holds.clone().build().expose() });
        self.issuer.opaque(self.token(user, "web", "orders").claim("tokens", tokens))
    }

    /// Whom the leaf sees, or the answer.
    async fn ask(&self, server: &Server, token: &SecretToken) -> Result<Value, Answer> {
        let client = Client::builder().no_proxy().build().expect("client");
        let response = client.get(server.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        match response.status() {
            StatusCode::OK => Ok(response.json().await.expect("json")),
            _ => Err(answer(response).await),
        }
    }
}

#[tokio::test]
async fn out_b30_the_token_beside_an_opaque_ones_answer_is_the_next_services_and_the_users_or_nothing_is_sent() {
    for (form, introspection) in FORMS {
        let mesh = Mesh::start(introspection).await;
        let inner = |user: &str| mesh.token(user, "orders", "payments");
        for user in ["alice", "bob", "alice"] {
            let seen = mesh.ask(&mesh.middle, &mesh.opaque(user, &inner(user))).await.expect("served");
            let whom = (&seen["user"]["id"], &seen["audience"], &seen["caller"]["id"]);
            assert_eq!(whom, (&user.into(), &"payments".into(), &"orders".into()), "{form}");
        }

        let bad_gateway = refused(StatusCode::BAD_GATEWAY, None, None, "Bad Gateway");
        let challenge = Some("Bearer error=\"invalid_token\"");
        let unauthorized = refused(StatusCode::UNAUTHORIZED, challenge, None, "Unauthorized");
        let ended = system_clock().wall().saturating_sub(Duration::from_secs(60));
        let bound = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
        for (name, holds, expected) in [
            ("another user's", inner("bob"), &bad_gateway),
            ("a workload's", mesh.issuer.token().subject("orders").client("orders").audience("payments"), &bad_gateway),
            ("for another service", mesh.token("alice", "orders", "stock"), &bad_gateway),
            ("bound to a key", inner("alice").claim("cnf", bound), &bad_gateway),
            ("expired", inner("alice").expires_at(ended), &unauthorized),
            ("without an end", inner("alice").without("exp"), &bad_gateway),
        ] {
            let answer = mesh.ask(&mesh.middle, &mesh.opaque("alice", &holds)).await;
            assert_eq!(answer.as_ref(), Err(expected), "{form}: {name}");
        }
        assert_eq!(mesh.issuer.calls(Endpoint::Token), 0, "{form}: no token was asked for");
    }
}

/// Neither serves where the other does, and both end with the sign-in.
#[tokio::test]
async fn out_b30_what_is_opaque_stays_outside_and_what_it_holds_inside() {
    for (form, introspection) in FORMS {
        let mesh = Mesh::start(introspection).await;
        let inner = mesh.token("alice", "orders", "payments");
        let (opaque, inner) = (mesh.opaque("alice", &inner), inner.build());
        let challenge = Some("Bearer realm=\"mesh\", error=\"invalid_token\"");
        let invalid = || Err(refused(StatusCode::UNAUTHORIZED, challenge, None, "Unauthorized"));
        assert_eq!(mesh.ask(&mesh.leaf, &opaque).await, invalid(), "{form}");
        assert_eq!(mesh.ask(&mesh.middle, &inner).await, invalid(), "{form}");
        assert_eq!(mesh.ask(&mesh.leaf, &inner).await.map(|seen| seen["user"]["id"].clone()), Ok("alice".into()));
        mesh.issuer.revoke(&opaque);
        assert_eq!(mesh.ask(&mesh.middle, &opaque).await, invalid(), "{form}");
    }
}
