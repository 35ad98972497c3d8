//! The listener, by real connections to a service behind it and a clock that stands still.

mod callers;
mod client;
mod clients;
mod counting;
mod files;
mod handshakes;
mod support;
