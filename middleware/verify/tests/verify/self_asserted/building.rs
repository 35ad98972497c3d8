//! What is refused when the verifier is built, and what is told.

use tower_identity_testkit::LogCapture;
use tower_identity_verify::Profile;

use super::*;

#[test]
fn said_a5_a_service_that_may_not_be_taken_at_its_word_is_refused() {
    let mesh = Mesh::new();
    let orders = || trusted(ORDERS, &mesh.orders);
    let built = |service: TrustedIssuer, users_of: &[&str]| {
        let builder = self_asserted(mesh.plain(), service, users_of.iter().copied());
        builder.build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let wrong = |rule: &str| Err(format!("self_asserted[0].{rule}"));
    assert_eq!(built(orders(), &[LOGIN, PARTNER]), Ok(()));
    assert_eq!(built(orders(), &[]), wrong("users_of: names no issuer"));
    assert_eq!(built(orders(), &[LOGIN, ""]), wrong("users_of[1]: issuer is empty"));
    assert_eq!(built(orders(), &[LOGIN, ORDERS]), wrong("users_of[1]: is the service itself, which has no users"));
    let profile = "profile: is that of access tokens, which such a service does not issue";
    assert_eq!(built(orders().profile(Profile::Plain), &[LOGIN]), wrong(profile));
    let sender = "issued_to_is_sender: is said of users' tokens that their issuer issues to clients";
    assert_eq!(built(orders().issued_to_is_sender(), &[LOGIN]), wrong(sender));
    let domain = TrustedIssuer::trust_domain("example.org", "https://spire.example.org/bundle").audience("payments");
    assert_eq!(built(domain, &[LOGIN]), wrong("issuer: is a trust domain; name one service of it, by its SPIFFE ID"));
    let known = "issuer: is trusted for its tokens already; a service's word comes under a name of its own";
    assert_eq!(built(trusted(LOGIN, &mesh.orders), &[PARTNER]), wrong(known));

    let twice = self_asserted(self_asserted(mesh.plain(), orders(), [LOGIN]), orders(), [PARTNER]);
    let refused = twice.build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(refused, Err("self_asserted[1].issuer: is listed twice".to_owned()));
}

#[test]
fn said_a5_whose_word_is_taken_is_told_when_it_is_new() {
    let mesh = Mesh::new();
    let logs = LogCapture::start();
    let told = "a service is taken at its word for whom it calls";
    mesh.plain().build().expect("valid");
    assert!(!logs.text().contains(told), "the control");
    let verifier = self_asserted(mesh.plain(), trusted(ORDERS, &mesh.orders), [LOGIN, PARTNER]).build().expect("valid");
    let text = logs.text();
    assert_eq!(text.matches(told).count(), 1, "{text}");
    for part in ["WARN", "tower_identity::binding", ORDERS, LOGIN, PARTNER] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let other =
        |users_of: &[&str]| self_asserted(mesh.plain(), trusted(ORDERS, &mesh.orders), users_of.iter().copied());
    verifier.replace(other(&[LOGIN, PARTNER])).expect("valid");
    assert_eq!(logs.text().matches(told).count(), 1, "nothing new");
    verifier.replace(other(&[LOGIN])).expect("valid");
    assert_eq!(logs.text().matches(told).count(), 2);
    assert_eq!(decided(verifier.bearer(&sign(&mesh.orders, &word()))), at_its_word());
    verifier.replace(mesh.plain()).expect("valid");
    assert_eq!(decided(verifier.bearer(&sign(&mesh.orders, &word()))), invalid("iss"), "not any longer");
}
