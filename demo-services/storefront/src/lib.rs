//! The demo shop's storefront: the edge of the mesh. Users arrive here, and every call to orders is made for them.
//!
//! | endpoint | who may |
//! |---|---|
//! | `GET /products` | a user, with `catalog:read` |
//! | `POST /orders` | a user, with `orders:write` |
//! | `GET /orders` | a user, with `orders:read`: their own orders |
//! | `GET /orders/events` | a user, with `orders:read`: a stream of events, one when an order of theirs is placed |
//! | `GET /statement` | a user, with `orders:read`: what they were charged |
//! | `GET /trace` | a user, with `orders:read`: whom each service saw, from here to payments |
//! | `GET /whoami` | whoever was authenticated: answers whom it saw |
//! | `POST /security-events` | whoever has an event that the authority has signed: what is revoked there ends here |

mod app;
mod news;

pub use self::app::{Storefront, StorefrontSettings, app, run};
