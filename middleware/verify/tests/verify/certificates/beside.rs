//! A token beside a certificate: whom the two name together.

use serde_json::{Value, json};
use tower_identity_core::{Binding, CallerContext, CallerName, Evidence, Refusal, RefusalKind};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_testkit::TestCertificate;
use tower_identity_verify::{Profile, TrustedIssuer, Verifier, VerifierBuilder, danger::trusted_caller};

use super::{House, STOREFRONT};
use crate::{
    bound::x5t,
    support::{at_once, key, sign},
};

const LOGIN: &str = "https://login.example.com";
const USERS: &str = "https://users.example.com";
const SPIRE: &str = "spiffe://example.org";

/// Who calls for whom, by what evidence and tie, with which scopes; or the refusal.
type Outcome = Result<String, (RefusalKind, &'static str)>;

/// A house whose login's keys are given, and a storefront with a certificate.
struct Shop {
    house: House,
    login: SigningKey,
    users: SigningKey,
    storefront: TestCertificate,
}

fn trusted(issuer: &str, key: &SigningKey, audience: &str) -> TrustedIssuer {
    TrustedIssuer::keys(issuer, KeySet::from_keys([key.verifying_key()]).expect("one key")).audience(audience)
}

fn in_spire(name: &str) -> CallerName {
    CallerName::of_issuer(SPIRE, format!("{SPIRE}/{name}")).expect("a name")
}

impl Shop {
    fn new() -> Self {
        let house = House::new();
        let storefront = house.svid().build();
        Self { house, login: key(), users: key(), storefront }
    }

    /// Without any aliases.
    fn builder(&self) -> VerifierBuilder {
        let svids = trusted(SPIRE, &self.users, "orders").profile(Profile::JwtSvid);
        self.house.trusting(trusted(LOGIN, &self.login, "orders")).issuer(svids)
    }

    /// Where the storefront is known by both of its names, and payments too.
    fn verifier(&self) -> Verifier {
        let named = |name: &str| [CallerName::try_from(name).expect("a name"), in_spire(name)];
        self.builder().workload(named("storefront")).workload(named("payments")).build().expect("valid")
    }

    fn claims(&self, issuer: &str, subject: &str, client: &str) -> Value {
        let now = self.house.time.clock().wall().as_secs();
        json!({
            "iss": issuer, "sub": subject, "client_id": client, "aud": "orders", "scope": format!("of:{subject}"),
            "iat": now, "exp": now + 300, "jti": "1f0c",
        })
    }

    fn of(&self, subject: &str, client: &str) -> Value {
        self.claims(LOGIN, subject, client)
    }

    /// A JWT-SVID of this workload.
    fn svid(&self, path: &str) -> String {
        let now = self.house.time.clock().wall().as_secs();
        let claims = json!({"sub": format!("{SPIRE}{path}"), "aud": "orders", "exp": now + 300});
        let header = json!({"alg": "ES256", "kid": self.users.key_id(), "typ": "JWT"});
        let header = header.as_object().expect("an object").clone();
        self.users.sign_with_header(&header, &claims).expect("signed").expose().to_owned()
    }

    /// The storefront's certificate, and this token of the login's beside it.
    fn with(&self, verifier: &Verifier, claims: &Value) -> Outcome {
        self.beside(verifier, &sign(&self.login, claims))
    }

    fn beside(&self, verifier: &Verifier, token: &str) -> Outcome {
        outcome(at_once(verifier.certificate_and_token(self.storefront.chain(), token)))
    }
}

fn outcome(decision: Result<CallerContext, Refusal>) -> Outcome {
    let caller = decision.map_err(|refusal| (refusal.kind().clone(), refusal.check()))?;
    let principal = caller.principal();
    assert_eq!(principal.evidence(), Evidence::Proven);
    assert_eq!(caller.caller_token().token(), None, "the caller's credential is the certificate");
    let user = principal.user().map_or("nobody", |user| user.id.as_str());
    let binding = match principal.binding() {
        Binding::IssuerNamed => "named",
        Binding::None => "none",
        Binding::SameToken => "same token",
        Binding::SharedKey => "one key",
        other => panic!("{other:?} needs proofs"),
    };
    Ok(format!("{} for {user}, {binding}: {}", principal.workload().id, principal.scopes()))
}

fn ok(said: &str) -> Outcome {
    Ok(said.to_owned())
}

fn unrelated() -> Outcome {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

fn invalid(check: &'static str) -> Outcome {
    Err((RefusalKind::InvalidToken, check))
}

/// A1: a user's token in the hands of another legitimate workload.
#[test]
fn two_p1_a_users_token_counts_beside_the_certificate_of_the_workload_that_it_names() {
    let shop = Shop::new();
    let verifier = shop.verifier();
    assert_eq!(shop.with(&verifier, &shop.of("alice", "storefront")), ok("storefront for alice, named: of:alice"));
    assert_eq!(shop.with(&verifier, &shop.of("alice", "payments")), unrelated());
    // On a warm memory, each pair is judged for itself.
    assert_eq!(shop.with(&verifier, &shop.of("bob", "storefront")), ok("storefront for bob, named: of:bob"));
    assert_eq!(shop.with(&verifier, &shop.of("bob", "payments")), unrelated());
}

/// R2 compares names of different issuers, which are one workload's only where that is configured.
#[test]
fn cert_a9_a_client_id_is_the_certificates_name_where_that_is_configured() {
    let shop = Shop::new();
    let unnamed = shop.builder().build().expect("valid");
    assert_eq!(shop.with(&unnamed, &shop.of("alice", "storefront")), unrelated());
    assert_eq!(shop.with(&unnamed, &shop.of("alice", STOREFRONT)), unrelated(), "the same text of another issuer");
    assert_eq!(
        shop.with(&shop.verifier(), &shop.of("alice", "storefront")),
        ok("storefront for alice, named: of:alice")
    );
}

#[test]
fn cert_a9_an_actor_is_the_certificates_workload() {
    let shop = Shop::new();
    let unnamed = shop.builder().build().expect("valid");
    let acted = |act: Value| {
        let mut claims = shop.of("alice", "web");
        claims["act"] = act;
        shop.with(&unnamed, &claims)
    };
    let actor = |name: &str| json!({"iss": SPIRE, "sub": format!("{SPIRE}/{name}")});
    assert_eq!(acted(actor("storefront")), ok("spiffe://example.org/storefront for alice, named: of:alice"));
    assert_eq!(acted(actor("payments")), unrelated());
    assert_eq!(acted(json!({"sub": STOREFRONT})), invalid("act"), "the login has no such workload");
    let mut nested = actor("payments");
    nested["act"] = actor("storefront");
    assert_eq!(acted(nested), unrelated(), "who acted before is history");
    let mut nested = actor("storefront");
    nested["act"] = actor("payments");
    assert_eq!(acted(nested), ok("spiffe://example.org/storefront for alice, named: of:alice"));
}

#[test]
fn cert_a9_may_act_and_trust_count_where_they_are_accepted() {
    let shop = Shop::new();
    let mut may_act = shop.of("alice", "web");
    may_act["may_act"] = json!({"iss": SPIRE, "sub": STOREFRONT});
    assert_eq!(shop.with(&shop.builder().build().expect("valid"), &may_act), unrelated());
    let accepting = shop.builder().accept_may_act().build().expect("valid");
    assert_eq!(shop.with(&accepting, &may_act), ok("spiffe://example.org/storefront for alice, named: of:alice"));

    let of_web = shop.of("alice", "web");
    let trusting = |name: &str| trusted_caller(shop.builder(), [in_spire(name)], [LOGIN]).build().expect("valid");
    assert_eq!(
        shop.with(&trusting("storefront"), &of_web),
        ok("spiffe://example.org/storefront for alice, none: of:alice")
    );
    assert_eq!(shop.with(&trusting("payments"), &of_web), unrelated());
}

#[test]
fn cert_a9_a_workloads_own_token_gives_its_rights_beside_its_own_certificate() {
    let shop = Shop::new();
    let verifier = shop.verifier();
    let own = |client: &str| shop.of(client, client);
    assert_eq!(shop.with(&verifier, &own("storefront")), ok("storefront for nobody, same token: of:storefront"));
    assert_eq!(shop.with(&verifier, &own("payments")), unrelated());
    let unnamed = shop.builder().build().expect("valid");
    assert_eq!(shop.with(&unnamed, &own("storefront")), unrelated());
    // A trust domain's names are the same in both of its documents.
    let same = ok("spiffe://example.org/storefront for nobody, same token: ");
    assert_eq!(shop.beside(&unnamed, &shop.svid("/storefront")), same);
    assert_eq!(shop.beside(&unnamed, &shop.svid("/payments")), unrelated());
}

/// The first of the two to end is the end of both.
#[test]
fn cert_a9_certificate_and_token_end_with_the_first() {
    let shop = Shop::new();
    let (verifier, now) = (shop.verifier(), shop.house.time.clock().wall());
    let end = |seconds: u64| {
        let mut claims = shop.of("alice", "storefront");
        claims["exp"] = (now.as_secs() + seconds).into();
        let both = verifier.certificate_and_token(shop.storefront.chain(), &sign(&shop.login, &claims));
        at_once(both).expect("good").principal().expires_at().as_secs() - now.as_secs()
    };
    assert_eq!((end(60), end(2 * 86_400)), (60, 86_401));
}

/// Law 4: bad is never absent.
#[test]
fn cert_a6_a_certificate_that_does_not_hold_is_refused_beside_a_good_token() {
    let shop = Shop::new();
    let verifier = shop.verifier();
    let token = sign(&shop.login, &shop.of("alice", "storefront"));
    let stranger = tower_identity_testkit::TestAuthority::new(&shop.house.time.clock());
    let forged = stranger.certificate().uri(STOREFRONT).build();
    let both = |chain| outcome(at_once(verifier.certificate_and_token(chain, &token)));
    assert_eq!(both(shop.storefront.chain()), ok("storefront for alice, named: of:alice"));
    assert_eq!(both(forged.chain()), invalid("certificate"));
    assert_eq!(both(&[]), invalid("certificate"));
    assert!(at_once(verifier.bearer(&token)).is_ok(), "the control: the token is good alone");
}

#[test]
fn cert_a9_the_token_is_verified_as_ever() {
    let shop = Shop::new();
    let verifier = shop.verifier();
    let changed = |name: &str, value: Value| {
        let mut claims = shop.of("alice", "storefront");
        claims[name] = value;
        shop.with(&verifier, &claims)
    };
    let now = shop.house.time.clock().wall().as_secs();
    assert_eq!(changed("exp", (now - 60).into()), invalid("exp"));
    assert_eq!(changed("aud", "payments".into()), invalid("aud"));
    assert_eq!(changed("iss", "https://elsewhere.example".into()), invalid("iss"));
    // Of another certificate.
    assert_eq!(changed("cnf", json!({"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"})), invalid("cnf"));
    assert_eq!(shop.beside(&verifier, "not-a-token"), invalid("format"));
}

#[test]
fn two_p2_users_have_issuers_of_their_own_beside_a_certificate_too() {
    let shop = Shop::new();
    let named = [CallerName::try_from("storefront").expect("a name"), in_spire("storefront")];
    let web = CallerName::of_issuer(USERS, "web").expect("a name");
    let [home, spire] = named;
    let verifier = shop
        .builder()
        .user_issuer(trusted(USERS, &shop.users, "shop"))
        .workload([home, spire, web])
        .build()
        .expect("valid");
    let of_users = |audience: &str| {
        let mut claims = shop.claims(USERS, "alice", "web");
        claims["aud"] = audience.into();
        shop.beside(&verifier, &sign(&shop.users, &claims))
    };
    assert_eq!(of_users("shop"), ok("storefront for alice, named: of:alice"));
    assert_eq!(of_users("orders"), invalid("aud"));
    // The callers' issuer speaks for the workload, and for no user.
    assert_eq!(
        shop.with(&verifier, &shop.of("storefront", "storefront")),
        ok("storefront for nobody, same token: of:storefront")
    );
    assert_eq!(shop.with(&verifier, &shop.of("alice", "storefront")), invalid("iss"));
}

/// The issuer of a bound token has seen the certificate itself, and needs no name of it.
#[test]
fn rfc8705_a4_a_token_that_is_bound_to_the_certificate_is_its_workloads_whatever_the_names() {
    let shop = Shop::new();
    let without_names = shop.builder().build().expect("valid");
    let other = shop.house.svid().build();
    let bound = |to: &TestCertificate, mut claims: Value| {
        claims["cnf"] = json!({"x5t#S256": x5t(to)});
        shop.with(&without_names, &claims)
    };
    for (subject, found) in [
        ("alice", "spiffe://example.org/storefront for alice, one key: of:alice"),
        ("storefront", "spiffe://example.org/storefront for nobody, one key: of:storefront"),
    ] {
        assert_eq!(shop.with(&without_names, &shop.of(subject, "storefront")), unrelated(), "the control");
        for _ in 0..2 {
            assert_eq!(bound(&shop.storefront, shop.of(subject, "storefront")), ok(found));
            // One certificate more of the same workload.
            assert_eq!(bound(&other, shop.of(subject, "storefront")), invalid("cnf"));
        }
    }
}
