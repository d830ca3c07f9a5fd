//! The status → what the page of the table shows. Pure.

use askama::Template;

use crate::admin::access::Capability;
use crate::admin::api::{Progress, ResyncState, ResyncStatus, SourceState, Status};
use crate::admin::page::parts::Pill;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};

#[derive(Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    links: Links,
    facts: Vec<(&'static str, String)>,
    comparison: Option<Comparison>,
    last: Option<Last>,
    is_allowed: bool,
    /// Where the last resync has not ended and may be cancelled.
    cancel: Option<String>,
}

/// A first start or a resync that is under way.
struct Comparison {
    name: &'static str,
    done: u64,
    estimate: u64,
    progress: String,
    speed: Option<String>,
}

struct Last {
    pill: Pill,
    facts: Vec<(&'static str, Fact)>,
}

impl Table {
    pub(super) fn of(status: &Status, visit: &Visit) -> Self {
        let source = &status.source;
        let state = match &source.detail {
            Some(detail) => format!("{}: {}", source.state, show::plain(detail)),
            None => source.state.to_string(),
        };
        Self {
            links: visit.links.clone(),
            facts: vec![
                (t::table::STATE, state),
                (t::table::SHADOW, show::number(status.spool.shadow_documents)),
            ],
            comparison: source.seeding.map(|progress| Comparison::of(progress, source.state)),
            cancel: source
                .resync
                .as_ref()
                .filter(|resync| resync.cancellable && visit.can(Capability::Manage))
                .map(|_| visit.links.to("table/cancel")),
            last: source.resync.as_ref().map(Last::of),
            is_allowed: visit.can(Capability::Manage),
        }
    }
}

impl Comparison {
    fn of(progress: Progress, state: SourceState) -> Self {
        let per_second = progress.documents_per_second;
        Self {
            name: if state == SourceState::Seeding { t::table::SEEDING } else { t::table::RESYNCING },
            done: progress.done,
            estimate: progress.estimate.max(1),
            progress: t::table::done(progress.done, progress.estimate),
            speed: per_second.map(|per_second| t::table::speed(per_second, progress.seconds_left)),
        }
    }
}

impl Last {
    fn of(resync: &ResyncStatus) -> Self {
        let pill = match resync.state {
            ResyncState::Cancelled => Pill::quiet(t::resync::CANCELLED),
            ResyncState::Done => Pill::ok(t::resync::DONE),
            ResyncState::Running => Pill { tone: "ok", icon: "→", word: t::resync::RUNNING },
            ResyncState::Waiting => Pill { tone: "warn", icon: "…", word: t::resync::WAITING },
            ResyncState::Held => Pill { tone: "warn", icon: "‖", word: t::resync::HELD },
            ResyncState::Failed => Pill::bad(t::FAILED),
            ResyncState::Refused => Pill::bad(t::resync::REFUSED),
        };
        let records = t::table::records(resync.ingested, resync.modified, resync.excluded);
        let mut facts =
            vec![(t::table::NUMBER, resync.number.to_string()), (t::table::WHY, show::plain(&resync.why))];
        facts.extend(resync.result.as_deref().map(|result| (t::table::RESULT, show::plain(result))));
        facts.push((t::table::FROM, resync.from_lsn.clone()));
        facts.extend(resync.to_lsn.clone().map(|lsn| (t::table::TO, lsn)));
        facts.push((t::table::ROWS, show::number(resync.rows)));
        facts.push((t::table::GONE, show::number(resync.gone)));
        facts.push((t::table::RECORDS, records));
        Self { pill, facts: facts.into_iter().map(|(name, text)| (name, text.into())).collect() }
    }
}
