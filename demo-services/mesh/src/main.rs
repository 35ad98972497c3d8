//! `mesh` starts the demo mesh and runs until Ctrl-C; `mesh demo` walks the story and ends; `mesh token inspect` says
//! what a service makes of a token; `mesh blast-radius` says how far a thief gets; `mesh simulate` reckons how often a
//! fleet asks its authorization server.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind, parser::ValueSource};
use demo_kit::{StartError, log, program};
use demo_mesh::{
    Addresses, Inspect, InspectError, Invitation, Mesh, Page, Variation,
    blast_radius::{BlastRadius, BlastRadiusError},
    simulation::Simulate,
    story,
};
use tower_identity::WithCauses;

/// The files in this repository, wherever the command is run from.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../settings");

const OPTION: &str = "--port-base";

/// The demo mesh: an authorization server, a storefront, orders, payments, and a partner.
#[derive(Parser)]
#[command(name = "mesh")]
struct Arguments {
    /// The directory with the settings files
    #[arg(long, value_name = "DIRECTORY", default_value = SETTINGS, hide_default_value = true, global = true)]
    settings: PathBuf,
    /// Listen at five ports from this one on; 0 is whatever is free
    #[arg(long, value_name = "PORT", global = true)]
    port_base: Option<u16>,
    /// Listen on this address, which has to be one of this machine only
    #[arg(long, value_name = "ADDRESS", global = true)]
    listen: Option<IpAddr>,
    #[command(flatten)]
    variation: Variation,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Walk through what the mesh refuses and allows, at ports that are free
    Demo,
    /// Look at tokens
    #[command(subcommand)]
    Token(Token),
    Simulate(Simulate),
    BlastRadius(BlastRadius),
}

#[derive(Subcommand)]
enum Token {
    Inspect(Inspect),
}

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (free, varied) = (arguments.free(), varied(&arguments, &matches));
    let ended = match arguments.command {
        None => serve(&arguments),
        Some(Command::Demo) => demo(&arguments),
        Some(Command::Token(Token::Inspect(inspect))) => return explain(inspect),
        Some(Command::BlastRadius(_)) if arguments.variation.mtls => {
            let rule = "blast-radius goes without --mtls: its thief has no certificate, and gets nowhere";
            Arguments::command().error(ErrorKind::ArgumentConflict, rule).exit()
        }
        Some(Command::BlastRadius(blast_radius)) => return steal(blast_radius, &arguments.settings, varied, free),
        Some(Command::Simulate(simulate)) => simulate.run().map(|()| ExitCode::SUCCESS).map_err(StartError::from),
    };
    ended.unwrap_or_else(|error| error.report())
}

fn serve(arguments: &Arguments) -> Result<ExitCode, StartError> {
    log::init("info");
    tokio::runtime::Runtime::new()?.block_on(async {
        let mesh = Mesh::start_varied(&arguments.settings, arguments.variation, arguments.addresses(), OPTION).await?;
        let interrupted = program::interrupted()?;
        println!("{}", Invitation(&mesh));
        interrupted.await;
        mesh.stop().await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn demo(arguments: &Arguments) -> Result<ExitCode, StartError> {
    // The walk provokes refusals, and prints what comes of them itself.
    log::init("off");
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut mesh = Mesh::start_varied(&arguments.settings, arguments.variation, arguments.free(), OPTION).await?;
        let told = story::tell(&mut mesh, &mut Page::stdout()).await?;
        mesh.stop().await?;
        Ok(if told.is_as_it_has_to_be() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn steal(blast_radius: BlastRadius, settings: &Path, varied: Option<Variation>, free: Addresses) -> ExitCode {
    log::init("off");
    let runtime = tokio::runtime::Runtime::new().map_err(BlastRadiusError::from);
    match runtime.and_then(|runtime| runtime.block_on(blast_radius.run(settings, varied, free, OPTION))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(BlastRadiusError::Start(error)) => error.report(),
        Err(error) => {
            eprintln!("{}", WithCauses(&error));
            ExitCode::FAILURE
        }
    }
}

/// How the mesh is to differ from its files, where that was said.
fn varied(arguments: &Arguments, matches: &ArgMatches) -> Option<Variation> {
    let said = |matches: &ArgMatches| matches.value_source("mode") == Some(ValueSource::CommandLine);
    let mode = said(matches) || matches.subcommand().is_some_and(|(_, matches)| said(matches));
    (mode || arguments.variation.authority_as.is_some()).then_some(arguments.variation)
}

/// Of the exit codes, 1 is for tokens that are refused: whatever else goes wrong ends with 2.
fn explain(inspect: Inspect) -> ExitCode {
    log::init("off");
    let runtime = tokio::runtime::Runtime::new().map_err(InspectError::from);
    runtime.and_then(|runtime| runtime.block_on(inspect.run())).unwrap_or_else(|error| {
        eprintln!("{}", WithCauses(&error));
        ExitCode::from(2)
    })
}

impl Arguments {
    fn addresses(&self) -> Addresses {
        Addresses { ip: self.listen, first_port: self.port_base }
    }

    /// The same, at ports that are free where none is asked for.
    fn free(&self) -> Addresses {
        Addresses { first_port: self.port_base.or(Some(0)), ..self.addresses() }
    }
}
