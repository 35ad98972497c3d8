//! Transaction tokens of a test issuer.

use super::TestIssuer;
use crate::TokenBuilder;

impl TestIssuer {
    /// A valid [transaction token](TokenBuilder::transaction_token) of this trust domain, signed with this issuer's key for a
    /// request of this workload, to be changed at will.
    pub fn transaction_token(&self, trust_domain: impl AsRef<str>, requested_by: impl AsRef<str>) -> TokenBuilder {
        TokenBuilder::transaction_token(trust_domain, requested_by, &self.key(), self.shared.clock.wall())
    }
}
