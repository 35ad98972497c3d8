//! What is told of a token.

mod agreement;
mod form;
mod shop;

use serde_json::json;
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_jose::SigningKey;
use tower_identity_verify::{Checked, Explanation, Outcome, Profile, Verdict, check};

use self::shop::{Change, Draft, Shop};
use crate::support::{Answer, SECOND, World, claims, fixtures::NOW, key, sign, sign_with};

const HOME: &str = "https://as.example";

/// Of a token that is accepted.
fn draft(shop: &Shop) -> Draft<'_> {
    let mut draft = Draft::of(shop);
    draft.claims = claims(HOME, NOW);
    draft
}

/// The checks that did not pass, each with its outcome and why.
fn not_passed(told: &Explanation) -> Vec<(&'static str, Outcome, &str)> {
    let others = told.checks().iter().filter(|one| one.outcome != Outcome::Passed && !is_not_asked(one));
    others.map(|checked| (checked.check, checked.outcome, checked.detail.as_deref().expect("a reason"))).collect()
}

/// Whether the list of what is revoked was not asked, because something else is wrong.
pub(crate) fn is_not_asked(one: &Checked) -> bool {
    let why = "the token is not in order otherwise";
    (one.check, one.outcome, one.detail.as_deref()) == (check::REVOKED, Outcome::NotReached, Some(why))
}

fn failed<'a>(check: &'static str, detail: &'a str) -> (&'static str, Outcome, &'a str) {
    (check, Outcome::Failed, detail)
}

#[tokio::test]
async fn what_comes_after_a_failure_is_told_too() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    draft.claims["aud"] = json!("payments");
    draft.claims["exp"] = json!(NOW.as_secs() - 3600);
    draft.claims["sub"] = json!("");
    draft.claims["jti"] = json!(7);
    let expected = [
        failed("aud", r#"expected one of ["orders"], found ["payments"]"#),
        failed("exp", "expired 3600s ago"),
        failed("claims", "jti is of a wrong type or value; sub is of a wrong type or value"),
        ("subject", Outcome::NotReached, "it is not known whose token it is"),
    ];
    let told = shop.explain(&draft.token()).await;
    assert_eq!(not_passed(&told), expected);
    assert!(told.is_genuine());
}

#[tokio::test]
async fn the_last_check_is_told_behind_a_first() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    draft.claims["aud"] = json!("payments");
    let aud = failed("aud", r#"expected one of ["orders"], found ["payments"]"#);
    for (act, detail) in [
        (json!({"sub": "orders"}), "the actor is another than the client that the token was issued to"),
        (json!([]), "act is of a wrong type or value"),
    ] {
        draft.claims["act"] = act;
        assert_eq!(not_passed(&shop.explain(&draft.token()).await), [aud, failed("act", detail)]);
    }
}

#[tokio::test]
async fn the_claims_of_a_forgery_are_told_as_what_somebody_wrote() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    draft.claims["aud"] = json!("payments");
    let genuine = shop.explain(&draft.token()).await;
    draft.key = &shop.stranger;
    let forged = shop.explain(&draft.token()).await;
    let aud = failed("aud", r#"expected one of ["orders"], found ["payments"]"#);
    assert_eq!(not_passed(&genuine), [aud]);
    assert_eq!(not_passed(&forged), [failed("signature", "the signature does not verify"), aud]);
    assert_eq!((genuine.is_genuine(), forged.is_genuine()), (true, false));
    let warning = "Nobody vouches for what follows";
    assert_eq!((genuine.to_string().contains(warning), forged.to_string().contains(warning)), (false, true));
}

#[tokio::test]
async fn what_means_nothing_is_not_tried_and_says_why() {
    let shop = Shop::new(Profile::Rfc9068);
    let reached = |token: String| {
        let verifier = shop.verifier.clone();
        async move {
            let told = verifier.explain(&token).await;
            let skipped = told.checks().iter().filter(|one| one.outcome == Outcome::NotReached && !is_not_asked(one));
            let skipped: Vec<_> =
                skipped.map(|checked| (checked.check, checked.detail.clone().expect("a reason"))).collect();
            let why = skipped.first().map(|(_, why)| why.clone());
            assert!(skipped.iter().all(|(_, reason)| Some(reason) == why.as_ref()), "{told}");
            (skipped.iter().map(|(check, _)| *check).collect::<Vec<_>>(), why.unwrap_or_default())
        }
    };
    let changed = |change: Change| {
        let mut draft = draft(&shop);
        change.make(&mut draft, &shop);
        draft.token()
    };
    let behind = |check| check::ALL.into_iter().skip_while(|one| *one != check).skip(1).collect::<Vec<_>>();
    let cases = [
        ("opaque".to_owned(), behind("format"), "this is no signed token"),
        (
            changed(Change::Payload("ISE")),
            {
                let mut all = behind("header");
                all.retain(|check| *check != "claims");
                all
            },
            "the payload cannot be read",
        ),
        (changed(Change::Claim("iss".to_owned(), None)), behind("iss"), "no trusted issuer's rules apply"),
        (
            changed(Change::Header("alg", None)),
            vec!["crit", "typ", "alg", "key", "signature"],
            "the header cannot be read",
        ),
        (
            changed(Change::Header("alg", Some(json!("none")))),
            vec!["key", "signature"],
            "no key is for such an algorithm",
        ),
        (changed(Change::Header("kid", Some(json!("k3")))), vec!["signature"], "there is no key to try"),
        (
            changed(Change::Claim("client_id".to_owned(), None)),
            vec!["subject", "act"],
            "it is not known whose token it is",
        ),
        (changed(Change::Header("crit", Some(json!(["x"])))), vec![], ""),
        (changed(Change::Key(|shop| &shop.stranger)), vec![], ""),
    ];
    for (token, checks, why) in cases {
        assert_eq!(reached(token).await, (checks, why.to_owned()), "{why}");
    }
}

#[tokio::test]
async fn a_failure_says_what_was_expected_and_what_was_found() {
    let shop = Shop::new(Profile::Rfc9068);
    let cases = [
        (Change::Header("typ", Some(json!("JWT"))), "typ", r#"expected "at+jwt", found "JWT""#),
        (Change::Header("typ", None), "typ", r#"expected "at+jwt", found none"#),
        (Change::Header("alg", Some(json!("none"))), "alg", r#"expected one of ES256, found "none""#),
        (
            Change::Header("kid", Some(json!("k3"))),
            "key",
            r#"no such key in the key set: kid is "k3"; its issuer has ["k1", "k2", "k4"]"#,
        ),
        (Change::Header("alg", None), "header", "the header is not acceptable: the member alg is missing"),
        (Change::Payload("W10"), "claims", "the claims are not acceptable: not an object"),
        (Change::After(".a.b"), "format", "the token is encrypted, not signed"),
        (
            Change::claim("iss", json!("https://as.example/")),
            "iss",
            r#""https://as.example/" is not trusted; trusted are ["https://as.example", "https://partner.example"]"#,
        ),
    ];
    for (change, check, detail) in cases {
        let mut draft = draft(&shop);
        change.make(&mut draft, &shop);
        let told = shop.explain(&draft.token()).await;
        let first = told.failed().next().expect("it failed");
        assert_eq!((first.check, first.detail.as_deref()), (check, Some(detail)));
    }
}

#[tokio::test]
async fn an_id_token_is_told_for_what_it_is() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    draft.header["typ"] = json!("JWT");
    draft.claims["nonce"] = json!("n");
    draft.claims["at_hash"] = json!("h");
    let told = shop.explain(&draft.token()).await;
    let detail = r#"expected "at+jwt", found "JWT"; by its claims (at_hash, nonce) an ID token: the client has to send its access token"#;
    assert_eq!(not_passed(&told), [failed("typ", detail)]);
}

#[tokio::test]
async fn a_token_as_long_as_may_be_is_told_by_its_header_too() {
    let shop = Shop::new(Profile::Rfc9068);
    let longest = |header: &str| format!("{header}.{}.AAAA", "A".repeat(8192 - header.len() - 6));
    let told = shop.explain(&longest("e30")).await;
    assert_eq!(told.failed().map(|failed| failed.check).collect::<Vec<_>>(), ["header"]);
    let told = shop.explain(&longest("eyJhbGciOiJub25lIn0")).await;
    assert_eq!(told.failed().map(|failed| failed.check).collect::<Vec<_>>(), ["claims"]);
}

#[tokio::test]
async fn keys_are_fetched_as_for_a_verification_and_out_of_the_same_budget() {
    let (verified, explained) = (World::new().await, World::new().await);
    let mut fetches = Vec::new();
    for at in 0..12 {
        for world in [&verified, &explained] {
            if at == 6 {
                world.issuer.rotate();
            }
            world.clock.advance(11 * SECOND);
        }
        let token = |world: &World| if at % 3 == 0 { world.token() } else { world.token_of_unknown_key() };
        let decision = verified.verifier.bearer(&token(&verified)).await;
        let told = explained.verifier.explain(&token(&explained)).await;
        let kind = |refusal: &Refusal| (refusal.kind().clone(), refusal.check());
        assert_eq!(told.refusal().map(kind), decision.as_ref().err().map(kind), "{at}");
        assert_eq!(explained.issuer.fetches(), verified.issuer.fetches(), "{at}");
        fetches.push(verified.issuer.fetches());
    }
    assert!(fetches.first() == Some(&1) && fetches.last() > Some(&2), "the control: {fetches:?}");
}

#[tokio::test]
async fn keys_are_fetched_to_explain_what_is_refused_without_them() {
    let world = World::new().await;
    let untyped = |key: &SigningKey| sign_with(key, &world.claims(), |header| drop(header.remove("typ")));
    let (token, forged) = (untyped(&world.issuer.key()), untyped(&key().with_key_id(world.issuer.key().key_id())));
    let refused = world.verifier.bearer(&token).await.expect_err("no access token");
    assert_eq!((refused.check(), world.issuer.fetches()), ("typ", 0));
    for (token, expected) in [(&token, &["typ"][..]), (&forged, &["typ", "signature"])] {
        let told = world.verifier.explain(token).await;
        assert_eq!(told.failed().map(|failed| failed.check).collect::<Vec<_>>(), expected, "{told}");
        assert_eq!(told.is_genuine(), expected.len() == 1);
    }
    assert_eq!(world.issuer.fetches(), 1);

    // And where none can be had, the token is refused all the same, by its header.
    let world = World::new().await;
    world.issuer.go_down();
    let token = sign_with(&world.issuer.key(), &world.claims(), |header| drop(header.remove("typ")));
    let told = world.verifier.explain(&token).await;
    let outcomes: Vec<_> = not_passed(&told).iter().map(|(check, outcome, _)| (*check, *outcome)).collect();
    let expected = [("typ", Outcome::Failed), ("key", Outcome::Undecided), ("signature", Outcome::NotReached)];
    assert_eq!((told.verdict(), &*outcomes), (Verdict::Refused, &expected[..]));
    for _ in 0..5 {
        world.verifier.explain(&token).await;
    }
    assert_eq!(world.issuer.fetches(), 1, "a failure stands for all who ask");
}

#[tokio::test]
async fn e10_while_keys_are_out_of_reach_nothing_is_refused() {
    let world = World::new().await;
    world.issuer.go_down();
    let mut claims = world.claims();
    claims["aud"] = json!("payments");
    let told = world.verifier.explain(&sign(&world.issuer.key(), &claims)).await;
    assert_eq!(told.verdict(), Verdict::Undecided);
    let [key, signature, aud] = not_passed(&told)[..] else { panic!("{told}") };
    let because =
        format!("no keys of issuer {url}: the key set at {url}/jwks cannot be fetched", url = world.issuer.url());
    assert_eq!((key.0, key.1), ("key", Outcome::Undecided));
    assert!(key.2.starts_with(&because), "{told}");
    assert_eq!(signature, ("signature", Outcome::NotReached, "there are no keys"));
    assert_eq!(aud, failed("aud", r#"expected one of ["orders"], found ["payments"]"#));
    assert!(!told.is_genuine());
    assert!(told.to_string().starts_with("not decided: key\n"), "{told}");

    // Keys that are at hand, and a key that is not among them while nobody can say whether it exists.
    world.issuer.answer(Answer::Keys);
    world.clock.advance(3 * SECOND);
    assert_eq!(world.verifier.explain(&world.token()).await.verdict(), Verdict::Accepted);
    world.issuer.go_down();
    let told = world.verifier.explain(&world.token_of_unknown_key()).await;
    assert_eq!(told.verdict(), Verdict::Undecided);
    let outcomes: Vec<_> = not_passed(&told).iter().map(|(check, outcome, _)| (*check, *outcome)).collect();
    assert_eq!(outcomes, [("key", Outcome::Undecided), ("signature", Outcome::NotReached)]);
    assert!(matches!(told.refusal().expect("unavailable").kind(), RefusalKind::Unavailable { .. }));
}

#[tokio::test]
async fn who_stops_waiting_for_an_explanation_harms_nobody() {
    let world = World::new().await;
    drop(world.verifier.explain(&world.token()));
    assert_eq!(world.issuer.fetches(), 0, "nothing begins before it is polled");
    let token = sign_with(&world.issuer.key(), &world.claims(), |_| ());
    let explaining = tokio::spawn(world.verifier.explain(&token));
    assert_eq!(explaining.await.expect("it may be sent to a task").verdict(), Verdict::Accepted);
}
