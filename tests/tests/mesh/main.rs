//! One test binary over the whole house: real services, real HTTP on loopback, real signatures.

mod ambient;
mod answers;
mod backends;
mod both_sides;
mod browsers;
mod certificates;
mod demo;
mod door;
mod edge;
mod edge_file;
mod embedded;
mod foreign;
mod grpc;
mod house;
#[cfg(unix)]
mod interop;
mod leaks;
mod long_requests;
mod mixing;
mod observe;
mod one_table;
mod open_routes;
#[cfg(unix)]
mod processes;
mod refusals;
mod reload;
mod replay;
mod revocation;
mod revoke_now;
mod servers;
mod step_up;
mod telemetry;
mod two_servers;
mod wire;
#[cfg(unix)]
mod workload_api;
