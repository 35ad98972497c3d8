//! Whether the user signed in by acceptable means, and lately enough (RFC 9470).

use std::{fmt, time::Duration};

use tower_identity_core::{CallerContext, Refusal, RefusalKind, Scopes, Timestamp};

/// How far ahead of ours an issuer's clock may be: the largest leeway of a verifier. A sign-in that is later is no
/// time, but milliseconds read as seconds: it would be fresh for ever.
const MAX_LEAD: Duration = Duration::from_secs(120);

/// Whether the user signed in, and by one of these classes. A class that is not told is none of them.
pub(super) fn is_of_class(context: &CallerContext, acceptable: &[String]) -> bool {
    let found = context.principal().authentication().acr.as_ref();
    is_of_user(context) && found.is_some_and(|found| acceptable.contains(found))
}

/// Whether the user signed in, no longer than this before the request was judged. A time that is not told is too long
/// ago.
pub(super) fn is_within(context: &CallerContext, seconds: u64) -> bool {
    let judged_at = context.judged_at();
    let is_fresh = |signed_in: Timestamp| {
        judged_at.since(signed_in) <= Duration::from_secs(seconds) && signed_in.since(judged_at) <= MAX_LEAD
    };
    is_of_user(context) && context.principal().authentication().auth_time.is_some_and(is_fresh)
}

/// A workload does not sign in, whatever its own token says: leaving the user out is no way around a sign-in.
fn is_of_user(context: &CallerContext) -> bool {
    context.principal().user().is_some()
}

/// What a challenge asks for, and what the operator reads.
pub(super) fn refuse(
    context: &CallerContext,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    needs: impl fmt::Display,
) -> Refusal {
    let kind = RefusalKind::InsufficientAuthentication { scope: Scopes::default(), acr_values, max_age };
    let found = context.principal().authentication();
    let class = found.acr.as_deref().unwrap_or("none");
    let detail = match found.auth_time.map(|signed_in| context.judged_at().since(signed_in)) {
        _ if !is_of_user(context) => format!("needs {needs}, found no user"),
        Some(ago) => format!("needs {needs}, found class {class:?}, {} s ago", ago.as_secs()),
        None => format!("needs {needs}, found class {class:?}, at no time"),
    };
    Refusal::new(kind, "sign_in").detail(detail)
}
