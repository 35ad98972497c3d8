//! Work that is handed over: what a record says, and of whom there is none.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{
    Actor, ActorChain, AuthenticationContext, Binding, CallerContext, Refusal, RefusalKind, Revocation, Scopes,
    SecretToken, Timestamp,
};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unopened, Unverified, sha256};
use tower_identity_outbound::{HandOff, HandOffs, Signed};

use crate::support::{START, World, client, refused};

const ORDERS: &str = "https://orders.internal";
const PAYLOAD: &[u8] = br#"{"order": "o-17"}"#;

struct Shop {
    world: World,
    key: SigningKey,
}

impl Shop {
    async fn new() -> Self {
        Self { world: World::new().await, key: SigningKey::generate(Algorithm::Es256).expect("a key") }
    }

    fn billing(&self) -> HandOffs {
        let billing = HandOffs::new(ORDERS, self.key.clone(), "billing").expect("names");
        billing.clock(self.world.time.clock())
    }

    fn revoke(&self, of: impl FnOnce(tower_identity_core::Issuer) -> Revocation) {
        self.world.revocations.revoke(of(self.world.authority.issuer().parse().expect("issuer")));
    }

    /// What the record says, under the keys that are published; without its id, of which there are no two alike.
    fn claims(&self, record: &SecretToken) -> Value {
        let keys = KeySet::parse(self.billing().key_set().as_bytes()).expect("a key set");
        let accept = Accept::new([MediaType::HAND_OFF], [Algorithm::Es256]);
        let unverified = Unverified::<Value>::parse(record.expose(), &Limits::default()).expect("a JWT");
        let opened = unverified.open(&keys, &accept).map_err(Unopened::into_error).expect("ours");
        let mut claims = opened.claims().clone();
        let id = claims.as_object_mut().expect("an object").remove("jti");
        assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 22)));
        claims
    }
}

fn hand_off(caller: &CallerContext, to: &HandOffs) -> Result<(), (RefusalKind, &'static str)> {
    let told = |refusal: Refusal| (refusal.kind().clone(), refusal.check());
    caller.hand_off(to, "invoices", PAYLOAD).map(drop).map_err(told)
}

#[tokio::test]
async fn defer_b1_a_record_says_for_whom_and_of_what_and_holds_no_token_and_no_right() {
    let shop = Shop::new().await;
    let login = shop.world.authority.issuer();
    let alice = shop.world.with("alice", |parts| parts.scopes = Scopes::parse("orders:write").expect("scopes"));
    let record = alice.hand_off(&shop.billing(), "invoices", PAYLOAD).expect("tied");
    let expected = json!({
        "iss": ORDERS, "aud": "billing", "iat": START, "exp": START + 24 * 3600, "topic": "invoices",
        "payload_s256": sha256(PAYLOAD), "sub_id": {"format": "iss_sub", "iss": login, "sub": "alice"},
        "act": {"sub": ORDERS},
    });
    assert_eq!(shop.claims(&record), expected);
    assert!(!format!("{record:?}").contains("ey"), "nor is it printed");

    let bob = shop.world.with("bob", |parts| {
        let actor = |id: &str| Actor { id: id.parse().expect("id"), issuer: parts.issuer.clone() };
        parts.actors = ActorChain::new(vec![actor("storefront"), actor("gateway")]);
        parts.transaction = Some("t-1".parse().expect("a transaction"));
        parts.identity.user.as_mut().expect("a user").tenant = Some("acme".parse().expect("a tenant"));
        parts.authentication = AuthenticationContext {
            auth_time: Some(Timestamp::from_secs(START - 10)),
            acr: Some("gold".to_owned()),
            amr: vec!["pwd".to_owned()],
            session: Some("s-1".parse().expect("a session")),
        };
    });
    let week = shop.billing().valid_for(Duration::from_secs(7 * 24 * 3600)).expect("within bounds");
    let record = bob.hand_off(&week, "reports", b"").expect("tied");
    let expected = json!({
        "iss": ORDERS, "aud": "billing", "iat": START, "exp": START + 7 * 24 * 3600, "topic": "reports",
        "payload_s256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "txn": "t-1", "tid": "acme", "sid": "s-1",
        "sub_id": {"format": "iss_sub", "iss": login, "sub": "bob"}, "auth_time": START - 10, "acr": "gold", "amr": ["pwd"],
        "act": {"sub": ORDERS, "act": {"iss": login, "sub": "storefront", "act": {"iss": login, "sub": "gateway"}}},
    });
    assert_eq!(shop.claims(&record), expected);
    assert_eq!(shop.world.authority.calls().len(), 0, "nobody is asked");
}

#[tokio::test]
async fn defer_b2_only_a_user_who_counts_now_has_work_handed_over() {
    let shop = Shop::new().await;
    let to = shop.billing();
    for binding in [Binding::SameToken, Binding::ProofOverAll, Binding::SharedKey, Binding::IssuerNamed] {
        assert_eq!(hand_off(&shop.world.tied("alice", binding), &to), Ok(()), "{binding:?}");
    }
    for binding in [Binding::SelfAsserted, Binding::Deferred, Binding::None] {
        let caller = shop.world.tied("alice", binding);
        let unrelated = Err((RefusalKind::UnrelatedCredentials, "binding"));
        assert_eq!(hand_off(&caller, &to), unrelated, "{binding:?}");
        assert_eq!(hand_off(&caller.at_its_word(), &to), unrelated, "whatever a rule accepts: {binding:?}");
    }
    assert_eq!(hand_off(&shop.world.caller_without_user(), &to), Err((RefusalKind::Denied, "no_user")));

    let (alice, bob) = (shop.world.caller("alice"), shop.world.caller("bob"));
    shop.revoke(|login| Revocation::subject(login, "alice".parse().expect("id")));
    assert_eq!(hand_off(&alice, &to), Err((RefusalKind::InvalidToken, "revoked")));
    shop.world.time.advance(3599);
    assert_eq!(hand_off(&bob, &to), Ok(()));
    shop.world.time.advance(1);
    assert_eq!(hand_off(&bob, &to), Err((RefusalKind::InvalidToken, "exp")));
}

#[tokio::test]
async fn defer_b2_what_a_record_needs_is_refused_by_its_field() {
    let shop = Shop::new().await;
    let told = |wrong: tower_identity_core::InvalidSetting| wrong.to_string();
    let new = |issuer: &str, audience: &str| HandOffs::new(issuer, shop.key.clone(), audience).map(drop).map_err(told);
    assert_eq!(new(ORDERS, "billing"), Ok(()));
    assert_eq!(new("", "billing"), Err("issuer: issuer is empty".to_owned()));
    assert_eq!(new(ORDERS, " "), Err("audience: audience is empty".to_owned()));
    let valid_for = |seconds| shop.billing().valid_for(Duration::from_secs(seconds)).map(drop).map_err(told);
    for (seconds, is_in) in [(59, false), (60, true), (604_800, true), (604_801, false)] {
        let out = || "valid_for_seconds: is not from 60 to 604800".to_owned();
        assert_eq!(valid_for(seconds), if is_in { Ok(()) } else { Err(out()) }, "{seconds}");
    }
    let nameless = shop.world.caller("alice").hand_off(&shop.billing(), "", PAYLOAD).expect_err("no topic");
    assert_eq!((nameless.kind(), nameless.check()), (&RefusalKind::Misconfigured, "topic"));

    let next = SigningKey::generate(Algorithm::Ed25519).expect("a key");
    let keys = KeySet::parse(shop.billing().also_published(next.clone()).key_set().as_bytes()).expect("a key set");
    assert_eq!(keys.keys().count(), 2);
    assert!(keys.contains_key_id(shop.key.key_id()) && keys.contains_key_id(next.key_id()));
}

#[tokio::test]
async fn defer_b3_what_was_handed_over_is_no_subject_of_any_token_and_the_service_calls_as_itself() {
    let shop = Shop::new().await;
    let target = || shop.world.payments.target();
    let deferred = shop.world.tied("alice", Binding::Deferred).at_its_word();
    let signed = || Signed::new(ORDERS, shop.key.clone());
    for row in [
        target().token_exchange(),
        target().by_assertion(),
        target().relay(),
        target().strategy(signed()),
        target().strategy(signed().pass_on()),
    ] {
        let http = client(&shop.world.builder().target(row.clone()).build().expect("outbound"));
        let url = shop.world.payments.url("/");
        let sent = deferred.scope(async { http.get(url.clone()).send().await }).await;
        assert_eq!(refused(sent).0, "binding", "{row:?}");
        assert_eq!(refused(http.get(url).on_behalf_of(&deferred).send().await).0, "binding", "{row:?}");
    }
    assert_eq!((shop.world.authority.calls().len(), shop.world.payments.got().len()), (0, 0));

    let http = client(&shop.world.builder().target(target().token_exchange()).build().expect("outbound"));
    let url = shop.world.payments.url("/");
    deferred.scope(async { http.get(url).as_service().send().await }).await.expect("sent");
    let calls = shop.world.authority.calls();
    assert_eq!((calls.len(), shop.world.payments.got().len()), (1, 1), "by client credentials");
}
