//! What a token says of its subject beside who it is.

use serde_json::{Value, json};
use tower_identity_verify::{Profile, TrustedIssuer};

use crate::support::fixtures::Vendor;

/// A claim that this profile reads as an attribute, and a right value of it.
fn read_by(profile: Profile) -> &'static [(&'static str, &'static str)] {
    match profile {
        Profile::Rfc9068 | Profile::Plain => &[
            ("name", r#""Alice""#),
            ("email", r#""a@example.com""#),
            ("email_verified", "false"),
            ("groups", r#"["staff"]"#),
            ("roles", r#"["clerk"]"#),
        ],
        Profile::Keycloak => &[
            ("name", r#""Alice""#),
            ("email", r#""a@example.com""#),
            ("email_verified", "false"),
            ("groups", r#"["staff"]"#),
            ("realm_access", r#"{"roles": ["clerk"]}"#),
            ("resource_access", r#"{"orders": {"roles": ["clerk"]}}"#),
        ],
        Profile::EntraV1 | Profile::EntraV2 => &[
            ("name", r#""Alice""#),
            ("email", r#""a@example.com""#),
            ("groups", r#"["staff"]"#),
            ("roles", r#"["clerk"]"#),
            ("hasgroups", "true"),
            ("_claim_names", r#"{"groups": "src1"}"#),
        ],
        Profile::Okta => &[("name", r#""Alice""#), ("email", r#""a@example.com""#), ("groups", r#"["staff"]"#)],
        Profile::Auth0 => &[("name", r#""Alice""#), ("email", r#""a@example.com""#), ("permissions", r#"["clerk"]"#)],
        Profile::Cognito => &[("cognito:groups", r#"["staff"]"#)],
        _ => &[],
    }
}

#[test]
fn attributes_of_a_wrong_type_refuse_the_token() {
    let wrong = [
        json!(null),
        json!(7),
        json!([7]),
        json!([null]),
        json!([["staff"]]),
        json!([{"display": "Staff"}]),
        json!([{"value": 7, "display": "Staff"}, "staff"]),
        json!({"roles": "clerk", "orders": {"roles": 7}, "groups": null}),
    ];
    for profile in Profile::ALL {
        let vendor = Vendor::new(profile);
        for (claim, right) in read_by(profile) {
            let right: Value = serde_json::from_str(right).expect("json");
            let control = vendor.made_of(&vendor.shape("user").with(claim, right));
            assert!(control.is_object(), "{profile:?} {claim}: {control}");
            for value in &wrong {
                // That the groups are elsewhere is said by the member's being there.
                if *claim == "_claim_names" && value.is_object() {
                    continue;
                }
                let made = vendor.made_of(&vendor.shape("user").with(claim, value.clone()));
                assert_eq!(made, json!("claims"), "{profile:?} {claim}: {value}");
            }
        }
    }
}

#[test]
fn what_a_profile_does_not_read_is_nobodys_business() {
    for profile in Profile::ALL {
        let vendor = Vendor::new(profile);
        let name = if vendor.fixture.tokens.contains_key("user") { "user" } else { "workload" };
        let read: Vec<_> = read_by(profile).iter().map(|(claim, _)| *claim).collect();
        for claim in
            ["groups", "roles", "permissions", "resource_access", "cognito:groups", "_claim_names", "hasgroups"]
        {
            if !read.contains(&claim) {
                let shape = vendor.shape(name);
                let made = vendor.made_of(&shape.clone().with(claim, json!(7)));
                assert_eq!(made, shape.expect, "{profile:?} {claim}");
            }
        }
    }
}

#[test]
fn empty_groups_and_roles_are_refused() {
    let lists = [
        (Profile::Rfc9068, "groups"),
        (Profile::Rfc9068, "roles"),
        (Profile::Keycloak, "groups"),
        (Profile::EntraV2, "groups"),
        (Profile::EntraV2, "roles"),
        (Profile::Okta, "groups"),
        (Profile::Auth0, "permissions"),
        (Profile::Cognito, "cognito:groups"),
    ];
    for (profile, claim) in lists {
        let vendor = Vendor::new(profile);
        for (entry, refused) in [("", true), (" ", true), ("\t\u{a0}", true), ("staff", false), ("*", false)] {
            let made = vendor.made_of(&vendor.shape("user").with(claim, json!(["ok", entry])));
            assert_eq!(made == json!("claims"), refused, "{profile:?} {claim}: {entry:?}: {made}");
        }
    }
    let keycloak = Vendor::new(Profile::Keycloak);
    for (claim, value) in
        [("realm_access", json!({"roles": ["clerk", ""]})), ("resource_access", json!({"orders": {"roles": [" "]}}))]
    {
        assert_eq!(keycloak.made_of(&keycloak.shape("user").with(claim, value)), json!("claims"), "{claim}");
    }
}

#[test]
fn an_object_of_scim_counts_by_its_value_and_only_where_the_standard_has_it() {
    let groups = json!(["guides", {"value": "e9e30dba", "display": "Tour Guides"}]);
    for profile in [Profile::Rfc9068, Profile::Plain] {
        let vendor = Vendor::new(profile);
        let made = vendor.made_of(&vendor.shape("user").with("groups", groups.clone()));
        assert_eq!(made["groups"], json!(["guides", "e9e30dba"]), "{profile:?}");
    }
    for profile in [Profile::Keycloak, Profile::EntraV2, Profile::Okta] {
        let vendor = Vendor::new(profile);
        let made = vendor.made_of(&vendor.shape("user").with("groups", groups.clone()));
        assert_eq!(made, json!("claims"), "{profile:?}");
    }
}

#[test]
fn keycloak_roles_are_the_realms_and_those_at_our_own_audiences() {
    let access = json!({
        "orders": {"roles": ["orders-admin"]},
        "shop": {"roles": ["clerk"]},
        "payments": {"roles": ["payments-admin"]},
        "realm-management": {"roles": ["realm-admin"]},
        "broken": 7,
    });
    let roles = |vendor: &Vendor| {
        let shape = vendor.shape("user").with("resource_access", access.clone());
        vendor.made_of(&shape)["roles"].clone()
    };
    let one = Vendor::new(Profile::Keycloak);
    assert_eq!(roles(&one), json!(["offline_access", "clerk", "orders-admin"]));
    let two = Vendor::told(Profile::Keycloak, |issuer: TrustedIssuer| {
        issuer.audience("shop").algorithms([tower_identity_jose::Algorithm::Es256])
    });
    assert_eq!(roles(&two), json!(["offline_access", "clerk", "orders-admin", "clerk"]));
}

#[test]
fn an_address_is_verified_only_where_the_issuer_says_so() {
    let vendor = Vendor::new(Profile::Rfc9068);
    let user = || vendor.shape("user");
    let cases = [
        (user(), json!({"address": "alice@example.com", "verified": true})),
        (user().with("email_verified", json!(false)), json!({"address": "alice@example.com", "verified": false})),
        (user().without("email_verified"), json!({"address": "alice@example.com", "verified": false})),
        (user().without("email"), json!(null)),
        (user().with("email", json!(" ")), json!(null)),
    ];
    for (shape, expected) in cases {
        assert_eq!(vendor.made_of(&shape)["email"], expected, "{}", shape.claims);
    }
    assert_eq!(vendor.made_of(&user().with("email_verified", json!("true"))), json!("claims"));
}

#[test]
fn entra_groups_that_are_elsewhere_are_unknown_and_never_none() {
    for profile in [Profile::EntraV1, Profile::EntraV2] {
        let vendor = Vendor::new(profile);
        let user = || vendor.shape("user").without("groups");
        let cases = [
            (user(), json!([])),
            (vendor.shape("user"), json!(["0760b6cf-170e-4a14-91b3-4b78e0739963"])),
            (user().with("hasgroups", json!(true)), json!("unknown")),
            (user().with("hasgroups", json!(false)), json!([])),
            (user().with("_claim_names", json!({"groups": "src1"})), json!("unknown")),
            (user().with("_claim_names", json!({"groups": null})), json!("unknown")),
            (user().with("_claim_names", json!({"picture": "src1"})), json!([])),
            // A list beside the word that it is not all.
            (vendor.shape("user").with("hasgroups", json!(true)), json!("unknown")),
        ];
        for (shape, expected) in cases {
            assert_eq!(vendor.made_of(&shape)["groups"], expected, "{profile:?} {}", shape.claims);
        }
    }
}

#[test]
fn the_name_to_show_is_the_first_that_is_there() {
    let cases = [
        (Profile::Keycloak, "name", json!("alice")),
        (Profile::EntraV1, "name", json!("abeli@contoso.com")),
        (Profile::EntraV2, "name", json!("abeli@contoso.com")),
        (Profile::Rfc9068, "name", json!(null)),
    ];
    for (profile, claim, next) in cases {
        let vendor = Vendor::new(profile);
        assert_eq!(vendor.made_of(&vendor.shape("user").without(claim))["display_name"], next, "{profile:?}");
        let blank = vendor.shape("user").with(claim, json!(" "));
        assert_eq!(vendor.made_of(&blank)["display_name"], next, "{profile:?}");
    }
    // A wrong one is found also where another is shown.
    let vendor = Vendor::new(Profile::EntraV2);
    let wrong = vendor.shape("user").with("preferred_username", json!(7));
    assert_eq!(vendor.made_of(&wrong), json!("claims"));
}
