//! The verifier, against an issuer on loopback and a clock that stands still.

mod bearer;
mod building;
mod issuers;
mod keys;
mod outage;
mod support;
