//! What an extractor answers when it has nothing to give.

use std::{error::Error, fmt};

use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{Extensions, request::Parts};
use tower_identity_core::Refusal;
use tower_identity_inbound::{
    Asked,
    decision::{self, Stage},
};

/// The rejection of every extractor of this crate: a [`Refusal`], answered as the inbound layers answer theirs.
#[derive(Debug)]
pub struct Rejection {
    pub(crate) refusal: Refusal,
    pub(crate) asked: Asked,
}

impl Rejection {
    pub(crate) fn new(refusal: Refusal, parts: &Parts) -> Self {
        Self { refusal, asked: Asked::of(&parts.method, &parts.headers, &parts.extensions) }
    }

    pub(crate) fn within(refusal: Refusal, extensions: &Extensions) -> Self {
        Self { refusal, asked: Asked::within(extensions) }
    }

    /// Why there is nothing to extract.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        decision::refuse(Stage::Extractor, &self.refusal, &self.asked).map(Body::from)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request has no such caller")
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.refusal)
    }
}
