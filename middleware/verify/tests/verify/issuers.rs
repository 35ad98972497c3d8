//! Several issuers, and issuers whose keys are elsewhere.

use tower_identity_verify::{TrustedIssuer, Verifier};

use crate::support::{
    LocalIssuer, ManualClock, SECOND, World, accepted, at_once, claims, invalid, key, refused, sign, unavailable,
};

#[tokio::test]
async fn jwt_a10_a_key_verifies_for_its_own_issuer_only_though_the_key_ids_collide() {
    let (clock, home, partner) = (ManualClock::new(), LocalIssuer::start().await, LocalIssuer::start().await);
    let (home_key, partner_key) = (key().with_key_id("k1"), key().with_key_id("k1"));
    home.publish([home_key.clone()]);
    partner.publish([partner_key.clone()]);
    let verifier = Verifier::builder(TrustedIssuer::discover(home.url()).audience("orders"))
        .issuer(TrustedIssuer::discover(partner.url()).audience("orders"))
        .clock(clock.clock())
        .build()
        .expect("valid");
    let now = clock.now();

    let cases = [
        (&home, &home_key, true),
        (&home, &partner_key, false),
        (&partner, &partner_key, true),
        (&partner, &home_key, false),
    ];
    for (issuer, key, genuine) in cases {
        let decision = verifier.bearer(&sign(key, &claims(issuer.url(), now))).await;
        if genuine {
            let caller = accepted(decision);
            assert_eq!(caller.caller_token().issuer().as_str(), issuer.url());
            assert_eq!(caller.caller_token().is_of_home(), issuer.url() == home.url());
        } else {
            assert_eq!(refused(decision), invalid("signature"));
        }
    }
    assert_eq!((home.fetches(), partner.fetches()), (1, 1));
}

#[tokio::test]
async fn an_audience_holds_at_its_own_issuer_only() {
    let (clock, home, partner) = (ManualClock::new(), LocalIssuer::start().await, LocalIssuer::start().await);
    let verifier = Verifier::builder(TrustedIssuer::discover(home.url()).audience("orders"))
        .issuer(TrustedIssuer::discover(partner.url()).audience("shop").audience("store"))
        .clock(clock.clock())
        .build()
        .expect("valid");
    let now = clock.now();
    for (issuer, audience, ours) in [
        (&home, "orders", true),
        (&home, "shop", false),
        (&partner, "shop", true),
        (&partner, "store", true),
        (&partner, "orders", false),
    ] {
        let mut claims = claims(issuer.url(), now);
        claims["aud"] = audience.into();
        let decision = verifier.bearer(&sign(&issuer.key(), &claims)).await;
        if ours { drop(accepted(decision)) } else { assert_eq!(refused(decision), invalid("aud"), "{audience}") }
    }
}

#[tokio::test]
async fn one_issuer_that_is_down_takes_no_other_with_it() {
    let (clock, home, partner) = (ManualClock::new(), LocalIssuer::start().await, LocalIssuer::start().await);
    let verifier = Verifier::builder(TrustedIssuer::discover(home.url()).audience("orders"))
        .issuer(TrustedIssuer::discover(partner.url()).audience("orders"))
        .clock(clock.clock())
        .build()
        .expect("valid");
    let now = clock.now();
    partner.go_down();
    let partners = sign(&partner.key(), &claims(partner.url(), now));
    assert_eq!(refused(verifier.bearer(&partners).await), unavailable(2 * SECOND));
    accepted(verifier.bearer(&sign(&home.key(), &claims(home.url(), now))).await);
}

#[tokio::test]
async fn rfc8414_a4_keys_from_inside_for_an_issuer_with_a_public_name() {
    let (clock, inside) = (ManualClock::new(), LocalIssuer::start().await);
    let verifier =
        Verifier::builder(TrustedIssuer::keys_at("https://login.example.com", inside.jwks_uri()).audience("orders"))
            .clock(clock.clock())
            .build()
            .expect("valid");
    let now = clock.now();
    accepted(verifier.bearer(&sign(&inside.key(), &claims("https://login.example.com", now))).await);
    // The issuer stays the one that is configured, wherever its keys come from.
    for other in [inside.url(), "https://login.example.com/"] {
        assert_eq!(refused(at_once(verifier.bearer(&sign(&inside.key(), &claims(other, now))))), invalid("iss"));
    }
}

#[tokio::test]
async fn rfc8414_a1_metadata_of_another_issuer_is_not_used() {
    let world = World::new().await;
    let (url, jwks_uri) = (world.issuer.url(), world.issuer.jwks_uri());
    world.issuer.metadata(format!(r#"{{"issuer": "{url}/", "jwks_uri": "{jwks_uri}"}}"#));
    assert_eq!(refused(world.verifier.bearer(&world.token()).await), unavailable(2 * SECOND));
    assert_eq!(world.issuer.fetches(), 0);

    world.issuer.metadata(format!(r#"{{"issuer": "{url}", "jwks_uri": "{jwks_uri}"}}"#));
    world.clock.advance(2 * SECOND);
    accepted(world.verifier.bearer(&world.token()).await);
}

#[tokio::test]
async fn metadata_without_a_key_set_is_an_outage() {
    let world = World::new().await;
    world.issuer.metadata(format!(r#"{{"issuer": "{}"}}"#, world.issuer.url()));
    assert_eq!(refused(world.verifier.bearer(&world.token()).await), unavailable(2 * SECOND));
}

#[tokio::test]
async fn the_first_issuer_is_home() {
    let verifier = Verifier::builder(TrustedIssuer::discover("https://home.example").audience("orders"))
        .issuer(TrustedIssuer::discover("https://partner.example").audience("orders"))
        .build()
        .expect("valid");
    assert_eq!(verifier.home().as_str(), "https://home.example");
    let all: Vec<_> = verifier.issuers().map(|issuer| issuer.to_string()).collect();
    assert_eq!(all, ["https://home.example", "https://partner.example"]);
}
