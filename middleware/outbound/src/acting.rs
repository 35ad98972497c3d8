//! For whom a request is made: for the caller that is known here, for a caller that is named, or for this service.

use http::{Request, request};
use tower_identity_core::{CallerContext, ambient};

use crate::when::Whose;

/// What a request says about for whom it is made. Not said: for the caller in whose scope the code runs.
#[derive(Debug, Clone)]
pub(crate) enum Acting {
    OnBehalfOf(CallerContext),
    AsService,
}

impl Acting {
    /// Takes it out of a request: what it holds is for us and not for whoever comes after us.
    #[inline]
    pub(crate) fn take(extensions: &mut http::Extensions) -> Option<Self> {
        extensions.remove()
    }

    /// For whom a request is made that says this, where that decides which row it gets. Reads the scope.
    pub(crate) fn whose(acting: Option<&Self>) -> Whose {
        let in_scope;
        let caller = match acting {
            Some(Self::AsService) => return Whose::Service,
            Some(Self::OnBehalfOf(caller)) => Some(caller),
            None => {
                in_scope = ambient::current();
                in_scope.as_ref()
            }
        };
        let subject = |caller: &CallerContext| caller.user_token().unwrap_or_else(|| caller.token()).clone();
        caller.map_or(Whose::Nobody, |caller| Whose::Subject(subject(caller)))
    }
}

/// Says on a request for whom it is made. What is said here wins over the scope that the code runs in.
///
/// ```
/// use http::Request;
/// use tower_identity_outbound::RequestExt;
///
/// let nightly = Request::get("https://payments.internal/settlements").body(())?.as_service();
/// # assert_eq!(nightly.uri().path(), "/settlements");
/// # Ok::<(), http::Error>(())
/// ```
pub trait RequestExt: Sized + private::Sealed {
    /// For this caller: for its user or for itself, as the target's row [has it](crate::OnBehalfOf). A target that takes
    /// only this service's own token refuses the request, because the caller would be lost.
    #[must_use]
    fn on_behalf_of(self, caller: &CallerContext) -> Self;

    /// For this service itself, whoever is calling: a target that takes its caller's token gets this service's own, by
    /// client credentials (RFC 6749 §4.4), for the audience and scope of its row.
    #[must_use]
    #[expect(clippy::wrong_self_convention, reason = "says in which role, and converts nothing")]
    fn as_service(self) -> Self;
}

impl<B> RequestExt for Request<B> {
    fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        self.extensions_mut().insert(Acting::OnBehalfOf(caller.clone()));
        self
    }

    fn as_service(mut self) -> Self {
        self.extensions_mut().insert(Acting::AsService);
        self
    }
}

impl RequestExt for request::Builder {
    fn on_behalf_of(self, caller: &CallerContext) -> Self {
        self.extension(Acting::OnBehalfOf(caller.clone()))
    }

    fn as_service(self) -> Self {
        self.extension(Acting::AsService)
    }
}

#[cfg(feature = "tonic")]
impl<M> RequestExt for tonic::Request<M> {
    fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        self.extensions_mut().insert(Acting::OnBehalfOf(caller.clone()));
        self
    }

    fn as_service(mut self) -> Self {
        self.extensions_mut().insert(Acting::AsService);
        self
    }
}

mod private {
    /// Keeps the trait ours, so that methods can be added.
    pub trait Sealed {}

    impl<B> Sealed for http::Request<B> {}
    impl Sealed for http::request::Builder {}
    #[cfg(feature = "tonic")]
    impl<M> Sealed for tonic::Request<M> {}
}
