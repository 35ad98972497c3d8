//! The step of two credentials on one request.

use std::io::Write;

use super::{
    answer::{By, Seen},
    clients::As,
    steps::{AT_PAYMENTS, charge},
    walk::{Broken, Walk},
};
use crate::Part;

/// Where payments looks for a user's own credential.
const OF_USER: &str = "x-user-token";

pub(super) async fn two_credentials<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, bob) = (walk.sign_in("alice").await?, walk.sign_in("bob").await?);
    let for_orders = walk.exchange(As::Storefront, &alice, ("orders", "orders:read orders:write")).await?;
    let hers = walk.exchange(As::Orders, &for_orders, ("payments", "payments:charge payments:read")).await?;
    let his = walk.exchange(As::Storefront, &bob, ("payments", "payments:charge")).await?;
    let own = format!("Bearer {}", walk.own_token(As::Orders, ("payments", "payments:settle")).await?);
    let (own, hers, his) = (("authorization", &*own), (OF_USER, &*hers), (OF_USER, &*his));

    let whoami = walk.get_with(Part::Payments, "/whoami", &[own, hers]).await?;
    walk.saw(Seen { by: By::TwoTokens, ..AT_PAYMENTS }, &whoami.body)?;
    let charged = walk.post_with(Part::Payments, "/charges", &[own, hers], charge()).await?;
    walk.holds("hers names orders as who acts for her, and is charged: 201", "201", charged.outcome())?;

    let alone = walk.post_with(Part::Payments, "/charges", &[own], charge()).await?;
    walk.holds("without hers orders may not do the same: 403", "403 denied", alone.refusal())?;
    let hers_alone = walk.post_with(Part::Payments, "/charges", &[hers], charge()).await?;
    walk.holds("nor does hers count without its own: 401", "401 no_credential", hers_alone.refusal())?;
    let swapped = walk.post_with(Part::Payments, "/charges", &[own, his], charge()).await?;
    let unrelated = "403 unrelated_credentials";
    walk.holds("Bob's in its place names the storefront, and does not go with it: 403", unrelated, swapped.refusal())
}
