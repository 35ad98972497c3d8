//! Our client of token endpoints, at the servers of others, over a line that fails: what passes is asked again, and what
//! the servers refuse is what we take it for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower_identity::{ClientAuth, Scopes, SecretToken, TokenEndpoint};
use tower_identity_oauth::{
    ActorToken, ClientCredentials, ConfigurationProblem, Grant, Http, IssuedToken, TargetService, TokenError,
    TokenErrorKind, TokenExchange, TokenType,
};
use tower_identity_testkit::ManualClock;

use super::{
    authgent::{Authgent, OURS},
    oauth_as::{ORDERS, OauthAs, SECRET},
    oidc_provider::OidcProvider,
};

/// What becomes of one connection.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It is closed, and nothing was answered.
    Closed,
    /// The answer is 503, and to come back in a second.
    Busy,
}

const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A way to a server: the first connections fail, the others go through.
pub(super) struct Way {
    url: String,
    left: Arc<Mutex<VecDeque<Fault>>>,
    task: JoinHandle<()>,
}

impl Way {
    pub(super) async fn to(issuer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/token", listener.local_addr().expect("bound"));
        let (left, to) = (Arc::<Mutex<VecDeque<Fault>>>::default(), issuer.trim_start_matches("http://").to_owned());
        let faults = Arc::clone(&left);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let fault = faults.lock().expect("unpoisoned").pop_front();
                tokio::spawn(carry(connection, fault, to.clone()));
            }
        });
        Self { url, left, task }
    }

    fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.left.lock().expect("unpoisoned").extend(faults);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut connection: TcpStream, fault: Option<Fault>, to: String) {
    let mut request = [0; 4096];
    match fault {
        Some(Fault::Closed) => {
            assert_ne!(connection.read(&mut request).await.expect("a request"), 0);
        }
        Some(Fault::Busy) => {
            assert_ne!(connection.read(&mut request).await.expect("a request"), 0);
            connection.write_all(BUSY).await.ok();
        }
        None => {
            let mut server = TcpStream::connect(to).await.expect("it is up");
            copy_bidirectional(&mut connection, &mut server).await.ok();
        }
    }
}

/// Asks over this way, while the pauses between attempts pass.
async fn ask(way: &Way, issuer: &str, auth: ClientAuth, grant: Grant) -> Result<IssuedToken, TokenError> {
    let clock = ManualClock::new();
    let http = Http::new(clock.clock()).expect("TLS can be set up");
    let client = TokenEndpoint::at(issuer, &way.url, auth).connect(&http).expect("valid");
    let asking = tokio::spawn(async move { client.request(&grant).await });
    while !asking.is_finished() {
        if let Some(pause) = clock.next_wake().filter(|wake| *wake < Duration::from_secs(2)) {
            clock.advance(pause);
        }
        tokio::task::yield_now().await;
    }
    asking.await.expect("no panic")
}

pub(super) fn post(id: &str, secret: &str) -> ClientAuth {
    ClientAuth::client_secret_post(id, secret).expect("usable")
}

fn for_orders(resource: &str) -> TargetService {
    TargetService {
        resource: Some(resource.parse().expect("a resource")),
        scopes: Scopes::parse("orders:read").expect("scopes"),
        ..TargetService::default()
    }
}

/// Sees that the token comes, for what was asked, although two attempts fail.
async fn comes(way: &Way, issuer: &str, auth: &ClientAuth, grant: Grant) -> IssuedToken {
    way.fails([Fault::Closed, Fault::Busy]);
    let issued = ask(way, issuer, auth.clone(), grant).await.unwrap_or_else(|error| panic!("{issuer}: {error}"));
    assert_eq!(issued.scopes().to_string(), "orders:read", "{issuer}");
    assert!(issued.expires_in().is_some_and(|life| life > Duration::from_secs(30)), "{issuer}");
    assert!(way.left.lock().expect("unpoisoned").is_empty(), "{issuer}: both were met");
    issued
}

/// What the server says, which is asked once: no fault is on the way.
pub(super) async fn refused(way: &Way, issuer: &str, auth: ClientAuth, grant: Grant) -> TokenErrorKind {
    ask(way, issuer, auth, grant).await.expect_err("refused").kind().clone()
}

pub(super) fn code(kind: &TokenErrorKind) -> (&'static str, &str) {
    match kind {
        TokenErrorKind::Rejected { code } => ("rejected", code.as_str()),
        TokenErrorKind::OurConfiguration { problem: ConfigurationProblem::Code(code) } => ("ours", code.as_str()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn out_b20_tokens_of_oauth_as_come_through_faults_and_what_it_refuses_stands() {
    let server = OauthAs::start(Duration::ZERO).await;
    let way = Way::to(&server.issuer).await;
    let orders = post("orders", SECRET);
    let own = comes(&way, &server.issuer, &orders, ClientCredentials::new(for_orders(ORDERS)).into()).await;

    let of_alice = SecretToken::new(server.signed_in().await);
    let actor = ActorToken::new(own.access_token().clone(), TokenType::AccessToken).expect("a token");
    let exchange = |subject: SecretToken| TokenExchange::new(subject, for_orders(ORDERS)).expect("exchangeable");
    comes(&way, &server.issuer, &orders, exchange(of_alice).actor(actor).into()).await;

    let dead = refused(&way, &server.issuer, orders, exchange(SecretToken::new("dead")).into()).await;
    assert_eq!(code(&dead), ("rejected", "invalid_request"));
    let stranger = post("orders", "another secret than that of orders");
    let grant = ClientCredentials::new(for_orders(ORDERS)).into();
    assert_eq!(code(&refused(&way, &server.issuer, stranger, grant).await), ("ours", "invalid_client"));
}

#[tokio::test]
async fn out_b20_tokens_of_oidc_provider_come_through_faults_and_what_it_refuses_stands() {
    let Some(server) = OidcProvider::start().await else { return };
    let way = Way::to(&server.issuer).await;
    let gateway = post("gateway", "the secret of the gateway");
    let own = |resource| ClientCredentials::new(for_orders(resource)).into();
    comes(&way, &server.issuer, &gateway, own("https://es256.orders.test")).await;

    let stranger = post("gateway", "the secret of somebody else");
    let refusal = refused(&way, &server.issuer, stranger, own("https://es256.orders.test")).await;
    assert_eq!(code(&refusal), ("ours", "invalid_client"));
    let nobody = post("orders", "the secret of orders");
    let refusal = refused(&way, &server.issuer, nobody, own("https://es256.orders.test")).await;
    assert_eq!(refusal.as_str(), "our_configuration", "a client that may not: {refusal}");
}

#[tokio::test]
async fn out_b20_tokens_of_authgent_come_through_faults_with_their_nulls_and_what_it_refuses_stands() {
    let Some(provider) = OidcProvider::start().await else { return };
    let Some(server) = Authgent::start(&[&provider.issuer]).await else { return };
    let way = Way::to(&server.issuer).await;
    let agent = post(&server.agent, &server.secret);
    comes(&way, &server.issuer, &agent, ClientCredentials::new(for_orders(OURS)).into()).await;

    let (_, id_token) = provider.tokens_of("alice", "https://es256.orders.test").await;
    let exchange = |subject: SecretToken, scope: &str| {
        let target = TargetService {
            audience: Some(OURS.parse().expect("an audience")),
            scopes: Scopes::parse(scope).expect("scopes"),
            ..TargetService::default()
        };
        let exchange = TokenExchange::new(subject, target).expect("exchangeable");
        Grant::from(exchange.subject_token_type(TokenType::IdToken))
    };
    let id_token = SecretToken::new(id_token);
    comes(&way, &server.issuer, &agent, exchange(id_token.clone(), "orders:read")).await;

    let wider = refused(&way, &server.issuer, agent, exchange(id_token, "orders:read orders:write")).await;
    assert_eq!(wider.as_str(), "rejected", "{wider}");
    let elsewhere = TokenEndpoint::at(&server.issuer, format!("{}/nowhere", way.url), post("a", "b"));
    let client = elsewhere.connect(&Http::new(ManualClock::new().clock()).expect("TLS can be set up")).expect("valid");
    let grant = ClientCredentials::new(for_orders(OURS)).into();
    let missing = client.request(&grant).await.expect_err("there is none").kind().clone();
    let problem = ConfigurationProblem::Status(StatusCode::NOT_FOUND);
    assert_eq!(missing, TokenErrorKind::OurConfiguration { problem });
}
