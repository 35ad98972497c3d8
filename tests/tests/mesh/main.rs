//! One test binary over the whole house: real services, real HTTP on loopback, real signatures.

mod ambient;
mod house;

mod mixing;
mod refusals;
mod servers;
