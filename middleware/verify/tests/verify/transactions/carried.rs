//! Who may carry one.

use serde_json::json;
use tower_identity_core::{Audience, Binding, CallerName, Evidence, RefusalKind};
use tower_identity_testkit::TokenBuilder;
use tower_identity_verify::{TransactionTokens, Verifier};

use super::{CARRIED, House, PARTNER, SHOP, bad, decided, judge, keys, ok, outcome, settled, unrelated, verdict};
use crate::support::{at_once, refused};

#[test]
fn tx_a9_nobody_carries_a_token_but_who_asked_for_it_and_who_is_named() {
    let house = House::new();
    let nobody = house.trusting(house.shop());
    let by_name = house.verifier();
    let partners = house.shop().carriers([CallerName::of_issuer(PARTNER, "orders").expect("a name")]);
    let by_issuer = house.shop().carriers_of([PARTNER]);
    let (of_partner, by_issuer) = (house.trusting(partners), house.trusting(by_issuer));
    let own_names = house.trusting(TransactionTokens::of_keys(SHOP, keys(&house.shop)));

    let (orders, storefront) = (house.own("orders"), house.own("storefront"));
    let asked = "storefront for alice of shop.internal, carried: payments:charge";
    for (name, verifier, caller, expected) in [
        ("asked for it", &nobody, &storefront, ok(asked)),
        ("did not", &nobody, &orders, unrelated()),
        ("asked for it, of another issuer", &nobody, &house.of_partner("storefront"), unrelated()),
        ("asked for it by a name of the domain", &own_names, &storefront, unrelated()),
        ("is named", &by_name, &orders, ok(CARRIED)),
        ("asked, and another is named", &by_name, &storefront, ok(asked)),
        ("is not named", &by_name, &house.own("reports"), unrelated()),
        ("is named so elsewhere", &by_name, &house.of_partner("orders"), unrelated()),
        ("is named there", &of_partner, &house.of_partner("orders"), ok(CARRIED)),
        ("is named so at home", &of_partner, &orders, unrelated()),
        ("is of a named issuer", &by_issuer, &house.of_partner("orders"), ok(CARRIED)),
        ("is not", &by_issuer, &orders, unrelated()),
    ] {
        assert_eq!(judge(verifier, caller, &house.alice()), expected, "{name}");
    }
}

#[test]
fn tx_a9_an_issuer_vouches_for_its_own_workloads_alone() {
    let house = House::new();
    let verifier = house.trusting(house.shop().carriers_of([PARTNER]));
    let acting = |issuer: &str, actor: &str| house.of_partner("svc").claim("act", json!({"iss": issuer, "sub": actor}));
    assert!(judge(&verifier, &acting(PARTNER, "svc"), &house.alice()).is_ok(), "the control");
    assert_eq!(judge(&verifier, &acting("https://stranger.example", "svc"), &house.alice()), unrelated());
}

#[test]
fn tx_a9_a_carrier_is_known_by_all_its_names() {
    let house = House::new();
    let name = |issuer, id: &str| CallerName::of_issuer(issuer, id).expect("a name");
    let row = |own: &str| ["orders".try_into().expect("a name"), name(PARTNER, own)];
    let carriers = house.callers().transaction_tokens(house.shop().carriers(["orders"]));
    let verifier = carriers.workload(row("svc-7")).build().expect("valid");
    assert_eq!(judge(&verifier, &house.of_partner("svc-7"), &house.alice()), ok(CARRIED));
    assert_eq!(judge(&verifier, &house.of_partner("svc-8"), &house.alice()), unrelated());

    // And so is whoever asked for one, by the names of the trust domain.
    let domain = || TransactionTokens::of_keys(SHOP, keys(&house.shop));
    let named = [CallerName::try_from("orders").expect("a name"), name(SHOP, "storefront")];
    let verifier = house.callers().transaction_tokens(domain()).workload(named).build().expect("valid");
    assert_eq!(judge(&verifier, &house.own("orders"), &house.alice()), ok(CARRIED));
    assert_eq!(judge(&verifier, &house.own("storefront"), &house.alice()), unrelated());
}

#[test]
fn tx_a9_each_trust_domain_has_carriers_of_its_own() {
    let house = House::new();
    let other = TransactionTokens::of_keys("other.internal", keys(&house.partner));
    let builder = house.callers().transaction_tokens(house.shop().carriers(["orders"]));
    let verifier = builder.transaction_tokens(other.carriers(["reports"])).build().expect("valid");
    let of_other = TokenBuilder::transaction_token("other.internal", "edge", &house.partner, house.clock.now());
    assert_eq!(judge(&verifier, &house.own("orders"), &house.alice()), ok(CARRIED));
    assert_eq!(judge(&verifier, &house.own("reports"), &house.alice()), unrelated());
    assert_eq!(judge(&verifier, &house.own("orders"), &of_other), unrelated());
    assert!(judge(&verifier, &house.own("reports"), &of_other).is_ok());
    // A domain's token by another domain's key.
    let swapped = house.alice().sign_with(&house.partner);
    assert_eq!(judge(&verifier, &house.own("orders"), &swapped), bad("key"));
}

#[test]
fn tx_a4_a_transaction_token_says_nothing_of_who_presents_it() {
    let house = House::new();
    let caller = decided(&house.verifier(), &house.own("orders"), &house.alice()).expect("good");
    assert_eq!(caller.sender().map(|sender| sender.id.as_str()), Some("orders"));
    assert_eq!(caller.principal().evidence(), Evidence::Subject);
    // What names the carrier, wherever it stands in the token, makes nobody a caller.
    let named =
        house.alice().claim("client_id", "orders").claim("azp", "orders").claim("act", json!({"sub": "orders"}));
    let reports = house.own("reports");
    assert_eq!(judge(&house.verifier(), &reports, &named), unrelated());
    // Nor do the tokens that are merely issued to a carrier.
    let issued = house.own("orders").subject("bob");
    assert_eq!(judge(&house.verifier(), &issued, &house.alice()), unrelated());
}

#[test]
fn tx_a9_two_users_are_one_too_many() {
    let house = House::new();
    let verifier = house.verifier();
    let delegated = house.own("storefront").subject("bob").acted_by("orders");
    assert_eq!(judge(&verifier, &delegated, &house.alice()), unrelated());
    let settings = verifier.current();
    assert_eq!(
        outcome(at_once(settings.bearer(delegated.clone().build().expose()))),
        ok("orders for bob of https://login.example.com, same token: payments:everything"),
        "the control"
    );
    assert_eq!(
        outcome(at_once(verdict(&settings, &delegated, None))),
        ok("orders for bob of https://login.example.com, same token: payments:everything"),
        "and without a transaction token"
    );
}

#[test]
fn two_a9_a_caller_of_another_transaction_is_refused() {
    let house = House::new();
    let orders = |txn: &str| house.own("orders").claim("txn", txn);
    assert_eq!(judge(&house.verifier(), &orders("97053963"), &house.alice()), ok(CARRIED));
    assert_eq!(judge(&house.verifier(), &orders("97053964"), &house.alice()), unrelated());
}

#[test]
fn tx_a9_leaving_the_token_out_never_opens_more() {
    let house = House::new();
    let settings = house.verifier().current();
    let alone = at_once(verdict(&settings, &house.own("orders"), None)).expect("good");
    assert!(alone.is_alone() && alone.principal().scopes().is_empty());
    assert_eq!(alone.for_itself().principal().scopes().to_string(), "payments:everything");
    // A user's token that was merely issued to somebody stands in the caller's place.
    let issued = at_once(verdict(&settings, &house.own("orders").subject("bob"), None));
    assert_eq!(refused(issued), (RefusalKind::UnrelatedCredentials, "binding"));
}

#[test]
fn tx_a9_the_caller_is_refused_first() {
    let house = House::new();
    let (verifier, ended) = (house.verifier(), house.own("orders").claim("exp", house.clock.now().as_secs() - 30));
    let stranger = || house.alice().audience("other.internal");
    assert_eq!(judge(&verifier, &ended, &stranger()), Err((RefusalKind::InvalidToken, "exp")));
    assert_eq!(judge(&verifier, &house.own("orders"), &stranger()), bad("aud"), "the control");
}

#[test]
fn tx_a10_the_edge_has_its_caller_within_the_trust_domain() {
    let house = House::new();
    let verifier = house.trusting(house.shop());
    let settings = verifier.current();
    let outside = house.own("app").subject("alice@example.com");
    let caller = at_once(settings.bearer(outside.build().expose())).expect("good");
    let token = house.alice().build();

    let within = at_once(settings.within(Some(&caller), token.expose())).expect("good");
    let principal = within.principal();
    assert_eq!((principal.binding(), within.counts_together()), (Binding::Transaction, true));
    assert_eq!((principal.workload().id.as_str(), principal.evidence()), ("app", Evidence::IssuedTo));
    let user = principal.user().expect("a user");
    assert_eq!((user.id.as_str(), user.issuer.as_str()), ("alice", SHOP));
    assert_eq!(principal.scopes().to_string(), "payments:charge");
    assert_eq!(within.token().token(), Some(&token));
    assert_eq!(within.caller_token().token(), None, "what came from outside goes no further");
    assert_eq!(within.expires_at(), within.token().expires_at());

    let nobody = at_once(settings.within(None, token.expose())).expect("good");
    assert_eq!(nobody.sender(), None);
    assert_eq!(outcome(Ok(nobody)), ok("storefront for alice of shop.internal, carried: payments:charge"));

    // Not even where the workload that asked for it is known by the trust domain's own name for it.
    let own_names = house.trusting(TransactionTokens::of_keys(SHOP, keys(&house.shop)));
    let nobody = at_once(own_names.current().within(None, token.expose())).expect("good");
    assert_eq!((nobody.sender(), nobody.principal().evidence()), (None, Evidence::IssuedTo));

    let refused = refused(settled(settings.within(Some(&caller), house.alice().tampered().build().expose())));
    assert_eq!(refused, (RefusalKind::InvalidTransactionToken, "signature"));
}

#[test]
fn tx_a9_a_transaction_token_says_of_which_trust_domain_it_is() {
    let house = House::new();
    let caller = decided(&house.verifier(), &house.own("orders"), &house.alice()).expect("good");
    let (own, token) = (caller.caller_token(), caller.token());
    assert_eq!(own.trust_domain(), None);
    assert_eq!(token.trust_domain().map(Audience::as_str), Some(SHOP));
    assert_eq!(token.issuer().as_str(), SHOP);
}

#[test]
fn tx_a9_where_no_trust_domain_is_trusted_it_is_our_mistake() {
    let house = House::new();
    let verifier: Verifier = house.callers().build().expect("valid");
    let wiring = Err((RefusalKind::Misconfigured, "wiring"));
    assert_eq!(judge(&verifier, &house.own("orders"), &house.alice()), wiring);
}
