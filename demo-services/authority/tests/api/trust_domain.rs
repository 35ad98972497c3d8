//! A trust domain from end to end: a transaction begins at one service, and goes on from there, byte for byte, to whoever is next.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::HeaderMap};
use serde_json::json;
use tokio::net::TcpListener;
use tower_identity::{
    Binding, CallerContext, ClientAuth, HttpClient, Outbound, Plaintext, Scopes, Target, TokenEndpoint, Transaction,
    TransactionToken, TransactionTokens, TrustedIssuer, Verifier,
};

use crate::{
    support::{ORDERS_SECRET, Running},
    transaction::start,
};

/// A service that remembers the fields that it got.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Vec<HeaderMap>>>);

impl Service {
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let app = Router::new().fallback(keep).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        url
    }

    /// Of the last request, these two fields.
    fn got(&self) -> [Option<String>; 2] {
        let all = self.0.lock().expect("unpoisoned");
        let last = all.last().expect("it got one");
        ["authorization", "txn-token"]
            .map(|field| last.get(field).map(|value| value.to_str().expect("ascii").to_owned()))
    }
}

async fn keep(State(service): State<Service>, headers: HeaderMap) {
    service.0.lock().expect("unpoisoned").push(headers);
}

/// The client of a service, whose one target is at this address.
fn client(at: &Running, id: &str, secret: &str, row: Target) -> HttpClient {
    let auth = ClientAuth::client_secret_basic(id, secret).expect("usable");
    let server = TokenEndpoint::at(&at.issuer, format!("{}/token", at.issuer), auth);
    let outbound = Outbound::builder(server).clock(at.clock.clock()).plaintext(Plaintext::Loopback).target(row);
    outbound.build().expect("an outbound").reqwest(reqwest::Client::builder()).expect("a client")
}

fn verifier(at: &Running, audience: &str) -> Verifier {
    let home = TrustedIssuer::discover(&at.issuer).audience(audience);
    let shop = TransactionTokens::of("shop.internal", format!("{}/jwks", at.issuer)).workloads_of(&at.issuer);
    Verifier::builder(home)
        .transaction_tokens(shop.issued_by(&at.issuer))
        .clock(at.clock.clock())
        .build()
        .expect("usable")
}

#[tokio::test]
async fn tx_b4_a_transaction_begins_at_one_service_and_goes_on_from_the_next() {
    let at = &start().await;
    let orders = verifier(at, "orders");
    let caller = orders.bearer(&at.orders_token(json!({"acr": "gold"}))).await.expect("alice, from the storefront");

    let payments = Service::default();
    let url = payments.listen().await;
    let begins = TransactionToken::of("shop.internal").scope(Scopes::parse("payments:charge").expect("scopes"));
    let row = Target::origin(&url).expect("origin").audience("payments").scope("payments:read").strategy(begins);
    let about = Transaction::new().details(json!({"order": "8a77", "note": "gift"})).expect("an object");
    let http = client(at, "orders", ORDERS_SECRET, row);
    http.post(&url).on_behalf_of(&caller).transaction(&about).send().await.expect("sent");

    let [own, token] = payments.got().map(|field| field.expect("both go"));
    let settings = verifier(at, "payments").current();
    let own = own.strip_prefix("Bearer ").expect("a bearer token");
    let caller: CallerContext = settings.transaction(settings.bearer(own), Some(&token)).await.expect("a pair");
    let principal = caller.principal();
    assert_eq!(principal.binding(), Binding::Transaction);
    assert_eq!((principal.workload().id.as_str(), principal.workload().issuer.as_str()), ("orders", &*at.issuer));
    let user = principal.user().expect("alice");
    assert_eq!((user.id.as_str(), user.issuer.as_str()), ("alice", "shop.internal"));
    assert_eq!(
        (principal.scopes().to_string().as_str(), principal.authentication().acr.as_deref()),
        ("payments:charge", Some("gold"))
    );
    let claims = caller.token().claims::<serde_json::Value>().expect("claims");
    assert_eq!(claims["tctx"], json!({"order": "8a77"}));

    // And on, from payments to whoever is next.
    let ledger = Service::default();
    let url = ledger.listen().await;
    let goes_on = TransactionToken::of("shop.internal").without_own_token();
    let row =
        Target::origin(&url).expect("origin").audience("ledger").plaintext(Plaintext::SidecarMtls).strategy(goes_on);
    let http = client(at, "payments", "payments-secret-of-the-test", row);
    http.post(&url).on_behalf_of(&caller).send().await.expect("sent");
    assert_eq!(ledger.got(), [None, Some(token)]);
}
