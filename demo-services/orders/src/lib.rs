//! The demo shop's orders: the middle of the mesh. By day it calls on for the user, at night for itself.
//!
//! | endpoint | who may |
//! |---|---|
//! | `GET /prices` | a user, with `prices:read` |
//! | `POST /orders` | a user, with `orders:write`: charges the user's money at payments, and asks a partner first whether the user is good for a large sum |
//! | `GET /orders` | a user, with `orders:read`: their own orders |
//! | `GET /statement` | a user, with `orders:read`: what payments charged them, which it tells over gRPC |
//! | `GET /trace` | a user, with `orders:read`: whom orders saw, and whom payments saw when called for the same user |
//! | `GET /whoami` | whoever was authenticated: answers whom it saw |
//! | `POST /security-events` | whoever has an event that the authority has signed: what is revoked there ends here |
//! | `POST /settlements/run` | this machine: runs the nightly settlement now, as the service itself |

mod app;
mod basket;
mod book;
mod nightly;
mod orders;
mod statements;

pub use self::{
    app::{OrdersSettings, app, run},
    basket::Price,
    orders::{CreditSettings, Orders},
    statements::Statements,
};
