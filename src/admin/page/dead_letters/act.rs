//! What is done about dead letters: those that are checked, or all that match. Pure, but for what it calls.

use super::list::List;
use crate::admin::api::DeadLetterSelection;
use crate::admin::control::Control;
use crate::admin::page::bulk::{self, Act, Bulk, Counted};
use crate::admin::page::frame::Nav;
use crate::admin::page::texts as t;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;

impl Bulk for List {
    const NAV: Nav = Nav::DeadLetters;
    const NOTHING: &str = t::dead_letters::NONE_FOUND_NEXT;

    fn act(act: Act, control: &dyn Control, visit: &Visit, dry_run: bool) -> Result<Counted, RequestError> {
        let selection = DeadLetterSelection { dry_run, ..selection(visit)? };
        let counts = match act {
            Act::Discard => control.discard(&selection, &visit.access),
            Act::Redeliver => control.redeliver(&selection, &visit.access),
            Act::Replay => Err(RequestError::NotFound(t::dead_letters::NO_REPLAY.to_owned())),
        }?;
        Ok(Counted {
            number: counts.dead_letters,
            records: counts.records,
            sentences: vec![t::dead_letters::selected(counts.dead_letters, counts.records)],
            estimated_seconds: counts.estimated_seconds,
            job: counts.job,
        })
    }

    fn filter(visit: &Visit) -> Vec<(&'static str, Option<Fact>)> {
        let filter = Self::query(visit).filter;
        let reason = filter.reason.map(|name| t::dead_letters::reason(&name).to_owned().into());
        vec![
            (t::PROJECT, bulk::text(filter.project.as_ref())),
            (t::CALLBACK, bulk::text(filter.callback.as_ref())),
            (t::dead_letters::REASON, reason),
            (t::dead_letters::SINCE, bulk::time(filter.since.as_ref())),
            (t::dead_letters::UNTIL, bulk::time(filter.until.as_ref())),
        ]
    }

    fn back(visit: &Visit, more: &[(&str, &str)]) -> String {
        Self::link(visit, more)
    }
}

/// Those that the query names by number, or all that match its filter.
fn selection(visit: &Visit) -> Result<DeadLetterSelection, RequestError> {
    let numbers = visit.all("no").map(str::parse).collect::<Result<Vec<i64>, _>>();
    let numbers = numbers.map_err(|_| RequestError::field("no", "a number is expected"))?;
    if !numbers.is_empty() {
        return Ok(DeadLetterSelection { numbers, ..DeadLetterSelection::default() });
    }
    if visit.query("all") != Some("1") {
        return Err(RequestError::Invalid(t::dead_letters::NONE_SELECTED.to_owned()));
    }
    let filter = List::query(visit).filter;
    Ok(DeadLetterSelection { all: !filter.is_set(), filter, ..DeadLetterSelection::default() })
}
