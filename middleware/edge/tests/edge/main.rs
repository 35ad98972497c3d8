//! The edge, through what it exports.

mod endpoint;
mod keys;
mod mint;
mod support;
