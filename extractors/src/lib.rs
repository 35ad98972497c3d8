//! Caller and its kin as axum extractors, and Problem for handlers
