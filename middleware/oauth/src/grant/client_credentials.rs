//! This client's own token.

use form_urlencoded::Serializer;

use super::TargetService;

/// A token of our own (RFC 6749 §4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    pub(super) target: TargetService,
}

impl ClientCredentials {
    /// A token of our own for this service.
    #[must_use]
    pub fn new(target: TargetService) -> Self {
        Self { target }
    }

    pub(super) fn append_to(&self, form: &mut Serializer<'_, String>) {
        form.append_pair("grant_type", "client_credentials");
        self.target.append_to(form);
    }
}
