//! This room against real servers on loopback.

mod discovery;
mod introspection;
mod own_token;
mod support;
mod telemetry;
mod token_request;
mod transport;
