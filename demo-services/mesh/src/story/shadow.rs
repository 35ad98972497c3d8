//! The step of another way to a token that is tried before anybody depends on it.

use std::io::Write;

use super::{
    counted::{counted_more, recorded},
    steps::{AT_PAYMENTS, basket},
    walk::{Broken, Walk},
};
use crate::Part;

const TRIED: &str = "tower_identity_candidate_tokens_total";

pub(super) async fn in_shadow<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    recorded();
    let alice = walk.sign_in("alice").await?;
    let token = walk.for_orders(&alice).await?;
    let payments = walk.origin(Part::Payments).to_owned();

    let shape = walk.shape();
    let said = format!("scope = \"{}\"", shape.scopes("payments", "payments:charge payments:read"));
    let settle = shape.own_scopes("payments", "payments:settle");
    let own = format!("candidate = {{ mode = \"shadow\", strategy = \"client_credentials\", scope = \"{settle}\" }}");
    let orders = walk.start_another(Part::Orders, (&said, &format!("{said}\n{own}"))).await?;
    let order = walk.post_at(&orders, "/orders", &token, basket()).await?;
    walk.holds("it tries a token of its own behind Alice's back, who orders: 201", "201", order.outcome())?;
    let trace = walk.get_at(&orders, "/trace", &token).await?;
    walk.saw_on_the_way(AT_PAYMENTS, &trace.body[1]["principal"])?;
    let could = counted_more(TRIED, &[("target", &payments), ("outcome", "obtained")], 0).await;
    walk.holds("the other could be had, by the count", 1, could)?;

    let elsewhere = format!("candidate = {{ mode = \"shadow\", {} }}", shape.target("ledger"));
    let orders = walk.start_another(Part::Orders, (&said, &format!("{said}\n{elsewhere}"))).await?;
    let order = walk.post_at(&orders, "/orders", &token, basket()).await?;
    walk.holds(
        "it tries one for an audience that the authority does not know; she orders: 201",
        "201",
        order.outcome(),
    )?;
    let could_not = counted_more(TRIED, &[("target", &payments), ("outcome", "refused")], 0).await;
    walk.holds("that one could not, by the count", 1, could_not)
}
