//! The step into another trust domain.

use std::io::Write;

use serde_json::{Value, json};

use super::walk::{Broken, Walk};
use crate::Part;

/// For 441.00, of which the partner has its doubts with Bob.
fn nine_kettles() -> Value {
    json!({ "lines": [{ "sku": "kettle", "quantity": 9 }] })
}

pub(super) async fn across_trust_domains<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, bob) = (walk.sign_in("alice").await?, walk.sign_in("bob").await?);
    let order = walk.post(Part::Storefront, "/orders", &alice, nine_kettles()).await?;
    walk.holds("the partner vouches for her, and the order is placed: 201", "201", order.outcome())?;
    walk.holds(
        "there she is customer-1, by the word of its own authority",
        "customer-1",
        order.body["vouched_as"].clone(),
    )?;
    let refused = walk.post(Part::Storefront, "/orders", &bob, nine_kettles()).await?;
    walk.holds("for Bob it does not vouch so far: 422", "422", refused.outcome())?;
    let carol = walk.sign_in("carol").await?;
    let refused = walk.post(Part::Storefront, "/orders", &carol, nine_kettles()).await?;
    walk.holds("Carol is nobody there, and orders gets no token for her: 502", "502", refused.outcome())?;
    let hers = walk.for_orders(&alice).await?;
    let refused = walk.post(Part::Partner, "/checks", &hers, json!({ "cents": 1 })).await?;
    walk.holds(
        "nor is Alice's token from here of any use there: 401 invalid_token",
        "401 invalid_token",
        refused.outcome(),
    )
}
