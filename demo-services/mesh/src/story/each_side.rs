//! The step of the edge: what comes from outside is nobody's credential inside, and the other way round.

use std::io::Write;

use tower_identity::{SecretToken, transaction_tokens::FIELD};

use super::{
    answer::Seen,
    steps::{AT_STOREFRONT, basket},
    walk::{Broken, Walk},
};
use crate::Part;

pub(super) async fn each_in_its_place<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, bob) = (walk.sign_in("alice").await?, walk.sign_in("bob").await?);
    let pair = walk.for_orders(&alice).await?;
    let inside = pair.transaction().map(SecretToken::expose).unwrap_or_default();
    let refused = walk.post(Part::Orders, "/orders", &alice, basket()).await?;
    walk.holds("orders refuses her session: 401 invalid_token", "401 invalid_token", refused.outcome())?;
    let refused = walk.post(Part::Orders, "/orders", inside, basket()).await?;
    walk.holds("and what the edge has made of it, alone: 401 invalid_token", "401 invalid_token", refused.outcome())?;
    let taken = walk.post(Part::Orders, "/orders", &pair, basket()).await?;
    walk.holds("beside the storefront's own it counts: 201", "201", taken.outcome())?;

    let refused = walk.get(Part::Storefront, "/whoami", inside).await?;
    walk.holds("the storefront takes it from nobody: 401 invalid_token", "401 invalid_token", refused.outcome())?;
    let beside = [("authorization", &*format!("Bearer {bob}")), (FIELD, inside)];
    let whoami = walk.get_with(Part::Storefront, "/whoami", &beside).await?;
    walk.holds("nor does Bob become Alice by it: 200", "200", whoami.outcome())?;
    walk.saw_on_the_way(Seen { user: Some("bob"), ..AT_STOREFRONT }, &whoami.body)
}
