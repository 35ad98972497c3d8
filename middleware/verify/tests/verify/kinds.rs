//! Which kinds of token each profile accepts: every kind at every profile, given the same issuer.

use serde_json::{Value, json};
use tower_identity_verify::Profile;

use crate::support::fixtures::{Fixture, Shape, Vendor, fixture, other_kinds};

/// The token as it would be if the profile's issuer had written it, and for us: its `iss` is the profile's, and its
/// `aud`, where it has one, ours. Whom it is about stays, and so do tenant and trust domain, which are part of it.
fn as_if_of(vendor: &Vendor, shape: &Shape) -> Shape {
    let mut shape = shape.clone();
    shape.claims["iss"] = json!(vendor.fixture.issuer);
    let ours = json!(vendor.fixture.audiences[0]);
    match shape.claims.get_mut("aud") {
        Some(Value::Array(audiences)) => audiences[0] = ours,
        Some(audience) => *audience = ours,
        None => {}
    }
    shape
}

/// A cell: whom the token is about, or the check that refuses it.
fn cell(vendor: &Vendor, shape: &Shape) -> &'static str {
    match vendor.judged(&as_if_of(vendor, shape)) {
        Ok(caller) if caller.principal().user().is_some() => "USER",
        Ok(_) => "WORKLOAD",
        Err(refusal) => refusal.check(),
    }
}

/// Every kind of token that the fixtures know, by whose it is and its name, in each profile's cell.
fn rows() -> Vec<(String, [&'static str; Profile::ALL.len()])> {
    let vendors = Profile::ALL.map(Vendor::new);
    let of = |owner: &str, fixture: Fixture| -> Vec<_> {
        let row = |(name, shape): (String, Shape)| {
            (format!("{owner}: {name}"), std::array::from_fn(|at| cell(&vendors[at], &shape)))
        };
        fixture.tokens.into_iter().map(row).collect()
    };
    let of_profiles = Profile::ALL.into_iter().flat_map(|profile| of(profile.as_str(), fixture(profile)));
    of_profiles.chain(of("any", other_kinds())).collect()
}

#[test]
fn jwt_a15_every_kind_of_token_at_every_profile() {
    let line = |name: &str, cells: [&str; Profile::ALL.len()]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:10}")).collect();
        format!("{name:40}{}\n", cells.trim_end())
    };
    let head = line("", Profile::ALL.map(Profile::as_str));
    let found: String =
        std::iter::once(head).chain(rows().into_iter().map(|(name, cells)| line(&name, cells))).collect();
    let expected = include_str!("fixtures/kinds.txt");
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn jwt_a15_off_the_diagonal_nothing_is_accepted_but_what_has_one_shape() {
    let accepted = rows().into_iter().flat_map(|(name, cells)| {
        let elsewhere = Profile::ALL.into_iter().zip(cells).filter(|(profile, cell)| {
            ["USER", "WORKLOAD"].contains(cell) && !name.starts_with(&format!("{}: ", profile.as_str()))
        });
        elsewhere.map(|(profile, cell)| format!("{name} at {}: {cell}", profile.as_str())).collect::<Vec<_>>()
    });
    let expected = [
        // What a plain server writes under `at+jwt` is what RFC 9068 asks for.
        "rfc9068: user at plain: USER",
        "rfc9068: workload at plain: WORKLOAD",
        // Auth0's token profile of that name is that of RFC 9068.
        "auth0: user, profile of RFC 9068 at rfc9068: USER",
        "auth0: user, profile of RFC 9068 at plain: USER",
    ];
    assert_eq!(accepted.collect::<Vec<_>>(), expected);
}
