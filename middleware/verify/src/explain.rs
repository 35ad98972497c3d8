//! Why a token is accepted or refused: every check in order, and not only the first that fails.
//!
//! The verdict is that of [`Verifier::bearer`](crate::Verifier::bearer), asked once more. The walk then makes every
//! check of [`check::ALL`] again, by the very functions that judge, and goes on after a failure wherever the next check
//! still means something. Verification does not know of it, and pays nothing for it.

mod claims;
mod opaque;
mod page;
mod said;
mod walk;

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};
use tower_identity_core::{CallerContext, Issuer, Principal, Refusal, RefusalKind, SecretToken, Timestamp};

pub(crate) use self::opaque::walk_opaque;
use self::{
    said::Said,
    walk::{Walk, told, walk},
};
use crate::{check, inner::Inner, trusted::Trusted};

/// Why a token is accepted or refused, as [`Verifier::explain`](crate::Verifier::explain) finds it.
///
/// Prints as a page for people:
///
/// ```text
/// refused: aud, exp
///
///     iss        "https://as.example"
///     client     "storefront"
///     typ        "at+jwt"
///     alg        "ES256"
///     kid        "k1"
///     aud        ["payments"]
///     iat        2 h 5 min ago
///     exp        59 s ago
///     claims     aud client_id exp iat iss jti scope sub
///
///   ✔ format
///   ✔ header
///   ✔ iss
///   ✔ crit
///   ✔ typ
///   ✔ alg
///   ✔ key
///   ✔ signature
///   ✔ kind
///   ✘ aud        expected one of ["orders"], found ["payments"]
///   ✘ exp        expired 59s ago
///   …
/// ```
///
/// and serializes to this, with an element of `checks` for each of [`check::ALL`], in that
/// order (of an opaque token that stands for no JWT, of [`check::OPAQUE`], and `token` is what its issuer says of it):
///
/// ```json
/// {"verdict": "refused", "check": "aud", "issuer": "https://as.example", "genuine": true, "judged_at": 1800000000,
///  "token": {"alg": "ES256", "typ": "at+jwt", "kid": "k1", "iss": "https://as.example", "aud": ["payments"],
///            "client": "storefront", "iat": 1799999900, "nbf": null, "exp": 1800000200,
///            "claims": ["aud", "client_id", "exp", "iat", "iss", "jti", "sub"]},
///  "checks": [{"check": "format", "outcome": "passed", "detail": null},
///             {"check": "aud", "outcome": "failed",
///              "detail": "expected one of [\"orders\"], found [\"payments\"]"}],
///  "principal": null}
/// ```
///
/// Members may be added. Times are in seconds since 1970.
///
/// Holds nothing that could be presented: no token and no signature. Yet it quotes the token's claims, and `principal`
/// names the user of one that is accepted: it is for whoever holds the token, and for no log.
#[derive(Debug, Clone)]
pub struct Explanation {
    decision: Result<CallerContext, Refusal>,
    judged_at: Timestamp,
    issuer: Option<Issuer>,
    genuine: bool,
    said: Option<Said>,
    checks: Vec<Checked>,
}

/// What becomes of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is accepted.
    Accepted,
    /// It is refused.
    Refused,
    /// That cannot be decided now: the issuer's keys are out of reach, or its newest ones are.
    Undecided,
}

/// One check of a token, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Checked {
    /// Which one of [`check::ALL`] or [`check::OPAQUE`].
    pub check: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was expected and what was found, or why the check was not made. `None` of a check that passed.
    pub detail: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The token is in order there.
    Passed,
    /// It is not.
    Failed,
    /// That cannot be decided now.
    Undecided,
    /// The check means nothing after one before it has failed.
    NotReached,
}

/// When a token was judged of which this was decided.
pub(crate) fn judged_at(decision: &Result<CallerContext, Refusal>, verifier: &Inner) -> Timestamp {
    decision.as_ref().map_or_else(|_| verifier.clock.wall(), CallerContext::judged_at)
}

impl Explanation {
    /// Of a JWT of one of these, by what was decided of it.
    pub(crate) async fn of_jwt(
        decision: Result<CallerContext, Refusal>,
        token: &SecretToken,
        verifier: &Inner,
        among: &[Arc<Trusted>],
    ) -> Self {
        // A token that is refused by its header alone was not worth a fetch of keys; to explain it is.
        let no_keys = match verifier.without_keys(token.expose(), among) {
            Some(trusted) => trusted.keys.loaded().await.err(),
            None => None,
        };
        let judged_at = judged_at(&decision, verifier);
        let walk = walk(token.expose(), (&verifier.limits, among), None, judged_at, no_keys.as_ref());
        Self::new(decision, judged_at, walk)
    }

    pub(crate) fn new(decision: Result<CallerContext, Refusal>, judged_at: Timestamp, walk: Walk) -> Self {
        let checks = walk.checks().iter().map(|check| walk.checked(check, decision.as_ref().err())).collect();
        let Walk { issuer, genuine, said, .. } = walk;
        Self { decision, judged_at, issuer, genuine, said, checks }
    }

    /// What becomes of the token.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match &self.decision {
            Ok(_) => Verdict::Accepted,
            Err(refusal) if is_undecided(refusal) => Verdict::Undecided,
            Err(_) => Verdict::Refused,
        }
    }

    /// The refusal, as [`Verifier::bearer`](crate::Verifier::bearer) gives it.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        self.decision.as_ref().err()
    }

    /// Every check, in the order of [`check::ALL`]; of an opaque token that stands for no JWT, of [`check::OPAQUE`].
    #[must_use]
    pub fn checks(&self) -> &[Checked] {
        &self.checks
    }

    /// The checks that failed, in order. The first is that of the [refusal](Self::refusal); but while the issuer's keys
    /// are out of reach nothing is refused, whatever has failed.
    pub fn failed(&self) -> impl Iterator<Item = &Checked> {
        self.checks.iter().filter(|checked| checked.outcome == Outcome::Failed)
    }

    /// The trusted issuer whose rules were applied, where the token is of one.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuer.as_ref()
    }

    /// Whether the signature is found to be of the issuer, or the issuer itself says so. Otherwise nobody vouches for the claims, and the checks
    /// behind [`check::SIGNATURE`] say no more than that somebody wrote them so.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        self.genuine
    }

    /// The time that the token was judged for.
    #[must_use]
    pub fn judged_at(&self) -> Timestamp {
        self.judged_at
    }

    /// Whether it is a transaction token, if it is accepted.
    fn is_of_transaction(&self) -> bool {
        self.decision.as_ref().is_ok_and(|caller| caller.token().trust_domain().is_some())
    }

    /// Whom the token names, if it is accepted.
    #[must_use]
    pub fn principal(&self) -> Option<Principal<'_>> {
        self.decision.as_ref().ok().map(CallerContext::principal)
    }
}

impl Walk {
    /// What came of one check. Where the walk finds nothing wrong with a token that was refused a moment before, because
    /// a key or its time has come since, what verification said stands.
    fn checked(&self, check: &'static str, refusal: Option<&Refusal>) -> Checked {
        let decided = refusal.filter(|refusal| refusal.check() == check);
        let failed = self.failed(check);
        let (outcome, detail) = match (decided, failed, self.unreached.get(check)) {
            (Some(refusal), ..) if is_undecided(refusal) => (Outcome::Undecided, Some(told(refusal))),
            _ if check == check::KEY && self.undecided.is_some() => (Outcome::Undecided, self.undecided.clone()),
            (_, Some(detail), _) => (Outcome::Failed, Some(detail)),
            (Some(refusal), ..) if self.faults.is_empty() => (Outcome::Failed, Some(told(refusal))),
            (_, None, Some(why)) => (Outcome::NotReached, Some((*why).to_owned())),
            // Of another token the list is not asked.
            (None, ..) if check == check::REVOKED && refusal.is_some() => {
                (Outcome::NotReached, Some("the token is not in order otherwise".to_owned()))
            }
            (_, None, None) => (Outcome::Passed, None),
        };
        Checked { check, outcome, detail }
    }
}

fn is_undecided(refusal: &Refusal) -> bool {
    matches!(refusal.kind(), RefusalKind::Unavailable { .. })
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Explanation", 8)?;
        out.serialize_field("verdict", &self.verdict())?;
        out.serialize_field("check", &self.refusal().map(Refusal::check))?;
        out.serialize_field("issuer", &self.issuer)?;
        out.serialize_field("genuine", &self.genuine)?;
        out.serialize_field("judged_at", &self.judged_at)?;
        out.serialize_field("token", &self.said)?;
        out.serialize_field("checks", &self.checks)?;
        out.serialize_field("principal", &self.principal())?;
        out.end()
    }
}
