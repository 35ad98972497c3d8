//! How an explanation looks to people.

use std::{fmt, time::Duration};

use tower_identity_core::{Refusal, Timestamp};

use super::{Checked, Explanation, Outcome, Said, Verdict};
use crate::check;

/// The verdict; what the token says of itself; every check with a mark: `✔` passed, `✘` failed, `?` not decided, `-` not
/// tried.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict_line(f)?;
        if let Some(said) = &self.said {
            write!(f, "\n{}", Page(said, self.judged_at))?;
        }
        writeln!(f)?;
        let alike = |one: &Checked, next: &Checked| one.outcome == Outcome::NotReached && next.detail == one.detail;
        self.checks.chunk_by(alike).try_for_each(|checks| self.lines(checks, f))
    }
}

impl Explanation {
    /// One check, or several in a row that were not made for one reason.
    fn lines(&self, checks: &[Checked], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, ..] = checks else { return Ok(()) };
        if first.check == check::KIND && !self.genuine {
            writeln!(f, "  Nobody vouches for what follows: it is what somebody wrote.")?;
        }
        match (first.outcome, first.detail.as_deref().unwrap_or_default()) {
            (Outcome::Passed, _) => writeln!(f, "  ✔ {}", first.check),
            (Outcome::Failed, detail) => writeln!(f, "  ✘ {:<10} {detail}", first.check),
            (Outcome::Undecided, detail) => writeln!(f, "  ? {:<10} {detail}", first.check),
            (Outcome::NotReached, why) => {
                f.write_str("  -")?;
                checks.iter().try_for_each(|checked| write!(f, " {}", checked.check))?;
                writeln!(f, ": not tried, {why}")
            }
        }
    }

    fn verdict_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: Vec<_> = self.failed().map(|checked| checked.check).collect();
        match (self.verdict(), self.principal()) {
            (Verdict::Accepted, Some(principal)) => {
                let workload = principal.workload();
                match principal.user() {
                    // It says of nobody that they send it.
                    Some(user) if self.is_of_transaction() => write!(
                        f,
                        "accepted beside its sender's own credential: for {} of {}, asked for by {} of {}",
                        user.id, user.issuer, workload.id, workload.issuer
                    )?,
                    Some(user) => {
                        write!(
                            f,
                            "accepted: {} of {}, for {} of {}",
                            workload.id, workload.issuer, user.id, user.issuer
                        )?;
                    }
                    None => write!(f, "accepted: {} of {}, for nobody", workload.id, workload.issuer)?,
                }
                if !principal.scopes().is_empty() {
                    write!(f, ", may {}", principal.scopes())?;
                }
                writeln!(f)
            }
            (Verdict::Undecided, _) => {
                writeln!(f, "not decided: {}", self.refusal().map_or(check::KEY, Refusal::check))
            }
            _ => writeln!(f, "refused: {}", failed.join(", ")),
        }
    }
}

/// What a token says of itself, at a time.
struct Page<'a>(&'a Said, Timestamp);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(said, now) = *self;
        let texts =
            [("iss", &said.iss), ("client", &said.client), ("typ", &said.typ), ("alg", &said.alg), ("kid", &said.kid)];
        for (name, text) in texts {
            if let Some(text) = text {
                writeln!(f, "    {name:<10} {text:?}")?;
            }
        }
        if let Some(aud) = &said.aud {
            writeln!(f, "    {:<10} {aud:?}", "aud")?;
        }
        for (name, time) in [("iat", said.iat), ("nbf", said.nbf), ("exp", said.exp)] {
            if let Some(time) = time {
                writeln!(f, "    {name:<10} {}", Relative(time, now))?;
            }
        }
        if said.claims.is_empty() {
            return Ok(());
        }
        write!(f, "    {:<10}", "claims")?;
        said.claims.iter().try_for_each(|name| write!(f, " {}", name.escape_debug()))?;
        writeln!(f)
    }
}

/// A time, seen from now: in its two largest units, rounded down.
struct Relative(Timestamp, Timestamp);

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time, now) = *self;
        match (time.since(now).as_secs(), now.since(time).as_secs()) {
            (0, 0) => f.write_str("now"),
            (0, _) => write!(f, "{} ago", Units(now.since(time))),
            _ => write!(f, "in {}", Units(time.since(now))),
        }
    }
}

struct Units(Duration);

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{rest} s"),
            (0, 0, _) => write!(f, "{minutes} min {rest} s"),
            (0, ..) => write!(f, "{hours} h {minutes} min"),
            _ => write!(f, "{days} d {hours} h"),
        }
    }
}
