//! `sidecar replay`: sends again what was sent, and shows how far it is.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::{print, size};
use super::runtime::block_on;
use crate::admin::{LaneCount, ReplayBacklog, ReplayList, ReplayStatus, ReplaySummary, plain, pretty_json};
use crate::clock::Clock;
use crate::deliver::LaneCondition;
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
    asked: Asked,
}

#[derive(clap::Args, Debug)]
struct Asked {
    /// From this place on: 0/16B3748, 0-16B3748, or with one record's number 0-16B3748/3
    #[arg(long, value_name = "LSN", value_parser = place, required_unless_present = "since", conflicts_with = "since")]
    from_lsn: Option<String>,

    /// From the first transaction committed then on: RFC 3339, or so long ago (90s, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,

    /// The last place that is sent; without a record's number, the whole transaction
    #[arg(long, value_name = "LSN", value_parser = place)]
    to_lsn: Option<String>,

    /// Only this project's
    #[arg(long)]
    project: Option<String>,

    /// Only this callback's: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Send no more records a second than this, over all lanes; live records go out in between
    #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
}

impl Asked {
    fn is_given(&self) -> bool {
        let Self { from_lsn, since, to_lsn, project, callback, rate, dry_run } = self;
        let texts = [from_lsn, since, to_lsn, project].into_iter().any(Option::is_some);
        texts || callback.is_some() || rate.is_some() || *dry_run
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the replays that run, and those that ended within `spool.retain`
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing more of a replay
    Cancel {
        /// Its number, as `list` shows it
        number: u64,
    },
}

pub(super) fn replay(spool: &Path, args: &Args) -> Exit {
    if args.action.is_some() && args.asked.is_given() {
        eprintln!("`list` and `cancel` take no range: say either");
        return Exit::Usage;
    }
    let done = async {
        match &args.action {
            None => begin(spool, &args.asked).await,
            Some(Action::List { json }) => list(spool, *json).await,
            Some(Action::Cancel { number }) => cancel(spool, *number).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn begin(spool: &Path, args: &Asked) -> Result<Exit, Exit> {
    let asked = ReplayRequest {
        from_lsn: args.from_lsn.clone(),
        since: args.since.clone(),
        to_lsn: args.to_lsn.clone(),
        project: args.project.clone(),
        callback: args.callback.map(|callback| callback.name().to_owned()),
        rate: args.rate,
        dry_run: args.dry_run,
    };
    let summary: ReplaySummary = client::json(spool, Method::POST, PATH, &asked, SEARCH_PATIENCE).await?;
    print(describe(&summary, args.dry_run));
    match summary.no {
        Some(no) => follow(spool, no).await,
        None => Ok(Exit::Done),
    }
}

/// Lane by lane, and the total.
fn describe(summary: &ReplaySummary, dry_run: bool) -> String {
    let mut out = String::new();
    for lane in &summary.lanes {
        let _ = writeln!(out, "{}", lane_line(lane));
    }
    for lane in &summary.without_webhook {
        let _ = writeln!(out, "{}: takes no part, as no webhook answers for it", lane_line(lane));
    }
    if let Some(after) = &summary.begins_late {
        let after = plain(after);
        let _ =
            writeln!(out, "what was committed up to {after} is no longer in the spool: it begins after that");
    }
    let (records, size) = (summary.records, size(summary.bytes));
    let verb = if dry_run { "would be sent again" } else { "to send again" };
    let _ = writeln!(out, "total: {records} records, {size}, {verb}");
    if let Some(newer) = summary.documents_with_newer_records {
        let _ = writeln!(
            out,
            "{newer} of these documents have newer records, which would not be sent again after them"
        );
    }
    out
}

fn lane_line(lane: &LaneCount) -> String {
    let LaneCount { project, callback, records, .. } = lane;
    format!("{:<24} {callback:<9} {records:>10} records", plain(project))
}

/// Shows how far it is until it has ended.
async fn follow(spool: &Path, no: u64) -> Result<Exit, Exit> {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    let style = format!("replay {no} [{{bar:40}}] {{human_pos}}/{{human_len}} records, {{per_sec}} {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&style) {
        bar.set_style(style);
    }
    loop {
        let found = fetch::<ReplayList>(spool).await?.replays.into_iter().find(|replay| replay.no == no);
        let Some(found) = found else {
            eprintln!("replay {no} is not known any more");
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
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn list(spool: &Path, json: bool) -> Result<Exit, Exit> {
    if json {
        let answer = client::text(spool, Method::GET, PATH, &json!({}), client::PATIENCE).await?;
        print(format_args!("{}\n", pretty_json(&answer)));
        return Ok(Exit::Done);
    }
    let ReplayList { window, replays } = fetch(spool).await?;
    let window = window.map(|window| [window.from_lsn, window.to_lsn, window.after].map(|text| plain(&text)));
    let [from, to, after] = window.unwrap_or_else(|| ["-"; 3].map(str::to_owned));
    print(format_args!("can be replayed: from {from} to {to}, committed after {after}\n"));
    replays.iter().for_each(|replay| print(format_args!("{}\n", line(replay))));
    Ok(Exit::Done)
}

async fn cancel(spool: &Path, no: u64) -> Result<Exit, Exit> {
    let path = format!("/api/v1/replays/{no}");
    let replay: ReplayStatus =
        client::json(spool, Method::DELETE, &path, &json!({}), client::PATIENCE).await?;
    print(format_args!("{}\n", line(&replay)));
    Ok(Exit::Done)
}

async fn fetch<T: DeserializeOwned>(spool: &Path) -> Result<T, Exit> {
    client::json(spool, Method::GET, PATH, &json!({}), client::PATIENCE).await
}

/// One replay, for people.
pub(super) fn line(replay: &ReplayStatus) -> String {
    let ReplayStatus { no, state, sent, records, refused, .. } = replay;
    let mut out = format!("{no:>3} {:<9} {sent} of {records} records sent", state.name());
    if *refused > 0 {
        let _ = write!(out, ", {refused} passed over as too large");
    }
    let request = serde_json::to_value(&replay.request).unwrap_or_default();
    for (name, value) in request.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), plain);
        let _ = write!(out, ", {} {value}", name.replace('_', "-"));
    }
    let _ = write!(out, ", asked for {}", plain(&replay.requested_at));
    let blocked = blocked_lanes(replay);
    if !blocked.is_empty() {
        let _ = write!(out, " {blocked}");
    }
    out
}

/// Lanes that send nothing, and why.
fn blocked_lanes(replay: &ReplayStatus) -> String {
    let sends_nothing = |lane: &&ReplayBacklog| {
        matches!(lane.state, LaneCondition::Failing | LaneCondition::Paused | LaneCondition::WithoutWebhook)
    };
    let lanes = replay.waiting.iter().filter(sends_nothing);
    let lanes = lanes.map(|lane| format!("{}/{} is {}", plain(&lane.project), lane.callback, lane.state));
    let lanes = lanes.collect::<Vec<_>>().join(", ");
    if lanes.is_empty() { lanes } else { format!("({lanes})") }
}

fn place(text: &str) -> Result<String, String> {
    text.parse::<Place>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// RFC 3339, from that or from how long ago it was.
fn since(text: &str) -> Result<String, String> {
    if let Some(ago) = span(text) {
        let micros = i64::try_from(ago.as_micros()).unwrap_or(i64::MAX);
        return Ok(Timestamp(Clock::now().0.saturating_sub(micros)).to_rfc3339());
    }
    Timestamp::from_rfc3339(text).map(|_| text.to_owned()).ok_or_else(|| {
        format!("`{text}` is no time: expected RFC 3339 as in `2026-01-31T09:00:00Z`, or so long ago as in `90s`, `2h`, `3d`")
    })
}

const PATH: &str = "/api/v1/replays";
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Counting what lies behind a place may read much of a large spool.
const SEARCH_PATIENCE: Duration = Duration::from_mins(10);

pub(super) const AFTER_HELP: &str = "\
What was delivered, or given up, is sent again as batches of their own, which bear
`sidecar-replay`. Order holds as ever; what is pending goes out once, as always. In each lane a
replay goes before live records, unless --rate leaves room between. `sidecar status` shows what
can be replayed.

  sidecar replay --since 2h --dry-run                         what would be sent?
  sidecar replay --since 2h --project acme                    a receiver lost two hours
  sidecar replay --from-lsn 0/16B3748 --to-lsn 0/16C0000      exactly these transactions
  sidecar replay list                                         how far are they?
  sidecar replay cancel 3                                     that is enough

Interrupting this command does not stop the replay, and a restart of the sidecar goes on with it.";
