//! The step of a settings file that is rolled out while its service runs.

use std::io::Write;

use super::{
    answer::Seen,
    counted::{counted, counted_more, recorded},
    steps::{AT_PAYMENTS, basket},
    walk::{Broken, Walk},
};
use crate::Part;

const READINGS: &str = "tower_identity_settings_reloads_total";

pub(super) async fn rolled_out<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    recorded();
    let (orders, file) = walk.start_following(Part::Orders).await?;
    let name = file.name();
    let (refused, taken) = ([("file", &*name), ("outcome", "refused")], [("file", &*name), ("outcome", "reloaded")]);
    let alice = walk.sign_in("alice").await?;
    let token = walk.for_orders(&alice).await?;
    let before = walk.get_at(&orders, "/trace", &token).await?;
    let seen = &before.body[1]["principal"];
    walk.saw_on_the_way(AT_PAYMENTS, seen)?;

    let scope = |scopes: &str| format!("scope = \"{}\"\n", walk.shape().scopes("payments", scopes));
    let (said, good) = match walk.trust_domain() {
        Some(domain) => (domain.sends.to_owned(), domain.replaces.map(|less| less("payments:charge") + "\n")),
        None => (scope("payments:charge payments:read"), Some(scope("payments:charge"))),
    };
    let good = good.unwrap_or_else(|| said.clone() + "# which is all\n");
    // The row names an authorization server that the file does not list.
    let wrong = good.clone() + "server = \"nowhere\"\n";
    file.roll_out(&[(&said, &wrong)])?;
    walk.holds("a file with a wrong row is refused, and told of", 1, counted_more(READINGS, &refused, 0).await)?;
    let order = walk.post_at(&orders, "/orders", &token, basket()).await?;
    walk.holds("orders goes on by the file before it, and Alice orders: 201", "201", order.outcome())?;
    let after = walk.get_at(&orders, "/trace", &token).await?;
    walk.holds("with the token that it has remembered", seen.clone(), after.body[1]["principal"].clone())?;

    file.roll_out(&[(&said, &good)])?;
    walk.holds("the file is mended, and asks for less: it is taken", 1, counted_more(READINGS, &taken, 0).await)?;
    let trace = walk.get_at(&orders, "/trace", &token).await?;
    let less = Seen { scopes: ["payments:charge"][..].into(), ..walk.on_the_way(AT_PAYMENTS) };
    walk.saw(less, &trace.body[1]["principal"])?;
    walk.holds("and of the wrong one was told once", 1, counted(READINGS, &refused))
}
