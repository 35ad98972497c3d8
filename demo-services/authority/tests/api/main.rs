//! The authority over real HTTP: every requirement that it keeps, beside the request that breaks it.

mod chaining;
mod client_assertion;
mod embedded;
mod entra;
mod exchange;
mod introspection;
mod keycloak;
mod metadata;
mod revocation;
mod settings;
mod sign_in;
mod slow;
mod support;
mod token_endpoint;
mod transaction;
mod trust_domain;
