//! Where log lines go.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Writes log lines to standard error: those that `RUST_LOG` asks for, or else those of `default`, in its syntax.
/// In color on a terminal, unless `NO_COLOR` is set.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colored = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(colored).init();
}
