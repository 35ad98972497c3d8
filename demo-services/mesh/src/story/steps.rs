//! The steps, one function each.

use std::{borrow::Cow, io::Write};

use demo_api::payments::ChargeRequest;
use serde_json::{Value, json};

use super::{
    answer::{By, Seen},
    clients::As,
    walk::{Broken, Walk},
};
use crate::Part;

pub(super) const AT_STOREFRONT: Seen<'_> = Seen {
    service: "storefront",
    caller: "storefront-web",
    user: Some("alice"),
    actors: &[],
    scopes: Cow::Borrowed(&["catalog:read", "orders:read", "orders:write"]),
    audience: None,
    by: By::OneToken,
};

pub(super) const AT_ORDERS: Seen<'_> = Seen {
    service: "orders",
    caller: "storefront",
    user: Some("alice"),
    actors: &["storefront"],
    scopes: Cow::Borrowed(&["orders:read", "orders:write", "prices:read"]),
    audience: None,
    by: By::OneToken,
};

pub(super) const AT_PAYMENTS: Seen<'_> = Seen {
    service: "payments",
    caller: "orders",
    user: Some("alice"),
    actors: &["orders", "storefront"],
    scopes: Cow::Borrowed(&["payments:charge", "payments:read"]),
    audience: None,
    by: By::OneToken,
};

pub(super) fn basket() -> Value {
    json!({ "lines": [{ "sku": "tea", "quantity": 2 }, { "sku": "cup", "quantity": 1 }] })
}

pub(super) fn charge() -> Value {
    json!({ "order": "order-1", "cents": 1 })
}

fn charge_over_grpc() -> ChargeRequest {
    ChargeRequest { order: "order-1".to_owned(), cents: 1 }
}

pub(super) async fn first_order<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let order = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("the order is placed: 201", "201", order.outcome())?;
    walk.holds("her money is charged: 28.80", 2880, order.body["cents"].clone())?;

    let trace = walk.get(Part::Storefront, "/trace", &alice).await?;
    for (at, seen) in [AT_STOREFRONT, AT_ORDERS, AT_PAYMENTS].into_iter().enumerate() {
        walk.saw_on_the_way(seen, &trace.body[at]["principal"])?;
    }
    Ok(())
}

pub(super) async fn own_orders_only<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, bob) = (walk.sign_in("alice").await?, walk.sign_in("bob").await?);
    let hers = walk.get(Part::Storefront, "/orders", &alice).await?;
    let ids: Vec<_> = hers.body.as_array().into_iter().flatten().map(|order| order["id"].clone()).collect();
    walk.holds("Alice sees one order", json!(["order-1"]), ids)?;
    let his = walk.get(Part::Storefront, "/orders", &bob).await?;
    walk.holds("Bob sees none", json!([]), his.body)
}

pub(super) async fn her_statement<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let statement = walk.get(Part::Storefront, "/statement", &alice).await?;
    let named = |id: &str, issuer: &str| json!({ "id": id, "issuer": issuer });
    let (user, caller) = (named("alice", walk.vouches_at_payments()), named("orders", walk.issuer()));
    let charge = json!({ "id": "charge-1", "order": "order-1", "cents": 2880, "user": user, "requested_by": caller });
    walk.holds("one charge of hers: 28.80, at the word of orders", json!([charge]), statement.body)?;
    let bob = walk.sign_in("bob").await?;
    let his = walk.get(Part::Storefront, "/statement", &bob).await?;
    walk.holds("and none of Bob's", json!([]), his.body)
}

pub(super) async fn at_night<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let settled = walk.post_bare(Part::Orders, "/settlements/run").await?;
    // A user's token could have stood beside its own. So its scopes count for the rule that demands that there is no user,
    // and for nothing else.
    let seen = Seen { user: None, actors: &[], scopes: Cow::Borrowed(&[]), ..AT_PAYMENTS };
    walk.saw(seen, &settled.body["requested_by"])?;
    let (charges, cents) = (&settled.body["charges"], &settled.body["cents"]);
    walk.holds("one charge is settled: 28.80", json!([1, 2880]), json!([charges, cents]))
}

pub(super) async fn wrong_door<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let whoami = walk.get(Part::Storefront, "/whoami", &alice).await?;
    walk.saw_on_the_way(AT_STOREFRONT, &whoami.body)?;
    let refused = walk.post(Part::Payments, "/charges", &alice, charge()).await?;
    walk.holds("payments refuses the same token: 401 invalid_token", "401 invalid_token", refused.outcome())
}

pub(super) async fn another_audience<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let for_orders = walk.for_orders(&alice).await?;
    let whoami = walk.get(Part::Orders, "/whoami", &for_orders).await?;
    walk.saw_on_the_way(AT_ORDERS, &whoami.body)?;
    let refused = walk.post(Part::Payments, "/charges", &for_orders, charge()).await?;
    walk.holds("payments refuses the same token: 401 invalid_token", "401 invalid_token", refused.outcome())?;
    let refused = walk.charge_over_grpc(&for_orders, charge_over_grpc()).await?;
    walk.holds("and over gRPC: 16 invalid_token", "16 invalid_token", refused)
}

pub(super) async fn skipping_a_service<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let for_payments = walk.exchange(As::Storefront, &alice, ("payments", "payments:charge")).await?;
    let whoami = walk.get(Part::Payments, "/whoami", &for_payments).await?;
    let scopes = Cow::Borrowed(&["payments:charge"][..]);
    let seen = Seen { caller: "storefront", actors: &["storefront"], scopes, ..AT_PAYMENTS };
    walk.saw(seen, &whoami.body)?;
    let refused = walk.post(Part::Payments, "/charges", &for_payments, charge()).await?;
    walk.holds("the token is good, the storefront is not on payments' list of callers: 403", "403", refused.outcome())?;
    let refused = walk.charge_over_grpc(&for_payments, charge_over_grpc()).await?;
    walk.holds("and over gRPC: 7", "7", refused)
}

pub(super) async fn authority_stops<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    // Carol signs in and has not been anywhere yet.
    let (alice, carol) = (walk.sign_in("alice").await?, walk.sign_in("carol").await?);
    walk.post_bare(Part::Orders, "/settlements/run").await?;
    let before = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("Alice orders, while it runs: 201", "201", before.outcome())?;

    walk.stop(Part::Authority).await?;
    let known = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("Alice is known, and orders again without it: 201", "201", known.outcome())?;
    let statement = walk.get(Part::Storefront, "/statement", &alice).await?;
    walk.holds("and reads her statement, over gRPC: 200", "200", statement.outcome())?;
    let new = walk.post(Part::Storefront, "/orders", &carol, basket()).await?;
    walk.holds("Carol is new, and is told to come back: 503", "503", new.outcome())?;
    let seconds = new.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    walk.holds("and when", true, seconds.is_some_and(|seconds| seconds > 0))?;
    let charged = walk.post_bare(Part::Orders, "/settlements/run").await?;
    let cents = charged.body["cents"].clone();
    walk.holds(
        "payments was charged for Alice alone, twice: 57.60",
        json!([2, 5760]),
        json!([charged.body["charges"], cents]),
    )
}
