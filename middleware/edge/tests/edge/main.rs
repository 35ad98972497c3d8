//! The edge, through what it exports.

mod answers;
mod encrypted;
mod endpoint;
mod exchange;
mod keys;
mod layer;
mod listeners;
mod mint;
mod sessions;
mod support;
mod through;
