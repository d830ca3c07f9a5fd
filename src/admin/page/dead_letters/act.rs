//! Redelivering and discarding: of those selected, or of all that match. Pure, but for what it calls.

use super::list::List;
use crate::admin::access::Capability;
use crate::admin::api::{DeadLetterCounts, DeadLetterQuery, DeadLetterSelection};
use crate::admin::control::Control;
use crate::admin::page::confirm::Confirm;
use crate::admin::page::visit::Visit;
use crate::admin::page::{show, texts as t};
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
        let selection = DeadLetterSelection { dry_run: true, ..selection(visit)? };
        let counts = self.call(control, visit, &selection)?;
        let (what, needs) = match self {
            Self::Discard => (t::dead_letters::DISCARD_WHAT, Capability::Manage),
            Self::Redeliver => (t::dead_letters::REDELIVER_WHAT, Capability::SendAgain),
        };
        let filter = [
            (t::PROJECT, selection.project),
            (t::CALLBACK, selection.callback),
            (t::dead_letters::REASON, selection.reason.map(|name| t::dead_letters::reason(&name).to_owned())),
            (t::dead_letters::SINCE, selection.since),
            (t::dead_letters::UNTIL, selection.until),
        ];
        let mut sentences = vec![t::dead_letters::selected(counts.dead_letters, counts.records)];
        if counts.dead_letters > 0 {
            sentences.push(what.to_owned());
            sentences.extend(counts.estimated_seconds.map(t::jobs::takes));
        }
        Ok(Confirm {
            title: self.name().to_owned(),
            sentences,
            facts: filter
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), show::plain(value?))))
                .collect(),
            button: self.name().to_owned(),
            is_danger: self == Self::Discard,
            is_allowed: visit.can(needs),
            is_possible: counts.dead_letters > 0,
            back: List::link(visit, &[]),
        })
    }

    /// Does it. Returns the link to the page that says so.
    pub(super) fn carry_out(self, control: &dyn Control, visit: &Visit) -> Result<String, RequestError> {
        let counts = self.call(control, visit, &selection(visit)?)?;
        if let Some(job) = counts.job {
            return Ok(visit.links.with("job", &[("no", &job.to_string()), ("done", "job")]));
        }
        let done = if self == Self::Discard { "discarded" } else { "redelivering" };
        let count = counts.dead_letters.to_string();
        Ok(List::link(visit, &[("done", done), ("count", &count)]))
    }

    fn call(
        self,
        control: &dyn Control,
        visit: &Visit,
        selection: &DeadLetterSelection,
    ) -> Result<DeadLetterCounts, RequestError> {
        match self {
            Self::Discard => control.discard(selection, &visit.access),
            Self::Redeliver => control.redeliver(selection, &visit.access),
        }
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
    let DeadLetterQuery { project, callback, reason, since, until, .. } = List::query(visit);
    let all = [&project, &callback, &reason, &since, &until].into_iter().all(Option::is_none);
    Ok(DeadLetterSelection { numbers, project, callback, reason, since, until, all, dry_run: false })
}
