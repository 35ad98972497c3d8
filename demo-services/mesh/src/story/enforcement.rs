//! The step from observing a rule to enforcing it.

use std::io::Write;

use super::{
    clients::As,
    counted::counted,
    walk::{Broken, Walk},
};
use crate::Part;

pub(super) async fn observe_then_enforce<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let alice = walk.sign_in("alice").await?;
    let token = walk.exchange(As::Storefront, &alice, ("payments", "payments:charge")).await?;

    let before = would_be_refusals(walk.vouches_for_callers());
    let observed = walk.get(Part::Payments, "/whoami", &token).await?;
    walk.holds("payments tells the storefront whom it sees, which is not on its list: 200", "200", observed.outcome())?;
    let counted = would_be_refusals(walk.vouches_for_callers()) - before;
    walk.holds("and counts a refusal that is not enforced", 1, counted)?;

    let enforcing = walk.start_another(Part::Payments, ("whoami = \"observe\"", "whoami = \"enforce\"")).await?;
    let refused = walk.get_at(&enforcing, "/whoami", &token).await?;
    walk.holds(
        "another payments, whose file says to enforce the list, refuses it: 403",
        "403 denied",
        refused.refusal(),
    )?;
    walk.holds("and counts no other", 1, would_be_refusals(walk.vouches_for_callers()) - before)
}

/// How often a list of callers would have refused a caller that this issuer vouches for.
fn would_be_refusals(issuer: &str) -> u64 {
    let labels = [("stage", "rule"), ("enforced", "false"), ("reason", "denied:callers"), ("issuer", issuer)];
    counted("tower_identity_decisions_total", &labels)
}
