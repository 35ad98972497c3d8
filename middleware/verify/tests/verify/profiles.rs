//! The tokens of each vendor at their own issuer.

use serde_json::json;
use tower_identity_jose::Algorithm;
use tower_identity_verify::Profile;

use crate::support::fixtures::{Shape, Vendor, fixture};

#[test]
fn every_documented_shape_is_what_its_fixture_says() {
    for profile in Profile::ALL {
        let vendor = Vendor::new(profile);
        assert!(!vendor.fixture.source.is_empty(), "{profile:?} cites nothing");
        for (name, shape) in &vendor.fixture.tokens {
            assert_eq!(vendor.made_of(shape), shape.expect, "{profile:?}: {name}");
            if let Ok(caller) = vendor.judged(shape) {
                assert!(caller.caller_token().is_of_home(), "{profile:?}: {name}");
            }
        }
    }
}

/// A profile, one of its tokens, the claims that it must have with the checks that miss them, and those that it may have.
type Required = (Profile, &'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn jwt_a19_what_a_profile_requires_is_required() {
    let cases: [Required; 10] = [
        (
            Profile::Rfc9068,
            "user",
            &[
                ("iss", "iss"),
                ("aud", "aud"),
                ("exp", "exp"),
                ("iat", "iat"),
                ("jti", "claims"),
                ("client_id", "claims"),
            ],
            &["scope", "auth_time", "acr", "amr", "name", "email", "email_verified", "groups", "roles"],
        ),
        (
            Profile::Plain,
            "user",
            &[
                ("iss", "iss"),
                ("aud", "aud"),
                ("exp", "exp"),
                ("iat", "iat"),
                ("jti", "claims"),
                ("client_id", "claims"),
            ],
            &["scope", "act"],
        ),
        (
            Profile::Keycloak,
            "user",
            &[
                ("iss", "iss"),
                ("typ", "kind"),
                ("aud", "aud"),
                ("exp", "exp"),
                ("iat", "iat"),
                ("jti", "claims"),
                ("azp", "claims"),
                ("sub", "claims"),
                ("preferred_username", "subject"),
            ],
            &["scope", "sid", "realm_access", "resource_access", "groups", "name", "email"],
        ),
        (
            Profile::EntraV1,
            "user",
            &[
                ("tid", "iss"),
                ("ver", "kind"),
                ("aud", "aud"),
                ("appid", "claims"),
                ("oid", "claims"),
                ("sub", "claims"),
            ],
            &["uti", "name", "unique_name", "groups", "roles", "nbf", "email"],
        ),
        (
            Profile::EntraV2,
            "user",
            &[("tid", "iss"), ("ver", "kind"), ("aud", "aud"), ("azp", "claims"), ("oid", "claims"), ("sub", "claims")],
            &["uti", "name", "preferred_username", "groups", "roles", "nbf", "email"],
        ),
        (
            Profile::Okta,
            "user",
            &[
                ("ver", "kind"),
                ("scp", "kind"),
                ("aud", "aud"),
                ("cid", "claims"),
                ("jti", "claims"),
                ("uid", "subject"),
            ],
            &["groups", "auth_time"],
        ),
        (
            Profile::Auth0,
            "user",
            &[("iss", "iss"), ("aud", "aud"), ("exp", "exp"), ("iat", "iat"), ("azp", "claims"), ("sub", "claims")],
            &["scope", "permissions"],
        ),
        (
            Profile::Cognito,
            "user",
            &[("token_use", "kind"), ("client_id", "aud"), ("exp", "exp"), ("username", "subject"), ("sub", "claims")],
            &["jti", "scope", "cognito:groups", "version"],
        ),
        (Profile::JwtSvid, "workload, typ JWT", &[("sub", "iss"), ("aud", "aud"), ("exp", "exp")], &["iat", "jti"]),
        (
            Profile::Kubernetes,
            "workload",
            &[
                ("iss", "iss"),
                ("kubernetes.io", "kind"),
                ("aud", "aud"),
                ("exp", "exp"),
                ("iat", "iat"),
                ("sub", "claims"),
            ],
            &["jti", "nbf"],
        ),
    ];
    for (profile, name, required, optional) in cases {
        let vendor = Vendor::new(profile);
        for (claim, check) in required {
            let made = vendor.made_of(&vendor.shape(name).without(claim));
            assert_eq!(made, json!(check), "{profile:?} without {claim}");
        }
        for claim in optional {
            let made = vendor.made_of(&vendor.shape(name).without(claim));
            assert!(made.is_object(), "{profile:?} without {claim}: {made}");
        }
    }
}

#[test]
fn jwt_a15_a_version_is_the_one_that_is_documented() {
    let okta = Vendor::new(Profile::Okta);
    let of_version = |version: &serde_json::Value| okta.made_of(&okta.shape("user").with("ver", version.clone()));
    assert!(of_version(&json!(1)).is_object(), "the control");
    for other in [json!(0), json!(2), json!("1"), json!(1.5), json!(null)] {
        assert_eq!(of_version(&other), json!("kind"), "{other}");
    }
}

#[test]
fn rfc9068_a8_the_algorithms_are_the_profiles_unless_they_are_named() {
    use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let common = vec![Rs256, Ps256, Es256, EdDsa, Algorithm::Ed25519];
    for profile in Profile::ALL {
        let expected = match profile {
            Profile::Rfc9068 | Profile::Plain | Profile::Keycloak => common.clone(),
            Profile::JwtSvid => vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512],
            Profile::Kubernetes => vec![Rs256, Es256, Es384, Es512],
            _ => vec![Rs256],
        };
        let vendor = Vendor::told(profile, |issuer| issuer);
        let name = if fixture(profile).tokens.contains_key("user") { "user" } else { "workload" };
        let accepted: Vec<_> = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| {
                // One that is accepted leads on: to a key that is for another, or to the token's own.
                let shape = vendor.shape(name).header("alg", json!(algorithm.as_str()));
                vendor.judged(&shape).err().is_none_or(|refusal| refusal.check() != "alg")
            })
            .collect();
        assert_eq!(accepted, expected, "{profile:?}");
    }
}

#[test]
fn rfc9068_a6_scopes_have_the_form_that_the_profile_has_for_them() {
    let list = || json!(["orders:read", "orders:write"]);
    let text = || json!("orders:read orders:write");
    let both = json!(["orders:read", "orders:write"]);
    let (none, wrong) = (json!([]), json!("claims"));
    for profile in Profile::ALL {
        let vendor = Vendor::new(profile);
        let name = if vendor.fixture.tokens.contains_key("user") { "user" } else { "workload" };
        let scopes = |claim: &str, value: serde_json::Value| {
            let mut shape = vendor.shape(name);
            for claim in ["scope", "scp"] {
                shape.claims.as_object_mut().expect("an object").remove(claim);
            }
            // What else says that it is an access token stays said.
            let guarded = matches!(profile, Profile::EntraV1 | Profile::EntraV2 | Profile::Okta) && claim != "scp";
            let shape = if guarded { vendor.shape(name).with(claim, value) } else { shape.with(claim, value) };
            let made = vendor.made_of(&shape);
            made.get("scopes").cloned().unwrap_or(made)
        };
        let own = vendor.shape(name).expect["scopes"].clone();
        let (scope_text, scope_list, scp_text, scp_list) = match profile {
            Profile::EntraV1 | Profile::EntraV2 => (&own, &own, &both, &wrong),
            Profile::Okta => (&own, &own, &wrong, &both),
            Profile::JwtSvid | Profile::Kubernetes => (&none, &none, &none, &none),
            _ => (&both, &wrong, &none, &none),
        };
        let found = [scopes("scope", text()), scopes("scope", list()), scopes("scp", text()), scopes("scp", list())];
        assert_eq!(found.each_ref(), [scope_text, scope_list, scp_text, scp_list], "{profile:?}");
    }
    let okta = Vendor::new(Profile::Okta);
    for entry in [json!([""]), json!(["a b"]), json!([7]), json!(null)] {
        assert_eq!(okta.made_of(&okta.shape("user").with("scp", entry.clone())), json!("claims"), "{entry}");
    }
}

#[test]
fn cognito_goes_by_aud_where_there_is_one_and_else_by_the_client() {
    let vendor = Vendor::new(Profile::Cognito);
    let audience = |shape: Shape| {
        let made = vendor.made_of(&shape);
        made.get("audience").cloned().unwrap_or(made)
    };
    let user = || vendor.shape("user");
    let cases = [
        (user(), json!("1example23456789")),
        (user().with("client_id", json!("another")), json!("aud")),
        (user().with("client_id", json!(["1example23456789"])), json!("aud")),
        (user().with("aud", json!("orders")), json!("orders")),
        // A client that we know says nothing of a token that is for somebody else.
        (user().with("aud", json!("payments")), json!("aud")),
        (user().with("aud", json!([])), json!("aud")),
        (user().with("aud", json!(null)), json!("aud")),
    ];
    for (shape, expected) in cases {
        assert_eq!(audience(shape.clone()), expected, "{}", shape.claims);
    }
    // Nor does any other profile take the client for the audience.
    let strict = Vendor::told(Profile::Rfc9068, |issuer| issuer.audience("s6BhdRkqt3").algorithms([Algorithm::Es256]));
    assert_eq!(strict.made_of(&strict.shape("user").without("aud")), json!("aud"));
}

#[test]
fn every_profile_is_documented() {
    let text = include_str!("../../../../docs/issuers.md");
    for profile in Profile::ALL {
        let (name, family) =
            (format!("`{}`", profile.as_str()), profile.as_str().replace("_v1", "_*").replace("_v2", "_*"));
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let in_first_cell = |line: &&str| {
            let first = line.split('|').nth(1).unwrap_or_default();
            first.contains(&name) || first.contains(&format!("`{family}`"))
        };
        // What it expects, its guard, its subjects, its attributes, its vendor's page.
        assert_eq!(rows.filter(in_first_cell).count(), 5, "{profile:?}");
        for source in fixture(profile).source.iter().filter(|source| !source.contains("rfc7643")).take(1) {
            assert!(text.contains(source.as_str()), "{profile:?}: {source}");
        }
    }
}
