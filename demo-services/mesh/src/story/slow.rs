//! The step of an authority that takes its time.

use std::{io::Write, time::Duration};

use serde_json::{Value, json};
use tower_identity::system_clock;

use super::walk::{Broken, Walk};
use crate::{Part, mesh::Change};

/// How long the authority takes for a token.
const SLOWNESS: Duration = Duration::from_secs(1);

/// Tokens of payments live so long that the next is asked for after 7 to 8 seconds, and there before 10 have passed.
const SHORT_LIVED: [Change<'_>; 2] = [
    (
        Part::Authority,
        ("from = \"orders\"\nto = \"payments\"", "from = \"orders\"\nto = \"payments\"\naccess_token_seconds = 20"),
    ),
    // Where payments sees a transaction token.
    (Part::Authority, ("\nseconds = 60\n", "\nseconds = 20\n")),
];

/// How long the walk waits for another token, and how often it calls meanwhile.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn slow_authority<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let mut another = walk.start_another_mesh(&SHORT_LIVED).await?;
    let walked = match walk.at(&mut another) {
        Ok(mut there) => calls_go_on(&mut there).await,
        Err(broken) => Err(broken),
    };
    another.stop().await?;
    walked
}

async fn calls_go_on<W: Write>(walk: &mut Walk<'_, W>) -> Result<(), Broken> {
    let (alice, carol) = (walk.sign_in("alice").await?, walk.sign_in("carol").await?);
    let (first, _) = call(walk, &alice).await?;
    let slow = json!({ "milliseconds": SLOWNESS.as_millis() as u64 });
    let told = walk.post_with(Part::Authority, "/dev/slow", &[], slow.clone()).await?;
    walk.holds("the authority takes a second for a token from now on", slow, told.body)?;

    let (hers, waited) = call(walk, &carol).await?;
    walk.holds("Carol is new, and waits for it", [true, true], [hers != first, waited >= SLOWNESS])?;
    let clock = system_clock();
    let began = clock.monotonic();
    let mut longest = Duration::ZERO;
    let replaced = loop {
        let (token, waited) = call(walk, &alice).await?;
        longest = longest.max(waited);
        if token != first || clock.monotonic().since(began) > PATIENCE {
            break token != first;
        }
        clock.sleep(PAUSE).await;
    };
    walk.holds("Alice goes on calling, until payments sees her next token", true, replaced)?;
    walk.holds("and none of her calls has waited for it", true, longest < SLOWNESS)
}

/// Calls payments, by way of all the services: which token it saw, and how long that took.
async fn call<W: Write>(walk: &mut Walk<'_, W>, token: &str) -> Result<(Value, Duration), Broken> {
    let clock = system_clock();
    let began = clock.monotonic();
    let trace = walk.get(Part::Storefront, "/trace", token).await?;
    let waited = clock.monotonic().since(began);
    let seen = &trace.body[2]["principal"]["token_id"];
    if trace.outcome() != "200" {
        return Err(Broken::Check {
            what: "a call to payments".to_owned(),
            expected: "200".into(),
            found: trace.outcome().into(),
        });
    }
    Ok((seen.clone(), waited))
}
