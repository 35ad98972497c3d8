//! This room against real servers on loopback.

mod discovery;
mod support;
mod telemetry;
mod token_request;
mod transport;
