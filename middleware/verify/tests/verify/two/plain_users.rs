//! Users without a credential, whom their caller names in plain text.

use tower_identity_core::{Binding, CallerName, RefusalKind, Revocation, Revocations, Subject};
use tower_identity_testkit::LogCapture;
use tower_identity_verify::{Verifier, VerifierBuilder, danger::plain_users};

use super::{House, LOGIN, Outcome, PARTNER, decided, invalid, ok, outcome, unrelated};
use crate::support::{ManualClock, at_once};

/// What comes of a caller's token and a user's name.
#[track_caller]
fn naming(verifier: &Verifier, caller: &str, user: &str) -> Outcome {
    decided(verifier.current().over(None).naming(caller, user))
}

#[test]
fn named_a1_the_word_of_a_listed_workload_is_taken_about_the_users_of_its_issuer() {
    let house = House::new();
    let (login, partner) = (&house.login, &house.partner);
    let listening = plain_users(house.builder(), ["gateway"], LOGIN).build().expect("valid");
    let own = |client: &str| login.sign(&login.own(client));
    assert_eq!(naming(&listening, &own("gateway"), "alice"), ok("gateway for alice, none: of:gateway"));
    // The controls: another workload, a namesake of another issuer, and a verifier that listens to nobody.
    assert_eq!(naming(&listening, &own("reports"), "alice"), unrelated());
    assert_eq!(naming(&listening, &partner.sign(&partner.own("gateway")), "alice"), unrelated());
    assert_eq!(naming(&house.verifier(), &own("gateway"), "alice"), unrelated());
    // A name is of the issuer that the row names, whoever names it.
    let of_partners = plain_users(house.builder(), ["gateway"], PARTNER).build().expect("valid");
    let issuer = |verifier: &Verifier| {
        let caller = at_once(verifier.current().over(None).naming(&own("gateway"), "alice")).expect("listed");
        caller.principal().user().expect("a user").issuer.to_string()
    };
    assert_eq!([issuer(&listening), issuer(&of_partners)], [LOGIN, PARTNER]);
}

#[test]
fn named_a1_a_workload_proves_itself_before_its_word_is_taken() {
    let house = House::new();
    let login = &house.login;
    let listening = plain_users(house.builder(), ["gateway"], LOGIN).build().expect("valid");
    let stolen = login.sign(&login.of("bob", "gateway"));
    assert_eq!(naming(&listening, &stolen, "alice"), unrelated(), "issued to it, and in whose hands?");
    assert_eq!(naming(&listening, "a.bad.token", "alice").map_err(|(kind, _)| kind), Err(RefusalKind::InvalidToken));
    let no_name = Err((RefusalKind::MalformedRequest, "plain_user"));
    for text in ["", " alice", &"a".repeat(5000)] {
        assert_eq!(naming(&listening, &login.sign(&login.own("gateway")), text), no_name, "{text}");
    }
}

#[test]
fn named_a2_it_counts_for_rules_with_the_callers_rights_and_is_no_binding_and_nothing_to_send_on() {
    let house = House::new();
    let login = &house.login;
    let listening = plain_users(house.builder(), ["gateway"], LOGIN).build().expect("valid");
    let own = login.sign(&login.own("gateway"));
    let caller = at_once(listening.current().over(None).naming(&own, "alice")).expect("listed");
    assert!(caller.counts_together());
    assert_eq!(caller.principal().binding(), Binding::None);
    let user = caller.user_token().expect("a user");
    assert!(user.token().is_none(), "the caller's own is not the user's");
    assert!(user.claims::<serde_json::Value>().is_err());
    assert_eq!(user.expires_at(), caller.caller_token().expires_at());
    assert_ne!(user.fingerprint(), caller.caller_token().fingerprint());
    let bob = at_once(listening.current().over(None).naming(&own, "bob")).expect("listed");
    assert_ne!(user.fingerprint(), bob.user_token().expect("a user").fingerprint());
}

#[test]
fn named_a2_a_user_who_was_revoked_is_refused_and_another_is_not() {
    let house = House::new();
    let login = &house.login;
    let list = Revocations::new(ManualClock::new().clock());
    let listening = plain_users(house.builder().revocations(list.clone()), ["gateway"], LOGIN).build().expect("valid");
    let own = login.sign(&login.own("gateway"));
    assert_eq!(naming(&listening, &own, "alice"), ok("gateway for alice, none: of:gateway"), "the control");
    let alice: Subject = "alice".parse().expect("a name");
    list.revoke(Revocation::subject(LOGIN.parse().expect("an issuer"), alice));
    assert_eq!(naming(&listening, &own, "alice"), invalid("revoked"));
    assert_eq!(naming(&listening, &own, "bob"), ok("gateway for bob, none: of:gateway"));
}

#[test]
fn named_a3_whose_word_is_taken_is_told_when_the_verifier_is_built() {
    let house = House::new();
    let logs = LogCapture::start();
    house.verifier();
    let told = "callers name their users in plain text";
    assert!(!logs.text().contains(told), "the control");
    let listening = plain_users(house.builder(), ["gateway"], LOGIN).build().expect("valid");
    let text = logs.text();
    assert_eq!(text.matches(told).count(), 1, "{text}");
    for part in ["WARN", "tower_identity::binding", "gateway of https://login.example.com"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is as it was is told once.
    listening.replace(plain_users(house.builder(), ["gateway"], LOGIN)).expect("valid");
    assert_eq!(logs.text().matches(told).count(), 1);
    listening.replace(plain_users(house.builder(), ["gateway", "reports"], LOGIN)).expect("valid");
    assert_eq!(logs.text().matches(told).count(), 2);
}

#[test]
fn named_a3_a_row_names_somebody_and_one_issuer_of_users_and_nobody_is_in_two() {
    let house = House::new();
    let built = |change: &dyn Fn(VerifierBuilder) -> VerifierBuilder| {
        change(house.builder()).build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let row = |callers: Vec<&'static str>, users_of: &'static str| {
        move |builder: VerifierBuilder| plain_users(builder, callers.clone(), users_of)
    };
    let wrong = |text: &str| Err(text.to_owned());
    assert_eq!(built(&row(vec!["gateway"], LOGIN)), Ok(()));
    assert_eq!(built(&row(vec![], LOGIN)), wrong("plain_user[0].callers: names nobody"));
    let stranger = "plain_user[0].users_of: is no issuer whose users' credentials are accepted";
    assert_eq!(built(&row(vec!["gateway"], "https://elsewhere.example")), wrong(stranger));
    let (of_login, of_partner) = (row(vec!["gateway"], LOGIN), row(vec!["reports"], PARTNER));
    assert_eq!(built(&|builder| of_partner(of_login(builder))), Ok(()));
    let again = row(vec!["reports", "gateway"], PARTNER);
    let twice =
        "plain_user[1].callers: names a caller of another row, and a user's name does not say of which issuer it is";
    assert_eq!(built(&|builder| again(of_login(builder))), wrong(twice));
    let at_partner = |builder: VerifierBuilder| {
        plain_users(builder, [CallerName::of_issuer(PARTNER, "gateway").expect("a name")], PARTNER)
    };
    assert_eq!(built(&|builder| at_partner(of_login(builder))), Ok(()), "a namesake of another issuer is another");
}

/// A certificate proves its workload as a token does.
#[test]
fn named_a1_nobody_is_named_by_a_chain_that_is_none() {
    let house = House::new();
    let listening = plain_users(house.builder(), ["gateway"], LOGIN).build().expect("valid");
    let refused = outcome(listening.current().certificate_naming(&[], "alice")).expect_err("no certificate");
    assert_eq!(refused.1, "certificate");
}
