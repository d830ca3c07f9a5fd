//! The status → what the first page shows. Pure.

use askama::Template;

use super::alerts::{Alert, Paces, alerts, loses_wal};
use crate::admin::api::{Activity, Interval, LaneStatus, SourceStatus, Status};
use crate::admin::page::chart::Chart;
use crate::admin::page::parts::{Pill, Undelivered};
use crate::admin::page::visit::Links;
use crate::admin::page::{show, texts as t};
use crate::deliver::LaneCondition;
use crate::spool::Room;

#[derive(Template)]
#[template(path = "overview.html")]
pub(super) struct Overview {
    links: Links,
    verdict: Verdict,
    slot: Vec<Fact>,
    spool: Vec<Fact>,
    spool_share: u64,
    lanes: Vec<LanesInState>,
    undelivered: Undelivered,
    alerts: Vec<Alert>,
    records: Chart,
    requests: Chart,
}

/// Whether it is well, in one sentence.
struct Verdict {
    pill: Pill,
    sentence: String,
}

/// A name and what it is.
struct Fact(&'static str, String);

/// The lanes that are in one state.
struct LanesInState {
    pill: Pill,
    count: u64,
    /// Pending in all of them.
    records: u64,
    oldest_seconds: f64,
}

impl LanesInState {
    fn none(pill: Pill) -> Self {
        Self { pill, count: 0, records: 0, oldest_seconds: 0.0 }
    }
}

impl Overview {
    pub(super) fn of(status: &Status, activity: &Activity, paces: &Paces, links: Links) -> Self {
        let undelivered = Undelivered::of(status);
        let spool = &status.spool;
        Self {
            alerts: alerts(status, paces, &links),
            records: rates(activity, |interval| (interval.records, 0)),
            requests: rates(activity, |interval| (interval.delivered + interval.failed, interval.failed)),
            links,
            verdict: verdict(status, undelivered),
            slot: slot(status),
            spool: spool_facts(status),
            spool_share: (spool.live_bytes * 100).checked_div(spool.bytes_max).unwrap_or(0).min(100),
            lanes: lanes(status),
            undelivered,
        }
    }
}

fn verdict(status: &Status, undelivered: Undelivered) -> Verdict {
    let gives_up = |lane: &&LaneStatus| {
        lane.pending.records > 0 && lane.gives_up_in_seconds.is_some_and(|left| left < SOON_SECONDS)
    };
    let giving_up = status.lanes.iter().filter(gives_up).count() as u64;
    let (bad, warn) = (Pill::bad(t::overview::ACT_NOW), Pill::warn(t::overview::LOOK));
    let (pill, sentence) = if !status.readiness.ready {
        (bad, t::overview::not_ready(&status.readiness.reasons))
    } else if loses_wal(status) {
        (bad, t::overview::LOSES_WAL.to_owned())
    } else if giving_up > 0 {
        (bad, t::overview::gives_up(giving_up))
    } else if undelivered.lanes > 0 {
        (warn, t::overview::failing(undelivered.lanes, undelivered.failing))
    } else if undelivered.dead_letters > 0 {
        (warn, t::overview::dead_letters(undelivered.dead_letters))
    } else if status.spool.room == Room::Near {
        (warn, t::overview::NEARLY_FULL.to_owned())
    } else {
        let pending = status.lanes.iter().map(|lane| lane.pending.records).sum();
        (Pill::ok(t::overview::OK), t::overview::well(pending))
    };
    Verdict { pill, sentence }
}

fn slot(status: &Status) -> Vec<Fact> {
    let source = &status.source;
    let state = match &source.detail {
        Some(detail) => format!("{}: {detail}", source.state),
        None => source.state.to_string(),
    };
    let size = |bytes: Option<u64>| bytes.map_or_else(|| t::UNKNOWN.to_owned(), show::size);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| t::UNKNOWN.to_owned());
    vec![
        Fact(t::slot::STATE, state),
        Fact(t::slot::NAME, source.slot.clone()),
        Fact(t::slot::DATABASE, source.database.clone()),
        Fact(t::slot::LAG, lag(source)),
        Fact(t::slot::RETAINED, size(source.retained_bytes)),
        Fact(t::slot::WAL_STATUS, text(&source.wal_status)),
        Fact(t::slot::SAFE, source.safe_wal_bytes.map_or_else(|| t::slot::NO_LIMIT.to_owned(), show::size)),
        Fact(t::slot::CONFIRMED, confirmed(status)),
        Fact(t::slot::WAITS_FOR, t::slot::waits_for(source.walsender_waits_for.as_deref())),
        Fact(
            t::slot::LAST_MESSAGE,
            source.last_message_at.as_deref().map_or_else(|| t::UNKNOWN.to_owned(), show::time),
        ),
    ]
}

/// `1.2 MiB, 3 min; catches up in about 40 s`
fn lag(source: &SourceStatus) -> String {
    let Some(bytes) = source.confirmed_lag_bytes else { return t::UNKNOWN.to_owned() };
    let mut lag = show::size(bytes);
    if let Some(seconds) = source.confirmed_lag_seconds {
        lag = t::slot::lag(&lag, &show::span(seconds));
    }
    match source.catches_up_in_seconds {
        Some(seconds) => t::slot::lag_ends(&lag, &show::span(seconds)),
        None => lag,
    }
}

/// `0/16B3748, for 5 s`
fn confirmed(status: &Status) -> String {
    let source = &status.source;
    let lsn = source.confirmed_lsn.clone().unwrap_or_else(|| t::UNKNOWN.to_owned());
    match source.confirmed_at.as_deref().and_then(|since| show::between(since, &status.at)) {
        Some(seconds) => t::slot::confirmed(&lsn, &show::span(seconds)),
        None => lsn,
    }
}

/// Per second, in each interval.
fn rates(activity: &Activity, of: impl Fn(&Interval) -> (u64, u64)) -> Chart {
    let seconds = u32::try_from(activity.interval_seconds.max(1)).map_or(1.0, f64::from);
    let per_second = |count: u64| u32::try_from(count).map_or(f64::MAX, f64::from) / seconds;
    let rates = activity.intervals.iter().map(|interval| {
        let (all, failed) = of(interval);
        (per_second(all), per_second(failed))
    });
    Chart::of(&rates.collect::<Vec<_>>())
}

fn spool_facts(status: &Status) -> Vec<Fact> {
    let spool = &status.spool;
    let room = match spool.room {
        Room::Open => t::spool::OPEN,
        Room::Near => t::spool::NEAR,
        Room::Full => t::spool::FULL,
    };
    let used = format!("{} / {}", show::size(spool.live_bytes), show::size(spool.bytes_max));
    let lasts = spool.full_in_seconds.map_or_else(|| t::spool::DOES_NOT_GROW.to_owned(), show::span);
    let window = spool.window.as_ref().map_or_else(
        || t::spool::NO_WINDOW.to_owned(),
        |window| {
            let span = spool.window_seconds.map_or_else(String::new, show::span);
            t::spool::window(&show::time(&window.after), &span)
        },
    );
    let free = spool.disk_free_bytes.map_or_else(|| t::UNKNOWN.to_owned(), show::size);
    let shadow = format!(
        "{} · {}",
        show::count(spool.shadow_documents, t::DOCUMENT, t::DOCUMENTS),
        show::size(spool.shadow_bytes)
    );
    vec![
        Fact(t::spool::USED, used),
        Fact(t::spool::ROOM, room.to_owned()),
        Fact(t::spool::DISK_FREE, free),
        Fact(t::spool::LASTS, lasts),
        Fact(t::spool::WINDOW, window),
        Fact(t::spool::SHADOW, shadow),
        Fact(t::spool::FILE, show::size(spool.file_bytes)),
    ]
}

fn lanes(status: &Status) -> Vec<LanesInState> {
    let of_state = |state: LaneCondition| {
        let lanes = status.lanes.iter().filter(|lane| lane.state == state);
        lanes.fold(LanesInState::none(Pill::of_lane(state)), |all, lane| LanesInState {
            count: all.count + 1,
            records: all.records + lane.pending.records,
            oldest_seconds: all.oldest_seconds.max(lane.pending.oldest_seconds.unwrap_or(0.0)),
            ..all
        })
    };
    LaneCondition::ALL.into_iter().map(of_state).filter(|lanes| lanes.count > 0).collect()
}

/// Less is time to act, not to look.
const SOON_SECONDS: f64 = 3_600.0;
