//! The step of a token that is stolen where certificates count.

use std::io::Write;

use super::{
    clients::As,
    steps::{AT_PAYMENTS, charge},
    walk::{Broken, Walk},
};
use crate::{Part, mtls::spiffe_id};

pub(super) async fn without_its_certificate<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let for_orders = walk.exchange(As::Storefront, &alice, ("orders", "orders:read orders:write")).await?;
    let hers = walk.exchange(As::Orders, &for_orders, ("payments", "payments:charge payments:read")).await?;

    let whoami = walk.get(Part::Payments, "/whoami", &hers).await?;
    walk.saw(AT_PAYMENTS, &whoami.body)?;
    let payments = walk.origin(Part::Payments).to_owned();
    let charged = walk.post_as(Some(Part::Orders), &payments, "/charges", &hers, charge()).await?;
    walk.holds("with the certificate of orders, whom it names: 201", "201", charged)?;
    let unrelated = "403 unrelated_credentials";
    let stolen = walk.post_as(Some(Part::Storefront), &payments, "/charges", &hers, charge()).await?;
    walk.holds("with that of the storefront it is good for nothing: 403", unrelated, stolen)?;
    let bare = walk.post_as(None, &payments, "/charges", &hers, charge()).await?;
    walk.holds("and with none nobody is connected to", "no connection", bare)?;

    let named = spiffe_id(Part::Orders);
    let payments = walk.start_another(Part::Payments, (&named, &format!("{named}-of-old"))).await?;
    let strange = walk.post_as(Some(Part::Orders), &payments, "/charges", &hers, charge()).await?;
    walk.holds("at another payments, by whose file the certificate is of somebody else: 403", unrelated, strange)
}
