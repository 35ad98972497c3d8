//! Looser than calling on should be. Everything here is named where it is used, and told of when it is listed.

pub use crate::strategy::PlainUser;
