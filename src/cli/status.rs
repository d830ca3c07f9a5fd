//! `sidecar status` and `sidecar healthcheck`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table};

use super::exit::Exit;
use super::output::{print, print_error, table};
use super::runtime::block_on;
use super::{client, replay};
use crate::admin::{
    DroppedLane, DroppedStatus, LaneStatus, OriginCounts, Progress, RefusedRowStatus, SourceStatus,
    SpoolStatus, Status, WebhookSourcesStatus, plain, pretty_json,
};
use crate::amount::{count, noun, size, span};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print JSON: the body of `/api/v1/status`
    #[arg(long)]
    json: bool,
}

pub(super) fn status(spool: &Path, args: &Args) -> Exit {
    block_on(async {
        let body = match client::fetch(spool, "/api/v1/status").await {
            Ok((_, body)) => body,
            Err(why) => return client::unreachable(&why),
        };
        if args.json {
            print(format_args!("{}\n", pretty_json(&String::from_utf8_lossy(&body))));
            return Exit::Done;
        }
        match client::parse::<Status>(&body) {
            Ok(status) => print(format_args!("{}", describe(&status))),
            Err(exit) => return exit,
        }
        Exit::Done
    })
}

pub(super) fn healthcheck(spool: &Path) -> Exit {
    block_on(async {
        match client::fetch(spool, "/-/ready").await {
            Ok((status, _)) if status.is_success() => Exit::Done,
            Ok((_, body)) => {
                print_error(String::from_utf8_lossy(&body));
                Exit::Failed
            }
            Err(why) => client::unreachable(&why),
        }
    })
}

/// The status as text. An unknown value is a dash.
fn describe(status: &Status) -> String {
    let mut out = String::new();
    let reasons = status.readiness.reasons.iter().map(|reason| plain(reason)).collect::<Vec<_>>().join("; ");
    let _ =
        if status.readiness.ready { writeln!(out, "ready") } else { writeln!(out, "NOT READY: {reasons}") };
    write_source(&mut out, &status.source);
    write_spool(&mut out, &status.spool);
    write_webhooks(&mut out, &status.webhooks);
    for replay in &status.replays {
        let _ = writeln!(out, "replay   {}", replay::line(replay));
    }
    if !status.lanes.is_empty() {
        let _ = writeln!(out, "\n{}", lanes(&status.lanes));
        write_unhealthy(&mut out, &status.lanes);
    }
    write_dropped(&mut out, &status.dropped, "DROPPED", "as no [[webhook]] is configured for them");
    let why = "as their [[webhook]] does not take their property";
    write_dropped(&mut out, &status.filtered, "filtered", why);
    out
}

fn write_source(out: &mut String, source: &SourceStatus) {
    let size = |bytes: Option<u64>| bytes.map_or_else(dash, size);
    let (database, slot) = (plain(&source.database), plain(&source.slot));
    let _ = writeln!(out, "source   {} {database}, slot {slot}", source.state);
    let _ = writeln!(
        out,
        "         confirmed {}, lag {} ({}), WAL retained by the slot {} ({})",
        or_dash(source.confirmed_lsn.as_deref()),
        size(source.confirmed_lag_bytes),
        lag_time(source),
        size(source.retained_bytes),
        or_dash(source.wal_status.as_deref())
    );
    if let Some(Progress { done, estimate, .. }) = source.seeding {
        let _ = writeln!(
            out,
            "         first start: {done} of about {}",
            count(estimate, "document", "documents")
        );
    }
}

/// `12 s; catches up in about 3 min`
fn lag_time(source: &SourceStatus) -> String {
    let time = |seconds: f64| span(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let lag = source.confirmed_lag_seconds.map_or_else(dash, time);
    match source.catches_up_in_seconds {
        Some(left) => format!("{lag}; catches up in about {}", time(left)),
        None => lag,
    }
}

fn write_spool(out: &mut String, spool: &SpoolStatus) {
    let _ = writeln!(
        out,
        "spool    {} of {} live ({}), file {}, {} in a shadow of {}, {}",
        size(spool.live_bytes),
        size(spool.bytes_max),
        spool.room.name(),
        size(spool.file_bytes),
        count(spool.shadow_documents, "document", "documents"),
        size(spool.shadow_bytes),
        count(spool.dead_letter_records, "dead-letter record", "dead-letter records")
    );
    if let Some(seconds) = spool.full_in_seconds {
        let left = span(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let _ = writeln!(out, "         full in about {left} at the rate of the last hour");
    }
    if let Some(window) = &spool.window {
        let [from, to, after] = [&window.from_lsn, &window.to_lsn, &window.after].map(|text| plain(text));
        let _ = writeln!(out, "         replay window: from {from} to {to}, committed after {after}");
    }
}

fn write_webhooks(out: &mut String, webhooks: &WebhookSourcesStatus) {
    let OriginCounts { file, query, set } = webhooks.counts;
    let _ = writeln!(out, "webhooks {set} set, {query} of webhooks.query, {file} of the settings file");
    let Some(query) = &webhooks.query else { return };
    if let Some(error) = &query.error {
        let read_at = or_dash(query.read_at.as_deref());
        let _ = writeln!(out, "         webhooks.query FAILS: {}; last read at {read_at}", plain(error));
    }
    for RefusedRowStatus { project, callback, why } in query.refused.iter().take(UNHEALTHY_SHOWN) {
        let (project, callback) = (or_dash(project.as_deref()), or_dash(callback.as_deref()));
        let _ = writeln!(out, "         the row of {project}/{callback} is refused: {}", plain(why));
    }
    let more = query.refused.len().saturating_sub(UNHEALTHY_SHOWN) as u64 + query.more_refused;
    if more > 0 {
        let _ = writeln!(out, "         and {more} more rows");
    }
}

fn lanes(lanes: &[LaneStatus]) -> Table {
    let mut table = table(["project", "callback", "state", "pending", "oldest", "failures", "last"]);
    for right_aligned in 3..=5 {
        if let Some(column) = table.column_mut(right_aligned) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for lane in lanes {
        let oldest = lane.pending.oldest_seconds.map(|seconds| format!("{seconds:.1} s"));
        table.add_row([
            plain(&lane.project),
            lane.callback.to_string(),
            lane.state.to_string(),
            lane.pending.records.to_string(),
            oldest.unwrap_or_else(dash),
            lane.failures.to_string(),
            lane.last_outcome.map_or_else(dash, |outcome| outcome.to_string()),
        ]);
    }
    table
}

/// Why lanes send nothing, and what their receivers' owners can do.
fn write_unhealthy(out: &mut String, lanes: &[LaneStatus]) {
    let explained: Vec<_> =
        lanes.iter().filter(|lane| lane.cause.is_some() || lane.reason.is_some()).collect();
    for lane in explained.iter().take(UNHEALTHY_SHOWN) {
        let LaneStatus { project, callback, state, .. } = lane;
        let _ = write!(out, "\n{}/{callback} is {state}", plain(project));
        if let Some(seconds) = lane.since_seconds {
            let _ = write!(out, " for {seconds:.0} s");
        }
        if let Some(by) = lane.paused_by {
            let _ = write!(out, ", by {}", by.name());
        }
        let status = lane.status.map(|status| status.to_string());
        for why in [lane.reason.as_deref(), lane.cause.as_deref(), status.as_deref()].into_iter().flatten() {
            let _ = write!(out, ", {}", plain(why));
        }
        if let Some(remedy) = &lane.remedy {
            let _ = write!(out, ". {}", plain(remedy));
        }
    }
    match explained.len().saturating_sub(UNHEALTHY_SHOWN) {
        0 if explained.is_empty() => {}
        0 => out.push('\n'),
        more => drop(writeln!(out, "\nand {more} more: see `sidecar status --json`")),
    }
}

/// Records that no webhook takes, and why.
fn write_dropped(out: &mut String, dropped: &DroppedStatus, title: &str, why: &str) {
    let DroppedStatus { records, lanes, more_lanes } = dropped;
    if *records == 0 {
        return;
    }
    let all = count(*records, "record", "records");
    let _ = writeln!(out, "\n{title:<8} {all} since the start, {why}:");
    for DroppedLane { project, callback, records } in lanes {
        let unit = noun(*records, "record", "records");
        let _ = writeln!(out, "{:<24} {callback:<9} {records:>26} {unit}", plain(project));
    }
    if *more_lanes > 0 {
        let _ = writeln!(out, "and {}", count(*more_lanes, "more lane", "more lanes"));
    }
}

/// Lanes that are explained below the table.
const UNHEALTHY_SHOWN: usize = 20;

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(dash, plain)
}

fn dash() -> String {
    "-".to_owned()
}

pub(super) const AFTER_HELP: &str = "\
Prints whether the sidecar is ready, the state of replication and spool, the
replays that run, and a line for each lane: its pending records, the age of the
oldest one in seconds, failed attempts since its last success. Below them: why
lanes fail or are paused, and what the owners of their receivers can do.

  sidecar status
  sidecar status --json | jq '.lanes[] | select(.state == \"failing\")'";

pub(super) const HEALTHCHECK_AFTER_HELP: &str = "\
Ready means: the first start has finished, replication is connected and moving,
and the spool can be written. A failing webhook does not make the sidecar
unready.

  sidecar healthcheck && echo ready
  HEALTHCHECK CMD [\"sidecar\", \"healthcheck\"]     in a Dockerfile

Exit status: 0 ready; 1 not ready; 69 no sidecar runs.";
