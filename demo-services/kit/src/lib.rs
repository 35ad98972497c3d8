//! What every demo service shares: being started from a file, listening, stopping, and saying who it sees.
//!
//! ```text
//! main ── program::main ──▶ Settings (a file) ──▶ listen ──▶ the service's run(settings, listener, stop) ──▶ serve
//! ```
//!
//! A service's `run` checks its settings when it is called and serves when it is awaited: whoever starts several of
//! them (the `mesh` command) calls all before it awaits one, and nothing starts from a file that is wrong.
//!
//! | module | what it holds |
//! |---|---|
//! | [`program`] | a service as its own program: arguments, exit codes |
//! | `listen` | binding an address, or saying which option changes it |
//! | `serve` | serving until told to stop |
//! | [`log`] | where log lines go |
//! | `local` | whether somebody at this machine asks |
//! | `open` | what is open beside what a service guards: metadata (RFC 9728), and the endpoint of events (RFC 8935) |
//! | `call` | calling the next service |
//! | `watch` | watching what a service is asked and how it answers, for demonstrations |
//! | `hop` | `whoami` and `trace`: what one service saw of a request |

mod call;
mod hop;
mod listen;
mod local;
pub mod log;
mod open;
pub mod program;
mod serve;
mod watch;

pub use self::{
    call::{CALL_TIMEOUT, http_client},
    hop::{Hop, whoami},
    listen::{ListenError, Listener, listen},
    local::is_from_this_machine,
    open::with_open_routes,
    program::StartError,
    serve::{Run, Serving, Stop, serve},
    watch::Watch,
};
