//! A service as its own program: `--settings file.toml`, and an exit code that says whose turn it is.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Command, FromArgMatches, Parser};
use serde::Deserialize;
use tower_identity::{LiveSettings, SettingsError, WithCauses};

use crate::{ListenError, Run, Stop, listen, log};

#[derive(Parser)]
struct Arguments {
    /// The service's settings
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// Listen here instead of on the address in the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// The part of `[service]` that all services have.
#[derive(Deserialize)]
struct Listen {
    listen: SocketAddr,
}

/// Why a program did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings break a rule.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address is taken.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No HTTP client can be built.
    #[error("no HTTP client can be built")]
    Client(#[from] reqwest::Error),
    /// The system gives no threads, no signals or no connections.
    #[error("the system does not let the service run")]
    System(#[from] io::Error),
}

impl StartError {
    /// 2 for what the user can set right, in the settings or by an option; 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Listen(_) => 2,
            Self::Client(_) | Self::System(_) => 1,
        }
    }

    /// Writes the error and its causes to standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("{}", WithCauses(self));
        ExitCode::from(self.exit_code())
    }
}

/// The whole of a service's `main`: reads the arguments and the settings, listens, and runs until it is interrupted. Issuers
/// and the names of workloads follow the settings file while it runs.
pub fn main(name: &'static str, about: &'static str, run: Run) -> ExitCode {
    let command = <Arguments as clap::CommandFactory>::command().name(name).about(about);
    let arguments = parse(command);
    log::init("info");
    match start(&arguments, name, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn parse(command: Command) -> Arguments {
    Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

fn start(arguments: &Arguments, name: &'static str, run: Run) -> Result<(), StartError> {
    // Whom the service trusts follows the file for as long as this is there.
    let live = LiveSettings::from_path(&arguments.settings)?;
    let settings = live.settings();
    let address = match arguments.listen {
        Some(address) => address,
        None => settings.section::<Listen>("service")?.listen,
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = listen(address, "--listen, or with listen in [service]").await?;
        let address = listener.local_addr()?;
        let serving = run(settings, listener.with_tls_of(settings)?, interrupted()?)?;
        tracing::info!(%address, "{name} listens");
        live.watch();
        Ok(serving.await?)
    })
}

/// Resolves on Ctrl-C and, on Unix, when the process is asked to terminate. Listens for both from now on, not only once
/// it is awaited.
///
/// # Errors
///
/// When the system gives no signals.
#[cfg(unix)]
pub fn interrupted() -> io::Result<Stop> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }))
}

/// Resolves on Ctrl-C. Listens for it from now on, not only once it is awaited.
///
/// # Errors
///
/// When the system gives no signals.
#[cfg(windows)]
pub fn interrupted() -> io::Result<Stop> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(Box::pin(async move {
        let _ = interrupt.recv().await;
    }))
}

#[cfg(test)]
mod tests {
    use tower_identity::Settings;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_says_whose_turn_it_is() {
        let listen = StartError::System(io::Error::new(io::ErrorKind::AddrInUse, "taken"));
        assert_eq!(WithCauses(&listen).to_string(), "the system does not let the service run: taken");
        assert_eq!(listen.exit_code(), 1);

        let settings = Settings::parse("[service", "orders.toml").expect_err("not TOML");
        let told = settings.to_string();
        let settings = StartError::from(settings);
        assert_eq!((WithCauses(&settings).to_string(), settings.exit_code()), (told, 2));
    }
}
