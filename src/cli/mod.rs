//! The commands: one file each, and the arguments that they share.
//!
//! The commands use `client` (the running sidecar), `exit`, `output` and `runtime`, and nothing of this file.

mod audit;
mod batch_lines;
mod client;
mod config;
mod dead_letters;
mod deliveries;
mod delivery_acts;
mod delivery_filter;
mod demo;
mod doctor;
mod exit;
mod hand_over;
mod jobs;
mod log;
mod man;
mod openapi;
mod output;
mod receive;
mod records;
mod replay;
mod resync;
mod run;
mod runtime;
mod setup;
mod status;
mod tail;
mod tokens;
mod webhooks;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::exit::Exit;
use self::output::print_error;
use crate::settings::{InvalidSettings, Settings, Sources, load, show, spool_path};

/// Webhooks for the documents table of a Postgres database, with no change to the application.
///
/// sidecar runs beside the database. It reads the changes of one table from a logical replication slot, keeps
/// them on disk in its spool, and POSTs a record of each changed document to the webhooks of its project.
#[derive(Debug, Parser)]
#[command(name = "sidecar", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Settings file [default: ./sidecar.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Override one setting, as in `--set batch.wait_max_ms=100`; repeatable
    #[arg(long, global = true, value_name = "SECTION.NAME=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service: read changes and send webhooks until SIGTERM
    #[command(after_help = run::AFTER_HELP)]
    Run,
    /// Create the publication and the replication slot, or print the SQL for it
    #[command(after_help = setup::AFTER_HELP)]
    Setup(setup::Args),
    /// Drop the replication slot and the publication, or print the SQL for it
    #[command(after_help = setup::TEARDOWN_AFTER_HELP)]
    Teardown(setup::Args),
    /// Check server, table, disk and webhooks, and print how to fix each problem
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor,
    /// Check the settings without connecting to anything
    #[command(after_help = config::CHECK_AFTER_HELP)]
    CheckConfig,
    /// Show the effective settings, each with its source; secrets are redacted
    #[command(after_help = config::AFTER_HELP)]
    Config,
    /// Show slot, lag, lanes and spool of the running sidecar
    #[command(after_help = status::AFTER_HELP)]
    Status(status::Args),
    /// Print the running sidecar's records as NDJSON, as they are made
    #[command(after_help = tail::AFTER_HELP)]
    Tail(tail::Args),
    /// Send settled records again, from an LSN or a time on
    #[command(after_help = replay::AFTER_HELP)]
    Replay(replay::Args),
    /// List and show batches with their attempts, or search for them
    #[command(after_help = deliveries::AFTER_HELP)]
    Deliveries(deliveries::Args),
    /// Print the records of one webhook, in the bodies that it gets
    #[command(after_help = records::AFTER_HELP)]
    Records(records::Args),
    /// List, follow or cancel requests that take long
    #[command(after_help = jobs::AFTER_HELP)]
    Jobs(jobs::Args),
    /// Say what became of one document, and why
    #[command(after_help = why::AFTER_HELP)]
    Why(why::Args),
    /// Print a text for the owner of a receiver: what fails, how to repeat it, what mends it
    #[command(after_help = hand_over::AFTER_HELP)]
    HandOver(hand_over::Args),
    /// List, show, redeliver or discard dead letters
    #[command(after_help = dead_letters::AFTER_HELP)]
    DeadLetters(dead_letters::Args),
    /// List, set, pause, skip or test webhooks while the sidecar runs
    #[command(after_help = webhooks::AFTER_HELP)]
    Webhooks(webhooks::Args),
    /// Make, list or revoke tokens for the port
    #[command(after_help = tokens::TOKENS_AFTER_HELP)]
    Tokens(tokens::TokenArgs),
    /// Make, list or revoke one-time links to the page
    #[command(after_help = tokens::LINKS_AFTER_HELP)]
    Links(tokens::LinkArgs),
    /// Show what was changed by whom
    #[command(after_help = audit::AFTER_HELP)]
    Audit(audit::Args),
    /// Compare the table with the shadow, and send the differences
    #[command(after_help = resync::AFTER_HELP)]
    Resync(resync::Args),
    /// Run a test receiver that prints the records it gets
    #[command(after_help = receive::AFTER_HELP)]
    Receive(receive::Args),
    /// Run everything on a temporary Postgres with generated documents
    #[command(after_help = demo::AFTER_HELP)]
    Demo(demo::Args),
    /// Exit 0 if the running sidecar is ready; otherwise print the reasons and exit 1
    #[command(after_help = status::HEALTHCHECK_AFTER_HELP)]
    Healthcheck,
    /// Print the description of the API (OpenAPI), or the JSON schema of a body
    #[command(after_help = openapi::AFTER_HELP)]
    Openapi(openapi::Args),
    /// Print the completion script for a shell
    #[command(after_help = man::COMPLETIONS_AFTER_HELP)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page per command
    #[command(after_help = man::AFTER_HELP)]
    Man(man::Args),
}

/// Parses the arguments and runs the command.
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
        Command::Records(args) => with_spool(&|spool| records::records(spool, &args)),
        Command::Jobs(args) => with_spool(&|spool| jobs::jobs(spool, &args)),
        Command::Why(args) => with_spool(&|spool| why::why(spool, &args)),
        Command::Deliveries(args) => with_spool(&|spool| deliveries::deliveries(spool, &args)),
        Command::HandOver(args) => with_spool(&|spool| hand_over::hand_over(spool, &args)),
        Command::DeadLetters(args) => with_spool(&|spool| dead_letters::dead_letters(spool, &args)),
        Command::Webhooks(args) => with_spool(&|spool| webhooks::webhooks(spool, &args)),
        Command::Tokens(args) => with_spool(&|spool| tokens::tokens(spool, &args)),
        Command::Links(args) => with_spool(&|spool| tokens::links(spool, &args)),
        Command::Audit(args) => with_spool(&|spool| audit::audit(spool, &args)),
        Command::Resync(args) => with_spool(&|spool| resync::resync(spool, &args)),
        Command::Receive(args) => receive::receive(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Healthcheck => with_spool(&status::healthcheck),
        Command::Openapi(args) => openapi::print_description(&args),
        Command::Completions { shell } => man::print_completions(&mut Cli::command(), shell),
        Command::Man(args) => man::man(Cli::command(), &args),
    }
}

/// Runs `command` with the settings that were read, or prints why they are invalid.
fn if_valid<T>(read: Result<T, InvalidSettings>, command: impl FnOnce(T) -> Exit) -> Exit {
    match read {
        Ok(read) => command(read),
        Err(invalid) => {
            eprintln!("invalid settings:");
            for sentence in &invalid.0 {
                print_error(format_args!("  {sentence}"));
            }
            Exit::Refused
        }
    }
}

const AFTER_HELP: &str = "\
Getting started:
  sidecar demo --seconds 30        watch it work, on a temporary Postgres
  sidecar check-config             are the settings valid?
  sidecar doctor                   is the database ready?
  sidecar run                      start the service

Settings: --set takes precedence over the environment
(SIDECAR_BATCH__WAIT_MAX_MS=100), which takes precedence over the file. The file
sidecar.toml in the repository documents every setting.

Exit status:
  0    success
  1    failure
  64   invalid arguments
  69   Postgres or the running sidecar cannot be reached
  78   settings, privileges or the database must be changed first";
