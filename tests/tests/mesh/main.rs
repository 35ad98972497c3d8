//! One test binary over the whole house: real services, real HTTP on loopback, real signatures.

mod ambient;
mod backends;
mod demo;
mod door;
mod house;
mod leaks;
mod mixing;
#[cfg(unix)]
mod processes;
mod refusals;
mod replay;
mod servers;
