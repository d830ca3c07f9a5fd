//! `sidecar replay`: starts, shows and cancels replays.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{LaneCount, ReplayBacklog, ReplayList, ReplayStatus, ReplaySummary, plain, pretty_json};
use crate::amount::{count, noun, size};
use crate::clock::Clock;
use crate::position::Place;
use crate::record::Callback;
use crate::replay::ReplayRequest;
use crate::settings::span;
use crate::spool::ReplayState;
use crate::time::Timestamp;

#[derive(clap::Args, Debug)]
#[command(subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    start: StartArgs,
}

#[derive(clap::Args, Debug)]
struct StartArgs {
    /// First LSN: 0/16B3748 or 0-16B3748, or a single record of its transaction: 0-16B3748/3
    #[arg(long, value_name = "LSN", value_parser = place, required_unless_present = "since", conflicts_with = "since")]
    from_lsn: Option<String>,

    /// First commit time, in RFC 3339 (2026-01-31T09:00:00Z) or relative to now (90s, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,

    /// Last LSN, inclusive, in the forms of --from-lsn [default: what is settled now]
    #[arg(long, value_name = "LSN", value_parser = place)]
    to_lsn: Option<String>,

    /// Only records of this project
    #[arg(long)]
    project: Option<String>,

    /// Only records of this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Limit in records per second over all lanes; live records are sent in between
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Count what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

impl StartArgs {
    fn is_given(&self) -> bool {
        let Self { from_lsn, since, to_lsn, project, callback, rate, dry_run } = self;
        let texts = [from_lsn, since, to_lsn, project].into_iter().any(Option::is_some);
        texts || callback.is_some() || rate.is_some() || *dry_run
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List running replays, and those that ended within `spool.retain`
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a replay: its remaining records are not sent
    Cancel {
        /// Number of the replay, as `list` shows it
        number: u64,
    },
}

pub(super) fn replay(spool: &Path, args: &Args) -> Exit {
    if args.action.is_some() && args.start.is_given() {
        eprintln!("`list` and `cancel` cannot be combined with options that start a replay");
        return Exit::Usage;
    }
    let done = async {
        match &args.action {
            None => start(spool, &args.start).await,
            Some(Action::List { json }) => list(spool, *json).await,
            Some(Action::Cancel { number }) => cancel(spool, *number).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn start(spool: &Path, args: &StartArgs) -> Result<Exit, Exit> {
    let request = ReplayRequest {
        from_lsn: args.from_lsn.clone(),
        since: args.since.clone(),
        to_lsn: args.to_lsn.clone(),
        project: args.project.clone(),
        callback: args.callback.map(|callback| callback.name().to_owned()),
        rate: args.rate,
        deliveries: None,
        dry_run: args.dry_run,
    };
    let summary: ReplaySummary = client::json(spool, Method::POST, PATH, &request, COUNT_TIMEOUT).await?;
    print(describe(&summary, args.dry_run));
    match summary.no {
        Some(no) => follow(spool, no).await,
        None => Ok(Exit::Done),
    }
}

/// The number of records of each lane, and the total.
fn describe(summary: &ReplaySummary, dry_run: bool) -> String {
    let mut out = String::new();
    for lane in &summary.lanes {
        let _ = writeln!(out, "{}", lane_line(lane));
    }
    for lane in &summary.without_webhook {
        let _ = writeln!(out, "{}: left out, as no webhook is configured", lane_line(lane));
    }
    if let Some(after) = &summary.begins_late {
        let after = plain(after);
        let _ = writeln!(
            out,
            "records committed up to {after} are no longer in the spool: the replay begins after that"
        );
    }
    let (records, size) = (count(summary.records, "record", "records"), size(summary.bytes));
    let verb = if dry_run { "would be sent" } else { "to send" };
    let _ = writeln!(out, "total: {records}, {size}, {verb}");
    if let Some(newer) = summary.documents_with_newer_records {
        let have = count(newer, "of these documents has", "of these documents have");
        let _ = writeln!(out, "{have} newer records, which are outside the range");
    }
    out
}

fn lane_line(lane: &LaneCount) -> String {
    let LaneCount { project, callback, records, .. } = lane;
    let unit = noun(*records, "record", "records");
    format!("{:<24} {callback:<9} {records:>10} {unit}", plain(project))
}

/// Shows the progress of a replay until it has ended.
async fn follow(spool: &Path, no: u64) -> Result<Exit, Exit> {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let style = format!("replay {no} [{{bar:40}}] {{human_pos}}/{{human_len}} records, {{per_sec}} {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&style) {
        bar.set_style(style);
    }
    loop {
        let found = fetch::<ReplayList>(spool).await?.replays.into_iter().find(|replay| replay.no == no);
        let Some(found) = found else {
            eprintln!("replay {no} is no longer on record");
            return Err(Exit::Failed);
        };
        bar.set_length(found.records.max(1));
        bar.set_position(found.sent + found.refused);
        bar.set_message(blocked_lanes(&found));
        if found.state != ReplayState::Running {
            bar.finish_and_clear();
            print(format_args!("{}\n", line(&found)));
            let is_complete = found.state == ReplayState::Done && found.refused == 0;
            return Ok(if is_complete { Exit::Done } else { Exit::Failed });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn list(spool: &Path, json: bool) -> Result<Exit, Exit> {
    if json {
        let response = client::text(spool, Method::GET, PATH, &json!({}), client::TIMEOUT).await?;
        print(format_args!("{}\n", pretty_json(&response)));
        return Ok(Exit::Done);
    }
    let ReplayList { window, replays } = fetch(spool).await?;
    let window = window.map(|window| [window.from_lsn, window.to_lsn, window.after].map(|text| plain(&text)));
    let [from, to, after] = window.unwrap_or_else(|| ["-"; 3].map(str::to_owned));
    print(format_args!("replay window: from {from} to {to}, committed after {after}\n"));
    replays.iter().for_each(|replay| print(format_args!("{}\n", line(replay))));
    Ok(Exit::Done)
}

async fn cancel(spool: &Path, no: u64) -> Result<Exit, Exit> {
    let path = format!("/api/v1/replays/{no}");
    let replay: ReplayStatus =
        client::json(spool, Method::DELETE, &path, &json!({}), client::TIMEOUT).await?;
    print(format_args!("{}\n", line(&replay)));
    Ok(Exit::Done)
}

async fn fetch<T: DeserializeOwned>(spool: &Path) -> Result<T, Exit> {
    client::json(spool, Method::GET, PATH, &json!({}), client::TIMEOUT).await
}

/// One replay, as a line of text.
pub(super) fn line(replay: &ReplayStatus) -> String {
    let ReplayStatus { no, state, sent, records, refused, .. } = replay;
    let mut out =
        format!("{no:>3} {:<9} {sent} of {} sent", state.name(), count(*records, "record", "records"));
    if *refused > 0 {
        let _ = write!(out, ", {refused} refused and skipped");
    }
    let request = serde_json::to_value(&replay.request).unwrap_or_default();
    for (name, value) in request.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), plain);
        let _ = write!(out, ", {} {value}", name.replace('_', "-"));
    }
    let _ = write!(out, ", requested at {}", plain(&replay.requested_at));
    let blocked = blocked_lanes(replay);
    if !blocked.is_empty() {
        let _ = write!(out, " {blocked}");
    }
    out
}

/// The lanes that send nothing, and why.
fn blocked_lanes(replay: &ReplayStatus) -> String {
    let sends_nothing = |lane: &&ReplayBacklog| !lane.state.is_healthy();
    let lanes = replay.waiting.iter().filter(sends_nothing);
    let lanes = lanes.map(|lane| format!("{}/{} is {}", plain(&lane.project), lane.callback, lane.state));
    let lanes = lanes.collect::<Vec<_>>().join(", ");
    if lanes.is_empty() { lanes } else { format!("({lanes})") }
}

fn place(text: &str) -> Result<String, String> {
    text.parse::<Place>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A time in RFC 3339, from RFC 3339 or from an age.
fn since(text: &str) -> Result<String, String> {
    if let Some(ago) = span(text) {
        let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(Clock::now().0.saturating_sub(micros)).to_rfc3339());
    }
    Timestamp::from_rfc3339(text).map(|_| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is not a time: expected RFC 3339, as in `2026-01-31T09:00:00Z`, or an age, as in `90s`, `2h`, `3d`")
    })
}

const PATH: &str = "/api/v1/replays";
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Counting the records of a range may read much of a large spool.
const COUNT_TIMEOUT: Duration = Duration::from_mins(10);

pub(super) const AFTER_HELP: &str = "\
Sends settled records and dead letters again, in new batches with the header
`sidecar-replay`. Pending records are sent once, as always. The order per
document is kept. In each lane a replay precedes live records; with --rate, live
records are sent in between. `sidecar status` and `sidecar replay list` show the
window that can be replayed.

  sidecar replay --since 2h --dry-run                       count what would be sent
  sidecar replay --since 2h --project acme                  a receiver lost two hours
  sidecar replay --from-lsn 0/16B3748 --to-lsn 0/16C0000    the transactions between two LSNs
  sidecar replay --since 3d --rate 500                      at most 500 records per second
  sidecar replay list                                       show progress
  sidecar replay cancel 3                                   stop replay 3

The command shows the progress until the replay ends. Interrupting it does not
stop the replay, and a restart of the sidecar resumes it.

Exit status: 0 if every record was sent; 1 if it was cancelled or a receiver
refused records.";
