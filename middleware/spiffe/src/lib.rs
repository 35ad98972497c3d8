//! The certificates and trust bundles of SPIFFE's Workload API, kept up to date.
//!
//! ```text
//! agent ══ Workload API, a stream ══▶ WorkloadApi ──▶ svid:   certificate and key ──▶ ServerTls, ClientAuth
//!                                         │
//!                                         └────────▶ bundle: authorities, one text a trust domain ──▶ CertificateAnchor
//! ```
//!
//! What the agent sends takes the place of what was there, and whoever goes by it follows within some seconds, as it would
//! follow a file: connections and requests that are under way stay as they are. While the agent is out of reach, the last that
//! it sent stays, and it is asked again.
//!
//! | module | what it holds |
//! |---|---|
//! | `workload_api` | [`WorkloadApi`]: the stream, and what it has brought |
//! | `pem` | the same as texts |
//! | `telemetry` | what the operator is told |

mod pem;
mod telemetry;
mod workload_api;

pub use self::workload_api::{NotReady, WorkloadApi};
