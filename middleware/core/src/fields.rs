//! The header fields that speak of an identity, in every spelling of their names.
//!
//! Gateways, proxies and meshes tell the services behind them who is calling by header fields. A service that believes
//! such a field believes whoever can set it: so none is taken from outside, and none is handed on to a target, which
//! learns who is calling from its token.

mod identity;
mod listed;
mod pattern;
mod plain_name;

pub use self::{
    identity::{CREDENTIALS, IDENTITY, Identity},
    listed::{is_credential, is_identity},
    pattern::{Pattern, same},
    plain_name::{MAX_PLAIN_NAME_BYTES, is_plain_name},
};
