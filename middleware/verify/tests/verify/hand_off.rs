//! Work that was handed over by a queue: every attack beside a control that differs in one thing.

mod building;

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{
    Actor, Binding, CallerContext, CallerName, Evidence, Refusal, RefusalKind, Revocation, Revocations, Timestamp,
    TokenId, TransactionId, User, Workload,
};
use tower_identity_jose::{KeySet, Limits, MediaType, SigningKey, sha256};
use tower_identity_verify::{Producer, TrustedIssuer, Verifier, VerifierBuilder, danger::self_asserted};

use crate::{
    feed::Script,
    support::{HOUR, ManualClock, at_once, key},
};

const LOGIN: &str = "https://login.example.com";
const PARTNER: &str = "https://partner.example";
const ORDERS: &str = "https://orders.internal";
const STOCK: &str = "spiffe://example.org/stock";
const PAYLOAD: &[u8] = br#"{"order": "o-17"}"#;

/// An issuer of tokens, and two services: one hands over invoices of its users, the other reports of another's.
struct Mesh {
    clock: ManualClock,
    login: SigningKey,
    orders: SigningKey,
    stock: SigningKey,
}

impl Mesh {
    fn new() -> Self {
        Self { clock: ManualClock::new(), login: key(), orders: key(), stock: key() }
    }

    /// A verifier to which nobody hands anything over.
    fn plain(&self) -> VerifierBuilder {
        Verifier::builder(trusted(LOGIN, &self.login)).clock(self.clock.clock())
    }

    fn of_orders(&self) -> Producer {
        Producer::new(trusted(ORDERS, &self.orders)).topics(["invoices", "receipts"]).users_of([LOGIN])
    }

    fn builder(&self) -> VerifierBuilder {
        let of_stock = Producer::new(trusted(STOCK, &self.stock)).topics(["reports"]).users_of([PARTNER]);
        self.plain().handed_off_by(self.of_orders()).handed_off_by(of_stock)
    }

    fn verifier(&self) -> Verifier {
        self.builder().build().expect("valid")
    }

    /// What orders says of an invoice of alice's, for a day from now.
    fn record(&self) -> Value {
        let now = self.clock.now().as_secs();
        json!({
            "iss": ORDERS, "aud": "billing", "iat": now, "exp": now + 86_400, "jti": "1f0c", "topic": "invoices",
            "payload_s256": sha256(PAYLOAD), "txn": "t-1", "sid": "s-1", "auth_time": now - 60,
            "sub_id": {"format": "iss_sub", "iss": LOGIN, "sub": "alice"},
            "act": {"sub": ORDERS, "act": {"iss": LOGIN, "sub": "storefront"}},
        })
    }

    fn with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.record();
        claims[claim] = value;
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.record();
        claims.as_object_mut().expect("an object").remove(claim);
        claims
    }
}

fn trusted(issuer: &str, key: &SigningKey) -> TrustedIssuer {
    TrustedIssuer::keys(issuer, KeySet::from_keys([key.verifying_key()]).expect("one key")).audience("billing")
}

fn sign_as(typ: &str, key: &SigningKey, claims: &Value) -> String {
    key.sign(&MediaType::parse(typ).expect("a type"), claims).expect("signed").expose().to_owned()
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    sign_as("hand-off+jwt", key, claims)
}

type Outcome = Result<String, (RefusalKind, &'static str)>;

/// Who handed it over for whom, tied by what; or the refusal.
fn outcome(decision: Result<CallerContext, Refusal>) -> Outcome {
    let caller = decision.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    let user = principal.user().map_or_else(|| "nobody".to_owned(), |user| format!("{} of {}", user.id, user.issuer));
    Ok(format!("{} for {user}: {:?}", principal.workload().id, principal.binding()))
}

async fn invoice(verifier: &Verifier, record: &str) -> Outcome {
    outcome(verifier.handed_off(record, "invoices", PAYLOAD).await)
}

fn of_alice() -> Outcome {
    Ok(format!("{ORDERS} for alice of {LOGIN}: Deferred"))
}

fn invalid(check: &'static str) -> Outcome {
    Err((RefusalKind::InvalidToken, check))
}

#[tokio::test]
async fn defer_a1_a_producers_record_names_a_user_whom_nothing_else_ties_and_gives_no_right() {
    let mesh = Mesh::new();
    let record = sign(&mesh.orders, &mesh.with("scope", json!("invoices:write")));
    let caller = mesh.verifier().handed_off(&record, "invoices", PAYLOAD).await.expect("listed");
    let principal = caller.principal();
    let orders = Workload { id: ORDERS.parse().expect("id"), issuer: ORDERS.parse().expect("issuer") };
    assert_eq!((principal.workload(), caller.sender()), (&orders, Some(&orders)));
    assert_eq!((principal.evidence(), principal.binding()), (Evidence::Actor, Binding::Deferred));
    let (id, issuer) = ("alice".parse().expect("id"), LOGIN.parse().expect("issuer"));
    assert_eq!(principal.user(), Some(&User { id, issuer, tenant: None }));
    let storefront = Actor { id: "storefront".parse().expect("id"), issuer: LOGIN.parse().expect("issuer") };
    assert_eq!(principal.actors().history(), [storefront]);
    assert_eq!(principal.transaction().map(TransactionId::as_str), Some("t-1"));
    assert_eq!(principal.token_id().map(TokenId::as_str), Some("1f0c"));
    let ends = Timestamp::from_secs(mesh.clock.now().as_secs() + 86_400);
    assert_eq!((principal.expires_at(), caller.judged_at()), (ends, mesh.clock.now()));
    assert!(principal.scopes().is_empty(), "whatever it says");
    assert!(!caller.counts_together() && caller.at_its_word().counts_together());
}

#[tokio::test]
async fn defer_a1_whoever_is_not_listed_and_whomever_it_may_not_speak_for_is_refused() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let user_of = |issuer: &str| json!({"format": "iss_sub", "iss": issuer, "sub": "alice"});
    let by_another = mesh.stock.clone().with_key_id(mesh.orders.key_id());
    let mut by_stock = mesh.with("sub_id", user_of(PARTNER));
    (by_stock["iss"], by_stock["act"]) = (STOCK.into(), json!({"sub": STOCK}));
    let mut report = by_stock.clone();
    report["topic"] = "reports".into();
    let cases = [
        ("the control", sign(&mesh.orders, &mesh.record()), of_alice()),
        ("an unlisted service", sign(&key(), &mesh.with("iss", json!("https://reports.internal"))), invalid("iss")),
        ("another producer's key", sign(&by_another, &mesh.record()), invalid("signature")),
        ("a key that is nobody's", sign(&key(), &mesh.record()), invalid("key")),
        ("the issuer of tokens", sign(&mesh.login, &mesh.with("iss", json!(LOGIN))), invalid("iss")),
        (
            "users whom it may not speak for",
            sign(&mesh.orders, &mesh.with("sub_id", user_of(PARTNER))),
            invalid("subject"),
        ),
        ("another acts", sign(&mesh.orders, &mesh.with("act", json!({"sub": STOCK}))), invalid("act")),
        (
            "one of its name elsewhere acts",
            sign(&mesh.orders, &mesh.with("act", json!({"sub": ORDERS, "iss": "https://elsewhere.example"}))),
            invalid("act"),
        ),
        (
            "a user by another format",
            sign(&mesh.orders, &mesh.with("sub_id", json!({"format": "opaque", "iss": LOGIN, "sub": "alice"}))),
            invalid("claims"),
        ),
        ("nobody acts", sign(&mesh.orders, &mesh.without("act")), invalid("act")),
        ("no user", sign(&mesh.orders, &mesh.without("sub_id")), invalid("claims")),
        ("a producer that is not listed for the topic", sign(&mesh.stock, &by_stock), invalid("topic")),
    ];
    for (name, record, expected) in cases {
        assert_eq!(invoice(&verifier, &record).await, expected, "{name}");
    }
    let listed = outcome(verifier.handed_off(&sign(&mesh.stock, &report), "reports", PAYLOAD).await);
    assert_eq!(listed, Ok(format!("{STOCK} for alice of {PARTNER}: Deferred")), "for that which it is");
    let nobody = mesh.plain().build().expect("valid");
    assert_eq!(invoice(&nobody, &sign(&mesh.orders, &mesh.record())).await, invalid("iss"), "where nobody is");
}

#[tokio::test]
async fn defer_a4_while_nobody_knows_what_was_revoked_no_record_is_decided_about() {
    let mesh = Mesh::new();
    let record = sign(&mesh.orders, &mesh.record());
    let waiting = mesh.builder().require_revocation_feed(Script::default()).build().expect("valid");
    let undecided = waiting.handed_off(&record, "invoices", PAYLOAD).await.expect_err("the feed has not answered");
    assert!(matches!(undecided.kind(), RefusalKind::Unavailable { .. }), "{undecided:?}");
    let other = mesh.builder().revocation_feed(Script::default()).build().expect("valid");
    assert_eq!(invoice(&other, &record).await, of_alice(), "the control");
}

#[tokio::test]
async fn defer_a1_a_record_is_no_longer_than_a_token_may_be() {
    let mesh = Mesh::new();
    let record = sign(&mesh.orders, &mesh.record());
    for (bytes, expected) in [(record.len(), of_alice()), (record.len() - 1, invalid("format"))] {
        let limits = Limits::default().with_token_bytes(bytes).expect("a limit");
        let verifier = mesh.builder().limits(limits).build().expect("valid");
        assert_eq!(invoice(&verifier, &record).await, expected, "{bytes}");
    }
}

#[tokio::test]
async fn defer_a2_it_is_about_one_topic_and_one_payload_for_one_consumer() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let of = |claims: &Value| sign(&mesh.orders, claims);
    let cases = [
        ("the control", of(&mesh.record()), of_alice()),
        ("another topic of the same producer", of(&mesh.with("topic", json!("receipts"))), invalid("topic")),
        ("a topic by another spelling", of(&mesh.with("topic", json!("Invoices"))), invalid("topic")),
        ("no topic", of(&mesh.without("topic")), invalid("claims")),
        ("a topic of a wrong type", of(&mesh.with("topic", json!(["invoices"]))), invalid("claims")),
        ("another payload", of(&mesh.with("payload_s256", json!(sha256(b"{}")))), invalid("payload")),
        ("no payload", of(&mesh.without("payload_s256")), invalid("claims")),
        ("another consumer", of(&mesh.with("aud", json!("stock"))), invalid("aud")),
        ("this one and another", of(&mesh.with("aud", json!(["billing", "stock"]))), invalid("aud")),
        ("no id", of(&mesh.without("jti")), invalid("claims")),
        ("bound to a key", of(&mesh.with("cnf", json!({"jkt": "x"}))), invalid("cnf")),
    ];
    for (name, record, expected) in cases {
        assert_eq!(invoice(&verifier, &record).await, expected, "{name}");
    }
    let record = of(&mesh.record());
    let as_it_came = |topic: &'static str, payload: &'static [u8]| {
        let verifying = verifier.handed_off(&record, topic, payload);
        async move { outcome(verifying.await) }
    };
    assert_eq!(as_it_came("receipts", PAYLOAD).await, invalid("topic"));
    assert_eq!(as_it_came("invoices", br#"{"order": "o-18"}"#).await, invalid("payload"));
    assert_eq!(as_it_came("invoices", br#"{"order":"o-17"}"#).await, invalid("payload"), "its bytes, not its meaning");
    assert_eq!(as_it_came("invoices", PAYLOAD).await, of_alice());
}

#[tokio::test]
async fn defer_a2_it_is_of_a_kind_of_its_own_and_in_no_others_place() {
    let mesh = Mesh::new();
    let also_at_its_word = self_asserted(mesh.builder(), trusted(ORDERS, &mesh.orders), [LOGIN]);
    let verifier = also_at_its_word.build().expect("one service may be both");
    let now = mesh.clock.now().as_secs();
    for typ in ["at+jwt", "self-asserted+jwt", "JWT"] {
        assert_eq!(invoice(&verifier, &sign_as(typ, &mesh.orders, &mesh.record())).await, invalid("typ"), "{typ}");
    }
    assert_eq!(
        invoice(&verifier, &sign_as("application/HAND-OFF+jwt", &mesh.orders, &mesh.record())).await,
        of_alice()
    );
    let access_token = json!({
        "iss": LOGIN, "sub": "alice", "client_id": "orders", "aud": "billing", "iat": now, "exp": now + 60, "jti": "1",
    });
    let access_token = sign_as("at+jwt", &mesh.login, &access_token);
    assert_eq!(invoice(&verifier, &access_token).await, invalid("iss"));
    assert!(at_once(verifier.bearer(&access_token)).is_ok(), "the control");

    // And the record is no credential of a request, neither a caller's nor a user's.
    let record = sign(&mesh.orders, &mesh.with("exp", json!(now + 60)));
    assert_eq!(invoice(&verifier, &record).await, of_alice(), "the control");
    assert_eq!(outcome(at_once(verifier.bearer(&record))), invalid("typ"));
    assert_eq!(outcome(at_once(mesh.verifier().bearer(&record))), invalid("iss"));
    let of_orders = json!({
        "iss": LOGIN, "sub": "orders", "client_id": "orders", "aud": "billing", "iat": now, "exp": now + 60, "jti": "2",
    });
    let of_orders = sign_as("at+jwt", &mesh.login, &of_orders);
    assert_eq!(outcome(at_once(verifier.pair(&of_orders, &record))), invalid("typ"));
    let word = sign_as("self-asserted+jwt", &mesh.orders, &mesh.with("exp", json!(now + 60)));
    let spoken = format!("{ORDERS} for alice of {LOGIN}: SelfAsserted");
    assert_eq!(outcome(at_once(verifier.bearer(&word))), Ok(spoken), "the control");
}

#[tokio::test]
async fn defer_a2_however_late_it_is_in_order_as_often_as_it_comes_until_its_end() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let record = sign(&mesh.orders, &mesh.record());
    for _ in 0..2 {
        assert_eq!(invoice(&verifier, &record).await, of_alice(), "a queue delivers twice");
    }
    mesh.clock.advance(HOUR);
    assert_eq!(invoice(&verifier, &record).await, of_alice(), "an hour's lag");
    mesh.clock.advance(23 * HOUR + Duration::from_secs(29));
    assert_eq!(invoice(&verifier, &record).await, of_alice(), "within the leeway");
    mesh.clock.advance(Duration::from_secs(1));
    assert_eq!(invoice(&verifier, &record).await, invalid("exp"));

    let lives = |seconds: u64| mesh.with("exp", json!(mesh.clock.now().as_secs() + seconds));
    assert_eq!(invoice(&verifier, &sign(&mesh.orders, &lives(604_800))).await, of_alice());
    assert_eq!(invoice(&verifier, &sign(&mesh.orders, &lives(604_801))).await, invalid("exp"), "longer than allowed");
    assert_eq!(invoice(&verifier, &sign(&mesh.orders, &mesh.without("exp"))).await, invalid("exp"));
    assert_eq!(invoice(&verifier, &sign(&mesh.orders, &mesh.without("iat"))).await, invalid("iat"));
    let early = mesh.with("iat", json!(mesh.clock.now().as_secs() + 31));
    assert_eq!(invoice(&verifier, &sign(&mesh.orders, &early)).await, invalid("iat"));
}

#[tokio::test]
async fn defer_a4_what_was_revoked_while_the_work_waited_is_refused() {
    let mesh = Mesh::new();
    let after = async |what: Revocation| {
        let list = Revocations::new(mesh.clock.clock());
        let verifier = mesh.builder().revocations(list.clone()).build().expect("valid");
        let record = sign(&mesh.orders, &mesh.record());
        assert_eq!(invoice(&verifier, &record).await, of_alice(), "nothing is revoked yet");
        mesh.clock.advance(HOUR);
        list.revoke(what);
        invoice(&verifier, &record).await
    };
    let issuer = |name: &str| name.parse().expect("issuer");
    let subject = |iss: &str, id: &str| Revocation::subject(issuer(iss), id.parse().expect("id"));
    let session = |iss: &str, id: &str| Revocation::session(issuer(iss), id.parse().expect("id"));
    let record = |id: &str| Revocation::token(issuer(ORDERS), id.parse().expect("id"));
    for ended in [subject(LOGIN, "alice"), session(LOGIN, "s-1"), subject(ORDERS, ORDERS), record("1f0c")] {
        assert_eq!(after(ended.clone()).await, invalid("revoked"), "{ended:?}");
    }
    for other in [subject(LOGIN, "bob"), session(LOGIN, "s-2"), subject(PARTNER, "alice"), record("1f0d")] {
        assert_eq!(after(other.clone()).await, of_alice(), "{other:?}");
    }
}

#[tokio::test]
async fn defer_a1_the_producer_goes_by_its_configured_names_and_issues_no_tokens() {
    let mesh = Mesh::new();
    let names = ["orders".try_into().expect("a name"), CallerName::of_issuer(ORDERS, ORDERS).expect("a name")];
    let verifier = mesh.builder().workload(names).build().expect("valid");
    let record = sign(&mesh.orders, &mesh.record());
    assert_eq!(invoice(&verifier, &record).await, Ok(format!("orders for alice of {LOGIN}: Deferred")));
    let issuers: Vec<_> = verifier.issuers().map(|issuer| issuer.to_string()).collect();
    assert_eq!(issuers, [LOGIN]);
}
