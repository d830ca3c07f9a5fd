//! Which dead letters a list or a bulk request is about.

use super::delivery_query::{callback, time};
use crate::admin::{DeadLetterFilter, RequestError};
use crate::record::{Callback, LaneNo, ProjectNo};
use crate::spool::{self, DeadLetter, DeadLetterNo, DeadReason, LaneDeadLetters, Reader, SpoolError};
use crate::time::Timestamp;

/// A filter for dead letters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    project: Project,
    callback: Option<Callback>,
    reason: Option<DeadReason>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Dead letters that are added later are not selected.
    last: Option<DeadLetterNo>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Project {
    #[default]
    Any,
    Is(ProjectNo),
    Unknown,
}

impl Filter {
    /// Checks the texts. An error names the field.
    pub(super) fn parse(reader: &Reader, text: &DeadLetterFilter) -> Result<Self, RequestError> {
        let reason = text.reason.as_deref().map(|name| {
            let known = DeadReason::ALL.into_iter().find(|reason| reason.name() == name);
            known.ok_or_else(|| {
                let names = DeadReason::ALL.map(|reason| format!("`{}`", reason.name())).join(", ");
                RequestError::field("reason", format!("`{name}` is not a reason: expected one of {names}"))
            })
        });
        let project = match &text.project {
            None => Project::Any,
            Some(name) => reader.project(name)?.map_or(Project::Unknown, Project::Is),
        };
        Ok(Self {
            project,
            callback: callback(text.callback.as_deref())?,
            reason: reason.transpose()?,
            since: text.since.as_deref().map(|text| time("since", text)).transpose()?,
            until: text.until.as_deref().map(|text| time("until", text)).transpose()?,
            last: None,
        })
    }

    /// Only those up to this one.
    pub(super) fn up_to(self, last: DeadLetterNo) -> Self {
        Self { last: Some(last), ..self }
    }

    /// The lanes that it is limited to.
    fn lanes(&self) -> Option<Vec<LaneNo>> {
        let project = match self.project {
            Project::Any => return None,
            Project::Unknown => return Some(Vec::new()),
            Project::Is(project) => project,
        };
        let wanted = Callback::ALL.into_iter().filter(|one| self.callback.is_none_or(|only| only == *one));
        Some(wanted.map(|callback| LaneNo::new(project, callback)).collect())
    }

    /// How many match in each lane.
    pub(super) fn count(&self, reader: &Reader) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        let Self { reason, since, until, last, .. } = *self;
        let mut counts = reader.count_dead_letters(&spool::DeadLetterFilter {
            lanes: self.lanes(),
            reason,
            since,
            until,
            last,
        })?;
        counts.retain(|of| self.callback.is_none_or(|callback| callback == of.lane.callback()));
        Ok(counts)
    }

    pub(super) fn matches(&self, letter: &DeadLetter) -> bool {
        let is_of_project = match self.project {
            Project::Any => true,
            Project::Is(project) => letter.lane.project() == project,
            Project::Unknown => false,
        };
        is_of_project
            && self.callback.is_none_or(|callback| callback == letter.lane.callback())
            && self.reason.is_none_or(|reason| reason == letter.reason)
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
            && self.last.is_none_or(|last| letter.no <= last)
    }
}

/// The dead letters that may match, page by page.
pub(super) struct Pages<'a> {
    reader: &'a Reader,
    lanes: Option<Vec<LaneNo>>,
    after: DeadLetterNo,
}

impl<'a> Pages<'a> {
    pub(super) fn new(reader: &'a Reader, filter: &Filter, after: DeadLetterNo) -> Self {
        Self { reader, lanes: filter.lanes(), after }
    }

    pub(super) fn next(&mut self) -> Result<Option<Vec<DeadLetter>>, SpoolError> {
        let some = match &self.lanes {
            None => self.reader.dead_letters(self.after, AT_ONCE)?,
            Some(lanes) => self.reader.dead_letters_of(lanes, self.after, AT_ONCE)?,
        };
        let Some(last) = some.last() else { return Ok(None) };
        self.after = last.no;
        Ok(Some(some))
    }
}

/// Changed by one operation of the spool.
pub(super) const AT_ONCE: u32 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Seq;

    #[test]
    fn a_filter_takes_what_fits_in_every_respect() {
        let letter = DeadLetter {
            no: DeadLetterNo(5),
            lane: LaneNo::new(ProjectNo(2), Callback::Modified),
            first: Seq(1),
            last: Seq(2),
            records: 2,
            bytes: 2,
            reason: DeadReason::Refused,
            at: Timestamp(7),
            batch: None,
            redelivery: None,
        };
        let all = Filter::default();
        for (filter, matches) in [
            (all, true),
            (Filter { project: Project::Is(ProjectNo(2)), ..all }, true),
            (Filter { project: Project::Is(ProjectNo(1)), ..all }, false),
            (Filter { project: Project::Unknown, ..all }, false),
            (Filter { callback: Some(Callback::Ingested), ..all }, false),
            (Filter { reason: Some(DeadReason::TooLarge), ..all }, false),
            (Filter { since: Some(Timestamp(7)), ..all }, true),
            (Filter { since: Some(Timestamp(8)), ..all }, false),
            (Filter { until: Some(Timestamp(7)), ..all }, false),
            (Filter { until: Some(Timestamp(8)), ..all }, true),
            (all.up_to(DeadLetterNo(5)), true),
            (all.up_to(DeadLetterNo(4)), false),
        ] {
            assert_eq!(filter.matches(&letter), matches, "{filter:?}");
        }
    }
}
