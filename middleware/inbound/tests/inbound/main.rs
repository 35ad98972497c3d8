//! The inbound room through its public face: what is presented, what a rule says, what a peer is told, and the layers
//! driven by hand.

mod auth;
mod bad_input;
mod beside;
mod bound;
mod calling;
mod certificates;
mod challenges;
mod contradictions;
mod counting;
mod cross_site;
mod deferred;
mod development;
mod edge;
mod error_map;
mod events;
mod files;
mod forward_auth;
mod left_out;
mod named;
mod observe;
mod parts;
mod plain_user;
mod presented;
mod remembered;
mod replaced;
mod require;
mod resource;
mod rules;
mod security_events;
mod self_asserted;
mod sign_in;
mod sources;
mod streams;
mod support;
mod transactions;
