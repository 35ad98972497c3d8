//! What the demo's services say to each other over gRPC: messages, servers' traits and clients, generated from `proto/`.
//!
//! The generated code is kept here, so that building the demo takes neither `protoc` nor a generator. A test generates
//! it anew, and fails where it is not the same.

/// Payments: charging users, and telling them what they were charged.
pub mod payments {
    include!("payments.v1.rs");
}
