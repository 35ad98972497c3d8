//! Which security events are taken, and what they end: every attack beside a control that differs in one thing.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{RefusalKind, SecretToken};
use tower_identity_jose::{Algorithm, SigningKey};
use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_testkit::{Endpoint, Failure, ManualClock, TestIssuer, TokenBuilder};
use tower_identity_verify::{EventReceiver, Received, TrustedIssuer, Verifier};

use crate::support::{accepted, invalid, refused};

const RECEIVER: &str = "https://orders.example/events";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// A subject identifier of somebody there.
type SubId<'a> = Box<dyn Fn(&Post) -> Value + 'a>;

type Outcome = Result<Received, (RefusalKind, &'static str)>;

/// An issuer, a verifier that trusts it, and the receiver of its events.
struct Post {
    clock: ManualClock,
    issuer: TestIssuer,
    verifier: Verifier,
    receiver: EventReceiver,
}

impl Post {
    fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::builder().clock(clock.clock()).start();
        let home = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
        let verifier = Verifier::builder(home).clock(clock.clock()).build().expect("valid");
        let receiver = EventReceiver::builder(&verifier, RECEIVER).build().expect("valid");
        Self { clock, issuer, verifier, receiver }
    }

    fn of(&self, user: &str) -> TokenBuilder {
        self.issuer.token().subject(user).client("storefront").audience("orders")
    }

    async fn is_revoked(&self, token: &SecretToken) -> bool {
        match self.verifier.bearer(token.expose()).await {
            Ok(_) => false,
            Err(refusal) => {
                assert_eq!((refusal.kind().clone(), refusal.check()), invalid("revoked"));
                true
            }
        }
    }

    fn event(&self) -> TokenBuilder {
        self.issuer.user_revoked("alice").audience(RECEIVER)
    }

    async fn send(&self, event: TokenBuilder) -> Outcome {
        let received = self.receiver.receive(event.build().expose()).await;
        received.map_err(|refusal| (refusal.kind().clone(), refusal.check()))
    }
}

#[tokio::test]
async fn ssf_a1_an_event_of_a_trusted_issuer_ends_the_tokens_of_its_user_and_nobody_elses() {
    let post = Post::new();
    let (alice, bob) = (post.of("alice").build(), post.of("bob").build());
    assert!(!post.is_revoked(&alice).await);
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
    assert_eq!((post.is_revoked(&alice).await, post.is_revoked(&bob).await), (true, false));

    // Who signs in again is let in: the event says when, by the clock of the issuer.
    post.clock.advance(Duration::from_secs(1));
    assert!(!post.is_revoked(&post.of("alice").build()).await);
}

#[tokio::test]
async fn ssf_a1_what_is_no_event_for_us_of_its_issuer_changes_nothing() {
    let post = Post::new();
    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    let kid = post.issuer.key().key_id().to_owned();
    let alice = post.of("alice").build();
    let later = post.clock.clock().wall().as_secs() + 31;
    let event = || post.event();
    let nested = json!({"format": "aliases", "identifiers": []});
    let cases: Vec<(&str, TokenBuilder, &str)> = vec![
        ("another key under its name", event().sign_with(&stranger).header("kid", &*kid), "signature"),
        ("a key that is not of the set", event().sign_with(&stranger), "key"),
        ("unsigned", event().unsigned().signature(*b"signed"), "alg"),
        ("changed", event().tampered(), "signature"),
        ("another audience", event().audience("https://payments.example/events"), "aud"),
        ("the audience of access tokens", event().audience("orders"), "aud"),
        ("no audience", event().without("aud"), "aud"),
        ("another issuer", event().claim("iss", "https://stranger.example"), "iss"),
        ("no issuer", event().without("iss"), "iss"),
        ("an access token", event().header("typ", "at+jwt"), "typ"),
        ("no type", event().without_header("typ"), "typ"),
        ("critical", event().header("crit", json!(["x"])), "crit"),
        ("sub", event().claim("sub", "alice"), "claims"),
        ("sub that is null", event().claim("sub", Value::Null), "claims"),
        ("exp", event().claim("exp", later), "claims"),
        ("no jti", event().without("jti"), "claims"),
        ("no iat", event().without("iat"), "iat"),
        ("of the future", event().claim("iat", later), "iat"),
        ("no events", event().without("events"), "claims"),
        ("empty events", event().claim("events", json!({})), "claims"),
        ("events that are a list", event().claim("events", json!([SESSION_REVOKED])), "claims"),
        ("an event that is none", event().claim("events", json!({SESSION_REVOKED: "now"})), "claims"),
        ("no sub_id", event().without("sub_id"), "subject"),
        ("sub_id that is a text", event().claim("sub_id", "alice"), "subject"),
        ("sub_id without format", event().claim("sub_id", json!({"sub": "alice"})), "subject"),
        ("iss_sub without sub", event().claim("sub_id", json!({"format": "iss_sub", "iss": "https://x"})), "subject"),
        (
            "aliases within aliases",
            event().claim("sub_id", json!({"format": "aliases", "identifiers": [nested]})),
            "subject",
        ),
        ("a time that is none", event().claim("events", json!({SESSION_REVOKED: {"event_timestamp": "1"}})), "claims"),
    ];
    let epoch = post.verifier.revocations().epoch();
    for (what, event, check) in cases {
        assert_eq!(post.send(event).await, Err(invalid(check)), "{what}");
    }
    assert_eq!(refused(post.verifier.bearer(post.event().build().expose()).await), invalid("typ"), "nor is it a token");
    assert_eq!((post.verifier.revocations().epoch(), post.is_revoked(&alice).await), (epoch, false));
    assert_eq!(post.send(event()).await, Ok(Received::Applied), "the control");
    assert!(post.is_revoked(&alice).await);
}

#[tokio::test]
async fn ssf_a2_an_event_that_comes_again_is_acknowledged_and_not_applied() {
    let post = Post::new();
    let event = post.event().build();
    let send = || post.receiver.receive(event.expose());
    assert_eq!(send().await.expect("taken"), Received::Applied);
    let epoch = post.verifier.revocations().epoch();
    post.clock.advance(Duration::from_secs(600));
    assert_eq!(send().await.expect("taken"), Received::Known);
    assert_eq!(post.verifier.revocations().epoch(), epoch);
    accepted(post.verifier.bearer(post.of("alice").build().expose()).await);
    // Another event about her is another matter.
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
}

#[tokio::test]
async fn ssf_a2_events_of_other_kinds_and_about_nobody_whom_tokens_name_are_acknowledged() {
    let post = Post::new();
    let credential_change = "https://schemas.openid.net/secevent/caep/event-type/credential-change";
    let event = |sub_id: Value| post.issuer.revoked(sub_id).audience(RECEIVER);
    for (what, event) in [
        ("credential-change", post.event().claim("events", json!({credential_change: {}}))),
        ("email", event(json!({"format": "email", "email": "alice@example.com"}))),
        ("a device", event(json!({"format": "complex", "device": {"format": "opaque", "id": "d-1"}}))),
        (
            "a user by what tokens do not tell, and a tenant",
            event(json!({
                "format": "complex",
                "user": {"format": "email", "email": "alice@example.com"},
                "tenant": {"format": "opaque", "id": "t"}
            })),
        ),
        (
            "a tenant of an issuer without",
            event(json!({"format": "complex", "tenant": {"format": "opaque", "id": "t"}})),
        ),
    ] {
        assert_eq!(post.send(event).await, Ok(Received::NotOurs), "{what}");
    }
    assert_eq!(post.verifier.revocations().epoch(), 0);
}

#[tokio::test]
async fn ssf_a1_a_subject_is_named_in_each_form_that_tokens_know() {
    let iss = |post: &Post| post.issuer.issuer().to_string();
    let of_user = |post: &Post, sub: &str| json!({"format": "iss_sub", "iss": iss(post), "sub": sub});
    let opaque = |id: &str| json!({"format": "opaque", "id": id});
    let forms: Vec<(&str, SubId<'_>, [bool; 3])> = vec![
        // Alice in session s-1, alice in s-2, bob in s-3.
        ("user", Box::new(move |post| of_user(post, "alice")), [true, true, false]),
        ("session", Box::new(move |_| opaque("s-1")), [true, false, false]),
        (
            "token",
            Box::new(move |post| json!({"format": "jwt_id", "iss": iss(post), "jti": "t-2"})),
            [false, true, false],
        ),
        (
            "user and session",
            Box::new(
                move |post| json!({"format": "complex", "user": of_user(post, "alice"), "session": opaque("s-2")}),
            ),
            [false, true, false],
        ),
        (
            "another user's session",
            Box::new(
                move |post| json!({"format": "complex", "user": of_user(post, "alice"), "session": opaque("s-3")}),
            ),
            [false, false, false],
        ),
        (
            "user and tenant, of an issuer without tenants",
            Box::new(move |post| json!({"format": "complex", "user": of_user(post, "bob"), "tenant": opaque("acme")})),
            [false, false, true],
        ),
        (
            "user, by an opaque name",
            Box::new(move |_| json!({"format": "complex", "user": opaque("bob"), "device": opaque("d-1")})),
            [false, false, true],
        ),
        (
            "aliases",
            Box::new(move |post| {
                let email = json!({"format": "email", "email": "bob@example.com"});
                json!({"format": "aliases", "identifiers": [email, of_user(post, "bob")]})
            }),
            [false, false, true],
        ),
    ];
    for (what, sub_id, expected) in forms {
        let post = Post::new();
        let tokens = [("alice", "s-1", "t-1"), ("alice", "s-2", "t-2"), ("bob", "s-3", "t-3")]
            .map(|(user, session, id)| post.of(user).claim("sid", session).claim("jti", id).build());
        assert_eq!(post.send(post.issuer.revoked(sub_id(&post)).audience(RECEIVER)).await, Ok(Received::Applied));
        let mut found = [false; 3];
        for (at, token) in tokens.iter().enumerate() {
            found[at] = post.is_revoked(token).await;
        }
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn ssf_a2_the_time_of_an_event_is_when_it_happened_and_never_the_future() {
    let told = |post: &Post, seconds: i64| post.clock.clock().wall().as_secs().saturating_add_signed(seconds);
    let with = |event: Value| move |token: TokenBuilder| token.claim("events", json!({SESSION_REVOKED: event}));
    // Issued 10 s ago, and now: which of the two does the event end?
    for (what, timestamp, toe, expected) in [
        ("happened 5 s ago", Some(-5), None, [true, false]),
        ("happened 5 s ago, by the token's own word", None, Some(-5), [true, false]),
        ("the event's word counts", Some(-5), Some(0), [true, false]),
        ("happened when it was issued", None, None, [true, true]),
        ("happened before both", Some(-11), None, [false, false]),
    ] {
        let post = Post::new();
        let before = post.of("alice").build();
        post.clock.advance(Duration::from_secs(10));
        let now = post.of("alice").build();
        let event = timestamp.map_or(json!({}), |seconds| json!({"event_timestamp": told(&post, seconds)}));
        let event = with(event)(post.event());
        let event = toe.map_or(event.clone(), |seconds| event.claim("toe", told(&post, seconds)));
        assert_eq!(post.send(event).await, Ok(Received::Applied), "{what}");
        assert_eq!([post.is_revoked(&before).await, post.is_revoked(&now).await], expected, "{what}");
    }
    // In milliseconds, as drafts of CAEP had it.
    let post = Post::new();
    let before = post.of("alice").build();
    post.clock.advance(Duration::from_secs(10));
    let now = post.of("alice").build();
    let event = with(json!({"event_timestamp": 1_000 * told(&post, -5)}))(post.event());
    assert_eq!(post.send(event).await, Ok(Received::Applied));
    assert_eq!([post.is_revoked(&before).await, post.is_revoked(&now).await], [true, false]);
    for far in [told(&Post::new(), 1_000_000), 1_000 * told(&Post::new(), 0)] {
        let post = Post::new();
        let now = post.of("alice").build();
        assert_eq!(post.send(with(json!({"event_timestamp": far}))(post.event())).await, Ok(Received::Applied));
        assert!(post.is_revoked(&now).await);
        post.clock.advance(Duration::from_secs(31));
        assert!(!post.is_revoked(&post.of("alice").build()).await, "{far}");
    }
}

#[tokio::test]
async fn ssf_a1_a_transmitter_speaks_for_the_issuers_of_its_row_and_no_other() {
    let clock = ManualClock::new();
    let start = || TestIssuer::builder().clock(clock.clock()).start();
    let (login, partner, signals) = (start(), start(), start());
    let of = |issuer: &TestIssuer| TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders");
    let verifier = Verifier::builder(of(&login)).issuer(of(&partner)).clock(clock.clock()).build().expect("valid");
    let row = TrustedIssuer::discover(signals.issuer().as_str()).audience("https://orders.example/signals");
    let receiver = EventReceiver::builder(&verifier, RECEIVER)
        .transmitter(row.clone(), [login.issuer().as_str()])
        .build()
        .expect("valid");
    let about = |issuer: &TestIssuer| json!({"format": "iss_sub", "iss": issuer.issuer(), "sub": "alice"});
    let send = async |event: TokenBuilder| {
        let received = receiver.receive(event.build().expose()).await;
        received.map_err(|refusal| (refusal.kind().clone(), refusal.check()))
    };
    let denied = Err((RefusalKind::Denied, "iss"));
    let signal = |of: &TestIssuer| signals.revoked(about(of)).audience("https://orders.example/signals");
    for (what, event, expected) in [
        ("of its row", signal(&login), Ok(Received::Applied)),
        ("of another", signal(&partner), denied.clone()),
        ("of itself", signal(&signals), denied.clone()),
        ("for the audience of others", signal(&login).audience(RECEIVER), Err(invalid("aud"))),
        ("an issuer of its own", partner.revoked(about(&partner)).audience(RECEIVER), Ok(Received::Applied)),
        ("an issuer of another", partner.revoked(about(&login)).audience(RECEIVER), denied.clone()),
    ] {
        assert_eq!(send(event).await, expected, "{what}");
    }

    // Of one subject by several names, those count of which it may speak; and no list is cut short in silence.
    let by_names = |names: Vec<Value>| {
        let names = json!({"format": "aliases", "identifiers": names});
        signals.revoked(names).audience("https://orders.example/signals")
    };
    assert_eq!(send(by_names(vec![about(&partner), about(&login)])).await, Ok(Received::Applied));
    assert_eq!(send(by_names(vec![about(&partner), about(&partner)])).await, denied);
    assert_eq!(send(by_names(vec![about(&login); 16])).await, Ok(Received::Applied));
    assert_eq!(send(by_names(vec![about(&login); 17])).await, Err(invalid("subject")));

    // By another's clock, which may differ as far as its row says: of bob, 20 s before his token was issued.
    let of_bob = json!({"format": "iss_sub", "iss": login.issuer(), "sub": "bob"});
    let signal = signals.revoked(of_bob).audience("https://orders.example/signals");
    let own = login.user_revoked("carol").audience(RECEIVER);
    clock.advance(Duration::from_secs(20));
    for event in [signal, own] {
        assert_eq!(send(event).await, Ok(Received::Applied));
    }
    let of = |user: &str| login.token().subject(user).client("storefront").audience("orders").build();
    assert_eq!(refused(verifier.bearer(of("bob").expose()).await), invalid("revoked"));
    accepted(verifier.bearer(of("carol").expose()).await);

    // Nothing but what is trusted can be listed.
    let unknown = EventReceiver::builder(&verifier, RECEIVER).transmitter(row, ["https://stranger.example"]).build();
    let told = unknown.expect_err("not trusted").to_string();
    assert_eq!(told, "transmitter[0].revokes[0]: is no issuer whose tokens are accepted");
    let nameless = EventReceiver::builder(&verifier, " ").build().expect_err("no audience").to_string();
    assert!(nameless.starts_with("audience: "), "{nameless}");
}

/// RFC 8725 §3.8: the key set of an issuer may hold keys of others, and says whose they are.
#[tokio::test]
async fn ssf_a1_an_event_is_signed_by_a_key_that_is_not_another_issuers() {
    let own = |post: &Post| post.issuer.issuer().to_string();
    type Says = Option<fn(String) -> String>;
    let cases: [(&str, Says, Outcome); 4] = [
        ("nobody's", None, Ok(Received::Applied)),
        ("the issuer's own", Some(|own| own), Ok(Received::Applied)),
        ("another issuer's", Some(|_| "https://partner.example".to_owned()), Err(invalid("key"))),
        ("almost the issuer's", Some(|own| own + "/"), Err(invalid("key"))),
    ];
    for (whose, says, expected) in cases {
        let post = Post::new();
        let (alice, key) = (post.of("alice").build(), SigningKey::generate(Algorithm::Es256).expect("a key"));
        let mut jwk = key.public_jwk();
        if let Some(says) = says {
            jwk["issuer"] = says(own(&post)).into();
        }
        post.issuer.publish_jwk(jwk);
        let is_applied = expected.is_ok();
        assert_eq!(post.send(post.event().sign_with(&key)).await, expected, "{whose}");
        assert_eq!(post.is_revoked(&alice).await, is_applied, "{whose}");
    }
}

#[tokio::test]
async fn ssf_a1_who_is_trusted_no_longer_is_no_transmitter_and_what_it_revoked_stays_so() {
    let post = Post::new();
    let alice = post.of("alice").build();
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
    let trusted = || TrustedIssuer::discover(post.issuer.issuer().as_str()).audience("orders");
    let other = TrustedIssuer::discover("https://other.example").audience("orders");
    post.verifier.replace(Verifier::builder(other)).expect("valid");
    assert_eq!(post.send(post.event()).await, Err(invalid("iss")));
    post.verifier.replace(Verifier::builder(trusted())).expect("valid");
    assert!(post.is_revoked(&alice).await);
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
}

/// Their keys sign no JWTs that are taken here, or JWT-SVIDs alone.
#[tokio::test]
async fn ssf_a1_an_issuer_of_opaque_tokens_and_a_trust_domain_are_no_transmitters() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::builder().clock(clock.clock()).start();
    let auth = || ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let introspection = || Introspection::at(issuer.url(Endpoint::Introspection), auth());
    let opaque = || TrustedIssuer::opaque(issuer.issuer().as_str(), introspection()).audience("orders");
    let domain = TrustedIssuer::trust_domain("example.org", issuer.url(Endpoint::Keys)).audience("orders");
    let verifier = Verifier::builder(opaque()).issuer(domain).clock(clock.clock()).build().expect("valid");
    let receiver = EventReceiver::builder(&verifier, RECEIVER).build().expect("valid");
    for iss in [issuer.issuer().as_str(), "spiffe://example.org"] {
        let event = issuer.user_revoked("alice").audience(RECEIVER).claim("iss", iss).build();
        let refused = receiver.receive(event.expose()).await.map_err(|refusal| refusal.check());
        assert_eq!(refused, Err("iss"), "{iss}");
    }
    let row = EventReceiver::builder(&verifier, RECEIVER).transmitter(opaque(), [issuer.issuer().as_str()]).build();
    let told = row.expect_err("an event is a JWT").to_string();
    assert_eq!(told, "transmitter[0].introspection: is of tokens, and an event is a JWT");
    let signals = || TrustedIssuer::discover("https://signals.example.com").audience(RECEIVER);
    let row = |signals| EventReceiver::builder(&verifier, RECEIVER).transmitter(signals, [issuer.issuer().as_str()]);
    let encrypted = signals().encrypted_to([tower_identity_jose::DecryptionKey::generate()]);
    let told = row(encrypted).build().expect_err("it would come for everybody to read").to_string();
    assert_eq!(told, "transmitter[0].decryption_key_file: is of tokens, and an event is not encrypted");
    row(signals()).build().expect("the control");
}

/// What no key makes an event is worth no fetch, and no outage.
#[tokio::test]
async fn ssf_a1_what_is_no_event_is_refused_without_keys() {
    let post = Post::new();
    post.issuer.fail(Endpoint::Keys, Failure::Close);
    assert_eq!(post.send(post.event().header("typ", "at+jwt")).await, Err(invalid("typ")));
    assert_eq!(post.issuer.calls(Endpoint::Keys), 0);
    let (kind, _) = post.send(post.event()).await.expect_err("the control needs them");
    assert!(matches!(kind, RefusalKind::Unavailable { .. }), "{kind:?}");
    assert_eq!(post.issuer.calls(Endpoint::Keys), 1);
}

#[tokio::test]
async fn ssf_a1_an_event_that_cannot_be_judged_is_to_be_sent_again() {
    let post = Post::new();
    post.issuer.fail(Endpoint::Keys, Failure::Unavailable { retry_after: 1 });
    let (kind, check) = post.send(post.event()).await.expect_err("no keys");
    assert!(matches!(kind, RefusalKind::Unavailable { .. }), "{kind:?}");
    assert_eq!(check, "key");
    post.issuer.recover(Endpoint::Keys);
    post.clock.advance(Duration::from_secs(30));
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
}

#[tokio::test]
async fn ssf_a1_a_key_that_is_new_is_fetched_and_a_flood_of_others_does_not_have_its_event_dropped() {
    let post = Post::new();
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
    post.issuer.rotate_key();
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied), "a new key");

    let stranger = SigningKey::generate(Algorithm::Es256).expect("a key");
    post.clock.advance(Duration::from_secs(31));
    assert_eq!(post.send(post.event().sign_with(&stranger)).await, Err(invalid("key")));
    post.issuer.rotate_key();
    post.clock.advance(Duration::from_secs(1));
    let (kind, _) = post.send(post.event()).await.expect_err("it is not time to ask again");
    assert_eq!(kind, RefusalKind::Unavailable { retry_after: Duration::from_secs(29) });
    post.clock.advance(Duration::from_secs(30));
    assert_eq!(post.send(post.event()).await, Ok(Received::Applied));
}
