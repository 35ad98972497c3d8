//! Law 3: a token goes only with requests of exactly what it was issued for.

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::TestRunner};
use tower_identity_core::{CallerContext, ambient};
use tower_identity_oauth::TokenType;
use tower_identity_outbound::{HttpClient, Target, TokenExchange};

use crate::support::{Answer, Call, EXCHANGE, World, call, client, echoed, issued, refused};

/// Rows that differ from the first in one thing each, the last in nothing but its path: they share one token.
const ROWS: [Row; 8] = [
    Row { path: "/0", audience: "payments", scope: "charge", resource: None, server: None, exchange: true },
    Row { path: "/1", audience: "ledger", scope: "charge", resource: None, server: None, exchange: true },
    Row { path: "/2", audience: "payments", scope: "refund", resource: None, server: None, exchange: true },
    Row { path: "/3", audience: "payments", scope: "charge refund", resource: None, server: None, exchange: true },
    Row {
        path: "/4",
        audience: "payments",
        scope: "charge",
        resource: Some("https://payments.test/"),
        server: None,
        exchange: true,
    },
    Row { path: "/5", audience: "payments", scope: "charge", resource: None, server: Some("other"), exchange: true },
    Row { path: "/6", audience: "payments", scope: "charge", resource: None, server: None, exchange: false },
    Row { path: "/7", audience: "payments", scope: "charge", resource: None, server: None, exchange: true },
];

#[derive(Debug)]
struct Row {
    path: &'static str,
    audience: &'static str,
    scope: &'static str,
    resource: Option<&'static str>,
    server: Option<&'static str>,
    exchange: bool,
}

impl Row {
    fn target(&self, world: &World) -> Target {
        let mut target = Target::origin(world.payments.url("").as_str()).expect("origin");
        target = target.path_prefix(self.path).audience(self.audience).scope(self.scope);
        if let Some(resource) = self.resource {
            target = target.resource(resource);
        }
        if let Some(server) = self.server {
            target = target.server(server);
        }
        if self.exchange { target.token_exchange() } else { target.client_credentials() }
    }

    /// What the authorization server has to be asked for a request of this row.
    fn expected(&self, subject: Option<&str>) -> Call {
        let mut expected = call([
            ("client_id", self.server.map_or("orders", |_| "other-orders")),
            ("audience", self.audience),
            ("scope", self.scope),
        ]);
        let mut add = |name: &str, value: &str| expected.insert(name.to_owned(), value.to_owned());
        if let Some(resource) = self.resource {
            add("resource", resource);
        }
        match subject {
            Some(token) => {
                let access_token = "urn:ietf:params:oauth:token-type:access_token";
                add("grant_type", EXCHANGE);
                add("subject_token", token);
                add("subject_token_type", access_token);
                add("requested_token_type", access_token);
            }
            None => {
                add("grant_type", "client_credentials");
            }
        }
        expected
    }
}

/// One request: for the token of one of the users, or as the service, to one of the rows.
#[derive(Debug, Clone, Copy)]
struct Tuple {
    user: usize,
    row: usize,
    as_service: bool,
}

/// Users and the tokens that they present: two of them with two tokens each, of other rights.
const PRESENTED: [(&str, &str); 5] =
    [("alice", "alice-1"), ("alice", "alice-2"), ("bob", "bob-1"), ("bob", "bob-2"), ("carol", "carol-1")];

async fn send(http: HttpClient, address: String, caller: CallerContext, tuple: Tuple) -> String {
    let request = http.get(address);
    let sending = if tuple.as_service {
        request.as_service().send()
    } else if ROWS[tuple.row].exchange && tuple.user.is_multiple_of(2) {
        request.on_behalf_of(&caller).send()
    } else {
        ambient::enter(&mut Some(caller), || request.send())
    };
    echoed(sending.await).await
}

async fn every_token_is_of_its_tuple(tuples: Vec<Tuple>) {
    let world = World::new().await;
    let mut builder = world.builder().server("other", world.authority.endpoint("other-orders"));
    for row in &ROWS {
        builder = builder.target(row.target(&world));
    }
    let http = client(&builder.build().expect("outbound"));
    let callers = PRESENTED.map(|(user, token)| world.presented(user, token, 3600));

    let mut sent = Vec::new();
    let mut distinct = BTreeSet::new();
    for tuple in tuples {
        let row = &ROWS[tuple.row];
        let subject = (row.exchange && !tuple.as_service).then_some(PRESENTED[tuple.user].1);
        let expected = row.expected(subject);
        distinct.insert(expected.clone());
        let sending = send(http.clone(), world.payments.url(row.path), callers[tuple.user].clone(), tuple);
        sent.push((tokio::spawn(sending), expected));
    }
    for (sent, expected) in sent {
        let authorization = sent.await.expect("joined");
        assert_eq!(world.authority.call_of(&authorization), expected);
    }
    assert_eq!(world.authority.calls().len(), distinct.len(), "one call for each distinct ask");
}

#[test]
fn out_b2_a_token_is_always_the_one_of_its_tuple() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let tuple = (0..PRESENTED.len(), 0..ROWS.len(), proptest::bool::weighted(0.2))
        .prop_map(|(user, row, as_service)| Tuple { user, row, as_service });
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(tuple, 1..120), |tuples| {
            runtime.block_on(every_token_is_of_its_tuple(tuples));
            Ok(())
        })
        .expect("each token is of its tuple");
}

#[tokio::test]
async fn two_users_over_one_pooled_client_are_never_mixed_through_refreshes() {
    let world = World::new().await;
    let http = world.for_users();
    for _ in 0..20 {
        for user in ["alice", "bob"] {
            let caller = world.presented(user, &format!("token-of-{user}"), 3600);
            let authorization = echoed(http.get(world.payments.url("/")).on_behalf_of(&caller).send().await).await;
            assert_eq!(world.authority.call_of(&authorization)["subject_token"], format!("token-of-{user}"));
        }
        world.time.advance(291);
    }
    assert_eq!(world.authority.calls().len(), 40, "every round had new tokens");
}

#[tokio::test]
async fn two_outbounds_in_one_process_share_nothing() {
    let world = World::new().await;
    for expected in ["Bearer token-0", "Bearer token-1"] {
        let response = world.for_users().get(world.payments.url("/")).on_behalf_of(&world.caller("alice")).send();
        assert_eq!(echoed(response.await).await, expected);
    }
}

#[tokio::test]
async fn the_map_of_tokens_is_bounded() {
    let world = World::new().await;
    let builder = world.builder().target(world.payments.target().token_exchange()).cache_capacity(4);
    let http = client(&builder.build().expect("outbound"));
    let round = async || {
        for user in 0..64 {
            let caller = world.caller(&format!("user-{user}"));
            let authorization = echoed(http.get(world.payments.url("/")).on_behalf_of(&caller).send().await).await;
            assert_eq!(world.authority.call_of(&authorization)["subject_token"], format!("token-of-user-{user}"));
        }
        world.authority.calls().len()
    };
    assert_eq!(round().await, 64);
    assert!(round().await > 64 + 32, "most were forgotten");
}

#[tokio::test]
async fn out_b1_what_a_row_tolerates_or_proves_is_part_of_its_key() {
    let world = World::new().await;
    let row = |path: &str| world.payments.target().path_prefix(path).token_exchange();
    let outbound = world
        .builder()
        .target(row("/tolerant").tolerate_scope("profile"))
        .target(row("/strict"))
        .target(row("/proven").tolerate_scope("profile").actor_token())
        .build()
        .expect("outbound");
    let http = client(&outbound);
    let alice = world.caller("alice");
    let send = |path: &str| http.get(world.payments.url(path)).on_behalf_of(&alice).send();
    let wider = issued(300).body.replace("\"expires_in\"", "\"scope\":\"profile\",\"expires_in\"");
    world.authority.answers(Answer::ok(wider));

    assert_eq!(echoed(send("/tolerant").await).await, "Bearer token-0");
    assert_eq!(refused(send("/strict").await).0, "token_request");
    assert_eq!(echoed(send("/proven").await).await, "Bearer token-3");
    assert_eq!(world.authority.calls()[3]["actor_token"], "token-2", "asked for just before it");
    assert_eq!(echoed(send("/tolerant").await).await, "Bearer token-0");
}

#[tokio::test]
async fn te_b5_what_type_a_row_asks_for_is_what_comes_and_part_of_its_key() {
    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    let world = World::new().await;
    let row = |path: &str, exchange| world.payments.target().path_prefix(path).strategy(exchange);
    let jwt = || TokenExchange::new().requested_token_type(TokenType::Jwt);
    let outbound = world
        .builder()
        .target(row("/jwt", jwt()))
        .target(row("/same", jwt()))
        .target(row("/access", TokenExchange::new()))
        .build()
        .expect("outbound");
    let http = client(&outbound);
    let alice = world.caller("alice");
    let send = |path: &str| http.get(world.payments.url(path)).on_behalf_of(&alice).send();
    let access_token = issued(300);
    let of_type_jwt = access_token.body.replace("urn:ietf:params:oauth:token-type:access_token", JWT);

    // Said to be of another type than was asked for.
    assert_eq!(refused(send("/jwt").await).0, "token_request");
    assert_eq!(world.payments.got().len(), 0);
    world.authority.answers(Answer::ok(of_type_jwt));
    assert_eq!(refused(send("/access").await).0, "token_request");

    world.time.advance(2);
    assert_eq!(echoed(send("/jwt").await).await, "Bearer token-2");
    assert_eq!(echoed(send("/same").await).await, "Bearer token-2");
    world.authority.answers(access_token);
    assert_eq!(echoed(send("/access").await).await, "Bearer token-3");
    assert_eq!(echoed(send("/jwt").await).await, "Bearer token-2");
    let asked: Vec<_> = world.authority.calls().iter().map(|call| call["requested_token_type"].clone()).collect();
    let access = "urn:ietf:params:oauth:token-type:access_token";
    assert_eq!(asked, [JWT, access, JWT, access]);
}

#[tokio::test]
async fn cauth_b1_what_else_a_row_sends_is_sent_and_part_of_its_key() {
    let world = World::new().await;
    let row = |path: &str| world.payments.target().path_prefix(path).token_exchange();
    let outbound = world
        .builder()
        .target(row("/plain"))
        .target(row("/shop").parameters([("realm", "shop")]))
        .target(row("/same").parameters([("realm", "shop")]))
        .target(row("/other").parameters([("realm", "other")]))
        .build()
        .expect("outbound");
    let http = client(&outbound);
    let alice = world.caller("alice");
    let send = |path: &str| http.get(world.payments.url(path)).on_behalf_of(&alice).send();
    let mut sent = Vec::new();
    for path in ["/plain", "/shop", "/same", "/other", "/shop"] {
        let authorization = echoed(send(path).await).await;
        let realm = world.authority.call_of(&authorization).get("realm").cloned();
        sent.push((authorization, realm));
    }
    let expected = |token: &str, realm: Option<&str>| (format!("Bearer {token}"), realm.map(str::to_owned));
    assert_eq!(
        sent,
        [
            expected("token-0", None),
            expected("token-1", Some("shop")),
            expected("token-1", Some("shop")),
            expected("token-2", Some("other")),
            expected("token-1", Some("shop")),
        ]
    );
}
