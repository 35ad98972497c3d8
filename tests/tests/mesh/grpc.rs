//! The layers under a server of tonic, over real HTTP/2: what its clients get, and what is on the wire.

mod calls;
mod channel;
mod ready;
mod scopes;
mod till;
mod wire;
