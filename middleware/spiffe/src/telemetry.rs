//! What the operator is told of the Workload API. Never a key.

use spiffe::WorkloadApiError;
use tower_identity_core::WithCauses;

/// The target of every event.
const TARGET: &str = "tower_identity::workload_api";

/// The agent has sent certificates and bundles: of this many trust domains.
pub(crate) fn updated(endpoint: &str, id: &str, bundles: usize) {
    tracing::info!(target: TARGET, endpoint, id, bundles, "workload updated");
}

/// The agent is out of reach, or sends nothing that can be used: the last that it sent stays.
pub(crate) fn failed(endpoint: &str, error: &WorkloadApiError) {
    tracing::warn!(target: TARGET, endpoint, error = %WithCauses(error), "workload not updated");
}
