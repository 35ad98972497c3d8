//! What authentication leaves in a request.

use http::Extensions;
use tower_identity_core::{CallerContext, Refusal, RefusalKind};

use crate::observed::Observed;

/// The answer to "who is calling" that [`AuthLayer`](crate::AuthLayer) leaves in every request that it lets through:
/// the one extension that rules and extractors read.
///
/// Its absence is not anonymity. It means that no layer asked, and is answered as a wiring error (500).
#[derive(Debug, Clone)]
pub enum Inbound {
    /// The request presents no credential, and the layer is [optional](crate::AuthLayer::optional).
    Anonymous,
    /// The request presents a credential that holds.
    Caller(CallerContext),
}

impl Inbound {
    /// What authentication left in these extensions.
    ///
    /// # Errors
    ///
    /// [`RefusalKind::Misconfigured`] when no authentication has taken place.
    pub fn of(extensions: &Extensions) -> Result<&Self, Refusal> {
        extensions.get().ok_or_else(|| {
            let missing = match extensions.get::<Observed>() {
                None => "no AuthLayer has seen this request: it must be outside of whatever asks for the caller",
                Some(_) => "the AuthLayer that has seen this request only observes, and leaves no caller",
            };
            Refusal::new(RefusalKind::Misconfigured, "wiring").detail(missing)
        })
    }

    /// The same caller at its own word, for what stands behind a rule that has let it through by that.
    pub(crate) fn at_its_word(&self) -> Option<Self> {
        let caller = self.caller().filter(|context| !context.counts_together())?;
        Some(Self::Caller(caller.at_its_word()))
    }

    /// The caller, where there is one.
    #[must_use]
    pub fn caller(&self) -> Option<&CallerContext> {
        match self {
            Self::Anonymous => None,
            Self::Caller(context) => Some(context),
        }
    }
}
