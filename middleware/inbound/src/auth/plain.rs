//! Requests that present their credential as nearly all do: one token, in `Authorization`, behind `Bearer` and a space.
//!
//! They are read no further than it takes. A token that is remembered is known by its bytes before anybody asks what
//! characters these are; of one that is accepted, whoever took it apart has asked. Whatever is written or comes out in
//! another way is [read](Presented::read) in full, which decides.

use http::{HeaderValue, Request, header::AUTHORIZATION};
use tower_identity_core::{CallerContext, CertificateThumbprint, bearer::is_token68};
use tower_identity_verify::Current;

use super::settings::{Settings, Verdict, proven};
use crate::{Inbound, presented::names_a_token};

impl Settings {
    /// Whether a credential has no other place, and is taken out where it is good.
    pub(super) fn are_plain(&self) -> bool {
        self.client_certificate.is_none()
            && self.forwarded.is_none()
            && self.plain_user.is_none()
            && self.sources.are_authorization()
            && self.unenforced.is_none()
    }

    /// Takes the field out of a request that may be written so; `None` where it has to be read in full.
    #[inline]
    pub(super) fn take_plain<B>(&self, request: &mut Request<B>) -> Option<HeaderValue> {
        let is_judged = request.extensions().get::<Inbound>().is_some();
        if !self.are_plain || is_judged || names_a_token(request.uri()) {
            return None;
        }
        let headers = request.headers_mut();
        // Where no field of any name is repeated, this one is not.
        if headers.len() != headers.keys_len() && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return None;
        }
        headers.remove(AUTHORIZATION)
    }
}

/// The caller whose token is in this field, where it is remembered. One pointer, in a register: a [`Verdict`] takes as long to
/// pass on as some of what is asked here.
#[inline]
pub(super) fn recall(verifier: &Current, field: &HeaderValue) -> Option<CallerContext> {
    verifier.recall(token_in(field)?)
}

/// The caller or the verdict where it is not; `None` where the request, which has the field again, has to be read in full.
pub(super) fn judge_anew<B>(
    verifier: &Current,
    field: HeaderValue,
    request: &mut Request<B>,
) -> Option<Result<CallerContext, Verdict>> {
    let judged = token_in(&field).and_then(|token| judge_token(verifier, token, proven(request)));
    if !matches!(judged, Some(Ok(_))) {
        // Whoever else looks for it finds it: to read it in full, or to explain why it was refused.
        request.headers_mut().insert(AUTHORIZATION, field);
    }
    judged
}

fn judge_token(
    verifier: &Current,
    token: &[u8],
    proven: Option<CertificateThumbprint>,
) -> Option<Result<CallerContext, Verdict>> {
    if token.len() > verifier.max_token_bytes() {
        return None;
    }
    let token = simdutf8::basic::from_utf8(token).ok()?;
    let verification = match proven {
        // What is remembered of it may be that it is bound.
        certificate @ Some(_) => verifier.over(certificate).bearer(token),
        None => verifier.bearer_anew(token),
    };
    let verdict = match verification.try_now() {
        // It is of the grammar of a token.
        Ok(Ok(caller)) => return Some(Ok(caller)),
        Ok(Err(refusal)) => Verdict::Decided(Err(refusal)),
        Err(verification) => Verdict::Waiting(verification),
    };
    // What is not is refused for that and nothing else.
    is_token68(token).then_some(Err(verdict))
}

#[inline]
fn token_in(field: &HeaderValue) -> Option<&[u8]> {
    field.as_bytes().strip_prefix(b"Bearer ")
}
