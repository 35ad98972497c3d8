//! What this service says itself of a user, in whatever it signs for one.

use serde::Serialize;
use serde_json::{Value, json};
use tower_identity_core::{Audience, Issuer, SessionId, Tenant, Timestamp, TransactionId, User, VerifiedToken};
use tower_identity_jose::random_id;

/// The claims that name the user, whoever acted, and how long that is good; and what is said besides.
///
/// There is no `sub`: whose subject that were is what `iss` does not say here.
#[derive(Serialize)]
pub(crate) struct Word<'a, T> {
    iss: &'a Issuer,
    aud: &'a Audience,
    iat: u64,
    exp: u64,
    jti: String,
    sub_id: SubjectId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<&'a str>,
    act: Act<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<&'a str>,
    /// So that who is revoked by an earlier sign-in, or by its session, is revoked in what is signed after that, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(flatten)]
    besides: T,
}

/// RFC 9493 §3.2.4.
#[derive(Serialize)]
struct SubjectId<'a> {
    format: &'static str,
    iss: &'a Issuer,
    sub: &'a str,
}

/// This service, and below it whoever acted before (RFC 8693 §4.1).
#[derive(Serialize)]
struct Act<'a> {
    sub: &'a Issuer,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Value>,
}

impl<'a, T> Word<'a, T> {
    /// That of `by` to `to` about this user, of whom the subject's token speaks; from the first of the times to the second.
    pub(crate) fn new(
        (by, to): (&'a Issuer, &'a Audience),
        (subject, user): (&'a VerifiedToken, &'a User),
        (now, ends): (u64, u64),
        besides: T,
    ) -> Self {
        let signed_in = subject.authentication();
        let earlier = subject.actors().iter().collect::<Vec<_>>().into_iter().rev();
        let earlier = earlier.fold(None, |inner: Option<Value>, actor| {
            let mut link = json!({"iss": actor.issuer, "sub": actor.id});
            link.as_object_mut().expect("an object").extend(inner.map(|inner| ("act".to_owned(), inner)));
            Some(link)
        });
        Self {
            iss: by,
            aud: to,
            iat: now,
            exp: ends,
            jti: random_id(),
            sub_id: SubjectId { format: "iss_sub", iss: &user.issuer, sub: user.id.as_str() },
            tid: user.tenant.as_ref().map(Tenant::as_str),
            act: Act { sub: by, act: earlier },
            txn: subject.transaction().map(TransactionId::as_str),
            auth_time: signed_in.auth_time.map(Timestamp::as_secs),
            sid: signed_in.session.as_ref().map(SessionId::as_str),
            acr: signed_in.acr.as_deref(),
            amr: &signed_in.amr,
            besides,
        }
    }
}
