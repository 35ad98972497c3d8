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

/// Whom the storefront knows of them: a user of the partner's, or at the edge of a trust domain who that is inside.
fn at_storefront<W: Write>(walk: &Walk<'_, W>, there: &'static str, here: &'static str) -> Seen<'static> {
    match walk.at_the_edge() {
        Some(domain) => Seen { user: Some(here), ..ALICE_OF_PARTNER }.carried_for_a_guest(domain),
        None => Seen { user: Some(there), ..ALICE_OF_PARTNER },
    }
}

pub(super) async fn two_of_one_name<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (ours, theirs) = (walk.sign_in("alice").await?, walk.sign_in_at(Part::Partner, "alice").await?);
    let our_alice = walk.get(Part::Storefront, "/whoami", &ours).await?;
    walk.saw_on_the_way(AT_STOREFRONT, &our_alice.body)?;
    let their_alice = walk.get(Part::Storefront, "/whoami", &theirs).await?;
    walk.saw_of_partner(&at_storefront(walk, "alice", "guest-alice"), &their_alice.body)?;

    let Row { said, knows, known, sends, sent } = Row::of(walk);
    let row = |issuer: &str| said.replace("{}", issuer);
    let change = (row(walk.origin(Part::Partner)), row("https://nobody.example"));
    let storefront = walk.start_another(Part::Storefront, (&change.0, &change.1)).await?;
    let whoami = walk.get_at(&storefront, "/whoami", &theirs).await?;
    walk.holds(knows, known, whoami.refusal())?;
    let issuer = walk.issuer().to_owned();
    let judged_by_orders = || counted("tower_identity_decisions_total", &[("issuer", &issuer)]);
    let before = judged_by_orders();
    let refused = walk.get_at(&storefront, "/orders", &theirs).await?;
    walk.holds(sends, sent, refused.refusal())?;
    walk.holds("so that nobody has come to orders", before, judged_by_orders())?;

    let orders = walk.get(Part::Storefront, "/orders", &ours).await?;
    walk.holds("our Alice has orders", true, orders.body.as_array().is_some_and(|orders| !orders.is_empty()))?;
    let orders = walk.get(Part::Storefront, "/orders", &theirs).await?;
    walk.holds("and the partner's Alice none", json!([]), orders.body)
}

/// What the storefront's file says of the partner's Alice by an issuer's name, and how a storefront is that does not say it.
struct Row {
    said: &'static str,
    knows: &'static str,
    known: &'static str,
    sends: &'static str,
    sent: &'static str,
}

impl Row {
    fn of<W: Write>(walk: &Walk<'_, W>) -> Self {
        match walk.at_the_edge() {
            Some(_) => Self {
                said: "issuer = \"{}\", subject = \"alice\"",
                knows: "in another storefront, which has no name for her, she is nobody: 403",
                known: "403 denied",
                sends: "nor does she see any orders there: 403",
                sent: "403 denied",
            },
            None => Self {
                said: "subjects_of = [\"{}\"]",
                knows: "another storefront, without a row for its users, knows her as well: 200",
                known: "200 none",
                sends: "and has nothing to send for her: 500",
                sent: "500 misconfigured",
            },
        }
    }
}

pub(super) async fn looking_around<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let paul = walk.sign_in_at(Part::Partner, "paul").await?;
    let prices = walk.get(Part::Storefront, "/products", &paul).await?;
    walk.holds("he looks at the prices: 200", "200", prices.outcome())?;

    let refused = walk.post(Part::Storefront, "/orders", &paul, basket()).await?;
    match walk.at_the_edge() {
        Some(_) => walk.holds(
            "his own authority lets him buy, and the edge does not: 403",
            "403 insufficient_scope",
            refused.refusal(),
        )?,
        None => {
            let what = "his own authority lets him buy, and ours does not: orders refuses, 502";
            walk.holds(what, "502", refused.outcome())?;
        }
    }

    let trace = walk.get(Part::Storefront, "/trace", &paul).await?;
    walk.holds("orders and payments know him as a guest: 200", "200", trace.outcome())?;
    walk.saw_of_partner(&at_storefront(walk, "paul", "guest-paul"), &trace.body[0]["principal"])?;
    let guest = Some("guest-paul");
    let at_orders = Seen { user: guest, scopes: Cow::Borrowed(&["orders:read", "prices:read"]), ..AT_ORDERS };
    walk.saw_a_guest(at_orders, &trace.body[1]["principal"])?;
    let at_payments = Seen { user: guest, scopes: Cow::Borrowed(&["payments:read"]), ..AT_PAYMENTS };
    walk.saw_a_guest(at_payments, &trace.body[2]["principal"])
}
