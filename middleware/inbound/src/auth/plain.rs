//! Requests that present their credential as nearly all do: one token, in `Authorization`, behind `Bearer` and a space.
//!
//! They are read no further than it takes. A token that is remembered is known by its bytes before anybody asks what
//! characters these are; of one that is accepted, whoever took it apart has asked. Whatever is written or comes out in
//! another way is [read](Presented::read) in full, which decides.

use http::{Request, header::AUTHORIZATION};
use tower_identity_core::bearer::is_token68;
use tower_identity_verify::Current;

use super::settings::{Settings, Verdict};
use crate::{Inbound, presented::names_a_token};

impl Settings {
    /// The verdict on a request that is written so; `None` where it has to be read in full.
    pub(super) fn judge_plain<B>(&self, verifier: &Current, request: &Request<B>) -> Option<Verdict> {
        let token = self.plain_token(request)?;
        if let Some(caller) = verifier.recall(token) {
            return Some(Verdict::Decided(Ok(Inbound::Caller(caller))));
        }
        if token.len() > verifier.max_token_bytes() {
            return None;
        }
        let token = simdutf8::basic::from_utf8(token).ok()?;
        let verdict = Verdict::of(verifier.bearer_anew(token));
        // What is accepted is of the grammar of a token, and what is not of it is refused for that and nothing else.
        (verdict.accepts() || is_token68(token)).then_some(verdict)
    }

    /// What stands in the place of the token, where it is the only place for a credential, and taken once.
    fn plain_token<'r, B>(&self, request: &'r Request<B>) -> Option<&'r [u8]> {
        if self.client_certificate.is_some() || !self.sources.are_authorization() || names_a_token(request.uri()) {
            return None;
        }
        let headers = request.headers();
        let field = headers.get(AUTHORIZATION)?;
        // Where no field of any name is repeated, this one is not.
        let is_only = headers.len() == headers.keys_len() || headers.get_all(AUTHORIZATION).iter().count() == 1;
        field.as_bytes().strip_prefix(b"Bearer ").filter(|_| is_only)
    }
}
