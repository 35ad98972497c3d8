//! The step of another way to a token that is tried before anybody depends on it.

use std::io::Write;

use super::{
    counted::{counted_more, recorded},
    steps::{AT_PAYMENTS, basket},
    walk::{Broken, Walk},
};
use crate::{Part, mode::TrustDomain};

const TRIED: &str = "tower_identity_candidate_tokens_total";

pub(super) async fn in_shadow<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    recorded();
    let alice = walk.sign_in("alice").await?;
    let token = walk.for_orders(&alice).await?;
    let payments = walk.origin(Part::Payments).to_owned();

    let Tried { said, one, obtained, other, refused } = tried(walk);
    let trying = |way: &str| format!("{said}candidate = {{ mode = \"shadow\", {way} }}\n");
    let orders = walk.start_another(Part::Orders, (&said, &trying(&one))).await?;
    let order = walk.post_at(&orders, "/orders", &token, basket()).await?;
    walk.holds(obtained, "201", order.outcome())?;
    let trace = walk.get_at(&orders, "/trace", &token).await?;
    walk.saw_on_the_way(AT_PAYMENTS, &trace.body[1]["principal"])?;
    let could = counted_more(TRIED, &[("target", &payments), ("outcome", "obtained")], 0).await;
    walk.holds("the other could be had, by the count", 1, could)?;

    let orders = walk.start_another(Part::Orders, (&said, &trying(&other))).await?;
    let order = walk.post_at(&orders, "/orders", &token, basket()).await?;
    walk.holds(refused, "201", order.outcome())?;
    let could_not = counted_more(TRIED, &[("target", &payments), ("outcome", "refused")], 0).await;
    walk.holds("that one could not, by the count", 1, could_not)
}

/// What orders' file says of payments, and two other ways: one to a token that can be had, and one to a token that cannot.
struct Tried {
    said: String,
    one: String,
    obtained: &'static str,
    other: String,
    refused: &'static str,
}

const MORE_THAN_IT_MAY: &str = "it tries one that allows it more than it may have; she orders: 201";

fn tried<W>(walk: &Walk<'_, W>) -> Tried
where
    W: Write,
{
    let shape = walk.shape();
    let own =
        |scopes| format!("strategy = \"client_credentials\", scope = \"{}\"", shape.own_scopes("payments", scopes));
    let scope = || format!("scope = \"{}\"\n", shape.scopes("payments", "payments:charge payments:read"));
    let obtained = "it tries a token of its own behind Alice's back, who orders: 201";
    match walk.trust_domain() {
        Some(TrustDomain { sends, replaces: Some(replaces), .. }) => Tried {
            said: (*sends).to_owned(),
            one: replaces("payments:charge"),
            obtained: "it tries one in the place of Alice's behind her back, who orders: 201",
            other: replaces("payments:settle"),
            refused: "it tries one that allows what hers does not; she orders: 201",
        },
        Some(TrustDomain { sends, replaces: None, .. }) => Tried {
            said: (*sends).to_owned(),
            one: own("payments:settle"),
            obtained,
            other: own("payments:charge"),
            refused: MORE_THAN_IT_MAY,
        },
        None if walk.names_users() => Tried {
            said: scope(),
            one: own("payments:settle"),
            obtained,
            other: own("payments:refund"),
            refused: MORE_THAN_IT_MAY,
        },
        None => Tried {
            said: scope(),
            one: own("payments:settle"),
            obtained,
            other: shape.target("ledger"),
            refused: "it tries one for an audience that the authority does not know; she orders: 201",
        },
    }
}
