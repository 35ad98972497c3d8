//! Two servers in two trust domains: the first makes a grant of the caller's token, the second a token of the grant.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tower_identity_core::{CallerContext, Scopes};
use tower_identity_jose::{Algorithm, MediaType, SigningKey};
use tower_identity_outbound::{Chaining, HttpClient, IdJag, OutboundBuilder, Target};

use crate::support::{Answer, Authority, EXCHANGE, World, call, client, echoed, refused};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Ours, the world's own, and theirs.
struct Worlds {
    world: World,
    theirs: Authority,
}

impl Worlds {
    async fn new() -> Self {
        let worlds = Self { world: World::new().await, theirs: Authority::start().await };
        worlds.theirs.answers(Answer::ok(r#"{"access_token":"{token}","token_type":"Bearer","expires_in":120}"#));
        worlds.grants(JWT, "authorization-grant+jwt", &json!({"aud": worlds.theirs.issuer()}));
        worlds
    }

    /// What our server answers from now on: a grant of this type, which says of itself that it is of this kind.
    fn grants(&self, issued: &str, typ: &str, claims: &Value) -> String {
        let key = SigningKey::generate(Algorithm::Es256).expect("key");
        let grant = key.sign(&MediaType::parse(typ).expect("type"), claims).expect("signed").expose().to_owned();
        let body = json!({"access_token": grant, "token_type": "N_A", "issued_token_type": issued, "expires_in": 60});
        self.world.authority.answers(Answer::ok(body.to_string()));
        grant
    }

    fn builder(&self) -> OutboundBuilder {
        self.world.builder().server("partner", self.theirs.endpoint("orders-at-partner"))
    }

    fn row(&self) -> Target {
        Target::origin(&self.world.payments.url("")).expect("origin").scope("credit:check").server("partner")
    }

    fn http(&self, target: Target) -> HttpClient {
        client(&self.builder().target(target).build().expect("outbound"))
    }

    async fn send(&self, http: &HttpClient, user: &str) -> String {
        let caller = self.world.caller(user);
        echoed(http.get(self.world.payments.url("/")).on_behalf_of(&caller).send().await).await
    }

    /// The failing check, once it is sure that nothing was sent.
    async fn unsent(&self, http: &HttpClient, caller: &CallerContext) -> (&'static str, String) {
        let refusal = refused(http.get(self.world.payments.url("/")).on_behalf_of(caller).send().await);
        assert_eq!(self.world.payments.got().len(), 0, "{}", refusal.1);
        refusal
    }

    fn asked(&self) -> (usize, usize) {
        (self.world.authority.calls().len(), self.theirs.calls().len())
    }
}

#[tokio::test]
async fn ch_b1_the_grant_serves_once_and_the_token_that_comes_of_it_is_remembered() {
    let worlds = Worlds::new().await;
    let first = worlds.grants(JWT, "authorization-grant+jwt", &json!({"aud": worlds.theirs.issuer()}));
    let http = worlds.http(worlds.row().chaining());
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-0");
    let exchange = call([
        ("grant_type", EXCHANGE),
        ("client_id", "orders"),
        ("subject_token", "token-of-alice"),
        ("subject_token_type", ACCESS),
        ("requested_token_type", JWT),
        ("audience", worlds.theirs.issuer()),
    ]);
    assert_eq!(worlds.world.authority.calls(), [exchange]);
    let assertion = call([
        ("grant_type", JWT_BEARER),
        ("client_id", "orders-at-partner"),
        ("assertion", &first),
        ("scope", "credit:check"),
    ]);
    assert_eq!(worlds.theirs.calls(), [assertion]);

    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-0");
    assert_eq!(worlds.asked(), (1, 1), "remembered");
    worlds.grants(JWT, "JWT", &json!({"aud": [worlds.theirs.issuer()]}));
    assert_eq!(worlds.send(&http, "bob").await, "Bearer token-1");
    assert_eq!(worlds.asked(), (2, 2), "each user's is their own");
    worlds.world.time.advance(120);
    worlds.grants(JWT, "authorization-grant+jwt", &json!({"aud": worlds.theirs.issuer()}));
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-2");
    assert_eq!(worlds.asked(), (3, 3));
    let calls = worlds.theirs.calls();
    let grants: BTreeSet<_> = calls.iter().map(|call| &call["assertion"]).collect();
    assert_eq!(grants.len(), 3, "no grant is sent twice");
}

#[tokio::test]
async fn ch_b1_a_grant_that_their_server_fails_with_is_not_sent_again() {
    let worlds = Worlds::new().await;
    let http = worlds.http(worlds.row().chaining());
    let good = r#"{"access_token":"{token}","token_type":"Bearer","expires_in":120}"#;
    for (answer, check) in [
        (Answer::error(503, "temporarily_unavailable"), "token_request"),
        (Answer::error(400, "invalid_grant"), "token_request"),
        (Answer::ok(good.replace("Bearer", "N_A")), "token_request"),
    ] {
        let before = worlds.asked();
        worlds.theirs.answers(answer);
        assert_eq!(worlds.unsent(&http, &worlds.world.caller("alice")).await.0, check);
        assert_eq!(worlds.asked(), (before.0 + 1, before.1 + 1));
        worlds.world.time.advance(3);
    }
    worlds.theirs.answers(Answer::ok(good));
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-3");
    assert_eq!(worlds.asked(), (4, 4));
}

#[tokio::test]
async fn ch_b2_what_is_no_grant_for_their_server_is_not_given_to_it() {
    let worlds = Worlds::new().await;
    let http = worlds.http(worlds.row().chaining());
    let theirs = worlds.theirs.issuer();
    let cases = [
        (JWT, "authorization-grant+jwt", json!({"aud": "https://other.example"}), "assertion_aud"),
        (JWT, "authorization-grant+jwt", json!({"aud": [theirs, "https://other.example"]}), "assertion_aud"),
        (JWT, "authorization-grant+jwt", json!({}), "assertion"),
        (JWT, "at+jwt", json!({"aud": theirs}), "token_request"),
        (ACCESS, "authorization-grant+jwt", json!({"aud": theirs}), "token_request"),
    ];
    for (issued, typ, claims, check) in cases {
        worlds.grants(issued, typ, &claims);
        assert_eq!(worlds.unsent(&http, &worlds.world.caller("alice")).await.0, check, "{typ} {claims}");
        worlds.world.time.advance(2);
    }
    assert_eq!(worlds.asked(), (5, 0));
    worlds.grants(JWT, "authorization-grant+jwt", &json!({"aud": theirs}));
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-0", "the control");
}

#[tokio::test]
async fn ch_b1_a_callers_token_goes_to_our_server_only_and_only_if_it_takes_it() {
    let worlds = Worlds::new().await;
    let http = worlds.http(worlds.row().chaining());
    let stranger = worlds.world.of_issuer(worlds.theirs.issuer(), Some("alice"), "token-of-partner", 3600);
    assert_eq!(worlds.unsent(&http, &stranger).await.0, "subject_issuer");
    assert_eq!(worlds.asked(), (0, 0));

    let endpoint = worlds.world.authority.endpoint("orders").accepts_issuer(worlds.theirs.issuer());
    let builder = worlds.world.builder_at(endpoint).server("partner", worlds.theirs.endpoint("orders-at-partner"));
    let http = client(&builder.target(worlds.row().chaining()).build().expect("outbound"));
    let sent = http.get(worlds.world.payments.url("/")).on_behalf_of(&stranger).send().await;
    assert_eq!(echoed(sent).await, "Bearer token-0");
    assert_eq!(worlds.world.authority.calls()[0]["subject_token_type"], JWT, "it is not its own");
}

#[tokio::test]
async fn ch_b1_everything_of_a_chain_is_part_of_the_key() {
    let worlds = Worlds::new().await;
    let third = Authority::start().await;
    let grant = worlds.grants(JWT, "JWT", &json!({"aud": worlds.theirs.issuer()}));
    let body = json!({"access_token": grant, "token_type": "N_A", "issued_token_type": JWT, "expires_in": 60});
    third.answers(Answer::ok(body.to_string()));
    let scope = Scopes::parse("partner").expect("scopes");
    let chains = [Chaining::new(), Chaining::new().scope(scope), Chaining::new().through("third"), Chaining::new()];
    let rows = chains.into_iter().enumerate();
    let rows = rows.map(|(index, chain)| worlds.row().path_prefix(&format!("/{index}")).strategy(chain));
    let third = third.endpoint("orders").accepts_issuer(worlds.world.authority.issuer());
    let builder = rows.fold(worlds.builder().server("third", third), OutboundBuilder::target);
    let http = client(&builder.build().expect("outbound"));
    for (index, token) in [(0, 0), (1, 1), (2, 2), (3, 0)] {
        let url = worlds.world.payments.url(&format!("/{index}"));
        let sent = http.get(url).on_behalf_of(&worlds.world.caller("alice")).send().await;
        assert_eq!(echoed(sent).await, format!("Bearer token-{token}"), "{index}");
    }
    assert_eq!(worlds.world.authority.calls()[1]["scope"], "partner");
}

#[tokio::test]
async fn ch_b1_a_chain_has_two_servers() {
    let worlds = Worlds::new().await;
    let built = |row: Target| worlds.builder().target(row).build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(built(worlds.row().chaining()), Ok(()));
    let rule = "is the row's own server; say in server which other it leads to";
    let to_itself = worlds.row().strategy(Chaining::new().through("partner"));
    assert_eq!(built(to_itself), Err(format!("target[0].strategy.chaining.through: {rule}")));
    let to_itself = worlds.row().resource("https://credit.example/").strategy(IdJag::new().through("partner"));
    assert_eq!(built(to_itself), Err(format!("target[0].strategy.id_jag.through: {rule}")));
    let nowhere = worlds.row().strategy(Chaining::new().through("nobody"));
    let rule = "target[0].strategy.chaining.through: names \"nobody\", and there is no such server";
    assert_eq!(built(nowhere), Err(rule.to_owned()));
}

#[tokio::test]
async fn jag_b1_an_identity_assertion_is_for_their_server_and_for_who_we_are_there() {
    let worlds = Worlds::new().await;
    let resource = "https://credit.partner.example/";
    let row = || worlds.row().resource(resource);
    let http = worlds.http(row().id_jag());
    let (theirs, us) = (worlds.theirs.issuer(), "orders-at-partner");
    let cases = [
        (ID_JAG, "oauth-id-jag+jwt", json!({"aud": theirs, "client_id": "somebody"}), "assertion_client"),
        (ID_JAG, "oauth-id-jag+jwt", json!({"aud": theirs}), "assertion_client"),
        (ID_JAG, "oauth-id-jag+jwt", json!({"aud": "https://other.example", "client_id": us}), "assertion_aud"),
        (ID_JAG, "JWT", json!({"aud": theirs, "client_id": us}), "token_request"),
        (JWT, "oauth-id-jag+jwt", json!({"aud": theirs, "client_id": us}), "token_request"),
    ];
    for (issued, typ, claims, check) in cases {
        worlds.grants(issued, typ, &claims);
        assert_eq!(worlds.unsent(&http, &worlds.world.caller("alice")).await.0, check, "{typ} {claims}");
        worlds.world.time.advance(2);
    }
    assert_eq!(worlds.asked(), (5, 0));

    let assertion = worlds.grants(ID_JAG, "oauth-id-jag+jwt", &json!({"aud": theirs, "client_id": us}));
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-0");
    let exchange = |declared| {
        call([
            ("grant_type", EXCHANGE),
            ("client_id", "orders"),
            ("subject_token", "token-of-alice"),
            ("subject_token_type", declared),
            ("requested_token_type", ID_JAG),
            ("audience", theirs),
            ("resource", resource),
            ("scope", "credit:check"),
        ])
    };
    assert_eq!(worlds.world.authority.calls()[5], exchange(ACCESS));
    let bearer = call([
        ("grant_type", JWT_BEARER),
        ("client_id", us),
        ("assertion", &assertion),
        ("resource", resource),
        ("scope", "credit:check"),
    ]);
    assert_eq!(worlds.theirs.calls(), [bearer]);

    let http = worlds.http(row().strategy(IdJag::new().id_token()));
    assert_eq!(worlds.send(&http, "alice").await, "Bearer token-1");
    assert_eq!(worlds.world.authority.calls()[6], exchange(ID_TOKEN));
    let built = worlds.builder().target(worlds.row().id_jag()).build().map(drop).map_err(|wrong| wrong.to_string());
    let rule = "target[0].resource: is missing: the API that the identity assertion is to be used at";
    assert_eq!(built, Err(rule.to_owned()));
}
