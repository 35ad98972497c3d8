//! When a token is good.

use std::time::Duration;

use tower_identity_core::Timestamp;

use crate::{claim::Claim, claims::Claims};

/// From when until when a token is good, the leeway of its issuer included: what [`judge`](crate::judge) decides by `exp`,
/// `nbf` and `iat`, at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    from: Timestamp,
    /// Not part of it.
    until: Timestamp,
}

/// Where a time is in a [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Before,
    Within,
    After,
}

impl Period {
    /// The period of these claims. `None` where they say no end, or nothing that can be read: of such a token every
    /// request is a question of its own.
    pub(crate) fn of(claims: &Claims<'_>, leeway: Duration) -> Option<Self> {
        let mut from = Timestamp::default();
        for time in [&claims.nbf, &claims.iat] {
            match time {
                Claim::Absent => {}
                Claim::Is(time) => from = from.max(time.timestamp().saturating_sub(leeway)),
                Claim::Wrong => return None,
            }
        }
        let until = claims.exp.as_ref().is()?.timestamp().saturating_add(leeway);
        Some(Self { from, until })
    }

    pub(super) fn phase(&self, now: Timestamp) -> Phase {
        if now < self.from {
            Phase::Before
        } else if now < self.until {
            Phase::Within
        } else {
            Phase::After
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tower_identity_core::Refusal;
    use tower_identity_jose::json as strict;
    use tower_identity_testkit::ManualClock;

    use super::*;
    use crate::{
        TrustedIssuer, Verifier,
        judge::{Rules, begun, issued, not_ended},
    };

    const NOW: u64 = 1_800_000_000;

    fn rules(leeway: u64) -> Rules {
        let home = TrustedIssuer::discover("https://as.example").audience("orders").leeway(Duration::from_secs(leeway));
        let verifier = Verifier::builder(home).clock(ManualClock::new().clock()).build().expect("valid");
        verifier.0.now.load().trusted[0].rules.clone()
    }

    #[test]
    fn warm_a3_a_period_says_what_the_checks_say_at_any_time() {
        let mut phases = [0; 3];
        for leeway in [0, 30, 120] {
            let rules = rules(leeway);
            let times = [None, Some(json!(NOW)), Some(json!(NOW as f64 + 0.5)), Some(json!(NOW + 40)), Some(json!(0))];
            let pairs = times.iter().flat_map(|nbf| times.iter().map(move |iat| (nbf, iat)));
            for (exp, (nbf, iat)) in times.iter().flat_map(|exp| pairs.clone().map(move |pair| (exp, pair))) {
                let named = [("exp", exp), ("nbf", nbf), ("iat", iat)];
                let said = named.into_iter().filter_map(|(name, time)| Some((name.to_owned(), time.clone()?)));
                let text = serde_json::Value::Object(said.collect()).to_string();
                let claims: Claims<'_> = strict::from_slice(text.as_bytes()).expect("claims");
                let Some(period) = Period::of(&claims, rules.leeway) else {
                    assert_eq!(claims.exp, Claim::Absent, "{text}");
                    continue;
                };
                for halves in -400..400_i64 {
                    let now = Duration::from_millis(NOW * 1000).as_millis() as i64 + halves * 500;
                    let now = Timestamp::from_unix(Duration::from_millis(now.unsigned_abs()));
                    let check = |refused: Result<(), Refusal>| refused.err().map(|refusal| refusal.check());
                    let ended = check(not_ended(&claims, &rules, now).map(drop));
                    // That `iat` is there is asked before anything is remembered.
                    let of_iat = check(issued(&claims, &rules, now).map(drop)).filter(|_| claims.iat != Claim::Absent);
                    let expected = match (ended, check(begun(&claims, &rules, now)).or(of_iat)) {
                        (None, None) => Phase::Within,
                        (_, Some(_)) => Phase::Before,
                        (Some(_), None) => Phase::After,
                    };
                    assert_eq!(period.phase(now), expected, "{text} at {now:?}, {leeway}");
                    phases[expected as usize] += 1;
                }
            }
        }
        assert!(phases.iter().all(|count| *count > 10_000), "{phases:?}");
    }

    #[test]
    fn warm_a3_a_time_that_cannot_be_read_makes_no_period() {
        for (text, is_one) in [
            (r#"{"exp":9}"#, true),
            (r#"{"exp":9,"nbf":1,"iat":1}"#, true),
            (r#"{"exp":"9"}"#, false),
            (r#"{"exp":9,"nbf":"1"}"#, false),
            (r#"{"exp":9,"iat":null}"#, false),
            (r#"{"nbf":1,"iat":1}"#, false),
        ] {
            let claims: Claims<'_> = strict::from_slice(text.as_bytes()).expect("claims");
            assert_eq!(Period::of(&claims, Duration::ZERO).is_some(), is_one, "{text}");
        }
    }
}
