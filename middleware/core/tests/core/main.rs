//! What every room takes for granted of core: whose scope code runs in, how a principal reads, how a refusal is found.

mod ambient;
mod ended;
mod principal;
mod refusal;
mod revocation;
mod standing;
mod support;
mod token;
