//! This room against real servers on loopback.

mod breaker;
mod certificates;
mod chained;
mod client_auth;
#[cfg(unix)]
mod client_files;
mod discovery;
mod endpoints;
mod grants;
mod introspection;
mod line;
mod own_token;
mod retries;
mod support;
mod telemetry;
mod token_request;
mod transport;
