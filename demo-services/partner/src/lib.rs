//! A partner of the demo shop, in a trust domain of its own: a credit check, and the authorization server that says who
//! may ask for one.
//!
//! The shop's users are nobody here. Its authorization server is trusted to name them, in a grant for this one (RFC 7523,
//! draft-ietf-oauth-identity-chaining), which knows some of them under names of its own, and issues what the credit
//! check accepts.
//!
//! | endpoint | who may |
//! |---|---|
//! | `POST /checks` | the listed callers, for a user, with `credit:check`: whether that user is good for so much |
//! | `GET /whoami` | whoever was authenticated: answers whom it saw |
//! | `POST /token`, and the rest of [the authority's](demo_authority) | its clients: tokens for grants |

mod app;

pub use self::app::{Credit, PartnerSettings, app, run};
