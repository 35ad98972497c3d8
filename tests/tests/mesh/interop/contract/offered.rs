//! The strategies that each server supports: a row for each.

use serde_json::Value;
use tower_identity::{CallerContext, Chaining, Scopes, Target};

use super::{
    Contract, Scene,
    acts::{Case, LARGE},
    way::Answers,
};
use crate::interop::service::tampered;

/// A resource of oidc-provider's.
pub(super) const OF_OIDC_PROVIDER: &str = "https://es256.orders.test";

const PAYMENTS: &str = "https://payments.test";

/// What any of them may do: nobody listens; a page for people; more than was asked for; more than fits.
const WRONG: &[(&str, Case<Scene>)] =
    &[("token_request", stopped), ("token_request", page), ("token_request", wider), ("credential_bytes", large)];

/// The same where a grant of the first server goes to the second.
const WRONG_OF_TWO: &[(&str, Case<Scene>)] = &[
    ("token_request", stopped),
    ("token_request", page),
    ("token_request", not_a_grant),
    ("assertion_aud", for_somebody_else),
    ("token_request", |scene| scene.answers(Answers::Changed(widen), true)),
    ("credential_bytes", |scene| scene.answers(Answers::Changed(lengthen), true)),
];

/// This service's own token.
const OWN: Contract = Contract {
    name: "client_credentials",
    is_callers: false,
    asks: true,
    row: |_, row| row.resource(PAYMENTS).scope("orders:read").client_credentials(),
    other: |_, row| row.resource("https://stock.test").scope("orders:read").client_credentials(),
    caller: Scene::caller,
    fails: Scene::as_stranger,
    wrong: WRONG,
};

/// The caller's, exchanged.
const EXCHANGED: Contract = Contract {
    name: "token_exchange",
    is_callers: true,
    asks: true,
    row: |_, row| row.resource(PAYMENTS).scope("orders:read").token_exchange(),
    other: |_, row| row.resource("https://stock.test").scope("orders:read").token_exchange(),
    caller: Scene::caller,
    fails: Scene::as_stranger,
    wrong: WRONG,
};

pub(super) const AT_OAUTH_AS: &[Contract] = &[
    Contract { other: |_, row| row.resource(PAYMENTS).scope("payments:charge").client_credentials(), ..OWN },
    Contract { other: |_, row| row.resource(PAYMENTS).scope("payments:charge").token_exchange(), ..EXCHANGED },
];

pub(super) const AT_OIDC_PROVIDER: &[Contract] = &[Contract {
    row: |_, row| row.resource(OF_OIDC_PROVIDER).scope("orders:read").client_credentials(),
    other: |_, row| row.resource(OF_OIDC_PROVIDER).scope("orders:write").client_credentials(),
    ..OWN
}];

pub(super) const AT_AUTHGENT: &[Contract] = &[
    OWN,
    EXCHANGED,
    Contract {
        name: "chaining",
        row: |_, row| row.server("partner").resource(PAYMENTS).scope("orders:read").strategy(grant("orders:read")),
        // By the other name of the second server (RFC 7523 §3).
        other: |scene, row| {
            let grant = grant("orders:read").audience(scene.their_token_endpoint());
            row.server("partner").resource(PAYMENTS).scope("orders:read").strategy(grant)
        },
        wrong: WRONG_OF_TWO,
        ..EXCHANGED
    },
];

pub(super) const AT_AUTHGENT_BY_ITS_GRANTS: &[Contract] = &[Contract {
    name: "assertion",
    row: |_, row| row.server("partner").resource(PAYMENTS).scope("orders:read").by_assertion(),
    // The same grant once more.
    other: |_, row| row.server("partner").resource("https://stock.test").scope("orders:read").by_assertion(),
    ..EXCHANGED
}];

pub(super) const AT_OUR_AUTHORITY: &[Contract] = &[
    Contract {
        row: |_, row| row.audience("payments").scope("payments:settle").client_credentials(),
        // A token without scope.
        other: |_, row| row.audience("payments").client_credentials(),
        ..OWN
    },
    Contract {
        row: |_, row| row.audience("payments").scope("payments:charge").token_exchange(),
        other: |_, row| row.audience("payments").scope("payments:read").token_exchange(),
        ..EXCHANGED
    },
    Contract {
        name: "chaining",
        row: credit_check,
        // A grant that says nothing of scopes.
        other: |_, row| row.server("partner").scope("credit:check").chaining(),
        wrong: WRONG_OF_TWO,
        ..EXCHANGED
    },
];

fn credit_check(_: &Scene, row: Target) -> Target {
    row.server("partner").scope("credit:check").strategy(grant("credit:check"))
}

fn grant(scope: &str) -> Chaining {
    Chaining::new().scope(Scopes::parse(scope).expect("scopes"))
}

fn stopped(scene: &Scene) -> CallerContext {
    scene.stops()
}

fn page(scene: &Scene) -> CallerContext {
    scene.answers(Answers::Page, false)
}

fn wider(scene: &Scene) -> CallerContext {
    scene.answers(Answers::Changed(widen), false)
}

fn large(scene: &Scene) -> CallerContext {
    scene.answers(Answers::Changed(lengthen), false)
}

fn not_a_grant(scene: &Scene) -> CallerContext {
    let change = |answer: &mut Value| answer["token_type"] = "Bearer".into();
    scene.answers(Answers::Changed(change), false)
}

/// The first server's grant is for somebody else.
fn for_somebody_else(scene: &Scene) -> CallerContext {
    let change = |answer: &mut Value| {
        let grant = answer["access_token"].as_str().expect("a grant");
        answer["access_token"] = tampered(grant, "aud", "https://stranger.test").into();
    };
    scene.answers(Answers::Changed(change), false)
}

fn widen(answer: &mut Value) {
    answer["scope"] = "admin".into();
}

fn lengthen(answer: &mut Value) {
    answer["access_token"] = "a".repeat(LARGE).into();
}
