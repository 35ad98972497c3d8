//! Every route of the demo, and what becomes of every kind of caller there. That none is left out is for `routes` to show.

use std::fmt::Write;

use demo_api::payments::{ChargeRequest, StatementRequest, payments_client::PaymentsClient};
use demo_mesh::{Mesh, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tonic::{Code, Request, metadata::AsciiMetadataKey, transport::Endpoint};
use tower_identity::SigningKey;
use tower_identity_jose::{MediaType, random_id};

use crate::support::{FREE, shipped, text_of};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where events are judged by who has signed them, and by nothing else that a request has.
const EVENTS: &str = "/security-events";

/// The routes over HTTP, each with a body that is good for it.
fn routes() -> Vec<(Part, Method, &'static str, Value)> {
    let basket = json!({ "lines": [{ "sku": "tea", "quantity": 1 }] });
    vec![
        (Part::Authority, Method::GET, "/.well-known/oauth-authorization-server", Value::Null),
        (Part::Authority, Method::GET, "/.well-known/openid-configuration", Value::Null),
        (Part::Authority, Method::GET, "/jwks", Value::Null),
        (Part::Authority, Method::POST, "/token", Value::Null),
        (Part::Authority, Method::POST, "/introspect", Value::Null),
        (Part::Authority, Method::POST, "/dev/sign-in", json!({ "user": "alice" })),
        (Part::Authority, Method::POST, "/dev/sign-out", Value::Null),
        (Part::Authority, Method::POST, "/dev/revoke", json!({ "user": "carol" })),
        (Part::Authority, Method::POST, "/dev/slow", json!({ "milliseconds": 0 })),
        (Part::Storefront, Method::GET, "/products", Value::Null),
        (Part::Storefront, Method::POST, "/orders", basket.clone()),
        (Part::Storefront, Method::GET, "/orders", Value::Null),
        (Part::Storefront, Method::GET, "/orders/events", Value::Null),
        (Part::Storefront, Method::GET, "/statement", Value::Null),
        (Part::Storefront, Method::GET, "/trace", Value::Null),
        (Part::Storefront, Method::GET, "/whoami", Value::Null),
        (Part::Storefront, Method::POST, EVENTS, Value::Null),
        (Part::Orders, Method::GET, "/prices", Value::Null),
        (Part::Orders, Method::POST, "/orders", basket),
        (Part::Orders, Method::GET, "/orders", Value::Null),
        (Part::Orders, Method::GET, "/statement", Value::Null),
        (Part::Orders, Method::GET, "/trace", Value::Null),
        (Part::Orders, Method::GET, "/whoami", Value::Null),
        (Part::Orders, Method::POST, "/settlements/run", Value::Null),
        (Part::Orders, Method::POST, EVENTS, Value::Null),
        (Part::Payments, Method::POST, "/charges", json!({ "order": "order-1", "cents": 1 })),
        (Part::Payments, Method::POST, "/settlements", Value::Null),
        (Part::Payments, Method::GET, "/whoami", Value::Null),
        (Part::Payments, Method::POST, EVENTS, Value::Null),
        (Part::Partner, Method::GET, "/.well-known/oauth-authorization-server", Value::Null),
        (Part::Partner, Method::GET, "/.well-known/openid-configuration", Value::Null),
        (Part::Partner, Method::GET, "/jwks", Value::Null),
        (Part::Partner, Method::POST, "/token", Value::Null),
        (Part::Partner, Method::POST, "/introspect", Value::Null),
        (Part::Partner, Method::POST, "/dev/sign-in", json!({ "user": "paul" })),
        (Part::Partner, Method::POST, "/dev/revoke", json!({ "user": "customer-2" })),
        (Part::Partner, Method::POST, "/dev/slow", json!({ "milliseconds": 0 })),
        (Part::Partner, Method::POST, "/checks", json!({ "cents": 1 })),
        (Part::Partner, Method::GET, "/whoami", Value::Null),
    ]
}

/// Gets tokens at the authority, as whichever client.
struct Tokens {
    http: Client,
    authority: String,
}

impl Tokens {
    async fn sign_in(&self, user: &str) -> String {
        self.sign_in_at(&self.authority, user).await
    }

    async fn sign_in_at(&self, authority: &str, user: &str) -> String {
        let request = self.http.post(format!("{authority}/dev/sign-in"));
        token_of(request.json(&json!({ "user": user }))).await
    }

    async fn storefront(&self, form: &[(&str, &str)]) -> String {
        let secret = "storefront%3A+demo+only%2C+100%25+public";
        token_of(self.http.post(format!("{}/token", self.authority)).basic_auth("storefront", Some(secret)).form(form))
            .await
    }

    /// A token of the partner's, for a grant of the authority's about whom this token is about.
    async fn chained(&self, at_orders: &str, partner: &str) -> String {
        let subject = [("subject_token", at_orders), ("subject_token_type", ACCESS_TOKEN)];
        let asked = [("grant_type", TOKEN_EXCHANGE), ("requested_token_type", JWT), ("audience", partner)];
        let grant = self.orders(&[&asked[..], &subject].concat()).await;
        let form = [("grant_type", JWT_GRANT), ("assertion", &grant)];
        let secret = "shop%2C+at+the+partner%3A+demo+only";
        token_of(self.http.post(format!("{partner}/token")).basic_auth("shop", Some(secret)).form(&form)).await
    }

    /// A token for orders, for a grant of the partner's authority's about its user.
    async fn guest(&self, first: &str, partner: &str) -> String {
        let subject = [("subject_token", first), ("subject_token_type", ACCESS_TOKEN)];
        let asked = [("grant_type", TOKEN_EXCHANGE), ("requested_token_type", JWT), ("audience", &self.authority)];
        let secret = "shop-front%2C+at+the+partner%3A+demo+only";
        let request = self.http.post(format!("{partner}/token")).basic_auth("shop-front", Some(secret));
        let grant = token_of(request.form(&[&asked[..], &subject].concat())).await;
        self.storefront(&[("grant_type", JWT_GRANT), ("assertion", &grant)]).await
    }

    async fn orders(&self, form: &[(&str, &str)]) -> String {
        let key = SigningKey::from_pem(&text_of("keys/orders.pem")).expect("a key");
        let now = tower_identity::system_clock().wall().as_secs();
        let claims = json!({
            "iss": "orders", "sub": "orders", "aud": self.authority, "jti": random_id(), "exp": now + 60,
        });
        let assertion = key.sign(&MediaType::CLIENT_AUTHENTICATION, &claims).expect("signed");
        let own = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.expose())];
        token_of(self.http.post(format!("{}/token", self.authority)).form(&[&own[..], form].concat())).await
    }
}

async fn token_of(request: RequestBuilder) -> String {
    let answer: Value = request.send().await.expect("answered").json().await.expect("JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn exchange<'a>(subject: &'a str, audience: &'a str, scope: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", audience),
        ("scope", scope),
    ]
}

/// What becomes of a call of this method.
async fn over_grpc(payments: &str, method: &str, presented: &[(&str, String)]) -> Code {
    fn bearing<T>(presented: &[(&str, String)], message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in presented {
            let name = AsciiMetadataKey::from_bytes(name.as_bytes()).expect("a name");
            request.metadata_mut().insert(name, value.parse().expect("visible ASCII"));
        }
        request
    }
    let endpoint = Endpoint::from_shared(payments.to_owned()).expect("an origin");
    let mut client = PaymentsClient::new(endpoint.connect().await.expect("it listens"));
    let charge = ChargeRequest { order: "order-1".to_owned(), cents: 1 };
    match method {
        "Charge" => client.charge(bearing(presented, charge)).await.map(|_| ()),
        _ => client.statement(bearing(presented, StatementRequest {})).await.map(|_| ()),
    }
    .map_or_else(|status| status.code(), |()| Code::Ok)
}

#[tokio::test]
async fn every_route_and_every_kind_of_caller() {
    let mesh = Mesh::start(&shipped(), FREE, "--port-base").await.expect("started");
    let origin = |part| mesh.origin(part).expect("it runs");
    let http = Client::builder().no_proxy().build().expect("a client");
    let tokens = Tokens { http: http.clone(), authority: origin(Part::Authority) };

    let alice = tokens.sign_in("alice").await;
    let at_orders = tokens.storefront(&exchange(&alice, "orders", "prices:read orders:read orders:write")).await;
    let looking_only = tokens.storefront(&exchange(&alice, "orders", "prices:read")).await;
    let skipping = tokens.storefront(&exchange(&alice, "payments", "payments:charge")).await;
    let at_payments = tokens.orders(&exchange(&at_orders, "payments", "payments:charge")).await;
    let reading = tokens.orders(&exchange(&at_orders, "payments", "payments:read")).await;
    let own = [("grant_type", "client_credentials"), ("audience", "payments"), ("scope", "payments:settle")];
    let orders_itself = tokens.orders(&own).await;
    let paul = tokens.sign_in_at(&origin(Part::Partner), "paul").await;
    let guest = tokens.guest(&paul, &origin(Part::Partner)).await;
    let at_partner = tokens.chained(&at_orders, &origin(Part::Partner)).await;

    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let beside = |token: &str| ("x-user-token", token.to_owned());
    let cookie = || ("cookie", format!("session={alice}"));
    let by_page = |of: &str, site: &str| vec![cookie(), ("origin", of.to_owned()), ("sec-fetch-site", site.to_owned())];
    let callers = [
        ("nobody", vec![]),
        ("alice", vec![bearer(&alice)]),
        ("storefront for alice", vec![bearer(&at_orders)]),
        ("storefront for alice, prices:read only", vec![bearer(&looking_only)]),
        ("storefront for alice, at payments", vec![bearer(&skipping)]),
        ("orders for alice", vec![bearer(&at_payments)]),
        ("orders for alice, payments:read only", vec![bearer(&reading)]),
        ("orders", vec![bearer(&orders_itself)]),
        ("a page of the shop, with alice's cookie", by_page(&origin(Part::Storefront), "same-origin")),
        ("a page of another site, with alice's cookie", by_page("https://page.example", "cross-site")),
        ("orders, and its token for alice beside its own", vec![bearer(&orders_itself), beside(&at_payments)]),
        ("orders, and the storefront's beside its own", vec![bearer(&orders_itself), beside(&skipping)]),
        ("the shop for customer-1, at the partner", vec![bearer(&at_partner)]),
        ("paul of the partner's", vec![bearer(&paul)]),
        ("storefront for guest-paul, who is paul of the partner's", vec![bearer(&guest)]),
    ];
    let mut matrix = String::new();
    for (at, (caller, _)) in callers.iter().enumerate() {
        writeln!(matrix, "{at:2} {caller}").expect("a string");
    }
    let columns: String = (0..callers.len()).map(|at| format!("{at:<4}")).collect();
    writeln!(matrix, "\n{:56}{}", "", columns.trim_end()).expect("a string");
    for (part, method, path, body) in routes() {
        write!(matrix, "{:56}", format!("{:10} {method} {path}", part.name())).expect("a string");
        for (_, presented) in &callers {
            let mut request = http.request(method.clone(), format!("{}{path}", origin(part)));
            for (name, value) in presented {
                request = request.header(*name, value);
            }
            if path == EVENTS {
                // An access token of the issuer's is no event of its.
                request = request.header("content-type", "application/secevent+jwt").body(at_orders.clone());
            } else if !body.is_null() {
                request = request.json(&body);
            }
            let status = request.send().await.expect("answered").status();
            write!(matrix, "{} ", status.as_u16()).expect("a string");
        }
        matrix.truncate(matrix.trim_end().len());
        matrix.push('\n');
    }
    for method in ["Charge", "Statement"] {
        write!(matrix, "{:56}", format!("payments   gRPC {method}")).expect("a string");
        for (_, presented) in &callers {
            let code = over_grpc(&origin(Part::Payments), method, presented).await;
            write!(matrix, "{:<4}", code as i32).expect("a string");
        }
        matrix.truncate(matrix.trim_end().len());
        matrix.push('\n');
    }
    mesh.stop().await.expect("stopped");
    assert!(matrix == include_str!("who_may.txt"), "{matrix}");
}
