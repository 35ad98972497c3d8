//! The room as its users see it: a real token endpoint, a real target, and what goes between.

#![cfg(feature = "reqwest")]

mod acting;
mod both;
mod build;
mod candidate;
mod chaining;
mod clients;
mod contract;
mod deadline;
mod embedded;
mod fail_closed;
mod faults;
mod flights;
mod grants;
mod hand_off;
mod issued;
mod layer;
mod lifetime;
mod on_behalf_of;
mod on_its_way;
mod outage;
mod own_token;
mod partition;
mod plain_user;
mod relay;
mod replace;
mod retries;
#[cfg(feature = "retry")]
mod retry_policy;
mod revoked;
mod rotation;
mod secrets;
mod signed;
mod slow;
mod strangers;
mod support;
#[cfg(feature = "transaction-tokens")]
mod transaction;
mod unlisted;
