//! Services that are taken at their word for whom they call: every attack beside a control that differs in one thing.

mod building;
mod pairs;
mod settings;

use serde_json::{Value, json};
use tower_identity_core::{
    Actor, Binding, CallerContext, CallerName, Evidence, Refusal, RefusalKind, Revocation, Revocations, User, Workload,
};
use tower_identity_jose::{KeySet, MediaType, SigningKey};
use tower_identity_verify::{TrustedIssuer, Verdict, Verification, Verifier, VerifierBuilder, danger::self_asserted};

use crate::support::{ManualClock, at_once, key};

const LOGIN: &str = "https://login.example.com";
const PARTNER: &str = "https://partner.example";
const ORDERS: &str = "https://orders.internal";
const STOCK: &str = "spiffe://example.org/stock";

/// An issuer of tokens, and two services of which one is listed for its users and the other for another's.
struct Mesh {
    login: SigningKey,
    orders: SigningKey,
    stock: SigningKey,
}

impl Mesh {
    fn new() -> Self {
        Self { login: key(), orders: key(), stock: key() }
    }

    /// A verifier that takes nobody at their word.
    fn plain(&self) -> VerifierBuilder {
        Verifier::builder(trusted(LOGIN, &self.login)).clock(ManualClock::new().clock())
    }

    fn builder(&self) -> VerifierBuilder {
        let builder = self_asserted(self.plain(), trusted(ORDERS, &self.orders), [LOGIN]);
        self_asserted(builder, trusted(STOCK, &self.stock), [PARTNER])
    }

    fn verifier(&self) -> Verifier {
        self.builder().build().expect("valid")
    }
}

fn trusted(issuer: &str, key: &SigningKey) -> TrustedIssuer {
    TrustedIssuer::keys(issuer, KeySet::from_keys([key.verifying_key()]).expect("one key")).audience("payments")
}

fn now() -> u64 {
    ManualClock::new().now().as_secs()
}

/// What orders says of alice.
fn word() -> Value {
    json!({
        "iss": ORDERS, "aud": "payments", "iat": now(), "exp": now() + 60, "jti": "1f0c", "scope": "payments:charge",
        "sub_id": {"format": "iss_sub", "iss": LOGIN, "sub": "alice"},
        "act": {"sub": ORDERS, "act": {"iss": LOGIN, "sub": "storefront"}},
    })
}

fn with(claim: &str, value: Value) -> Value {
    let mut claims = word();
    claims[claim] = value;
    claims
}

fn without(claim: &str) -> Value {
    let mut claims = word();
    claims.as_object_mut().expect("an object").remove(claim);
    claims
}

fn sign_as(typ: &str, key: &SigningKey, claims: &Value) -> String {
    key.sign(&MediaType::parse(typ).expect("a type"), claims).expect("signed").expose().to_owned()
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    sign_as("self-asserted+jwt", key, claims)
}

/// Who calls for whom, tied by what; or the refusal.
fn outcome(decision: Result<CallerContext, Refusal>) -> Result<String, (RefusalKind, &'static str)> {
    let caller = decision.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    let user = principal.user().map_or_else(|| "nobody".to_owned(), |user| format!("{} of {}", user.id, user.issuer));
    Ok(format!("{} for {user}: {:?}", principal.workload().id, principal.binding()))
}

#[track_caller]
fn decided(verification: Verification) -> Result<String, (RefusalKind, &'static str)> {
    outcome(at_once(verification))
}

fn at_its_word() -> Result<String, (RefusalKind, &'static str)> {
    Ok(format!("{ORDERS} for alice of {LOGIN}: SelfAsserted"))
}

fn invalid(check: &'static str) -> Result<String, (RefusalKind, &'static str)> {
    Err((RefusalKind::InvalidToken, check))
}

#[test]
fn said_a1_a_listed_services_word_names_a_user_of_a_listed_issuer_and_is_no_binding() {
    let mesh = Mesh::new();
    let caller = at_once(mesh.verifier().bearer(&sign(&mesh.orders, &word()))).expect("listed");
    let principal = caller.principal();
    let orders = Workload { id: ORDERS.parse().expect("id"), issuer: ORDERS.parse().expect("issuer") };
    assert_eq!(principal.workload(), &orders);
    assert_eq!(caller.sender(), Some(&orders));
    assert_eq!((principal.evidence(), principal.binding()), (Evidence::Actor, Binding::SelfAsserted));
    let (id, issuer) = ("alice".parse().expect("id"), LOGIN.parse().expect("issuer"));
    assert_eq!(principal.user(), Some(&User { id, issuer, tenant: None }));
    let storefront = Actor { id: "storefront".parse().expect("id"), issuer: LOGIN.parse().expect("issuer") };
    assert_eq!(principal.actors().history(), [storefront]);
    assert_eq!(principal.scopes().to_string(), "payments:charge");
    assert!(!caller.counts_together() && caller.at_its_word().counts_together());
    assert_eq!(caller.at_its_word().principal().binding(), Binding::SelfAsserted);
    assert!(caller.caller_token().is_self_asserted());
}

#[test]
fn said_a1_whoever_is_not_listed_and_whomever_it_may_not_speak_for_is_refused() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let user_of = |issuer: &str| json!({"format": "iss_sub", "iss": issuer, "sub": "alice"});
    let by_stock = |user: &str| {
        let mut claims = with("sub_id", user_of(user));
        (claims["iss"], claims["act"]) = (STOCK.into(), json!({"sub": STOCK}));
        claims
    };
    let by_another = mesh.stock.clone().with_key_id(mesh.orders.key_id());
    let cases = [
        ("the control", sign(&mesh.orders, &word()), at_its_word()),
        ("an unlisted service", sign(&key(), &with("iss", json!("https://reports.internal"))), invalid("iss")),
        ("the key of another listed service", sign(&by_another, &word()), invalid("signature")),
        (
            "for users whom it may not speak for",
            sign(&mesh.orders, &with("sub_id", user_of(PARTNER))),
            invalid("subject"),
        ),
        ("for users of its own", sign(&mesh.orders, &with("sub_id", user_of(ORDERS))), invalid("subject")),
        ("one that speaks for others", sign(&mesh.stock, &by_stock(LOGIN)), invalid("subject")),
        (
            "for those it may",
            sign(&mesh.stock, &by_stock(PARTNER)),
            Ok(format!("{STOCK} for alice of {PARTNER}: SelfAsserted")),
        ),
        ("the issuer of tokens itself", sign(&mesh.login, &with("iss", json!(LOGIN))), invalid("typ")),
    ];
    for (name, token, expected) in cases {
        assert_eq!(decided(verifier.bearer(&token)), expected, "{name}");
    }
    let nobody = mesh.plain().build().expect("valid");
    assert_eq!(
        decided(nobody.bearer(&sign(&mesh.orders, &word()))),
        invalid("iss"),
        "where nobody is taken at their word"
    );
}

#[test]
fn said_a2_its_word_is_of_a_kind_of_its_own_for_us_alone_and_not_for_long() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let access_token = json!({
        "iss": ORDERS, "sub": "alice", "client_id": "orders", "aud": "payments", "iat": now(), "exp": now() + 60, "jti": "1",
    });
    let from_to = |iat: u64, exp: u64| {
        let mut claims = with("iat", json!(iat));
        claims["exp"] = json!(exp);
        claims
    };
    let of = |claims: &Value| sign(&mesh.orders, claims);
    let cases = [
        ("the control", of(&word()), at_its_word()),
        ("an access token of the same key", sign_as("at+jwt", &mesh.orders, &access_token), invalid("typ")),
        ("its word as an access token", sign_as("at+jwt", &mesh.orders, &word()), invalid("typ")),
        ("its word as any JWT", sign_as("JWT", &mesh.orders, &word()), invalid("typ")),
        ("another service's", of(&with("aud", json!("stock"))), invalid("aud")),
        ("ours and another's", of(&with("aud", json!(["payments", "stock"]))), invalid("aud")),
        ("ours, in a list", of(&with("aud", json!(["payments"]))), at_its_word()),
        ("ended", of(&from_to(now() - 100, now() - 31)), invalid("exp")),
        ("ended within the leeway", of(&from_to(now() - 100, now() - 29)), at_its_word()),
        ("longer than allowed", of(&from_to(now(), now() + 301)), invalid("exp")),
        ("as long as allowed", of(&from_to(now(), now() + 300)), at_its_word()),
        ("without an end", of(&without("exp")), invalid("exp")),
        ("without a beginning", of(&without("iat")), invalid("iat")),
        ("without an id", of(&without("jti")), invalid("claims")),
        ("bound to a key", of(&with("cnf", json!({"jkt": "x"}))), invalid("cnf")),
    ];
    for (name, token, expected) in cases {
        assert_eq!(decided(verifier.bearer(&token)), expected, "{name}");
    }
}

#[test]
fn said_a2_the_user_is_named_whole_and_the_service_acts_itself() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    let cases = [
        ("the control", word(), at_its_word()),
        ("no user", without("sub_id"), invalid("claims")),
        ("a user without an issuer", with("sub_id", json!({"format": "iss_sub", "sub": "alice"})), invalid("claims")),
        ("a user by another format", with("sub_id", json!({"format": "opaque", "id": "alice"})), invalid("claims")),
        ("nobody", with("sub_id", json!({"format": "iss_sub", "iss": LOGIN, "sub": ""})), invalid("claims")),
        (
            "sub alone",
            {
                let mut claims = without("sub_id");
                claims["sub"] = json!("alice");
                claims
            },
            invalid("claims"),
        ),
        ("nobody acts", without("act"), invalid("act")),
        ("another acts", with("act", json!({"sub": STOCK})), invalid("act")),
        ("a namesake acts", with("act", json!({"iss": LOGIN, "sub": ORDERS})), invalid("act")),
        ("it acts", with("act", json!({"sub": ORDERS})), at_its_word()),
        ("it acts, named whole", with("act", json!({"iss": ORDERS, "sub": ORDERS})), at_its_word()),
    ];
    for (name, claims, expected) in cases {
        assert_eq!(decided(verifier.bearer(&sign(&mesh.orders, &claims))), expected, "{name}");
    }
    // A user of a tenant.
    let of_acme = sign(&mesh.orders, &with("tid", json!("acme")));
    let caller = at_once(verifier.bearer(&of_acme)).expect("in order");
    assert_eq!(caller.principal().user().and_then(|user| user.tenant.as_ref()).expect("a tenant").as_str(), "acme");
}

#[test]
fn said_a1_it_is_remembered_as_its_word_and_ends_when_the_user_is_revoked() {
    let mesh = Mesh::new();
    let clock = ManualClock::new();
    let list = Revocations::new(clock.clock());
    let verifier = mesh.builder().clock(clock.clock()).revocations(list.clone()).build().expect("valid");
    let (of_alice, mut bobs) = (sign(&mesh.orders, &word()), word());
    bobs["sub_id"]["sub"] = json!("bob");
    let of_bob = sign(&mesh.orders, &bobs);
    let of = |user: &str| Ok(format!("{ORDERS} for {user} of {LOGIN}: SelfAsserted"));
    for _ in 0..3 {
        assert_eq!(decided(verifier.bearer(&of_alice)), of("alice"));
        assert_eq!(decided(verifier.bearer(&of_bob)), of("bob"));
    }
    list.revoke(Revocation::subject(LOGIN.parse().expect("issuer"), "alice".parse().expect("id")));
    assert_eq!(decided(verifier.bearer(&of_alice)), invalid("revoked"));
    assert_eq!(decided(verifier.bearer(&of_bob)), of("bob"));
}

#[test]
fn said_a1_the_service_goes_by_its_configured_names_and_issues_no_tokens() {
    let mesh = Mesh::new();
    let names = ["orders".try_into().expect("a name"), CallerName::of_issuer(ORDERS, ORDERS).expect("a name")];
    let verifier = mesh.builder().workload(names).build().expect("valid");
    let token = sign(&mesh.orders, &word());
    assert_eq!(decided(verifier.bearer(&token)), Ok(format!("orders for alice of {LOGIN}: SelfAsserted")));
    let issuers: Vec<_> = verifier.issuers().map(|issuer| issuer.to_string()).collect();
    assert_eq!(issuers, [LOGIN]);
}

#[tokio::test]
async fn said_a1_what_is_wrong_with_a_services_word_is_explained() {
    let mesh = Mesh::new();
    let verifier = mesh.verifier();
    assert_eq!(verifier.explain(&sign(&mesh.orders, &word())).await.verdict(), Verdict::Accepted);
    let explanation = verifier.explain(&sign(&mesh.orders, &with("aud", json!("stock")))).await;
    assert_eq!(explanation.verdict(), Verdict::Refused);
    let of_partner = with("sub_id", json!({"format": "iss_sub", "iss": PARTNER, "sub": "alice"}));
    let text = verifier.explain(&sign(&mesh.orders, &of_partner)).await.to_string();
    let expected = format!("it may speak for users of [{LOGIN:?}], and not for those of {PARTNER:?}");
    assert!(text.contains(&expected), "{text}");
}
