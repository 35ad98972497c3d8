//! The walk: what is done, and what each hop must have seen. Every line that is printed as held was checked.

mod already_out;
mod answer;
mod clients;
mod counted;
mod each_side;
mod enforcement;
mod guests;
mod partner;
mod reload;
mod revoked;
mod senders;
mod sent;
mod sessions;
mod shadow;
mod slow;
mod steps;
mod stolen;
mod stream;
mod two;
mod walk;

use std::io::{self, Write};

use demo_kit::StartError;

use self::{
    each_side::each_in_its_place,
    enforcement::observe_then_enforce,
    guests::{looking_around, two_of_one_name},
    partner::across_trust_domains,
    reload::rolled_out,
    revoked::{revoked_while_listening, signed_in_again},
    sessions::{session_cookie, signed_out},
    shadow::in_shadow,
    slow::slow_authority,
    steps::{
        another_audience, at_night, authority_stops, first_order, her_statement, own_orders_only, skipping_a_service,
        wrong_door,
    },
    stolen::without_its_certificate,
    two::two_credentials,
    walk::Walk,
};
use crate::{Mesh, Page};

/// How many steps there are, and how many held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The steps of the story.
    pub steps: usize,
    /// Those of which every check held.
    pub held: usize,
    /// Those that cannot hold in this [mode](crate::Mode), and did not, in the way that they must not.
    pub otherwise: usize,
}

impl Told {
    /// Whether every step held that can.
    #[must_use]
    pub fn is_as_it_has_to_be(&self) -> bool {
        self.held + self.otherwise == self.steps
    }
}

/// Walks through the mesh. The last step stops its authority.
///
/// # Errors
///
/// When the page cannot be written, or a service's file names no authorization server. A check that does not hold is no error: it
/// is printed, and its step is missing among those that [held](Told::held).
pub async fn tell<W: Write>(mesh: &mut Mesh, page: &mut Page<W>) -> Result<Told, StartError> {
    let mut walk = Walk::new(mesh, page)?;
    by_day_and_night(&mut walk).await?;
    walk.step("Alice's token for the storefront is tried at payments", wrong_door).await?;
    walk.step("Her token for orders is tried there too", another_audience).await?;
    walk.step("The storefront goes straight to payments, with a token that policy gives it", skipping_a_service)
        .await?;
    if walk.at_the_edge().is_some() {
        walk.step("What is of the outside is tried inside, and what is of the inside outside", each_in_its_place)
            .await?;
    }
    in_a_browser(&mut walk).await?;
    walk.step("Alice signs out at the authority", signed_out).await?;
    walk.step("Orders presents two credentials to payments: its own, and Alice's beside it", two_credentials).await?;
    if walk.relates_certificates() {
        walk.step("Alice's token for payments is stolen, without the certificate of orders", without_its_certificate)
            .await?;
    }
    walk.step("A list of callers is observed before it is enforced", observe_then_enforce).await?;
    walk.step("Alice is revoked, while she and Bob each listen for news of their orders", revoked_while_listening)
        .await?;
    walk.step("Alice signs in again", signed_in_again).await?;
    walk.step("Orders tries another way to tokens for payments, in shadow", in_shadow).await?;
    walk.step("Orders is given another file while it runs: first a wrong one, then a good one", rolled_out).await?;
    walk.step("In another shop tokens for payments live for 20 seconds, and the authority is slow", slow_authority)
        .await?;
    at_the_partner(&mut walk).await?;
    walk.step("Alice of the partner's signs in there, and comes to the storefront", two_of_one_name).await?;
    from_the_partner(&mut walk).await?;
    walk.step("The authority is stopped", authority_stops).await?;
    Ok(walk.told()?)
}

/// Walks through those steps in which the shop does its work, and the mesh runs on.
pub(crate) async fn work<W: Write>(mesh: &mut Mesh, page: &mut Page<W>) -> Result<Told, StartError> {
    let mut walk = Walk::new(mesh, page)?;
    by_day_and_night(&mut walk).await?;
    in_a_browser(&mut walk).await?;
    at_the_partner(&mut walk).await?;
    from_the_partner(&mut walk).await?;
    Ok(walk.told()?)
}

async fn by_day_and_night<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), io::Error> {
    walk.step("Alice buys two tins of tea and a cup", first_order).await?;
    walk.step("Bob sees his own orders, and none of Alice's", own_orders_only).await?;
    walk.step("Alice asks what she was charged; orders asks payments, over gRPC", her_statement).await?;
    walk.step("At night orders settles with payments: for nobody, as itself", at_night).await
}

async fn in_a_browser<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), io::Error> {
    walk.step("Alice's browser has a session, in a cookie", session_cookie).await
}

async fn at_the_partner<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), io::Error> {
    walk.step("Alice orders for so much that a partner is asked, in another trust domain", across_trust_domains).await
}

async fn from_the_partner<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), io::Error> {
    walk.step("Paul of the partner's looks around in the shop, and buys nothing", looking_around).await
}

/// The last line of the page.
fn closing(told: Told) -> String {
    let Told { steps, held, otherwise } = told;
    match (held == steps, told.is_as_it_has_to_be()) {
        (true, _) => format!("All {steps} steps hold."),
        (false, true) => format!("{held} of {steps} steps hold; in this mode {otherwise} cannot."),
        (false, false) => format!("{held} of {steps} steps hold."),
    }
}
