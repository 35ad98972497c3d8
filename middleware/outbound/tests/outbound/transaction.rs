//! Transaction tokens: what came goes on as it is, inside its trust domain alone; at the edge, one is obtained.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tower_identity_core::{CallerContext, Credential, Scopes, SecretToken};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_oauth::{CustomGrantType, Transaction};
use tower_identity_outbound::{HttpClient, IdJag, Plaintext, Relay, SendError, Target, TransactionToken};

use crate::support::{Answer, Authority, EXCHANGE, Got, START, World, client, refused};

const SHOP: &str = "shop.internal";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const TXN_TOKEN: &str = "urn:ietf:params:oauth:token-type:txn_token";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).expect("a key"));

type Row = fn(Target) -> Target;

fn http(world: &World, row: impl FnOnce(Target) -> Target) -> HttpClient {
    client(&world.builder().target(row(world.payments.target())).build().expect("outbound"))
}

/// What goes on where a transaction token came.
fn inside() -> TransactionToken {
    TransactionToken::of(SHOP)
}

/// Where transactions begin.
fn edge() -> TransactionToken {
    inside().scope(Scopes::parse("payments:charge").expect("scopes"))
}

/// A transaction token, as its issuer signs them, with these claims changed; `null` leaves one out.
fn transaction_token(changes: &Value) -> String {
    let mut claims = json!({
        "aud": SHOP, "iat": START, "exp": START + 60, "txn": "t-1", "sub": "alice", "scope": "payments:charge",
        "req_wl": "storefront",
    });
    let all = claims.as_object_mut().expect("an object");
    all.extend(changes.as_object().expect("an object").clone());
    all.retain(|_, value| !value.is_null());
    KEY.sign(&MediaType::parse("txntoken+jwt").expect("a type"), &claims).expect("signed").expose().to_owned()
}

/// A caller whose user came with this transaction token of this trust domain.
fn within(world: &World, domain: &str, token: &str) -> CallerContext {
    world.with("alice", |parts| {
        parts.trust_domain = Some(domain.parse().expect("audience"));
        parts.audience = vec![domain.parse().expect("audience")];
        parts.issuer = domain.parse().expect("issuer");
        parts.transaction = Some("t-1".parse().expect("id"));
        parts.credential = Credential::Token { token: SecretToken::new(token), payload: (*b"{}").into() };
        parts.expires_at = world.time.clock().wall().saturating_add(std::time::Duration::from_secs(60));
    })
}

/// The authority answers exchanges with a transaction token, and everything else with a token of its own.
fn issues(world: &World, changes: &Value) -> String {
    let token = transaction_token(changes);
    world.authority.answers_exchanges(answer(&token, "N_A", TXN_TOKEN));
    token
}

fn answer(token: &str, token_type: &str, issued: &str) -> Answer {
    let body = json!({"access_token": token, "token_type": token_type, "issued_token_type": issued, "expires_in": 60});
    Answer::ok(body.to_string())
}

async fn send(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<reqwest::Response, SendError> {
    http.get(world.payments.url("/")).on_behalf_of(caller).send().await
}

fn last(world: &World) -> Got {
    world.payments.got().pop().expect("it got one")
}

fn transaction_tokens(got: &Got) -> Vec<&str> {
    got.headers.get_all("txn-token").iter().map(|value| value.to_str().expect("ascii")).collect()
}

fn own_tokens(authority: &Authority) -> usize {
    authority.calls().iter().filter(|call| call["grant_type"] == "client_credentials").count()
}

#[tokio::test]
async fn tx_b1_what_came_goes_on_byte_for_byte_beside_this_services_own_token() {
    let world = World::new().await;
    let http = http(&world, |row| row.strategy(inside()));
    let token = transaction_token(&json!({"tctx": {"order": "8a77"}}));
    let alice = within(&world, SHOP, &token);
    for _ in 0..2 {
        send(&world, &http, &alice).await.expect("sent");
        let got = last(&world);
        assert_eq!(transaction_tokens(&got), [&token]);
        assert_eq!(world.authority.call_of(got.authorization()[0])["audience"], "payments");
        assert_eq!(got.authorization().len(), 1);
    }
    assert_eq!((world.authority.calls().len(), own_tokens(&world.authority)), (1, 1), "nobody is asked for hers");

    http.get(world.payments.url("/")).as_service().send().await.expect("sent");
    assert_eq!((transaction_tokens(&last(&world)), last(&world).authorization().len()), (vec![], 1));
}

#[tokio::test]
async fn tx_b1_nobody_else_says_what_the_transaction_is() {
    let world = World::new().await;
    let token = transaction_token(&json!({}));
    let alice = within(&world, SHOP, &token);
    let forged = |http: &HttpClient| {
        let request = http.get(world.payments.url("/")).header("txn-token", "forged").header("Txn_Token", "forged");
        request.header("connection", "txn-token").on_behalf_of(&alice)
    };
    let rows = [http(&world, |row| row.strategy(inside())), http(&world, Target::client_credentials)];
    forged(&rows[0]).send().await.expect("sent");
    assert_eq!(transaction_tokens(&last(&world)), [&token]);
    assert!(last(&world).headers.values().all(|value| value != "forged" && value != "txn-token"));
    let own = rows[1].get(world.payments.url("/")).header("txn-token", "forged").header("Txn_Token", "forged");
    own.send().await.expect("sent");
    assert!(last(&world).headers.values().all(|value| value != "forged"), "{:?}", last(&world).headers);
}

#[tokio::test]
async fn tx_b1_it_does_not_leave_its_trust_domain() {
    let world = World::new().await;
    let token = transaction_token(&json!({}));
    let shop = http(&world, |row| row.strategy(inside()));
    let other = http(&world, |row| row.strategy(TransactionToken::of("bank.internal")));
    for (domain, sent) in [(SHOP, true), ("bank.internal", false), ("Shop.internal", false), ("shop.internal.", false)]
    {
        let caller = within(&world, domain, &token);
        match send(&world, &shop, &caller).await {
            Ok(_) => assert!(sent, "{domain}"),
            refusal => assert_eq!((refused(refusal).0, sent), ("trust_domain", false), "{domain}"),
        }
    }
    let (check, text) = refused(send(&world, &other, &within(&world, SHOP, &token)).await);
    assert_eq!(check, "trust_domain");
    assert!(
        text.contains("of bank.internal") && text.contains("of shop.internal") && text.contains("chaining"),
        "{text}"
    );
    assert_eq!(world.payments.got().len(), 1);
    send(&world, &other, &within(&world, "bank.internal", &token)).await.expect("the control");
}

#[tokio::test]
async fn tx_b1_no_strategy_that_is_not_made_for_it_takes_a_transaction_token() {
    let delegation = || CustomGrantType::new("delegation", "token").expect("usable");
    let rows: [(&str, Row); 8] = [
        ("relay", |row| row.strategy(Relay::new().accepts(SHOP))),
        ("token_exchange", Target::token_exchange),
        ("keycloak_exchange", Target::keycloak_exchange),
        ("entra_on_behalf_of", Target::entra_on_behalf_of),
        ("assertion", Target::by_assertion),
        ("embedded", |row| row.embedded("token")),
        ("signed", |row| row.signed("https://orders.internal", KEY.clone())),
        ("two credentials", |row| row.token_exchange().user_token_in("x-user-token")),
    ];
    for (name, row) in rows {
        let world = World::new().await;
        let http = http(&world, row);
        let caller = within(&world, SHOP, &transaction_token(&json!({})));
        let (check, text) = refused(send(&world, &http, &caller).await);
        assert_eq!(check, "trust_domain", "{name}");
        assert!(text.contains("make the strategy transaction_token"), "{text}");
        assert_eq!((world.payments.got().len(), world.authority.calls().len()), (0, 0), "{name}");
    }
    let world = World::new().await;
    let caller = within(&world, SHOP, &transaction_token(&json!({})));
    let custom = http(&world, |row| row.custom_grant(delegation()));
    assert_eq!(refused(send(&world, &custom, &caller).await).0, "trust_domain");
    // The control: the same token, were it none.
    let exchanging = http(&world, Target::token_exchange);
    send(&world, &exchanging, &world.caller("alice")).await.expect("sent");
}

/// The way out of a trust domain: the transaction token itself goes to our server, where that takes those of the domain, and no
/// further.
#[tokio::test]
async fn ch_b3_a_transaction_token_becomes_a_grant_where_our_server_takes_those_of_its_trust_domain() {
    let (world, theirs) = (World::new().await, Authority::start().await);
    theirs.answers(Answer::ok(r#"{"access_token":"{token}","token_type":"Bearer","expires_in":120}"#));
    let typ = MediaType::parse("authorization-grant+jwt").expect("a type");
    let grant = KEY.sign(&typ, &json!({ "aud": theirs.issuer() })).expect("signed");
    world.authority.answers(answer(grant.expose(), "N_A", JWT));
    let token = transaction_token(&json!({}));
    let alice = within(&world, SHOP, &token);
    let http = |accepted: &str, strategy: fn(Target) -> Target| {
        let ours = world.authority.endpoint("orders").accepts_issuer(accepted);
        let row = strategy(world.payments.target().server("partner").resource("https://credit.example"));
        let builder = world.builder_at(ours).server("partner", theirs.endpoint("orders-at-partner"));
        client(&builder.target(row).build().expect("outbound"))
    };
    let unlisted = send(&world, &http("bank.internal", Target::chaining), &alice).await;
    assert_eq!(refused(unlisted).0, "subject_issuer");
    let asserted = send(&world, &http(SHOP, |row| row.strategy(IdJag::new())), &alice).await;
    assert_eq!(refused(asserted).0, "trust_domain");
    assert_eq!([world.authority.calls().len(), theirs.calls().len(), world.payments.got().len()], [0; 3]);

    let listed = http(SHOP, Target::chaining);
    send(&world, &listed, &alice).await.expect("sent");
    let [call] = &world.authority.calls()[..] else { panic!("one call") };
    let asked = ["subject_token", "subject_token_type", "requested_token_type"].map(|name| call[name].as_str());
    assert_eq!((asked, theirs.calls().len()), ([&*token, TXN_TOKEN, JWT], 1));
    let got = last(&world);
    assert_eq!((got.authorization(), transaction_tokens(&got)), (vec!["Bearer token-0"], vec![]));
    // No transaction begins here, of which something could be said.
    let about = Transaction::new().details(json!({"order": "8a77"})).expect("an object");
    let request = listed.get(world.payments.url("/")).on_behalf_of(&alice).transaction(&about);
    assert_eq!(refused(request.send().await).0, "transaction");
}

#[tokio::test]
async fn tx_b1_an_expired_one_is_not_sent_whatever_is_remembered() {
    let world = World::new().await;
    let http = http(&world, |row| row.strategy(inside()));
    let caller = within(&world, SHOP, &transaction_token(&json!({})));
    send(&world, &http, &caller).await.expect("sent");
    world.time.advance(59);
    send(&world, &http, &caller).await.expect("sent");
    world.time.advance(1);
    assert_eq!(refused(send(&world, &http, &caller).await).0, "exp");
    assert_eq!(world.payments.got().len(), 2);
}

#[tokio::test]
async fn tx_b4_at_the_edge_one_is_obtained_for_the_users_token() {
    let world = World::new().await;
    let token = issues(&world, &json!({}));
    let about = Transaction::new().context(json!({"channel": "web"})).expect("an object");
    let http = http(&world, |row| row.strategy(edge().transaction(about)).parameters([("realm", "shop")]));
    for _ in 0..2 {
        send(&world, &http, &world.caller("alice")).await.expect("sent");
        let got = last(&world);
        assert_eq!((transaction_tokens(&got), got.authorization().len()), (vec![&*token], 1));
    }
    let calls = world.authority.calls();
    assert_eq!((calls.len(), own_tokens(&world.authority)), (2, 1), "it is remembered");
    let asked = calls.iter().find(|call| call["grant_type"] == EXCHANGE).expect("it was asked for");
    for (name, value) in [
        ("subject_token", "token-of-alice"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("requested_token_type", TXN_TOKEN),
        ("audience", SHOP),
        ("scope", "payments:charge"),
        ("request_context", r#"{"channel":"web"}"#),
        ("realm", "shop"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    // Where one came, nothing begins.
    let came = transaction_token(&json!({"txn": "t-0"}));
    send(&world, &http, &within(&world, SHOP, &came)).await.expect("sent");
    assert_eq!((transaction_tokens(&last(&world)), world.authority.calls().len()), (vec![&*came], 2));
}

#[tokio::test]
async fn tx_b4_no_transaction_begins_where_the_row_does_not_say_so() {
    let world = World::new().await;
    issues(&world, &json!({}));
    let (check, text) =
        refused(send(&world, &http(&world, |row| row.strategy(inside())), &world.caller("alice")).await);
    assert_eq!(check, "no_transaction");
    assert!(text.contains("name in the strategy's scope"), "{text}");
    let begins = http(&world, |row| row.strategy(edge()));
    let foreign = world.of_issuer("https://other.example", Some("alice"), "theirs", 300);
    assert_eq!(refused(send(&world, &begins, &foreign).await).0, "subject_issuer");
    assert_eq!(refused(send(&world, &begins, &world.caller_without_user()).await).0, "no_user");
    assert_eq!((world.payments.got().len(), world.authority.calls().len()), (0, 0));
    send(&world, &begins, &world.caller("alice")).await.expect("the control");
}

#[tokio::test]
async fn tx_b6_what_is_issued_is_of_the_trust_domain_and_allows_no_more() {
    let cases = [
        (json!({}), None),
        (json!({"aud": [SHOP]}), None),
        (json!({"scope": "payments:charge payments:refund"}), Some("txn_scope")),
        (json!({"scope": null}), Some("txn_scope")),
        (json!({"scope": ["payments:charge"]}), Some("txn_scope")),
        (json!({"aud": "bank.internal"}), Some("txn_aud")),
        (json!({"aud": [SHOP, "bank.internal"]}), Some("txn_aud")),
        (json!({"aud": null}), Some("txn_aud")),
        (json!({"exp": START}), Some("txn_exp")),
        (json!({"exp": null}), Some("txn_exp")),
    ];
    for (changes, check) in cases {
        let world = World::new().await;
        issues(&world, &changes);
        let http = http(&world, |row| row.strategy(edge()));
        let sent = send(&world, &http, &world.caller("alice")).await;
        assert_eq!(sent.err().map(|error| error.refusal().expect("refused").check()), check, "{changes}");
        assert_eq!(world.payments.got().len(), usize::from(check.is_none()), "{changes}");
    }
    for wrong in [answer(&transaction_token(&json!({})), "Bearer", TXN_TOKEN), answer("opaque", "N_A", TXN_TOKEN)] {
        let world = World::new().await;
        world.authority.answers_exchanges(wrong);
        let http = http(&world, |row| row.strategy(edge()));
        assert_eq!(refused(send(&world, &http, &world.caller("alice")).await).0, "token_request");
    }
}

#[tokio::test]
async fn tx_b6_it_is_used_no_longer_than_it_says_itself() {
    let world = World::new().await;
    issues(&world, &json!({"exp": START + 30}));
    let http = http(&world, |row| row.strategy(edge()));
    let alice = world.caller("alice");
    send(&world, &http, &alice).await.expect("sent");
    world.time.advance(31);
    assert_eq!(refused(send(&world, &http, &alice).await).0, "txn_exp", "asked for anew, and the server has no other");
}

#[tokio::test]
async fn tx_b2_one_is_replaced_by_its_issuer_for_the_same_transaction_and_user() {
    let world = World::new().await;
    let http = http(&world, |row| row.strategy(edge().replace()));
    let came = transaction_token(&json!({"scope": "payments:charge orders:write"}));
    let narrower = issues(&world, &json!({"iat": START + 1}));
    send(&world, &http, &within(&world, SHOP, &came)).await.expect("sent");
    assert_eq!(transaction_tokens(&last(&world)), [&narrower]);
    let calls = world.authority.calls();
    let asked = calls.iter().find(|call| call["grant_type"] == EXCHANGE).expect("it was asked for");
    assert_eq!((&*asked["subject_token"], &*asked["subject_token_type"]), (&*came, TXN_TOKEN));

    for (changes, sent) in [
        (json!({}), true),
        (json!({"txn": "t-2"}), false),
        (json!({"txn": null}), false),
        (json!({"sub": "bob"}), false),
    ] {
        let world = World::new().await;
        issues(&world, &changes);
        let http = self::http(&world, |row| row.strategy(edge().replace()));
        match send(&world, &http, &within(&world, SHOP, &came)).await {
            Ok(_) => assert!(sent, "{changes}"),
            refusal => assert_eq!((refused(refusal).0, sent), ("txn_same", false), "{changes}"),
        }
    }
}

#[tokio::test]
async fn tx_b4_a_certificate_may_say_who_sends_it() {
    let world = World::new().await;
    let token = transaction_token(&json!({}));
    let row = |row: Target| row.strategy(inside().without_own_token()).plaintext(Plaintext::SidecarMtls);
    let http = http(&world, row);
    for _ in 0..2 {
        let request = http.get(world.payments.url("/")).header("authorization", "Bearer forged");
        request.on_behalf_of(&within(&world, SHOP, &token)).send().await.expect("sent");
        let got = last(&world);
        assert_eq!((transaction_tokens(&got), got.authorization()), (vec![&*token], vec![]));
    }
    assert_eq!(world.authority.calls().len(), 0);
    let expected = refused(send(&world, &http, &world.caller("alice")).await).0;
    assert_eq!((expected, world.payments.got().len()), ("no_transaction", 2));
}

#[tokio::test]
async fn tx_b5_what_a_request_says_of_its_transaction_is_said_of_no_other() {
    let world = World::new().await;
    issues(&world, &json!({}));
    let row = Transaction::new().details(json!({"kind": "order"})).expect("an object");
    let row = row.context(json!({"channel": "web"})).expect("an object");
    let http = http(&world, |target| target.strategy(edge().transaction(row)));
    let alice = world.caller("alice");
    let order = |id: &str| Transaction::new().details(json!({"order": id})).expect("an object");
    let get = || http.get(world.payments.url("/"));
    get().on_behalf_of(&alice).transaction(&order("1")).send().await.expect("sent");
    get().transaction(&order("2")).on_behalf_of(&alice).send().await.expect("sent");
    get().transaction(&order("2")).transaction(&order("1")).on_behalf_of(&alice).send().await.expect("sent");
    send(&world, &http, &alice).await.expect("sent");
    get().on_behalf_of(&world.caller("bob")).transaction(&order("1")).send().await.expect("sent");
    let calls = world.authority.calls();
    let asked = calls.iter().filter(|call| call["grant_type"] == EXCHANGE);
    let said: Vec<_> = asked.map(|call| (&*call["subject_token"], &*call["request_details"])).collect();
    let [one, two, kind] = [r#"{"order":"1"}"#, r#"{"order":"2"}"#, r#"{"kind":"order"}"#];
    let alices = |said| ("token-of-alice", said);
    assert_eq!(said, [alices(one), alices(two), alices(kind), ("token-of-bob", one)], "the third was there");
    assert!(calls.iter().all(|call| call.get("request_context").is_none_or(|said| said == r#"{"channel":"web"}"#)));
}

#[tokio::test]
async fn tx_b5_what_is_said_of_a_transaction_is_not_lost() {
    let world = World::new().await;
    issues(&world, &json!({}));
    let about = Transaction::new().details(json!({"order": "1"})).expect("an object");
    let alice = world.caller("alice");
    let rows: [(Row, &str); 3] = [
        (Target::token_exchange, "transaction"),
        (Target::client_credentials, "transaction"),
        (|row| row.strategy(inside()), "no_transaction"),
    ];
    for (row, check) in rows {
        let http = http(&world, row);
        let request = || http.get(world.payments.url("/")).transaction(&about);
        let sent =
            if check == "transaction" { request().send().await } else { request().on_behalf_of(&alice).send().await };
        assert_eq!(refused(sent).0, check);
    }
    let http = http(&world, |row| row.strategy(edge()));
    let request = || http.get(world.payments.url("/")).transaction(&about);
    assert_eq!(refused(request().as_service().send().await).0, "transaction", "of nobody's");
    let came = within(&world, SHOP, &transaction_token(&json!({})));
    let (check, text) = refused(request().on_behalf_of(&came).send().await);
    assert_eq!((check, world.payments.got().len()), ("transaction", 0), "{text}");
    request().on_behalf_of(&alice).send().await.expect("the control");
}
