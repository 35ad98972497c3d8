//! The error of handlers.

use std::{error::Error, fmt};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use tower_identity_core::Refusal;
use tower_identity_inbound::{Asked, decision};

/// What a handler answers when it fails: any error becomes one by `?`, and is rendered as a problem (RFC 9457).
///
/// Where a [`Refusal`] is among the causes, the answer is that refusal's: the outage of an authorization server found
/// out while calling on is 503, a missing right of the caller is 403. Any other error is 500. The text of the error is
/// never part of the answer; it is logged with its causes, under the correlation id that the answer carries.
///
/// ```
/// use axum_identity::Problem;
///
/// fn read(text: &str) -> Result<u32, Problem> {
///     Ok(text.parse()?)
/// }
/// assert!(read("x").is_err_and(|problem| problem.refusal().is_none()));
/// ```
///
/// It does not implement [`Error`] itself, which is what allows the conversion from all that do.
pub struct Problem(pub(crate) Box<dyn Error + Send + Sync>);

impl Problem {
    /// From an error that is boxed already, which `?` cannot convert: `map_err(Problem::boxed)?`.
    #[must_use]
    pub fn boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }

    /// The refusal among the error and its causes, if there is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        Refusal::find(&*self.0)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        decision::fail(&*self.0, &Asked::default()).map(Body::from)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Problem").field(&self.0).finish()
    }
}
