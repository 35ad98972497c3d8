//! The list of targets is replaced while it is used: whole or not at all, and what has not changed goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tower_identity_core::{CallerContext, SecretToken};
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{Candidate, HttpClient, OutboundBuilder};

use crate::support::{Authority, Callee, World, client, echoed, refused};

/// The token that is sent for this caller.
async fn sent(http: &HttpClient, callee: &Callee, caller: &CallerContext) -> String {
    echoed(http.get(callee.url("/")).on_behalf_of(caller).send().await).await
}

#[tokio::test]
async fn chg_a1_another_list_counts_from_the_next_request_on_and_unchanged_rows_keep_their_tokens() {
    let (world, ledger) = (World::new().await, Callee::start().await);
    let row = |callee: &Callee| callee.target().token_exchange();
    let outbound = world.builder().target(row(&world.payments)).build().expect("outbound");
    let (http, alice) = (client(&outbound), world.caller("alice"));
    assert_eq!(sent(&http, &world.payments, &alice).await, "Bearer token-0");
    assert_eq!(refused(http.get(ledger.url("/")).on_behalf_of(&alice).send().await).0, "target");

    // One comes before it, and what it asks for is as it was, however else it is described.
    let kept = row(&world.payments).deadline(Duration::from_secs(1));
    assert_eq!(outbound.replace(world.builder().target(row(&ledger)).target(kept)), Ok(2));
    assert_eq!(sent(&http, &world.payments, &alice).await, "Bearer token-0");
    // The same terms, so the same token: a token is of what was asked for, and not of a row.
    assert_eq!(sent(&http, &ledger, &alice).await, "Bearer token-0");

    // What is asked for is another.
    let wider = row(&world.payments).scope("payments:refund");
    assert_eq!(outbound.replace(world.builder().target(wider)), Ok(3));
    assert_eq!(sent(&http, &world.payments, &alice).await, "Bearer token-1");
    assert_eq!(world.authority.calls()[1]["scope"], "payments:charge payments:refund");
    assert_eq!(refused(http.get(ledger.url("/")).on_behalf_of(&alice).send().await).0, "target");
    assert_eq!((outbound.generation(), world.authority.calls().len()), (3, 2));
}

#[tokio::test]
async fn chg_a1_a_list_that_breaks_a_rule_changes_nothing() {
    let (world, ledger) = (World::new().await, Callee::start().await);
    let row = |callee: &Callee| callee.target().token_exchange();
    let outbound = world.builder().target(row(&world.payments)).build().expect("outbound");
    let (http, alice) = (client(&outbound), world.caller("alice"));
    assert_eq!(sent(&http, &world.payments, &alice).await, "Bearer token-0");

    let nobody = TokenEndpoint::discover("ftp://nobody", ClientAuth::client_secret_basic("a", "b").expect("client"));
    let bad: [(OutboundBuilder, &str); 4] = [
        (world.builder().target(row(&ledger)).target(row(&ledger)), "target[1].origin: "),
        (world.builder().target(row(&ledger)).target(row(&ledger).server("x")), "target[1].server: "),
        (world.builder().target(row(&ledger)).server("partner", nobody), "server.partner.issuer: "),
        (world.builder().target(row(&ledger)).cache_capacity(0), "cache_capacity: "),
    ];
    for (bad, field) in bad {
        let wrong = outbound.replace(bad).expect_err(field).to_string();
        assert!(wrong.starts_with(field), "{wrong}");
        assert_eq!(outbound.generation(), 1);
        assert_eq!(sent(&http, &world.payments, &alice).await, "Bearer token-0");
        assert_eq!(refused(http.get(ledger.url("/")).on_behalf_of(&alice).send().await).0, "target");
    }

    // In order, and not yet in its place.
    let next = outbound.check(world.builder().target(row(&ledger))).expect("in order");
    assert_eq!(outbound.generation(), 1);
    assert_eq!(refused(http.get(ledger.url("/")).on_behalf_of(&alice).send().await).0, "target");
    assert_eq!(next.take_effect(), 2);
    assert_eq!(sent(&http, &ledger, &alice).await, "Bearer token-0");
}

/// What is in its place counts, not what was there when it was checked.
#[tokio::test]
async fn chg_a1_of_two_lists_that_were_checked_at_one_time_each_has_a_number_of_its_own() {
    let world = World::new().await;
    let row = || world.payments.target().token_exchange();
    let outbound = world.builder().target(row()).build().expect("outbound");
    let [first, second] =
        ["a", "b"].map(|scope| outbound.check(world.builder().target(row().scope(scope))).expect("in order"));
    assert_eq!((second.take_effect(), first.take_effect(), outbound.generation()), (2, 3, 3));
    sent(&client(&outbound), &world.payments, &world.caller("alice")).await;
    assert_eq!(world.authority.calls()[0]["scope"], "a payments:charge", "the last one's");
}

#[tokio::test]
async fn chg_a1_a_row_whose_candidates_server_is_another_is_another() {
    let (world, partner) = (World::new().await, Authority::start().await);
    let builder = |client: &str| {
        let target = world.payments.target().client_credentials();
        let target = target.candidate(Candidate::percent(100).server("partner"));
        world.builder().server("partner", partner.endpoint(client)).target(target)
    };
    let outbound = builder("orders").build().expect("outbound");
    let http = client(&outbound);
    // Twice the same, and then the control: we are another client there.
    for (client, token) in [("orders", "Bearer token-0"), ("orders", "Bearer token-0"), ("stock", "Bearer token-1")] {
        outbound.replace(builder(client)).expect("in order");
        assert_eq!(echoed(http.get(world.payments.url("/")).send().await).await, token, "{client}");
    }
    let clients: Vec<_> = partner.calls().iter().map(|call| call["client_id"].clone()).collect();
    assert_eq!((clients, world.authority.calls().len()), (vec!["orders".to_owned(), "stock".to_owned()], 0));
}

#[tokio::test]
async fn chg_a1_a_row_that_says_what_it_said_keeps_its_actor_token() {
    let world = World::new().await;
    let row = || world.payments.target().token_exchange().actor_token();
    let outbound = world.builder().target(row()).build().expect("outbound");
    let http = client(&outbound);
    let calls_for = async |user: &str| {
        let before = world.authority.calls().len();
        sent(&http, &world.payments, &world.caller(user)).await;
        world.authority.calls().len() - before
    };
    assert_eq!(calls_for("alice").await, 2, "the actor's token, and the exchange");
    assert_eq!(calls_for("bob").await, 1);
    outbound.replace(world.builder().target(row())).expect("in order");
    assert_eq!(calls_for("carol").await, 1);
    // The control: another row has an actor token of its own.
    outbound.replace(world.builder().target(row().scope("payments:refund"))).expect("in order");
    assert_eq!(calls_for("dave").await, 2);
}

/// An authorization server that is found by its metadata, which it counts.
async fn discovered(world: &World) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let issuer = format!("http://{}", listener.local_addr().expect("address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let metadata = format!(r#"{{"issuer":"{issuer}","token_endpoint":"{}/token"}}"#, world.authority.issuer());
    let count = Arc::clone(&asked);
    let answer = move || {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(([("content-type", "application/json")], metadata))
    };
    let app = Router::new().route("/.well-known/oauth-authorization-server", get(answer));
    tokio::spawn(async { axum::serve(listener, app).await });
    (issuer, asked)
}

#[tokio::test]
async fn chg_a1_a_server_that_is_described_as_it_was_is_not_looked_for_again() {
    let world = World::new().await;
    let (issuer, asked) = discovered(&world).await;
    let builder = |client: &str, scope: &str| {
        let auth = ClientAuth::client_secret_post(client, SecretToken::new("s3cret-of-ours")).expect("client");
        let row = world.payments.target().scope(scope).client_credentials();
        world.builder_at(TokenEndpoint::discover(issuer.as_str(), auth)).target(row)
    };
    let outbound = builder("orders", "a").build().expect("outbound");
    let http = client(&outbound);
    let send = async || echoed(http.get(world.payments.url("/")).send().await).await;
    assert_eq!((send().await.as_str(), asked.load(Ordering::SeqCst)), ("Bearer token-0", 1));
    outbound.replace(builder("orders", "b")).expect("in order");
    assert_eq!((send().await.as_str(), asked.load(Ordering::SeqCst)), ("Bearer token-1", 1));
    // The control: we are another client there.
    outbound.replace(builder("stock", "b")).expect("in order");
    assert_eq!((send().await.as_str(), asked.load(Ordering::SeqCst)), ("Bearer token-2", 2));
    let clients: Vec<_> = world.authority.calls().iter().map(|call| call["client_id"].clone()).collect();
    assert_eq!(clients, ["orders", "orders", "stock"]);
}

#[tokio::test]
async fn chg_a1_a_token_that_is_remembered_of_a_subject_that_is_no_longer_taken_is_not_sent() {
    const PARTNER: &str = "https://partner.example";
    let world = World::new().await;
    let stranger = world.of_issuer(PARTNER, Some("alice"), "token-of-partner", 3600);
    let row = || world.payments.target().token_exchange();
    let list = |accepts: &[&str]| {
        let endpoint = world.authority.endpoint("orders");
        let endpoint = accepts.iter().fold(endpoint, |endpoint, issuer| endpoint.accepts_issuer(*issuer));
        world.builder_at(endpoint).target(row())
    };
    let outbound = list(&[PARTNER]).build().expect("outbound");
    let http = client(&outbound);
    for _ in 0..3 {
        assert_eq!(sent(&http, &world.payments, &stranger).await, "Bearer token-0");
    }
    // The rows are others, and so equal that the token is of both.
    outbound.replace(list(&[PARTNER, "https://other.example"])).expect("in order");
    for _ in 0..3 {
        assert_eq!(sent(&http, &world.payments, &stranger).await, "Bearer token-0");
    }
    let got = world.payments.got().len();
    outbound.replace(list(&[])).expect("in order");
    for _ in 0..3 {
        let (check, _) = refused(http.get(world.payments.url("/")).on_behalf_of(&stranger).send().await);
        assert_eq!(check, "subject_issuer");
    }
    assert_eq!((world.authority.calls().len(), world.payments.got().len()), (1, got));
}
