//! `sidecar webhooks`: webhooks of the running sidecar.

mod change;
mod lanes;
mod list;
mod secrets;
mod test;

use std::path::Path;

use super::exit::Exit;
use super::runtime::block_on;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the webhooks in force, with their lanes
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one webhook: its settings, secrets masked, and its lanes
    Show {
        #[command(flatten)]
        key: change::KeyArgs,
    },
    /// Set a webhook, or change one that was set: what is not given is kept
    #[command(after_help = change::SET_AFTER_HELP)]
    Set(change::SetArgs),
    /// Remove a webhook that was set; one of the settings file is in force again
    Remove {
        #[command(flatten)]
        key: change::KeyArgs,
    },
    /// Send nothing until `resume`: returns when no request is in flight
    #[command(after_help = lanes::PAUSE_AFTER_HELP)]
    Pause(lanes::PauseArgs),
    /// End a pause
    Resume(lanes::PauseArgs),
    /// Settle what waits without sending it; a replay can send it later
    #[command(after_help = lanes::SKIP_AFTER_HELP)]
    Skip(lanes::SkipArgs),
    /// Send one request that counts as no attempt, and print the answer
    #[command(after_help = test::AFTER_HELP)]
    Test(test::Args),
    /// Print the secrets that sign, in the form that the receiver's library reads
    #[command(after_help = secrets::SECRET_AFTER_HELP)]
    Secret {
        #[command(flatten)]
        key: change::KeyArgs,
    },
    /// Give a webhook that was set a new secret; the old ones sign on for a while
    #[command(after_help = secrets::ROTATE_AFTER_HELP)]
    Rotate(secrets::RotateArgs),
    /// Print the webhooks that were set, as sections of a settings file
    Export,
    /// Make the webhooks that are set equal to the sections of a file
    #[command(after_help = change::APPLY_AFTER_HELP)]
    Apply(change::ApplyArgs),
}

pub(super) fn webhooks(spool: &Path, args: &Args) -> Exit {
    let done = async {
        match &args.action {
            Action::List { json } => list::list(spool, *json).await,
            Action::Show { key } => change::show(spool, key).await,
            Action::Set(args) => change::set(spool, args).await,
            Action::Remove { key } => change::remove(spool, key).await,
            Action::Pause(args) => lanes::pause(spool, args).await,
            Action::Resume(args) => lanes::resume(spool, args).await,
            Action::Skip(args) => lanes::skip(spool, args).await,
            Action::Test(args) => test::test(spool, args).await,
            Action::Secret { key } => secrets::secret(spool, key).await,
            Action::Rotate(args) => secrets::rotate(spool, args).await,
            Action::Export => change::export(spool).await,
            Action::Apply(args) => change::apply(spool, args).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

pub(super) const AFTER_HELP: &str = "\
A webhook that is set here is kept in the spool, acts within a second, and comes
before one of the settings file for the same project and callback.

  sidecar webhooks set --project acme --url https://acme.example/hook \\
      --secret env:ACME_SECRET --header authorization=file:/run/acme-token
  sidecar webhooks set --project acme --callback modified --from-file hook.json
  sidecar webhooks list                             state of each lane, and why
  sidecar webhooks test --project acme --callback ingested --specimen
  sidecar webhooks pause --host acme.example --reason 'moves to another host'
  sidecar webhooks resume --host acme.example
  sidecar webhooks skip --project acme --until now  drop what waits
  sidecar webhooks secret --project acme            what the receiver verifies with
  sidecar webhooks rotate --project acme            a new secret, the old signs on
  sidecar webhooks export > hooks.toml
  sidecar webhooks apply hooks.toml --dry-run       what would change

A pause stands until `resume`, also for lanes that get their first record later,
and over restarts. `resume` of a narrower scope does not end it.
Secrets are given as env:NAME or file:PATH, of the running sidecar.";
