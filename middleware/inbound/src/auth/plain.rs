//! Requests that present their credential as nearly all do: one token, in `Authorization`, behind `Bearer` and a space.
//!
//! They are read no further than it takes. A token that is remembered is known by its bytes before anybody asks what
//! characters these are; of one that is accepted, whoever took it apart has asked. Whatever is written or comes out in
//! another way is [read](Presented::read) in full, which decides.

use http::{Request, header::AUTHORIZATION};
use tower_identity_core::{CertificateThumbprint, bearer::is_token68};
use tower_identity_verify::Current;

use super::settings::{Settings, Verdict, proven};
use crate::presented::names_a_token;

impl Settings {
    /// Whether a credential has no other place, and is taken out where it is good.
    pub(super) fn are_plain(&self) -> bool {
        self.client_certificate.is_none() && self.sources.are_authorization() && self.unenforced.is_none()
    }

    /// The verdict on a request that is written so; `None` where it has to be read in full.
    pub(super) fn judge_plain<B>(&self, verifier: &Current, request: &mut Request<B>) -> Option<Verdict> {
        if !self.are_plain || names_a_token(request.uri()) {
            return None;
        }
        let headers = request.headers_mut();
        // Where no field of any name is repeated, this one is not.
        if headers.len() != headers.keys_len() && headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return None;
        }
        let field = headers.remove(AUTHORIZATION)?;
        let token = field.as_bytes().strip_prefix(b"Bearer ");
        let verdict = token.and_then(|token| judge_token(verifier, token, || proven(request)));
        if !matches!(verdict, Some(Verdict::Plain(_))) {
            // Whoever else looks for it finds it: to read it in full, or to explain why it was refused.
            request.headers_mut().insert(AUTHORIZATION, field);
        }
        verdict
    }
}

fn judge_token(
    verifier: &Current,
    token: &[u8],
    proven: impl FnOnce() -> Option<CertificateThumbprint>,
) -> Option<Verdict> {
    if let Some(caller) = verifier.recall(token) {
        return Some(Verdict::Plain(caller));
    }
    if token.len() > verifier.max_token_bytes() {
        return None;
    }
    let token = simdutf8::basic::from_utf8(token).ok()?;
    let verification = match proven() {
        // What is remembered of it may be that it is bound.
        certificate @ Some(_) => verifier.over(certificate).bearer(token),
        None => verifier.bearer_anew(token),
    };
    let verdict = match verification.try_now() {
        // It is of the grammar of a token.
        Ok(Ok(caller)) => return Some(Verdict::Plain(caller)),
        Ok(Err(refusal)) => Verdict::Decided(Err(refusal)),
        Err(verification) => Verdict::Waiting(verification),
    };
    // What is not is refused for that and nothing else.
    is_token68(token).then_some(verdict)
}
