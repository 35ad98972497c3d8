//! The demo shop's payments: the leaf of the mesh. It calls nobody, and lists who may call it.
//!
//! | endpoint | who may |
//! |---|---|
//! | `POST /charges` | the listed callers, for a user, with `payments:charge` |
//! | `POST /settlements` | the listed callers, for nobody, with `payments:settle` |
//! | `GET /whoami` | whoever was authenticated: answers whom it saw |

mod app;
mod ledger;

pub use self::{
    app::{PaymentsSettings, app, run},
    ledger::Ledger,
};
