//! Redelivering and discarding: of those selected, or of all that match. Pure, but for what it calls.

use super::list::List;
use crate::admin::access::Capability;
use crate::admin::api::{DeadLetterQuery, DeadLetterSelection};
use crate::admin::control::Control;
use crate::admin::page::confirm::Confirm;
use crate::admin::page::texts as t;
use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;

/// What is done about dead letters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Discard,
    Redeliver,
}

impl Act {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discard => t::dead_letters::DISCARD,
            Self::Redeliver => t::dead_letters::REDELIVER,
        }
    }

    /// Says how many it is about, and asks.
    pub(super) fn confirm(self, control: &dyn Control, visit: &Visit) -> Result<Confirm, RequestError> {
        let selection = selection(visit)?;
        let count = Count::of(control, visit, &selection)?;
        let (what, needs) = match self {
            Self::Discard => (t::dead_letters::DISCARD_WHAT, Capability::Manage),
            Self::Redeliver => (t::dead_letters::REDELIVER_WHAT, Capability::SendAgain),
        };
        let filter = [
            (t::PROJECT, selection.project),
            (t::CALLBACK, selection.callback),
            (t::dead_letters::REASON, selection.reason.map(|name| t::dead_letters::reason(&name).to_owned())),
        ];
        Ok(Confirm {
            title: self.name().to_owned(),
            sentences: vec![
                t::dead_letters::selected(count.letters, count.records, count.is_whole),
                what.to_owned(),
            ],
            facts: filter.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            button: self.name().to_owned(),
            is_danger: self == Self::Discard,
            is_allowed: visit.can(needs) && count.letters > 0,
            back: List::link(visit, &[]),
        })
    }

    /// Does it. Returns the link to the page that says so.
    pub(super) fn carry_out(self, control: &dyn Control, visit: &Visit) -> Result<String, RequestError> {
        let selection = selection(visit)?;
        let (done, counts) = match self {
            Self::Discard => ("discarded", control.discard(&selection, &visit.access)?),
            Self::Redeliver => ("redelivering", control.redeliver(&selection, &visit.access)?),
        };
        let count = counts.dead_letters.to_string();
        Ok(List::link(visit, &[("done", done), ("count", &count)]))
    }
}

/// Those that the query names by number, or all that match its filter.
fn selection(visit: &Visit) -> Result<DeadLetterSelection, RequestError> {
    let numbers = visit.all("no").map(str::parse).collect::<Result<Vec<i64>, _>>();
    let numbers = numbers.map_err(|_| RequestError::field("no", "a number is expected"))?;
    if !numbers.is_empty() {
        return Ok(DeadLetterSelection { numbers, ..DeadLetterSelection::default() });
    }
    let DeadLetterQuery { project, callback, reason, .. } = List::query(visit);
    let is_filtered = project.is_some() || callback.is_some() || reason.is_some();
    let all = visit.query("all") == Some("1");
    if !all {
        return Err(RequestError::Invalid(t::dead_letters::NONE_SELECTED.to_owned()));
    }
    let all = !is_filtered;
    Ok(DeadLetterSelection { numbers, project, callback, reason, all, ..DeadLetterSelection::default() })
}

/// How many a selection is about.
struct Count {
    letters: u64,
    records: u64,
    /// Counting did not stop early.
    is_whole: bool,
}

impl Count {
    fn of(
        control: &dyn Control,
        visit: &Visit,
        selection: &DeadLetterSelection,
    ) -> Result<Self, RequestError> {
        let mut count = Self { letters: 0, records: 0, is_whole: true };
        if !selection.numbers.is_empty() {
            for no in &selection.numbers {
                count.letters += 1;
                count.records += control.dead_letter(*no, &visit.access)?.dead_letter.records;
            }
            return Ok(count);
        }
        let mut query = DeadLetterQuery { after: None, limit: Some(AT_ONCE), ..List::query(visit) };
        loop {
            let page = control.dead_letters(&query, &visit.access)?;
            count.letters += page.dead_letters.len() as u64;
            count.records += page.dead_letters.iter().map(|letter| letter.records).sum::<u64>();
            count.is_whole = page.next.is_none();
            if page.next.is_none() || count.letters >= COUNTED_MAX {
                return Ok(count);
            }
            query.after = page.next;
        }
    }
}

const AT_ONCE: u32 = 1_000;
/// Beyond it, the page says "more than".
const COUNTED_MAX: u64 = 100_000;
