//! Two credentials: this service's own, and its user's in a field of its own. Both, or nothing.

use tower_identity_core::CallerContext;
use tower_identity_outbound::{HttpClient, Relay, SendError, Target};

use crate::support::{Answer, EXCHANGE, Got, World, client, issued, refused};

/// No field that is taken away from every request.
const FIELD: &str = "x-customer-token";

async fn world(row: impl FnOnce(Target) -> Target) -> (World, HttpClient) {
    let world = World::new().await;
    let row = row(world.payments.target().user_token_in(FIELD));
    let http = client(&world.builder().target(row).build().expect("outbound"));
    (world, http)
}

async fn send(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<reqwest::Response, SendError> {
    http.get(world.payments.url("/")).on_behalf_of(caller).send().await
}

fn field(got: &Got) -> Vec<&str> {
    got.headers.get_all(FIELD).iter().map(|value| value.to_str().expect("ascii")).collect()
}

/// The grants of what the target got last: of `Authorization` and of the user's field.
fn grants(world: &World) -> (String, Option<String>) {
    let got = world.payments.got().pop().expect("it got one");
    let grant = |value: &str| world.authority.call_of(value)["grant_type"].clone();
    (grant(got.authorization()[0]), field(&got).first().map(|value| grant(value)))
}

#[tokio::test]
async fn out_b34_a_target_gets_the_services_token_and_the_users() {
    let (world, http) = world(Target::token_exchange).await;
    for user in ["alice", "bob", "alice"] {
        send(&world, &http, &world.caller(user)).await.expect("sent");
        let got = world.payments.got().pop().expect("it got one");
        let (own, users) = (got.authorization(), field(&got));
        assert_eq!((own.len(), users.len()), (1, 1));
        assert_eq!(world.authority.call_of(own[0])["grant_type"], "client_credentials");
        assert_eq!(world.authority.call_of(users[0])["subject_token"], format!("token-of-{user}"));
    }
    assert_eq!(world.authority.calls().len(), 3, "one for this service, and one for each user");
    assert!(world.authority.calls().iter().all(|call| call["audience"] == "payments"));
}

#[tokio::test]
async fn out_b34_without_one_of_them_nothing_is_sent() {
    // The row's own at a server that answers, and the user's as the caller has it.
    let row = |row: Target| row.strategy(Relay::new());
    let for_target = |world: &World| world.holding("alice", &["payments"], &serde_json::json!({}));
    let (world, http) = self::world(row).await;
    send(&world, &http, &for_target(&world)).await.expect("sent");

    let (world, http) = self::world(row).await;
    world.authority.answers(Answer::error(500, "server_error"));
    assert_eq!(refused(send(&world, &http, &for_target(&world)).await).0, "token_request", "no token of its own");
    assert_eq!(world.payments.got().len(), 0);

    let (world, http) = self::world(row).await;
    assert_eq!(refused(send(&world, &http, &world.caller("alice")).await).0, "relay_aud", "no token of the user's");
    assert_eq!(world.payments.got().len(), 0);

    // Nor where the own one is at hand.
    let (world, http) = self::world(Target::token_exchange).await;
    send(&world, &http, &world.caller("alice")).await.expect("sent");
    world.authority.answers(Answer::error(400, "invalid_grant"));
    assert_eq!(refused(send(&world, &http, &world.caller("bob")).await).0, "token_request");
    assert_eq!(refused(send(&world, &http, &world.caller_without_user()).await).0, "no_user");
    assert_eq!(world.payments.got().len(), 1);
}

#[tokio::test]
async fn out_b34_nobody_else_says_who_the_user_is() {
    let (world, http) = world(Target::token_exchange).await;
    let url = || world.payments.url("/");
    let forged = |request: tower_identity_outbound::RequestBuilder| {
        request.header(FIELD, "forged").header("X_Customer_Token", "forged").header("connection", FIELD)
    };
    for _ in 0..2 {
        forged(http.get(url())).on_behalf_of(&world.caller("alice")).send().await.expect("sent");
        let got = world.payments.got().pop().expect("it got one");
        assert_eq!(field(&got).len(), 1);
        assert!(got.headers.values().all(|value| value != "forged" && value != FIELD), "{:?}", got.headers);
    }
    forged(http.get(url())).as_service().send().await.expect("sent");
    assert_eq!(grants(&world), ("client_credentials".to_owned(), None), "for this service alone");
    let got = world.payments.got().pop().expect("it got one");
    assert!(got.headers.values().all(|value| value != "forged"), "{:?}", got.headers);
}

#[tokio::test]
async fn out_b34_where_the_target_refuses_them_both_are_forgotten() {
    let (world, http) = world(Target::token_exchange).await;
    let alice = world.caller("alice");
    send(&world, &http, &alice).await.expect("sent");
    world.payments.answers_next(401, &[("www-authenticate", r#"Bearer error="invalid_token""#)]);
    assert_eq!(send(&world, &http, &alice).await.expect("sent").status(), 200, "the second attempt");
    assert_eq!(world.authority.calls().len(), 4, "two new ones");
    assert_eq!(grants(&world), ("client_credentials".to_owned(), Some(EXCHANGE.to_owned())));
}

#[tokio::test]
async fn out_b34_each_is_fetched_again_for_itself() {
    let (world, http) = world(Target::token_exchange).await;
    send(&world, &http, &world.caller("alice")).await.expect("sent");
    // Bob's lasts longer than this service's own.
    world.authority.answers(issued(3000));
    world.time.advance(200);
    send(&world, &http, &world.caller("bob")).await.expect("sent");
    world.time.advance(91);
    send(&world, &http, &world.caller("bob")).await.expect("sent");
    let asked: Vec<_> = world.authority.calls().iter().map(|call| call["grant_type"].clone()).collect();
    assert_eq!(asked, ["client_credentials", EXCHANGE, EXCHANGE, "client_credentials"]);
}
