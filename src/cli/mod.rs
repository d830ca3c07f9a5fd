//! The commands: one file each.

mod check_config;
mod client;
mod dead_letters;
mod demo;
mod doctor;
mod log;
mod man;
pub mod postgres;
mod receive;
mod replay;
mod resync;
mod run;
mod setup;
mod status;
mod tail;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::admin::lines;
use crate::settings::{InvalidSettings, Settings, Sources, load, spool_path};

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

/// Exit statuses, as scripts rely on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong use.
    Usage = 64,
    /// Postgres or the running sidecar cannot be reached.
    Unreachable = 69,
    /// A setting or SQL must cure it.
    Refused = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
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
    match command {
        Command::Run => with(sources, |settings| run::run(settings, sources.clone())),
        Command::Setup(args) => with(sources, |settings| setup::setup(&settings, &args)),
        Command::Teardown(args) => with(sources, |settings| setup::teardown(&settings, &args)),
        Command::Doctor => with(sources, |settings| doctor::doctor(&settings)),
        Command::CheckConfig => check_config::check(sources),
        Command::Config => check_config::show(sources),
        Command::Status(args) => at_spool(sources, |spool| status::status(spool, &args)),
        Command::Tail(args) => at_spool(sources, |spool| tail::tail(spool, &args)),
        Command::Replay(args) => at_spool(sources, |spool| replay::replay(spool, &args)),
        Command::DeadLetters(args) => at_spool(sources, |spool| dead_letters::dead_letters(spool, &args)),
        Command::Resync(args) => at_spool(sources, |spool| resync::resync(spool, &args)),
        Command::Receive(args) => receive::receive(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Healthcheck => at_spool(sources, status::healthcheck),
        Command::Completions { shell } => man::completions(shell),
        Command::Man(args) => man::man(&args),
    }
}

/// Reads the settings, or says what is wrong with them.
fn with(sources: &Sources, command: impl FnOnce(Settings) -> Exit) -> Exit {
    match load(sources) {
        Ok(settings) => command(settings),
        Err(wrong) => refuse(&wrong),
    }
}

/// Finds the running sidecar, or says what is wrong with where it should be.
fn at_spool(sources: &Sources, command: impl FnOnce(&Path) -> Exit) -> Exit {
    match spool_path(sources) {
        Ok(path) => command(&path),
        Err(wrong) => refuse(&wrong),
    }
}

fn refuse(wrong: &InvalidSettings) -> Exit {
    eprintln!("wrong settings:");
    for sentence in &wrong.0 {
        complain(format_args!("  {sentence}"));
    }
    Exit::Refused
}

/// Writes to standard output, nothing in it that acts on a terminal. A reader that went away early is no
/// error of ours.
fn say(text: impl std::fmt::Display) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(lines(&text.to_string()).as_bytes());
}

/// The same to standard error, as a line of its own.
fn complain(text: impl std::fmt::Display) {
    eprintln!("{}", lines(text.to_string().trim_end_matches('\n')));
}

/// Runs `work` on a runtime of its own.
fn block_on(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("start the runtime: {error}");
            Exit::Failed
        }
    }
}

const AFTER_HELP: &str = "\
First steps:
  sidecar demo --seconds 30        see it work, on a temporary Postgres
  sidecar check-config             are the settings right?
  sidecar doctor                   is the database?
  sidecar run                      go

The settings' file of the repository, sidecar.toml, is the manual of every setting.
Exit status: 0 done; 1 failed; 64 wrong use; 69 Postgres or the running sidecar cannot be reached;
78 what a setting or SQL must cure.";

/// A table without lines: columns are aligned, and a line is a row, whatever the width of the terminal.
fn table<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    table
}
