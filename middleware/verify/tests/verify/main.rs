//! The verifier, against an issuer on loopback and a clock that stands still.

mod attributes;
mod bearer;
mod bound;
mod building;
mod certificates;
mod details;
mod encrypted;
mod events;
mod evidence;
mod explain;
mod feed;
mod hand_off;
mod issuers;
mod keys;
mod kinds;
mod opaque;
mod outage;
mod profiles;
mod remembered;
mod replaced;
mod revoked;
mod self_asserted;
mod support;
mod tenants;
mod transactions;
mod two;
