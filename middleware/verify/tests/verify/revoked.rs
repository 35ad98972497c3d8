//! What is revoked is refused, on every path that a token takes.

mod told;

use std::time::Duration;

use tower_identity_core::{CallerName, Issuer, RefusalKind, Revocation, Revocations};
use tower_identity_jose::{KeySet, SigningKey};
use tower_identity_oauth::{ClientAuth, Introspection};
use tower_identity_testkit::{Endpoint, TestIssuer, TokenBuilder};
use tower_identity_verify::{Outcome, TrustedIssuer, Verdict, Verifier, check};

use crate::support::{ManualClock, accepted, at_once, claims, invalid, key, refused, sign};

const HOME: &str = "https://as.example";

fn home() -> Issuer {
    HOME.parse().expect("issuer")
}

fn subject(id: &str) -> Revocation {
    Revocation::subject(home(), id.parse().expect("subject"))
}

/// A verifier with the key at hand, whose clock is the tokens' own, over this list.
fn verifier(key: &SigningKey, list: &Revocations) -> Verifier {
    let keys = KeySet::from_keys([key.verifying_key()]).expect("one key");
    let home = TrustedIssuer::keys(HOME, keys).audience("orders");
    Verifier::builder(home).clock(list.clock().clone()).revocations(list.clone()).build().expect("valid")
}

fn list() -> (Revocations, ManualClock) {
    let clock = ManualClock::new();
    (Revocations::new(clock.clock()), clock)
}

#[test]
fn ssf_a2_a_revoked_token_is_refused_and_nobody_elses_is() {
    let (list, clock) = list();
    let key = key();
    let verifier = verifier(&key, &list);
    let token = |user: &str| {
        let mut claims = claims(HOME, clock.now());
        claims["sub"] = user.into();
        sign(&key, &claims)
    };
    let (alice, bob) = (token("alice"), token("bob"));
    let before = accepted(at_once(verifier.bearer(&alice)));
    assert!(!before.is_revoked());

    list.revoke(subject("alice"));
    assert_eq!(refused(at_once(verifier.bearer(&alice))), invalid("revoked"));
    let refusal = at_once(verifier.bearer(&alice)).expect_err("revoked");
    assert_eq!(refusal.named_issuer(), Some(&home()));
    assert!(before.is_revoked(), "what was verified before hears of it");
    accepted(at_once(verifier.bearer(&bob)));
}

#[test]
fn ssf_a2_each_verifier_has_a_list_of_its_own_unless_it_shares_one() {
    let (shared, clock) = list();
    let key = key();
    let token = sign(&key, &claims(HOME, clock.now()));
    let (one, other) = (verifier(&key, &shared), verifier(&key, &shared));
    let apart = verifier(&key, &Revocations::new(clock.clock()));
    shared.revoke(subject("alice"));
    for verifier in [&one, &other] {
        assert_eq!(refused(at_once(verifier.bearer(&token))), invalid("revoked"));
    }
    accepted(at_once(apart.bearer(&token)));
}

#[tokio::test]
async fn ssf_a2_an_explanation_says_that_a_token_was_revoked_and_asks_of_none_that_is_not_in_order() {
    let (list, clock) = list();
    let key = key();
    let verifier = verifier(&key, &list);
    let mut said = claims(HOME, clock.now());
    let good = sign(&key, &said);
    said["aud"] = "payments".into();
    let wrong = sign(&key, &said);

    let of_list = |told: &tower_identity_verify::Explanation| {
        let last = told.checks().last().expect("checks").clone();
        assert_eq!(last.check, check::REVOKED);
        (told.verdict(), last.outcome, last.detail)
    };
    assert_eq!(of_list(&verifier.explain(&good).await), (Verdict::Accepted, Outcome::Passed, None));
    list.revoke(subject("alice"));
    let revoked = (Verdict::Refused, Outcome::Failed, Some("the token was revoked".to_owned()));
    assert_eq!(of_list(&verifier.explain(&good).await), revoked);
    let not_asked = (Verdict::Refused, Outcome::NotReached, Some("the token is not in order otherwise".to_owned()));
    assert_eq!(of_list(&verifier.explain(&wrong).await), not_asked);
}

#[tokio::test]
async fn ssf_a2_a_revoked_opaque_token_is_refused_whatever_its_issuer_says() {
    let time = tower_identity_testkit::ManualClock::new();
    let issuer = TestIssuer::builder().clock(time.clock()).start();
    let auth = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let introspection = Introspection::at(issuer.url(Endpoint::Introspection), auth);
    let list = Revocations::new(time.clock());
    let home = TrustedIssuer::opaque(issuer.issuer().as_str(), introspection).audience("orders");
    let verifier = Verifier::builder(home).clock(time.clock()).revocations(list.clone()).build().expect("valid");
    let token = |user: &str| issuer.opaque(issuer.token().subject(user).client("storefront").audience("orders"));
    let (alice, bob) = (token("alice"), token("bob"));
    for token in [&alice, &bob] {
        accepted(verifier.bearer(token.expose()).await);
    }
    list.revoke(Revocation::subject(issuer.issuer().clone(), "alice".parse().expect("subject")));
    assert_eq!(refused(at_once(verifier.bearer(alice.expose()))), invalid("revoked"), "a remembered answer");
    accepted(at_once(verifier.bearer(bob.expose())));
    let told = verifier.explain(alice.expose()).await;
    assert_eq!(told.failed().map(|failed| failed.check).collect::<Vec<_>>(), ["revoked"]);

    let carol = token("carol");
    list.revoke(Revocation::subject(issuer.issuer().clone(), "carol".parse().expect("subject")));
    assert_eq!(refused(verifier.bearer(carol.expose()).await), invalid("revoked"), "one that is asked about");
}

#[test]
fn ssf_a2_of_two_credentials_each_may_be_revoked() {
    for (revoked, expected) in [("alice", Some("revoked")), ("storefront", Some("revoked")), ("bob", None)] {
        let (list, clock) = list();
        let key = key();
        let verifier = verifier(&key, &list);
        let of_alice = sign(&key, &claims(HOME, clock.now()));
        let mut own = claims(HOME, clock.now());
        own["sub"] = "storefront".into();
        let own = sign(&key, &own);
        accepted(at_once(verifier.pair(&own, &of_alice)));
        list.revoke(subject(revoked));
        let outcome = at_once(verifier.pair(&own, &of_alice)).map_err(|refusal| {
            assert_eq!(*refusal.kind(), RefusalKind::InvalidToken);
            refusal.check()
        });
        assert_eq!(outcome.err(), expected, "{revoked}");
    }
}

/// One of the two credentials is judged at once, the other once its issuer's keys are there: both have to be good then.
#[tokio::test]
async fn ssf_a2_what_ends_while_the_other_credential_waits_is_no_longer_good() {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    type Meanwhile<'a> = &'a dyn Fn(&Revocations, &str, &tower_identity_testkit::ManualClock);
    let nothing: Meanwhile<'_> = &|_, _, _| {};
    let revoke: Meanwhile<'_> = &|list, who, _| assert!(list.revoke(subject(who)));
    let pass: Meanwhile<'_> = &|_, _, clock| clock.advance(Duration::from_secs(61));
    let cases = [
        ("nothing", minute, nothing, None),
        ("revoked", minute, revoke, Some("revoked")),
        ("expired", minute, pass, Some("exp")),
        ("not yet expired", hour, pass, None),
    ];
    for (who, (what, lifetime, meanwhile, expected)) in
        ["storefront", "alice"].into_iter().flat_map(|who| cases.iter().map(move |case| (who, *case)))
    {
        let clock = tower_identity_testkit::ManualClock::new();
        let far = TestIssuer::builder().clock(clock.clock()).start();
        let (list, key) = (Revocations::new(clock.clock()), key());
        let at_hand = TrustedIssuer::keys(HOME, KeySet::from_keys([key.verifying_key()]).expect("one key"));
        let (at_hand, to_fetch) =
            (at_hand.audience("orders"), TrustedIssuer::discover(far.issuer().as_str()).audience("orders"));
        let caller_waits = who == "alice";
        let [callers, users] = if caller_waits { [to_fetch, at_hand] } else { [at_hand, to_fetch] };
        let named = |issuer: &str| CallerName::of_issuer(issuer, "storefront").expect("name");
        let verifier = Verifier::builder(callers)
            .user_issuer(users)
            .workload([named(HOME), named(far.issuer().as_str())])
            .clock(clock.clock())
            .revocations(list.clone())
            .build()
            .expect("valid");
        let near = || TokenBuilder::new(HOME, &key, clock.clock().wall()).lifetime(lifetime);
        let [own, of_alice] =
            if caller_waits { [far.token().lifetime(hour), near()] } else { [near(), far.token().lifetime(hour)] };
        let own = own.subject("storefront").client("storefront").audience("orders").build();
        let of_alice = of_alice.subject("alice").client("storefront").audience("orders").build();

        let waiting = verifier.pair(own.expose(), of_alice.expose()).try_now().expect_err("there are no keys yet");
        meanwhile(&list, who, &clock);
        let outcome = waiting.await.map_err(|refusal| refusal.check());
        assert_eq!(outcome.err(), expected, "{who}: {what}");
    }
}
