//! What is out of a user's when she is revoked, and good for minutes.

use std::io::Write;

use super::{
    clients::As,
    sent::Presented,
    walk::{Broken, Walk},
};

/// Alice's, on its way to each service.
pub(super) struct Out {
    pub(super) for_orders: Presented,
    pub(super) for_payments: Presented,
    /// How a service answers that takes none of it any more.
    pub(super) refused_as: &'static str,
    pub(super) exchanged: Exchanged,
}

/// What orders makes another token of.
pub(super) enum Exchanged {
    Access(String),
    Transaction(Presented),
}

/// Tokens as the services come by them: where they are exchanged, and where a transaction token goes all the way.
pub(super) async fn already_out<W: Write>(walk: &Walk<'_, W>, alice: &str) -> Result<Out, Broken> {
    if walk.trust_domain().is_some() {
        let for_orders = walk.for_orders(alice).await?;
        let own = walk.own_token(As::Orders, ("payments", "transactions:carry")).await?;
        return Ok(Out {
            for_payments: for_orders.sent_on_by(&own),
            exchanged: Exchanged::Transaction(for_orders.clone()),
            for_orders,
            refused_as: "400 invalid_transaction_token",
        });
    }
    if walk.names_users() {
        let for_orders = walk.for_orders(alice).await?;
        let own = walk.own_token(As::Orders, ("payments", "payments:charge payments:read")).await?;
        return Ok(Out {
            for_payments: for_orders.sent_on_by(&own),
            exchanged: Exchanged::Transaction(for_orders.clone()),
            for_orders,
            refused_as: "401 invalid_token",
        });
    }
    let for_orders = walk.exchange(As::Storefront, alice, ("orders", "prices:read orders:read orders:write")).await?;
    let for_payments = walk.exchange(As::Orders, &for_orders, ("payments", "payments:charge payments:read")).await?;
    Ok(Out {
        for_orders: (&for_orders).into(),
        for_payments: (&for_payments).into(),
        refused_as: "401 invalid_token",
        exchanged: Exchanged::Access(for_orders),
    })
}

impl Exchanged {
    /// What the authority says of another exchange: an error code.
    pub(super) async fn again<W: Write>(&self, walk: &Walk<'_, W>) -> Result<String, Broken> {
        match self {
            Self::Access(token) => walk.exchange_refused(As::Orders, token, ("payments", "payments:charge")).await,
            Self::Transaction(presented) => walk.replacement_refused(As::Orders, presented, "payments:charge").await,
        }
    }
}
