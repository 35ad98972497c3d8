//! The steps of a revocation: what ends at once, whom it leaves alone, and that it is no ban.

use std::io::Write;

use serde_json::json;

use super::{
    already_out::{Out, already_out},
    steps::{AT_ORDERS, AT_PAYMENTS, AT_STOREFRONT, basket, charge},
    walk::{Broken, Walk},
};
use crate::Part;

const NEWS: &str = "/orders/events";

pub(super) async fn revoked_while_listening<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, bob) = (walk.sign_in("alice").await?, walk.sign_in("bob").await?);
    let (mut hers, mut his) = (walk.listen(NEWS, &alice).await?, walk.listen(NEWS, &bob).await?);
    let order = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("Alice orders: 201", "201", order.outcome())?;
    walk.holds("and her stream tells of it", order.body["id"].clone(), hers.tells().await?)?;
    let Out { for_orders, for_payments, refused_as, exchanged } = already_out(walk, &alice).await?;
    for (seen, part, by) in [(AT_ORDERS, Part::Orders, &for_orders), (AT_PAYMENTS, Part::Payments, &for_payments)] {
        let whoami = walk.get(part, "/whoami", by).await?;
        // Where nothing is sent on, the walk has exchanged tokens for her itself.
        let is_sent_on = walk.trust_domain().is_some() || walk.names_users();
        let seen = if is_sent_on { walk.on_the_way(seen) } else { seen };
        walk.saw(seen, &whoami.body)?;
    }
    walk.post_bare(Part::Orders, "/settlements/run").await?;

    let revoked = walk.post_with(Part::Authority, "/dev/revoke", &[], json!({ "user": "alice" })).await?;
    let told = [Part::Storefront, Part::Orders, Part::Payments].map(|part| {
        let receiver = format!("{}/security-events", walk.origin(part));
        json!({ "receiver": receiver, "acknowledged": true })
    });
    walk.holds(
        "the authority revokes her; all three services acknowledge",
        told.to_vec(),
        revoked.body["pushed"].clone(),
    )?;
    walk.holds("her stream ends", "the end", hers.tells().await?)?;
    let refused = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("the storefront refuses her session: 401 invalid_token", "401 invalid_token", refused.outcome())?;
    let refused = walk.post(Part::Orders, "/orders", &for_orders, basket()).await?;
    walk.holds(&format!("orders refuses her token: {refused_as}"), refused_as, refused.refused_as())?;
    let refused = walk.post(Part::Payments, "/charges", &for_payments, charge()).await?;
    walk.holds(&format!("payments refuses hers: {refused_as}"), refused_as, refused.refused_as())?;
    let (code, exchanged) = (walk.shape().not_taken, exchanged.again(walk).await?);
    walk.holds(&format!("and the authority exchanges none of them: {code}"), code, exchanged)?;

    let order = walk.post(Part::Storefront, "/orders", &bob, basket()).await?;
    walk.holds("Bob orders: 201", "201", order.outcome())?;
    walk.holds("and his stream goes on, and tells of it", order.body["id"].clone(), his.tells().await?)?;
    let settled = walk.post_bare(Part::Orders, "/settlements/run").await?;
    let (charges, cents) = (&settled.body["charges"], &settled.body["cents"]);
    walk.holds("payments was charged once meanwhile, for him: 28.80", json!([1, 2880]), json!([charges, cents]))
}

pub(super) async fn signed_in_again<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let mut hers = walk.listen(NEWS, &alice).await?;
    let order = walk.post(Part::Storefront, "/orders", &alice, basket()).await?;
    walk.holds("she orders: 201", "201", order.outcome())?;
    walk.holds("and a new stream tells of it", order.body["id"].clone(), hers.tells().await?)?;
    let trace = walk.get(Part::Storefront, "/trace", &alice).await?;
    for (at, seen) in [AT_STOREFRONT, AT_ORDERS, AT_PAYMENTS].into_iter().enumerate() {
        walk.saw_on_the_way(seen, &trace.body[at]["principal"])?;
    }
    Ok(())
}
