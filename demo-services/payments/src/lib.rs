//! The demo shop's payments: the leaf of the mesh. It calls nobody, and lists who may call it.
//!
//! | over HTTP | over gRPC, `payments.v1.Payments` | who may |
//! |---|---|---|
//! | `POST /charges` | `Charge` | the listed callers, for a user, with `payments:charge` |
//! | | `Statement` | the listed callers, for a user, with `payments:read` |
//! | `POST /settlements` | | the listed callers, for nobody, with `payments:settle` |
//! | `GET /whoami` | | the listed callers, or, while that is only observed, whoever was authenticated: answers whom it saw |
//! | `POST /security-events` | | whoever has an event that the authority has signed: what is revoked there ends here |
//!
//! Both at one address: a listener tells HTTP/2 from HTTP/1.1 by its first bytes.

mod app;
mod grpc;
mod ledger;

pub use self::{
    app::{Enforcement, PaymentsSettings, app, run},
    ledger::Ledger,
};
