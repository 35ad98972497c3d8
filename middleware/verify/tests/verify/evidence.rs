//! Whether a token is about a user or about its client: by evidence, and refused where there is none.

use serde_json::{Value, json};
use tower_identity_verify::Profile;

use crate::support::fixtures::{Shape, Vendor};

/// Whom a token names, shortly: the caller, for the user; or the check that refuses it.
fn named(vendor: &Vendor, shape: &Shape) -> String {
    match vendor.judged(shape) {
        Ok(caller) => {
            let principal = caller.principal();
            let user = principal.user().map(|user| format!(" for {}", user.id));
            format!("{}{}", principal.workload().id, user.unwrap_or_default())
        }
        Err(refusal) => refusal.check().to_owned(),
    }
}

/// Each changes a documented token in one thing or two.
fn cases(profile: Profile, name: &str, cases: &[(&[(&str, Value)], &str)]) {
    let vendor = Vendor::new(profile);
    for (changes, expected) in cases {
        let changed = changes.iter().fold(vendor.shape(name), |shape, (claim, value)| match value {
            Value::Null => shape.without(claim),
            value => shape.with(claim, value.clone()),
        });
        assert_eq!(named(&vendor, &changed), *expected, "{profile:?}: {name} with {changes:?}");
    }
}

#[test]
fn rfc9068_a7_keycloak_a_service_account_is_one_by_two_claims_and_no_human_by_its_name() {
    const ALICE: &str = "storefront for f4c1a0de-5b5e-4f0c-9a53-1f1d3a5a3e11";
    cases(
        Profile::Keycloak,
        "user",
        &[
            (&[], ALICE),
            // Whoever may choose a name may choose that of a service account.
            (&[("preferred_username", json!("service-account-storefront"))], "subject"),
            (&[("preferred_username", json!("service-account-orders"))], "subject"),
            (&[("preferred_username", json!("service-account-"))], "subject"),
            (&[("preferred_username", json!("service-accounting"))], ALICE),
            // A mapper may write the client beside any user.
            (&[("client_id", json!("storefront"))], ALICE),
            (&[("preferred_username", json!(7))], "claims"),
        ],
    );
    cases(
        Profile::Keycloak,
        "workload",
        &[
            (&[], "storefront"),
            (&[("client_id", Value::Null)], "subject"),
            (&[("client_id", json!("orders"))], "subject"),
            (&[("client_id", json!(["storefront"]))], "subject"),
            (&[("preferred_username", json!("service-account-orders"))], "subject"),
            (&[("preferred_username", Value::Null)], "subject"),
            // Names of accounts are in lower case, whatever that of the client.
            (&[("azp", json!("StoreFront")), ("client_id", json!("StoreFront"))], "StoreFront"),
            (&[("azp", json!("StoreFront"))], "subject"),
        ],
    );
}

#[test]
fn rfc9068_a7_entra_an_application_is_one_by_idtyp_or_by_its_own_object() {
    const APP: &str = "75dbe77f-10a3-4e59-85fd-8c127544f17c";
    const SP: &str = "02223b6b-aa1d-42d4-9ec0-1b2bb9194438";
    let user = format!("{APP} for 690222be-ff1a-4d56-abd1-7e4f7d38e474");
    for profile in [Profile::EntraV1, Profile::EntraV2] {
        cases(
            profile,
            "user",
            &[
                (&[], &user),
                (&[("idtyp", json!("user"))], &user),
                (&[("idtyp", json!("app"))], "subject"),
                (&[("scp", Value::Null)], "subject"),
                (&[("scp", Value::Null), ("roles", Value::Null)], "kind"),
                (&[("oid", json!(""))], "claims"),
                (&[("oid", json!(7))], "claims"),
                (&[("sub", json!(" "))], "claims"),
                // The pairwise subject is no name of the user.
                (&[("sub", json!(SP))], &user),
            ],
        );
        cases(
            profile,
            "workload",
            &[
                (&[], APP),
                (&[("sub", json!("another"))], APP),
                (&[("scp", json!("orders.read"))], "subject"),
                (&[("idtyp", json!("device"))], "subject"),
                (&[("roles", Value::Null)], APP),
            ],
        );
        cases(
            profile,
            "workload without idtyp",
            &[
                (&[], APP),
                (&[("sub", json!("another"))], "subject"),
                (&[("oid", Value::Null)], "subject"),
                (&[("roles", Value::Null)], "kind"),
            ],
        );
    }
}

#[test]
fn rfc9068_a7_okta_a_user_has_an_id_and_an_application_is_its_own_subject() {
    cases(
        Profile::Okta,
        "user",
        &[
            (&[], "0oa2i9thifC1DtLXZ0h7 for 00u1xk5jq0"),
            // The login changes, and says nothing.
            (&[("sub", json!("alice@example.org"))], "0oa2i9thifC1DtLXZ0h7 for 00u1xk5jq0"),
            (&[("sub", json!("0oa2i9thifC1DtLXZ0h7"))], "subject"),
            (&[("uid", json!(""))], "claims"),
        ],
    );
    cases(
        Profile::Okta,
        "workload",
        &[
            (&[], "0oa2i9thifC1DtLXZ0h7"),
            (&[("sub", json!("0oa2i9thifC1DtLXZ0h8"))], "subject"),
            (&[("uid", json!("00u1xk5jq0"))], "subject"),
            (&[("cid", json!(" "))], "claims"),
        ],
    );
}

#[test]
fn rfc9068_a7_auth0_an_application_has_an_account_of_its_own() {
    cases(
        Profile::Auth0,
        "user",
        &[
            (&[], "K1AUPhZq8mRi0Q0p for auth0|6553da60"),
            (&[("gty", json!("client-credentials"))], "subject"),
            (&[("gty", json!("password"))], "K1AUPhZq8mRi0Q0p for auth0|6553da60"),
            (&[("sub", json!("K1AUPhZq8mRi0Q0p@clients"))], "subject"),
            (&[("sub", json!("alice"))], "subject"),
            (&[("client_id", json!("K1AUPhZq8mRi0Q0p"))], "K1AUPhZq8mRi0Q0p for auth0|6553da60"),
            (&[("client_id", json!("another"))], "claims"),
        ],
    );
    cases(
        Profile::Auth0,
        "workload",
        &[
            (&[], "K1AUPhZq8mRi0Q0p"),
            (&[("sub", json!("another@clients"))], "subject"),
            (&[("sub", json!("k1auphzq8mri0q0p@clients"))], "subject"),
            (&[("gty", Value::Null)], "subject"),
            (&[("gty", json!(true))], "subject"),
        ],
    );
    cases(
        Profile::Auth0,
        "workload, profile of RFC 9068",
        &[(&[], "K1AUPhZq8mRi0Q0p"), (&[("sub", json!("another@clients"))], "subject")],
    );
}

#[test]
fn rfc9068_a7_cognito_a_user_has_a_name_and_an_application_is_its_own_subject() {
    cases(
        Profile::Cognito,
        "user",
        &[
            (&[], "1example23456789 for aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
            (&[("sub", json!("1example23456789"))], "subject"),
            (&[("username", Value::Null)], "subject"),
        ],
    );
    cases(
        Profile::Cognito,
        "workload",
        &[
            (&[], "1example23456789"),
            (&[("username", json!("alice"))], "subject"),
            (&[("sub", json!("another"))], "subject"),
        ],
    );
}

#[test]
fn rfc9068_a7_plain_a_client_is_one_in_either_spelling_and_another_client_is_nobody() {
    cases(
        Profile::Plain,
        "workload",
        &[
            (&[], "agnt_LyEe"),
            (&[("sub", json!("agnt_LyEe"))], "agnt_LyEe"),
            (&[("sub", json!("client:agnt_other"))], "subject"),
            (&[("sub", json!("agnt_LyEe@clients"))], "subject"),
            (&[("sub", json!("user:alice"))], "agnt_LyEe for user:alice"),
        ],
    );
    cases(
        Profile::Plain,
        "user",
        &[
            (&[], "agnt_LyEe for user:alice"),
            (&[("act", json!({"sub": "agnt_LyEe"}))], "agnt_LyEe for user:alice"),
            // The account of another client is another actor.
            (&[("act", json!({"sub": "client:agnt_other"}))], "act"),
            // The spelling is the issuer's own, and no other's.
            (
                &[("act", json!({"sub": "client:agnt_LyEe", "iss": "https://elsewhere.example"}))],
                "client:agnt_LyEe for user:alice",
            ),
        ],
    );
}

#[test]
fn k8s_a1_a_service_account_is_the_one_that_the_token_is_bound_to() {
    let bound = |namespace: &str, name: &str| json!({"namespace": namespace, "serviceaccount": {"name": name}});
    cases(
        Profile::Kubernetes,
        "workload",
        &[
            (&[], "system:serviceaccount:shop:storefront"),
            (&[("kubernetes.io", bound("shop", "storefront"))], "system:serviceaccount:shop:storefront"),
            (&[("kubernetes.io", bound("shop", "orders"))], "subject"),
            (&[("kubernetes.io", bound("other", "storefront"))], "subject"),
            (&[("sub", json!("system:serviceaccount:shop:orders"))], "subject"),
            (&[("sub", json!("system:serviceaccount:shop:storefront:x"))], "subject"),
            (&[("sub", json!("system:node:shop"))], "subject"),
            (&[("sub", json!("System:serviceaccount:shop:storefront"))], "subject"),
            (&[("sub", json!("system:serviceaccount:a:b:c")), ("kubernetes.io", bound("a", "b:c"))], "subject"),
            (&[("sub", json!("system:serviceaccount::")), ("kubernetes.io", bound("", ""))], "subject"),
            (&[("kubernetes.io", json!({"namespace": "shop"}))], "claims"),
            (&[("kubernetes.io", json!({"serviceaccount": {"name": "storefront"}}))], "claims"),
            (&[("kubernetes.io", json!([]))], "claims"),
            (&[("kubernetes.io", json!({"namespace": "shop", "serviceaccount": ["storefront"]}))], "claims"),
            (&[("kubernetes.io", Value::Null)], "kind"),
        ],
    );
}

const STOREFRONT: &str = "spiffe://example.org/ns/shop/sa/storefront";

#[test]
fn svid_a3_a_jwt_svid_is_for_one_audience() {
    cases(
        Profile::JwtSvid,
        "workload, typ JWT",
        &[
            (&[("aud", json!("orders"))], STOREFRONT),
            (&[("aud", json!(["orders"]))], STOREFRONT),
            (&[("aud", json!(["orders", "payments"]))], "aud"),
            (&[("aud", json!(["orders", "orders"]))], "aud"),
            (&[("aud", json!("payments"))], "aud"),
        ],
    );
}

#[test]
fn svid_a2_a_jwt_svid_names_a_workload_of_its_domain() {
    cases(
        Profile::JwtSvid,
        "workload, typ JWT",
        &[
            (&[], STOREFRONT),
            (&[("sub", json!("spiffe://example.com/ns/shop/sa/storefront"))], "iss"),
            (&[("sub", json!("spiffe://EXAMPLE.ORG/ns/shop/sa/storefront"))], "iss"),
            (&[("sub", json!("spiffe://example.org"))], "iss"),
            (&[("sub", json!("alice"))], "iss"),
            (&[("sub", json!(["spiffe://example.org/a"]))], "iss"),
            (&[("iss", json!("https://elsewhere.example"))], STOREFRONT),
            (&[("iat", json!(4_000_000_031_u64))], "iat"),
            (&[("exp", json!("4000000300"))], "exp"),
            // Nothing that a JWT-SVID may say beside makes it anybody else's.
            (&[("client_id", json!("orders")), ("scope", json!("orders:read"))], STOREFRONT),
            (&[("act", json!({"sub": "spiffe://example.org/other"}))], "act"),
        ],
    );
    let vendor = Vendor::new(Profile::JwtSvid);
    let headers = [
        ("typ", json!("JOSE"), STOREFRONT),
        ("typ", json!("at+jwt"), "typ"),
        ("typ", json!("wit+jwt"), "typ"),
        ("x5t", json!("x"), "header"),
        ("jku", json!("https://elsewhere.example"), "header"),
        ("cty", json!("x"), "header"),
    ];
    for (member, value, expected) in headers {
        let shape = vendor.shape("workload, typ JWT").header(member, value.clone());
        assert_eq!(named(&vendor, &shape), expected, "{member}: {value}");
    }
}

#[test]
fn an_empty_subject_or_client_is_nobody() {
    let claims = |profile| match profile {
        Profile::Rfc9068 | Profile::Plain | Profile::Cognito => &["sub", "client_id"][..],
        Profile::Keycloak | Profile::Auth0 => &["sub", "azp"],
        Profile::EntraV1 => &["sub", "appid", "oid"],
        Profile::EntraV2 => &["sub", "azp", "oid"],
        Profile::Okta => &["sub", "cid", "uid"],
        _ => &["sub"],
    };
    for profile in Profile::ALL {
        let vendor = Vendor::new(profile);
        let name = if vendor.fixture.tokens.contains_key("user") { "user" } else { "workload" };
        for claim in claims(profile) {
            let check = match (profile, *claim) {
                // Where the claim stands in for another, it is missed as that.
                (Profile::JwtSvid, _) => "iss",
                (Profile::Kubernetes, _) => "subject",
                (Profile::Cognito, "client_id") => "aud",
                _ => "claims",
            };
            for empty in ["", " ", "\t", "\u{a0}", " alice", "alice ", "al\nice"] {
                let shape = vendor.shape(name).with(claim, json!(empty));
                assert_eq!(named(&vendor, &shape), check, "{profile:?} {claim}: {empty:?}");
            }
        }
        let control = vendor.judged(&vendor.shape(name)).map(drop).map_err(|refusal| refusal.check());
        assert_eq!(control, Ok(()), "{profile:?}");
    }
}
