//! When a request is tried again, and for whom the second attempt is.

#[cfg(any(feature = "retry", feature = "reqwest"))]
use http::Method;
use tower_identity_core::{CallerContext, ambient};

/// Which requests are tried once again, with a new token, when their target refuses the token that it was sent.
///
/// Only where the refusal [invites it](crate::TargetRefusal::invites_retry), once, and only a request that can be sent
/// twice: one whose body is at hand as a whole. Where the second attempt fails, the first answer is the answer. 403 is
/// final, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Retries {
    /// Requests of every method; the default. A 401 says that the request was not applied (RFC 9110 §15.5.2), and so it
    /// is known that a second attempt does nothing twice (§9.2.2), with `POST` and in gRPC too.
    ///
    /// That is as true as the target's word: one whose handler changes something and *then* answers 401 with
    /// `invalid_token` should be called with [`Idempotent`](Self::Idempotent) only.
    #[default]
    Refused,
    /// Requests of idempotent methods (RFC 9110 §9.2.2), and so none of gRPC.
    Idempotent,
    /// None.
    Never,
}

impl Retries {
    #[cfg(any(feature = "retry", feature = "reqwest"))]
    pub(crate) fn allow(self, method: &Method) -> bool {
        match self {
            Self::Refused => true,
            Self::Idempotent => method.is_idempotent(),
            Self::Never => false,
        }
    }
}

/// The scope that a request was made in. It goes with the copy that is kept for a second attempt: that is made wherever
/// the answer to the first is polled, and is for whoever made the first.
#[derive(Debug, Clone)]
pub(crate) struct MadeIn(Option<CallerContext>);

impl MadeIn {
    /// The scope of the code that runs now.
    #[cfg(any(feature = "retry", feature = "reqwest"))]
    pub(crate) fn now() -> Self {
        Self(ambient::current())
    }

    /// Runs a closure in the scope that was kept; where none was, in the one that the code runs in.
    #[inline]
    pub(crate) fn enter<R>(kept: Option<Self>, run: impl FnOnce() -> R) -> R {
        match kept {
            Some(Self(mut scope)) => ambient::enter(&mut scope, run),
            None => run(),
        }
    }
}

#[cfg(all(test, any(feature = "retry", feature = "reqwest")))]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_b2_what_was_refused_was_not_done_and_who_doubts_it_says_so() {
        let all = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST, Method::PATCH];
        let allowed = |retries: Retries| all.clone().map(|method| retries.allow(&method));
        assert_eq!(allowed(Retries::Refused), [true; 6]);
        assert_eq!(allowed(Retries::Idempotent), [true, true, true, true, false, false]);
        assert_eq!(allowed(Retries::Never), [false; 6]);
        assert_eq!(Retries::default(), Retries::Refused);
    }
}
