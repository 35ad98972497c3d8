//! Beside a credential of its caller's.

use super::*;

fn own(key: &SigningKey, client: &str) -> String {
    let claims = json!({
        "iss": LOGIN, "sub": client, "client_id": client, "aud": "payments", "iat": now(), "exp": now() + 300, "jti": "2",
    });
    sign_as("at+jwt", key, &claims)
}

fn named(builder: VerifierBuilder) -> VerifierBuilder {
    builder.workload(["orders".try_into().expect("a name"), CallerName::of_issuer(ORDERS, ORDERS).expect("a name")])
}

fn unrelated() -> Result<String, (RefusalKind, &'static str)> {
    Err((RefusalKind::UnrelatedCredentials, "binding"))
}

#[test]
fn said_a4_beside_a_credential_it_counts_in_the_hands_of_the_service_that_said_it() {
    let mesh = Mesh::new();
    let verifier = named(mesh.builder()).build().expect("valid");
    let of_alice = sign(&mesh.orders, &word());
    let said = || Ok(format!("orders for alice of {LOGIN}: SelfAsserted"));
    assert_eq!(decided(verifier.pair(&own(&mesh.login, "orders"), &of_alice)), said());
    // Replayed by another workload; and the same one where nothing says that the two names are one workload's.
    assert_eq!(decided(verifier.pair(&own(&mesh.login, "storefront"), &of_alice)), unrelated());
    assert_eq!(decided(mesh.verifier().pair(&own(&mesh.login, "orders"), &of_alice)), unrelated());
    // It is nobody's own credential, though alone it is a caller's and its user's in one.
    assert_eq!(decided(verifier.pair(&of_alice, &of_alice)), unrelated());
    assert_eq!(decided(verifier.alone(&of_alice)), said());
}

#[test]
fn said_a4_nobody_is_trusted_with_the_word_of_another() {
    let mesh = Mesh::new();
    let trusting = tower_identity_verify::danger::trusted_caller(mesh.builder(), ["gateway"], [LOGIN]);
    let verifier = named(trusting).accept_may_act().build().expect("valid");
    let may_act = with("may_act", json!({"iss": LOGIN, "sub": "gateway"}));
    for claims in [word(), may_act] {
        let of_alice = sign(&mesh.orders, &claims);
        assert_eq!(decided(verifier.pair(&own(&mesh.login, "gateway"), &of_alice)), unrelated());
    }
}

#[test]
fn said_a4_it_counts_beside_a_credential_where_users_have_issuers_of_their_own_too() {
    let mesh = Mesh::new();
    let shop = key();
    let verifier = named(mesh.builder()).user_issuer(trusted("https://shop.example", &shop)).build().expect("valid");
    let of_alice = sign(&mesh.orders, &word());
    let decision = decided(verifier.pair(&own(&mesh.login, "orders"), &of_alice));
    assert_eq!(decision, Ok(format!("orders for alice of {LOGIN}: SelfAsserted")));
    assert_eq!(decided(verifier.pair(&own(&mesh.login, "reports"), &of_alice)), unrelated());
}
