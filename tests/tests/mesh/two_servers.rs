//! Two authorization servers, a user of each, one handler, one target: each server sees the tokens of its own users alone.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use axum_identity::Problem;
use serde_json::Value;
use tower_identity::{
    AuthLayer, ClientAuth, HttpClient, Outbound, OutboundBuilder, Plaintext, Target, TokenEndpoint, TrustedIssuer,
    Verifier,
};
use tower_identity_testkit::{Endpoint, TestIssuer};

use crate::servers::Server;

/// A middle that takes the users of two servers, and calls one leaf, which takes the tokens of both.
struct Mesh {
    login: TestIssuer,
    partner: TestIssuer,
    leaf: Server,
    middle: Server,
    outbound: Outbound,
}

#[derive(Clone)]
struct Leaf {
    http: HttpClient,
    address: String,
}

async fn call_on(State(leaf): State<Leaf>) -> Result<Json<Value>, Problem> {
    Ok(Json(leaf.http.get(&leaf.address).send().await?.json().await?))
}

fn of_both(login: &TestIssuer, partner: &TestIssuer, audience: &str) -> AuthLayer {
    let of = |issuer: &TestIssuer| TrustedIssuer::discover(issuer.issuer().as_str()).audience(audience);
    AuthLayer::new(Verifier::builder(of(login)).issuer(of(partner)).build().expect("valid"))
}

impl Mesh {
    async fn start() -> Self {
        let (login, partner) = (TestIssuer::start(), TestIssuer::start());
        let whoami = get(|caller: axum_identity::Caller| async { Json(caller) });
        let leaf = Router::new().route("/whoami", whoami).layer(of_both(&login, &partner, "leaf"));
        let leaf = Server::start(leaf).await;
        let outbound = rows(&login, &partner, &leaf, [true, true]).build().expect("valid");
        let http = outbound.reqwest(reqwest::Client::builder()).expect("valid");
        let state = Leaf { http, address: leaf.url("/whoami") };
        let middle = Router::new().route("/", get(call_on)).layer(of_both(&login, &partner, "middle"));
        let middle = Server::start(middle.with_state(state)).await;
        Self { login, partner, leaf, middle, outbound }
    }

    /// The rows of one target: for the users of the login, and for those of the partner.
    fn lists(&self, which: [bool; 2]) {
        self.outbound.replace(rows(&self.login, &self.partner, &self.leaf, which)).expect("valid");
    }

    /// The status that a user is answered, and whom the leaf saw.
    async fn ask(&self, issuer: &TestIssuer, user: &str) -> (StatusCode, Value) {
        let token = issuer.token().subject(user).client("web").audience("middle").build();
        let client = reqwest::Client::builder().no_proxy().build().expect("client");
        let response = client.get(self.middle.url("/")).bearer_auth(token.expose()).send().await.expect("sent");
        (response.status(), response.json().await.expect("json"))
    }

    fn asked(&self) -> [usize; 2] {
        [self.login.calls(Endpoint::Token), self.partner.calls(Endpoint::Token)]
    }
}

fn rows(login: &TestIssuer, partner: &TestIssuer, leaf: &Server, which: [bool; 2]) -> OutboundBuilder {
    let server = |issuer: &TestIssuer| {
        let auth = ClientAuth::client_secret_basic("middle", "secret").expect("valid");
        TokenEndpoint::discover(issuer.issuer().as_str(), auth)
    };
    let row = |issuer: &TestIssuer| {
        let row = Target::origin(&leaf.origin()).expect("valid").audience("leaf").token_exchange();
        row.subjects_of(issuer.issuer().as_str())
    };
    let all = [row(login), row(partner).server("partner")];
    let listed = all.into_iter().zip(which).filter(|(_, is_listed)| *is_listed).map(|(row, _)| row);
    let builder = Outbound::builder(server(login)).server("partner", server(partner)).plaintext(Plaintext::Loopback);
    listed.fold(builder, OutboundBuilder::target)
}

#[tokio::test]
async fn out_t1_each_authorization_server_sees_only_its_own_users() {
    let mesh = Mesh::start().await;
    for _ in 0..2 {
        for issuer in [&mesh.login, &mesh.partner] {
            let (status, seen) = mesh.ask(issuer, "alice").await;
            assert_eq!(status, 200, "{seen}");
            let whom = (&seen["user"]["id"], &seen["user"]["issuer"], &seen["audience"]);
            assert_eq!(whom, (&"alice".into(), &issuer.issuer().as_str().into(), &"leaf".into()));
        }
    }
    for issuer in [&mesh.login, &mesh.partner] {
        let calls = issuer.token_calls();
        assert_eq!(calls.len(), 2, "one for each token of the user");
        for call in calls {
            let subject = call.field("subject_token").expect("an exchange").split('.').nth(1).expect("claims");
            let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(subject).expect("base64url");
            let claims: Value = serde_json::from_slice(&claims).expect("json");
            assert_eq!(claims["iss"], issuer.issuer().as_str());
        }
    }
}

#[tokio::test]
async fn out_t1_with_a_row_missing_nothing_is_sent() {
    let mesh = Mesh::start().await;
    for (which, served, refused) in
        [([true, false], &mesh.login, &mesh.partner), ([false, true], &mesh.partner, &mesh.login)]
    {
        mesh.lists(which);
        let before = mesh.asked();
        let (status, problem) = mesh.ask(refused, "bob").await;
        assert_eq!((status.as_u16(), mesh.asked()), (500, before), "{problem}");
        // The control: the users of the other.
        let (status, seen) = mesh.ask(served, "bob").await;
        assert_eq!((status.as_u16(), &seen["user"]["issuer"]), (200, &served.issuer().as_str().into()));
    }
    mesh.lists([true, true]);
    for issuer in [&mesh.login, &mesh.partner] {
        assert_eq!(mesh.ask(issuer, "bob").await.0, 200);
    }
}
