//! The steps of a partner's users, who come to the shop with tokens of the partner's own authority.

use std::{borrow::Cow, io::Write};

use serde_json::json;

use super::{
    answer::Seen,
    counted::counted,
    steps::{AT_ORDERS, AT_PAYMENTS, AT_STOREFRONT, basket},
    walk::{Broken, Walk},
};
use crate::Part;

/// As the partner's authority names her and the storefront.
const ALICE_OF_PARTNER: Seen<'_> = Seen { caller: "partner-web", audience: Some(&["shop-front"]), ..AT_STOREFRONT };

pub(super) async fn two_of_one_name<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (ours, theirs) = (walk.sign_in("alice").await?, walk.sign_in_at(Part::Partner, "alice").await?);
    let our_alice = walk.get(Part::Storefront, "/whoami", &ours).await?;
    walk.saw_on_the_way(AT_STOREFRONT, &our_alice.body)?;
    let their_alice = walk.get(Part::Storefront, "/whoami", &theirs).await?;
    walk.saw_of_partner(&ALICE_OF_PARTNER, &their_alice.body)?;

    let row = format!("subjects_of = [\"{}\"]", walk.origin(Part::Partner));
    let storefront = walk.start_another(Part::Storefront, (&row, "subjects_of = [\"https://nobody.example\"]")).await?;
    let known = walk.get_at(&storefront, "/whoami", &theirs).await?;
    walk.holds("another storefront, without a row for its users, knows her as well: 200", "200", known.outcome())?;
    let issuer = walk.issuer().to_owned();
    let judged_by_orders = || counted("tower_identity_decisions_total", &[("issuer", &issuer)]);
    let before = judged_by_orders();
    let refused = walk.get_at(&storefront, "/orders", &theirs).await?;
    walk.holds("and has nothing to send for her: 500", "500 misconfigured", refused.refusal())?;
    walk.holds("so that nobody has come to orders", before, judged_by_orders())?;

    let orders = walk.get(Part::Storefront, "/orders", &ours).await?;
    walk.holds("our Alice has orders", true, orders.body.as_array().is_some_and(|orders| !orders.is_empty()))?;
    let orders = walk.get(Part::Storefront, "/orders", &theirs).await?;
    walk.holds("and the partner's Alice none", json!([]), orders.body)
}

pub(super) async fn looking_around<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let paul = walk.sign_in_at(Part::Partner, "paul").await?;
    let prices = walk.get(Part::Storefront, "/products", &paul).await?;
    walk.holds("he looks at the prices: 200", "200", prices.outcome())?;

    let refused = walk.post(Part::Storefront, "/orders", &paul, basket()).await?;
    walk.holds("his own authority lets him buy, and ours does not: orders refuses, 502", "502", refused.outcome())?;

    let trace = walk.get(Part::Storefront, "/trace", &paul).await?;
    walk.holds("orders and payments know him as a guest: 200", "200", trace.outcome())?;
    walk.saw_of_partner(&Seen { user: Some("paul"), ..ALICE_OF_PARTNER }, &trace.body[0]["principal"])?;
    let guest = Some("guest-paul");
    let at_orders = Seen { user: guest, scopes: Cow::Borrowed(&["orders:read", "prices:read"]), ..AT_ORDERS };
    walk.saw_a_guest(at_orders, &trace.body[1]["principal"])?;
    let at_payments = Seen { user: guest, scopes: Cow::Borrowed(&["payments:read"]), ..AT_PAYMENTS };
    walk.saw_a_guest(at_payments, &trace.body[2]["principal"])
}
