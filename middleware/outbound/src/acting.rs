//! For whom a request is made: for the caller that is known here, for a caller that is named, or for this service.

use std::sync::Arc;

use http::{Request, request};
use tower_identity_core::{CallerContext, ambient};

#[cfg(feature = "transaction-tokens")]
use tower_identity_oauth::Transaction;

use crate::{about::About, when::Whose};

/// What a request says about for whom it is made. Not said: for the caller in whose scope the code runs.
#[derive(Debug, Clone)]
pub(crate) enum Acting {
    OnBehalfOf(CallerContext),
    AsService,
    /// What it is about, besides for whom it is made.
    #[cfg(feature = "transaction-tokens")]
    About(Arc<About>, Option<Box<Self>>),
}

/// For whom a request is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom<'a> {
    /// For the caller in whose scope the code runs, if any.
    InScope,
    Caller(&'a CallerContext),
    Service,
}

impl Acting {
    #[inline]
    pub(crate) fn whom(acting: Option<&Self>) -> Whom<'_> {
        match acting {
            None => Whom::InScope,
            Some(Self::OnBehalfOf(caller)) => Whom::Caller(caller),
            Some(Self::AsService) => Whom::Service,
            #[cfg(feature = "transaction-tokens")]
            Some(Self::About(_, whom)) => Self::whom(whom.as_deref()),
        }
    }

    /// What the request says of its transaction.
    #[inline]
    pub(crate) fn about(acting: Option<&Self>) -> Option<&Arc<About>> {
        match acting {
            #[cfg(feature = "transaction-tokens")]
            Some(Self::About(about, _)) => Some(about),
            _ => None,
        }
    }

    /// For whom, said of a request that says this already: what it is about stays.
    #[cfg_attr(
        not(feature = "transaction-tokens"),
        expect(clippy::needless_pass_by_value, reason = "there is nothing to keep of it")
    )]
    pub(crate) fn after(self, before: Option<Self>) -> Self {
        match before {
            #[cfg(feature = "transaction-tokens")]
            Some(Self::About(about, _)) => Self::About(about, Some(Box::new(self))),
            _ => self,
        }
    }

    /// What it is about, said of a request that says this already: for whom stays.
    #[cfg(feature = "transaction-tokens")]
    pub(crate) fn in_transaction(transaction: Transaction, before: Option<Self>) -> Self {
        let whom = match before {
            Some(Self::About(_, whom)) => whom,
            whom => whom.map(Box::new),
        };
        Self::About(Arc::new(About::new(transaction)), whom)
    }

    /// Takes it out of a request: what it holds is for us and not for whoever comes after us.
    #[inline]
    pub(crate) fn take(extensions: &mut http::Extensions) -> Option<Self> {
        extensions.remove()
    }

    /// For whom a request is made that says this, where that decides which row it gets. Reads the scope.
    pub(crate) fn whose(acting: Option<&Self>) -> Whose {
        let in_scope;
        let caller = match Self::whom(acting) {
            Whom::Service => return Whose::Service,
            Whom::Caller(caller) => Some(caller),
            Whom::InScope => {
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

    /// What the transaction is about that begins with this request, in the place of what the target's row
    /// [says](crate::TransactionToken::transaction) of it: its token is of no other request, unless that says the same. A target that
    /// takes no transaction tokens refuses the request, and so does one where a transaction token goes on that began elsewhere.
    #[cfg(feature = "transaction-tokens")]
    #[must_use]
    fn transaction(self, transaction: &Transaction) -> Self;
}

/// What is said of requests, kept among their extensions.
fn say(extensions: &mut http::Extensions, acting: impl FnOnce(Option<Acting>) -> Acting) {
    let before = extensions.remove();
    extensions.insert(acting(before));
}

impl<B> RequestExt for Request<B> {
    fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        say(self.extensions_mut(), |before| Acting::OnBehalfOf(caller.clone()).after(before));
        self
    }

    fn as_service(mut self) -> Self {
        say(self.extensions_mut(), |before| Acting::AsService.after(before));
        self
    }

    #[cfg(feature = "transaction-tokens")]
    fn transaction(mut self, transaction: &Transaction) -> Self {
        say(self.extensions_mut(), |before| Acting::in_transaction(transaction.clone(), before));
        self
    }
}

/// A builder that has failed already has no extensions, and makes no request.
impl RequestExt for request::Builder {
    fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        if let Some(extensions) = self.extensions_mut() {
            say(extensions, |before| Acting::OnBehalfOf(caller.clone()).after(before));
        }
        self
    }

    fn as_service(mut self) -> Self {
        if let Some(extensions) = self.extensions_mut() {
            say(extensions, |before| Acting::AsService.after(before));
        }
        self
    }

    #[cfg(feature = "transaction-tokens")]
    fn transaction(mut self, transaction: &Transaction) -> Self {
        if let Some(extensions) = self.extensions_mut() {
            say(extensions, |before| Acting::in_transaction(transaction.clone(), before));
        }
        self
    }
}

#[cfg(feature = "tonic")]
impl<M> RequestExt for tonic::Request<M> {
    fn on_behalf_of(mut self, caller: &CallerContext) -> Self {
        say(self.extensions_mut(), |before| Acting::OnBehalfOf(caller.clone()).after(before));
        self
    }

    fn as_service(mut self) -> Self {
        say(self.extensions_mut(), |before| Acting::AsService.after(before));
        self
    }

    #[cfg(feature = "transaction-tokens")]
    fn transaction(mut self, transaction: &Transaction) -> Self {
        say(self.extensions_mut(), |before| Acting::in_transaction(transaction.clone(), before));
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
