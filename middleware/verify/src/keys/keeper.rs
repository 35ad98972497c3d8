//! The task that fetches an issuer's keys while nobody asks.
//!
//! So a service that nobody called for a while has fresh keys when somebody does, a key that was withdrawn is out
//! although no request came to notice, and a process that started while its issuer was down has keys soon after the
//! issuer is back.

use std::{sync::Arc, time::Duration};

use tower_identity_core::Moment;
use tower_identity_refresh::{Lifetime, Slot};

use super::{
    loader::{Loader, NoKeys},
    telemetry,
};

/// How often the age of the keys is told, at least.
const TELL: Duration = Duration::from_secs(60);

/// The longest pause between two attempts of an outage, where the server asks for no longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Fetches the keys when they are due, and after a failure when its pause is over, for ever. Whoever owns the slot owns
/// the task that this runs in.
pub(super) async fn keep(loader: Arc<Loader>, load: Slot<Moment, NoKeys>) {
    let mut failures = 0;
    let mut not_before = Moment::default();
    loop {
        let now = loader.clock.monotonic();
        let at_hand = loader.at_hand.load_full();
        if let Some(keys) = &at_hand {
            loader.tell_gone(keys, now);
            if let Some(age) = keys.age(now) {
                telemetry::age(&loader.issuer, age);
            }
        }
        // Without keys at once; and with keys that are gone, whose time to be refreshed is over.
        let due = at_hand.as_ref().map_or(now, |keys| keys.refresh_at()).max(not_before);
        if now < due {
            loader.clock.sleep_until(due.min(now.saturating_add(TELL))).await;
            continue;
        }
        let begun = at_hand.and_then(|keys| keys.fetch()).map_or(Moment::default(), |fetch| fetch.begun);
        match load.newer_than(begun, || loader.load()).await {
            Ok(_) => failures = 0,
            Err(none) => {
                let now = loader.clock.monotonic();
                not_before = now.saturating_add(pause(none.again_at().since(now), failures));
                failures += 1;
            }
        }
    }
}

/// How long to wait after so many failures before this one: longer each time, and up to a seventh longer at random, so
/// that the instances of a service do not come back together.
pub(crate) fn pause(asked_for: Duration, failures: u32) -> Duration {
    let growing = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    let at_least = asked_for.max(growing);
    // A lifetime's refresh is due after 70 to 80 % of it.
    Lifetime::of(at_least.saturating_mul(10) / 7).fresh()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwks_a5_pauses_grow_to_a_limit_and_are_not_all_the_same() {
        let seconds = Duration::from_secs;
        let cases = [
            ((0, 0), 1),
            ((2, 0), 2),
            ((2, 1), 2),
            ((2, 2), 4),
            ((2, 4), 16),
            ((2, 5), 30),
            ((2, u32::MAX), 30),
            ((60, 0), 60),
        ];
        for ((asked_for, failures), least) in cases {
            let pauses: Vec<_> = (0..32).map(|_| pause(seconds(asked_for), failures)).collect();
            let (least, most) = (seconds(least), seconds(least).mul_f64(8.0 / 7.0));
            let close = Duration::from_micros(1);
            assert!(pauses.iter().all(|pause| (least - close..=most + close).contains(pause)), "{pauses:?}");
            assert!(pauses.windows(2).any(|two| two[0] != two[1]), "{pauses:?}");
        }
    }
}
