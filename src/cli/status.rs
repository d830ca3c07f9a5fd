//! `sidecar status` and `sidecar healthcheck`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::{Exit, block_on, client, say};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn status(spool: &Path, args: &Args) -> Exit {
    block_on(async {
        let body = match client::fetch(spool, "/api/v1/status").await {
            Ok((_, body)) => body,
            Err(why) => return client::unreachable(&why),
        };
        let Ok(status) = serde_json::from_slice::<Value>(&body) else {
            eprintln!("the sidecar's answer is not JSON");
            return Exit::Failed;
        };
        if args.json {
            say(format_args!("{status:#}\n"));
        } else {
            say(format_args!("{}", told(&status)));
        }
        Exit::Done
    })
}

pub(super) fn healthcheck(spool: &Path) -> Exit {
    block_on(async {
        match client::fetch(spool, "/-/ready").await {
            Ok((status, _)) if status.is_success() => Exit::Done,
            Ok((_, body)) => {
                eprint!("{}", String::from_utf8_lossy(&body));
                Exit::Failed
            }
            Err(why) => client::unreachable(&why),
        }
    })
}

/// For people. What is missing is a dash.
fn told(status: &Value) -> String {
    let text = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let size =
        |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), size);
    let mut out = String::new();
    let ready = status.pointer("/readiness/ready").and_then(Value::as_bool) == Some(true);
    let _ = writeln!(
        out,
        "{}",
        if ready { "ready".to_owned() } else { format!("NOT READY: {}", reasons(status)) }
    );
    let _ = writeln!(
        out,
        "source   {} {}, slot {}",
        text("/source/state"),
        text("/source/database"),
        text("/source/slot")
    );
    let _ = writeln!(
        out,
        "         confirmed {}, lag {}, log kept by the slot {} ({})",
        text("/source/confirmed_lsn"),
        size("/source/confirmed_lag_bytes"),
        size("/source/retained_bytes"),
        text("/source/wal_status")
    );
    if status.pointer("/source/seeding").is_some_and(Value::is_object) {
        let (done, of) = (text("/source/seeding/done"), text("/source/seeding/estimate"));
        let _ = writeln!(out, "         first start: {done} of about {of} documents");
    }
    let _ = writeln!(
        out,
        "spool    {} of {} live ({}), file {}, {} documents remembered in {}, {} records are dead letters",
        size("/spool/live_bytes"),
        size("/spool/bytes_max"),
        text("/spool/room"),
        size("/spool/file_bytes"),
        text("/spool/shadow_documents"),
        size("/spool/shadow_bytes"),
        text("/spool/dead_letter_records")
    );
    if status.pointer("/spool/window").is_some_and(Value::is_object) {
        let _ = writeln!(
            out,
            "         can be replayed: from {} to {}, committed after {}",
            text("/spool/window/from_lsn"),
            text("/spool/window/to_lsn"),
            text("/spool/window/after")
        );
    }
    let replays = status.pointer("/replays").and_then(Value::as_array).cloned().unwrap_or_default();
    replays.iter().for_each(|replay| {
        let _ = writeln!(out, "replay   {}", super::replay::line(replay));
    });
    let lanes = status.pointer("/lanes").and_then(Value::as_array).cloned().unwrap_or_default();
    if !lanes.is_empty() {
        let _ = writeln!(
            out,
            "\n{:<24} {:<9} {:<16} {:>9} {:>9} {:>9}  last",
            "project", "callback", "state", "pending", "oldest", "failures"
        );
    }
    lanes.iter().for_each(|lane| write_lane(&mut out, lane));
    write_not_kept(&mut out, status);
    out
}

/// What is dropped for want of a webhook.
fn write_not_kept(out: &mut String, status: &Value) {
    let count = |of: &Value, pointer: &str| of.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let records = count(status, "/not_kept/records");
    if records == 0 {
        return;
    }
    let _ = writeln!(out, "\nDROPPED  {records} records since the start, as no [[webhook]] takes them:");
    let lanes = status.pointer("/not_kept/lanes").and_then(Value::as_array).into_iter().flatten();
    for lane in lanes {
        let text = |name: &str| lane.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let _ = writeln!(
            out,
            "{:<24} {:<9} {:>26} records",
            text("project"),
            text("callback"),
            count(lane, "/records")
        );
    }
    let more = count(status, "/not_kept/more_lanes");
    if more > 0 {
        let _ = writeln!(out, "and {more} more projects and callbacks");
    }
}

fn write_lane(out: &mut String, lane: &Value) {
    let text = |name: &str| lane.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |pointer: &str| lane.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let oldest = lane.pointer("/pending/oldest_seconds").and_then(Value::as_f64);
    let oldest = oldest.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
    let _ = writeln!(
        out,
        "{:<24} {:<9} {:<16} {:>9} {:>9} {:>9}  {}",
        text("project"),
        text("callback"),
        text("state"),
        number("/pending/records"),
        oldest,
        number("/failures"),
        text("last_outcome")
    );
}

fn reasons(status: &Value) -> String {
    let reasons = status.pointer("/readiness/reasons").and_then(Value::as_array);
    reasons.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((name, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
