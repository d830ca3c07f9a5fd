//! The commands: one file each, and the arguments that they share.
//!
//! The commands use `client` (the running sidecar), `exit`, `output` and `runtime`, and nothing of this file.

mod client;
mod config;
mod dead_letters;
mod demo;
mod doctor;
mod exit;
mod log;
mod man;
mod output;
mod receive;
mod replay;
mod resync;
mod run;
mod runtime;
mod setup;
mod status;
mod tail;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::exit::Exit;
use self::output::print_error;
use crate::settings::{InvalidSettings, Settings, Sources, load, show, spool_path};

/// Webhooks for the documents table of a Postgres database, with no change to the application.
///
/// Runs beside the database, reads the changes of one table from a logical replication slot, and POSTs
/// what became of each document to the webhooks of its project.
#[derive(Debug, Parser)]
#[command(name = "sidecar", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The settings' file [default: ./sidecar.toml where it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Sets one setting, before file and environment; may be repeated
    #[arg(long, global = true, value_name = "SECTION.NAME=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run: read changes, deliver webhooks, until SIGTERM
    #[command(after_help = run::AFTER_HELP)]
    Run,
    /// Make the publication and the slot, or print the SQL that does
    Setup(setup::Args),
    /// Remove the slot and the publication
    Teardown(setup::Args),
    /// Connect and check everything that can be wrong before it is
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor,
    /// Check the settings without connecting
    CheckConfig,
    /// Show the settings in force, each with where it came from; secrets are left out
    Config,
    /// Slot, lag, lanes and spool of the running sidecar
    Status(status::Args),
    /// Print the running sidecar's records as NDJSON, as they are made
    Tail(tail::Args),
    /// Send again what was sent, from an LSN or a time on
    #[command(after_help = replay::AFTER_HELP)]
    Replay(replay::Args),
    /// Look at what was given up, send it once more, or drop it
    #[command(after_help = dead_letters::AFTER_HELP)]
    DeadLetters(dead_letters::Args),
    /// Compare the table with what is remembered of it, and send the differences
    #[command(after_help = resync::AFTER_HELP)]
    Resync(resync::Args),
    /// A receiver that prints what comes
    #[command(after_help = receive::AFTER_HELP)]
    Receive(receive::Args),
    /// Everything, on a temporary Postgres with made-up documents
    Demo(demo::Args),
    /// Exit 0 where the running sidecar is ready
    Healthcheck,
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page a command
    Man(man::Args),
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let sources = Sources { file: cli.config, set: cli.set };
    dispatch(cli.command, &sources).into()
}

fn dispatch(command: Command, sources: &Sources) -> Exit {
    let with_settings = |command: &dyn Fn(Settings) -> Exit| if_valid(load(sources), command);
    let with_spool = |command: &dyn Fn(&Path) -> Exit| if_valid(spool_path(sources), |path| command(&path));
    match command {
        Command::Run => with_settings(&|settings| run::run(settings, sources.clone())),
        Command::Setup(args) => with_settings(&|settings| setup::setup(&settings, &args)),
        Command::Teardown(args) => with_settings(&|settings| setup::teardown(&settings, &args)),
        Command::Doctor => with_settings(&|settings| doctor::doctor(&settings)),
        Command::CheckConfig => with_settings(&|settings| config::check(&settings)),
        Command::Config => if_valid(show(sources), |shown| config::print_settings(&shown)),
        Command::Status(args) => with_spool(&|spool| status::status(spool, &args)),
        Command::Tail(args) => with_spool(&|spool| tail::tail(spool, &args)),
        Command::Replay(args) => with_spool(&|spool| replay::replay(spool, &args)),
        Command::DeadLetters(args) => with_spool(&|spool| dead_letters::dead_letters(spool, &args)),
        Command::Resync(args) => with_spool(&|spool| resync::resync(spool, &args)),
        Command::Receive(args) => receive::receive(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Healthcheck => with_spool(&status::healthcheck),
        Command::Completions { shell } => man::print_completions(&mut Cli::command(), shell),
        Command::Man(args) => man::man(Cli::command(), &args),
    }
}

/// Runs `command` with what was read of the settings, or prints why they are invalid.
fn if_valid<T>(read: Result<T, InvalidSettings>, command: impl FnOnce(T) -> Exit) -> Exit {
    match read {
        Ok(read) => command(read),
        Err(invalid) => {
            eprintln!("wrong settings:");
            for sentence in &invalid.0 {
                print_error(format_args!("  {sentence}"));
            }
            Exit::Refused
        }
    }
}

const AFTER_HELP: &str = "\
First steps:
  sidecar demo --seconds 30        see it work, on a temporary Postgres
  sidecar check-config             are the settings right?
  sidecar doctor                   is the database?
  sidecar run                      go

The settings' file of the repository, sidecar.toml, documents every setting.
Exit status: 0 done; 1 failed; 64 wrong use; 69 Postgres or the running sidecar cannot be reached;
78 a setting or the database must be corrected first.";
