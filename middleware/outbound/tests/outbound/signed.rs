//! What this service says itself of its caller's user.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tower_identity_core::{
    Actor, ActorChain, AuthenticationContext, Binding, CallerContext, Revocation, Scopes, Timestamp,
};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unopened, Unverified};
use tower_identity_outbound::{HttpClient, OnBehalfOf, OutboundBuilder, Relay, Signed, Target, TargetSettings};

use crate::support::{Folder, START, World, client, echoed, refused};

const ORDERS: &str = "https://orders.internal";

struct Shop {
    world: World,
    key: SigningKey,
}

impl Shop {
    async fn new() -> Self {
        Self { world: World::new().await, key: SigningKey::generate(Algorithm::Es256).expect("a key") }
    }

    fn signed(&self) -> Signed {
        Signed::new(ORDERS, self.key.clone())
    }

    fn row(&self, signed: Signed) -> Target {
        self.target().scope("a b").strategy(signed)
    }

    fn target(&self) -> Target {
        Target::origin(&self.world.payments.url("")).expect("origin").audience("payments")
    }

    fn client(&self, row: Target) -> HttpClient {
        client(&self.world.builder().target(row).build().expect("outbound"))
    }

    /// A caller whose token lasts an hour, and allows this.
    fn allowed(&self, user: &str, scopes: &str) -> CallerContext {
        self.world.with(user, |parts| parts.scopes = Scopes::parse(scopes).expect("scopes"))
    }

    async fn sent(&self, http: &HttpClient, caller: &CallerContext) -> Result<String, &'static str> {
        match http.get(self.world.payments.url("/")).on_behalf_of(caller).send().await {
            Ok(response) => Ok(echoed(Ok(response)).await),
            Err(error) => Err(refused(Err(error)).0),
        }
    }

    /// What the target got, which our key has signed; without its id, of which there are no two alike.
    fn claims(&self, sent: &str) -> Map<String, Value> {
        let token = sent.strip_prefix("Bearer ").expect("a bearer token");
        let keys = KeySet::from_keys([self.key.verifying_key()]).expect("one key");
        let accept = Accept::new([MediaType::SELF_ASSERTED], [Algorithm::Es256]);
        let unverified = Unverified::<Map<String, Value>>::parse(token, &Limits::default()).expect("a JWT");
        let opened = unverified.open(&keys, &accept).map_err(Unopened::into_error).expect("ours");
        let mut claims = opened.claims().clone();
        assert!(claims.remove("jti").is_some_and(|jti| jti.as_str().is_some_and(|jti| jti.len() == 22)));
        claims
    }
}

#[tokio::test]
async fn said_b1_it_says_for_whom_and_to_whom_and_nothing_that_the_callers_token_does_not() {
    let shop = Shop::new().await;
    let http = shop.client(shop.row(shop.signed()));
    let login = shop.world.authority.issuer();
    let alice = shop.allowed("alice", "a b c");
    let claims = shop.claims(&shop.sent(&http, &alice).await.expect("sent"));
    let expected = json!({
        "iss": ORDERS, "aud": "payments", "iat": START, "exp": START + 60, "scope": "a b",
        "sub_id": {"format": "iss_sub", "iss": login, "sub": "alice"}, "act": {"sub": ORDERS},
    });
    assert_eq!(Value::Object(claims), expected);

    let bob = shop.world.with("bob", |parts| {
        let actor = |id: &str| Actor { id: id.parse().expect("id"), issuer: parts.issuer.clone() };
        parts.actors = ActorChain::new(vec![actor("storefront"), actor("gateway")]);
        parts.scopes = Scopes::parse("a b").expect("scopes");
        parts.transaction = Some("t-1".parse().expect("a transaction"));
        parts.identity.user.as_mut().expect("a user").tenant = Some("acme".parse().expect("a tenant"));
        parts.authentication = AuthenticationContext {
            auth_time: Some(Timestamp::from_secs(START - 10)),
            acr: Some("gold".to_owned()),
            amr: vec!["pwd".to_owned()],
            session: None,
        };
    });
    let claims = shop.claims(&shop.sent(&http, &bob).await.expect("sent"));
    let expected = json!({
        "iss": ORDERS, "aud": "payments", "iat": START, "exp": START + 60, "scope": "a b", "txn": "t-1", "tid": "acme",
        "sub_id": {"format": "iss_sub", "iss": login, "sub": "bob"}, "auth_time": START - 10, "acr": "gold", "amr": ["pwd"],
        "act": {"sub": ORDERS, "act": {"iss": login, "sub": "storefront", "act": {"iss": login, "sub": "gateway"}}},
    });
    assert_eq!(Value::Object(claims), expected);
    assert_eq!(shop.world.authority.calls().len(), 0, "nobody is asked");
}

#[tokio::test]
async fn said_b1_it_allows_no_more_than_the_callers_token_and_the_row() {
    let shop = Shop::new().await;
    let http = shop.client(shop.row(shop.signed()));
    assert!(shop.sent(&http, &shop.allowed("alice", "a b")).await.is_ok());
    let caller = shop.allowed("bob", "a c");
    let (check, text) = refused(http.get(shop.world.payments.url("/")).on_behalf_of(&caller).send().await);
    assert_eq!(check, "scope");
    assert!(text.contains(r#"{"a", "b"} is to be signed, and the caller has {"a", "c"}"#), "{text}");
    assert_eq!(shop.world.payments.got().len(), 1);
}

#[tokio::test]
async fn said_b1_it_is_signed_once_while_it_lasts_and_ends_with_the_callers_token() {
    let shop = Shop::new().await;
    let http = shop.client(shop.row(shop.signed()));
    let alice = shop.allowed("alice", "a b");
    let first = shop.sent(&http, &alice).await;
    assert_eq!(shop.sent(&http, &alice).await, first);
    shop.world.time.advance(60);
    let second = shop.sent(&http, &alice).await;
    assert!(second.is_ok() && second != first);
    // 30 s before the caller's own token ends.
    shop.world.time.advance(3600 - 60 - 30);
    let last = shop.claims(&shop.sent(&http, &alice).await.expect("sent"));
    assert_eq!((&last["iat"], &last["exp"]), (&json!(START + 3570), &json!(START + 3600)));
    shop.world.time.advance(30);
    assert_eq!(shop.sent(&http, &alice).await, Err("exp"));
    let longer = shop.client(shop.row(shop.signed().lifetime(Duration::from_secs(300))));
    let claims = shop.claims(&shop.sent(&longer, &shop.allowed("bob", "a b")).await.expect("sent"));
    assert_eq!(claims["exp"], json!(START + 3600 + 300));
}

#[tokio::test]
async fn said_b1_nothing_is_sent_for_a_user_who_was_revoked() {
    let shop = Shop::new().await;
    let http = shop.client(shop.row(shop.signed()));
    let (alice, bob) = (shop.allowed("alice", "a b"), shop.allowed("bob", "a b"));
    assert!(shop.sent(&http, &alice).await.is_ok() && shop.sent(&http, &bob).await.is_ok());
    let login = shop.world.authority.issuer().parse().expect("issuer");
    shop.world.revocations.revoke(Revocation::subject(login, "alice".parse().expect("id")));
    assert_eq!(shop.sent(&http, &alice).await, Err("revoked"));
    assert!(shop.sent(&http, &bob).await.is_ok());
}

#[tokio::test]
async fn said_b2_what_another_said_itself_is_passed_on_where_the_row_says_so_and_goes_to_no_server() {
    let shop = Shop::new().await;
    let said = |binding| shop.world.tied("alice", binding);
    let bare = |signed: Signed| shop.target().strategy(signed);
    for (row, by_word) in [
        (bare(shop.signed()), Err("binding")),
        (bare(shop.signed().pass_on()), Ok(())),
        (shop.target().token_exchange(), Err("binding")),
        (shop.target().strategy(Relay::new().accepts("orders")), Err("binding")),
        (shop.target().embedded("token"), Err("binding")),
        (shop.target().by_assertion(), Err("binding")),
    ] {
        let http = shop.client(row.clone());
        assert_eq!(shop.sent(&http, &said(Binding::SelfAsserted)).await.map(drop), by_word, "{row:?}");
        assert_eq!(shop.sent(&http, &said(Binding::None)).await, Err("binding"), "{row:?}");
    }
    assert_eq!(shop.world.authority.calls().len(), 0);
}

#[tokio::test]
async fn said_b1_a_row_says_what_signing_needs_and_nothing_else() {
    let shop = Shop::new().await;
    let built = |row: Target| shop.world.builder().target(row).build().map(drop).map_err(|wrong| wrong.to_string());
    let bare = || Target::origin("https://payments.internal").expect("origin");
    let row = || bare().audience("payments");
    let wrong = |rule: &str| Err(format!("target[0].{rule}"));
    let seconds = |seconds| row().strategy(shop.signed().lifetime(Duration::from_secs(seconds)));
    assert_eq!(built(seconds(20)), Ok(()));
    assert_eq!(built(seconds(300)), Ok(()));
    for out in [19, 301] {
        assert_eq!(built(seconds(out)), wrong("strategy.signed.seconds: is not from 20 to 300"));
    }
    let audience = "audience: is missing: whom this service tells for whom it calls";
    assert_eq!(built(bare().scope("a").strategy(shop.signed())), wrong(audience));
    let resource = "resource: is no name that a signed token is for; name the target by audience alone";
    assert_eq!(built(row().resource("https://payments.internal/").strategy(shop.signed())), wrong(resource));
    let tolerated = "tolerate_scope: belongs to tokens that a server issues; signed asks none";
    assert_eq!(built(row().tolerate_scope("profile").strategy(shop.signed())), wrong(tolerated));
    let nameless = row().signed("", shop.key.clone());
    assert_eq!(built(nameless), wrong("strategy.signed.issuer: issuer is empty"));

    let for_workloads = shop.client(shop.row(shop.signed()).on_behalf_of(OnBehalfOf::WhoeverCalled));
    let workload = shop.world.caller_without_user();
    assert_eq!(shop.sent(&for_workloads, &workload).await, Err("no_user"));
}

#[tokio::test]
async fn said_b3_a_file_names_the_keys_which_are_read_with_the_row_and_published() {
    let shop = Shop::new().await;
    let folder = Folder::new();
    let next = SigningKey::generate(Algorithm::Ed25519).expect("a key");
    folder.write("orders.pem", shop.key.to_pem().expect("exported").expose());
    folder.write("next.pem", next.to_pem().expect("exported").expose());
    let beside = folder.at("orders.pem").parent().expect("a folder").to_path_buf();
    let read = |strategy: &str| {
        let text = format!("origin = '{}'\naudience = 'payments'\nstrategy = {strategy}", shop.world.payments.url(""));
        let row: TargetSettings = toml::from_str(&text).map_err(|wrong| wrong.message().to_owned())?;
        Target::try_from(row.beside(&beside)).map_err(|wrong| wrong.to_string())
    };
    let signed = |more: &str| read(&format!("{{ signed = {{ issuer = '{ORDERS}', {more} }} }}"));
    let code = |signed: Signed| shop.target().strategy(signed);
    let row = signed("key_file = 'orders.pem'").expect("in order");
    assert_eq!(row, code(shop.signed()));
    let both = signed("key_file = ['orders.pem', 'next.pem'], seconds = 120, pass_on = true").expect("in order");
    let same = shop.signed().also_published(next.clone()).lifetime(Duration::from_secs(120)).pass_on();
    assert_eq!(both, code(same));
    assert_ne!(signed("key_file = 'next.pem'").expect("in order"), row, "another key");

    let outbound = |rows: Vec<Target>| {
        let builder = rows.into_iter().fold(shop.world.builder(), OutboundBuilder::target);
        KeySet::parse(builder.build().expect("outbound").key_set().as_bytes())
    };
    let published = outbound(vec![both, row.path_prefix("/v1")]).expect("a key set");
    assert_eq!(published.keys().count(), 2, "each once");
    assert!(published.contains_key_id(shop.key.key_id()) && published.contains_key_id(next.key_id()));
    let text = shop.world.builder().target(code(shop.signed())).build().expect("outbound").key_set();
    assert!(!text.contains("\"d\""), "nothing private: {text}");

    let gone = signed("key_file = 'gone.pem'").expect_err("not there");
    assert!(gone.starts_with("strategy.signed.key_file: no key in ") && gone.contains("gone.pem: "), "{gone}");
    folder.write("bad.pem", "no key");
    let bad = signed("key_file = ['orders.pem', 'bad.pem']").expect_err("no key");
    assert!(bad.starts_with("strategy.signed.key_file[1]: no key in "), "{bad}");
    assert_eq!(signed("key_file = []"), Err("strategy.signed.key_file: names no key that was read".to_owned()));
    assert_eq!(read("'signed'"), Err("missing field `issuer`".to_owned()));
    assert!(
        signed("key_file = 'orders.pem', audience = 'x'").expect_err("unknown").starts_with("unknown field `audience`")
    );
}
