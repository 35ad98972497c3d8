//! The steps of a browser: a session in a cookie, and its end.

use std::io::Write;

use super::{
    steps::{AT_STOREFRONT, basket},
    walk::{Broken, Walk},
};
use crate::Part;

/// What a browser sends of its own accord.
fn cookie(session: &str) -> String {
    format!("session={session}")
}

pub(super) async fn session_cookie<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let cookie = cookie(&walk.sign_in("alice").await?);
    let whoami = walk.get_with(Part::Storefront, "/whoami", &[("cookie", &cookie)]).await?;
    walk.saw_on_the_way(AT_STOREFRONT, &whoami.body)?;

    let shop = walk.origin(Part::Storefront).to_owned();
    let by_page = [("cookie", &*cookie), ("origin", &*shop), ("sec-fetch-site", "same-origin")];
    let order = walk.post_with(Part::Storefront, "/orders", &by_page, basket()).await?;
    walk.holds("a page of the shop has her browser order: 201", "201", order.outcome())?;

    let by_page = [("cookie", &*cookie), ("origin", "https://page.example"), ("sec-fetch-site", "cross-site")];
    let refused = walk.post_with(Part::Storefront, "/orders", &by_page, basket()).await?;
    walk.holds("a page of another site has it do the same: 403", "403 denied", refused.refusal())
}

pub(super) async fn signed_out<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let cookie = cookie(&walk.sign_in("alice").await?);
    let known = walk.get_with(Part::Storefront, "/whoami", &[("cookie", &cookie)]).await?;
    walk.holds("the storefront knows her session: 200", "200", known.outcome())?;
    let over =
        walk.post_with(Part::Authority, "/dev/sign-out", &[("cookie", &cookie)], serde_json::Value::Null).await?;
    walk.holds("it is over: 204", "204", over.outcome())?;
    let refused = walk.get_with(Part::Storefront, "/whoami", &[("cookie", &cookie)]).await?;
    walk.holds("and the storefront has heard of it: 401 invalid_token", "401 invalid_token", refused.outcome())
}
