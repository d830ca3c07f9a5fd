//! Redelivers and discards dead letters by number or by filter: at once, or, where there are many, as a job.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Controller;
use super::bulk_selection::{Counted, Selected};
use super::dead_letter_filter::Filter;
use super::dead_letters::find;
use super::stored_records::Names;
use crate::admin::{Access, DeadLetterCounts, DeadLetterFilter, DeadLetterSelection, RequestError};
use crate::amount::count;
use crate::deliver::Deliver;
use crate::record::LaneNo;
use crate::service::audit::Entry;
use crate::spool::{DeadLetter, DeadLetterNo, Done, Op, Reader, Spool, SpoolError};

/// What is done with dead letters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Action {
    Discard,
    Redeliver,
}

/// What carries the action out.
#[derive(Clone)]
struct Hands {
    spool: Spool,
    deliver: Arc<Deliver>,
    action: Action,
    /// The id of a redelivery.
    id: Uuid,
}

impl Controller {
    /// One more attempt for each.
    pub(super) fn redeliver_dead_letters(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError> {
        self.act_on_dead_letters(Action::Redeliver, selection, access)
    }

    /// No replay sends their records.
    pub(super) fn discard_dead_letters(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError> {
        self.act_on_dead_letters(Action::Discard, selection, access)
    }

    fn act_on_dead_letters(
        &self,
        action: Action,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError> {
        let selected = select(&self.reader()?, selection, access)?;
        let project = selection.filter.project.as_deref().or(access.scope.project());
        let about = Entry { callback: selection.filter.callback.as_deref(), ..Entry::about("", project) };
        self.carry_out(action, selected, about, (selection.dry_run, access))
    }

    /// Counts what is selected and, unless it is a dry run, carries the action out: at once, or as a job.
    pub(super) fn carry_out(
        &self,
        action: Action,
        selected: Selected,
        about: Entry<'_>,
        (is_dry_run, access): (bool, &Access),
    ) -> Result<DeadLetterCounts, RequestError> {
        let reader = self.reader()?;
        let counted = selected.count(&reader)?;
        if action == Action::Redeliver {
            self.require_webhooks(&reader, &counted)?;
        }
        let counts = DeadLetterCounts {
            dead_letters: counted.dead_letters,
            records: counted.records,
            estimated_seconds: Some(action.takes(&reader, &counted)?.as_secs_f64()),
            job: None,
        };
        if is_dry_run {
            return Ok(counts);
        }
        let hands = Hands {
            spool: self.spool.clone(),
            deliver: Arc::clone(&self.deliver),
            action,
            id: Uuid::now_v7(),
        };
        let (what, changed) = if counted.dead_letters <= AT_ONCE_MAX {
            let mut changed = DeadLetterCounts { dead_letters: 0, records: 0, ..counts };
            hands.run(&reader, &selected, &mut |letters, records| {
                changed.dead_letters += letters;
                changed.records += records;
                true
            })?;
            (action.done(), changed)
        } else {
            let job = self.start_job(hands, selected, counts.dead_letters, (about.project, access));
            (action.started(), DeadLetterCounts { job: Some(job), ..counts })
        };
        let detail = Some(count(changed.dead_letters, "dead letter", "dead letters"));
        self.record(access, Entry { what, detail, ..about });
        Ok(changed)
    }

    fn start_job(
        &self,
        hands: Hands,
        selected: Selected,
        total: u64,
        (project, access): (Option<&str>, &Access),
    ) -> u64 {
        let (name, by, clock) = (hands.action.name(), access.caller.to_string(), self.clock);
        let job = self.jobs.begin(name, project.map(str::to_owned), by, total, clock.wall());
        let no = job.no();
        std::thread::spawn(move || {
            let reader = hands.spool.reader().map_err(RequestError::from);
            let ran = reader.and_then(|reader| {
                hands.run(&reader, &selected, &mut |letters, records| job.advance(letters, records))
            });
            job.end(clock.wall(), ran.err().map(|error| error.detail()));
        });
        no
    }

    /// A redelivery goes to the webhook of each lane.
    fn require_webhooks(&self, reader: &Reader, counted: &Counted) -> Result<(), RequestError> {
        let views = self.deliver.view_of(counted.by_lane.keys().copied().collect());
        let has_webhook = |lane: &LaneNo| views.iter().any(|view| view.lane == *lane && view.has_webhook);
        let Some(without) = counted.by_lane.keys().find(|lane| !has_webhook(lane)) else { return Ok(()) };
        let project = Names::new(reader).of(*without)?;
        Err(RequestError::Conflict(format!(
            "no webhook is configured for `{}` of `{project}`: add one first",
            without.callback()
        )))
    }
}

impl Hands {
    /// Calls `advance` with what was done, part by part, until it says no.
    fn run(
        &self,
        reader: &Reader,
        selected: &Selected,
        advance: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), RequestError> {
        selected.for_each_part(reader, &mut |some| {
            let (letters, records) = self.apply(some)?;
            Ok(advance(letters, records))
        })
    }

    fn apply(&self, some: &[DeadLetter]) -> Result<(u64, u64), RequestError> {
        let dead: Vec<DeadLetterNo> = some.iter().map(|letter| letter.no).collect();
        let count = dead.len() as u64;
        let op = match self.action {
            Action::Discard => Op::DiscardDead { dead },
            Action::Redeliver => Op::Redeliver { dead, id: self.id },
        };
        Ok(match self.spool.apply(op)? {
            Done::Redelivering { lanes, dead } => {
                self.deliver.redeliver(lanes);
                (dead, some.iter().map(|letter| letter.records).sum())
            }
            Done::Settled { records, .. } => (count, records),
            _ => (0, 0),
        })
    }
}

impl Action {
    fn takes(self, reader: &Reader, counted: &Counted) -> Result<Duration, SpoolError> {
        let letters = u32::try_from(counted.dead_letters).unwrap_or(u32::MAX);
        match self {
            Self::Discard => Ok(DISCARDED.saturating_mul(letters)),
            Self::Redeliver => estimate(reader, &counted.by_lane),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Redeliver => "redeliver",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Discard => "dead letters were discarded",
            Self::Redeliver => "dead letters were redelivered",
        }
    }

    fn started(self) -> &'static str {
        match self {
            Self::Discard => "a discard of dead letters was started",
            Self::Redeliver => "a redelivery of dead letters was started",
        }
    }
}

/// Lanes send at the same time, each one batch after the other, as fast as its last attempt was.
pub(super) fn estimate(reader: &Reader, by_lane: &HashMap<LaneNo, u64>) -> Result<Duration, SpoolError> {
    let mut longest = Duration::ZERO;
    for (lane, batches) in by_lane.iter().take(LANES_ESTIMATED) {
        let last = reader.last_batch(*lane)?;
        let last = last.map(|batch| reader.last_attempt(&batch.id)).transpose()?.flatten();
        let took = last.map_or(ATTEMPT, |last| Duration::from_micros(last.took_micros));
        longest = longest.max(took.saturating_mul(u32::try_from(*batches).unwrap_or(u32::MAX)));
    }
    Ok(longest)
}

/// An unknown number is an error.
fn select(
    reader: &Reader,
    selection: &DeadLetterSelection,
    access: &Access,
) -> Result<Selected, RequestError> {
    let wanted = &selection.filter;
    if !selection.numbers.is_empty() {
        if wanted.is_set() || selection.all {
            return Err(RequestError::Invalid(
                "name dead letters by number or by filter, not by both".to_owned(),
            ));
        }
        let found = selection.numbers.iter().map(|no| find(reader, *no, &access.scope));
        return Ok(Selected::Letters(found.collect::<Result<_, _>>()?));
    }
    if !wanted.is_set() && !selection.all {
        return Err(RequestError::Invalid(
            "say which: numbers, a project, a callback, a reason, a time, or all of them".to_owned(),
        ));
    }
    let project = access.scope.narrowed(wanted.project.as_deref())?;
    let filter = Filter::parse(reader, &DeadLetterFilter { project, ..wanted.clone() })?;
    Ok(Selected::Filter(filter.up_to(reader.last_dead_letter()?)))
}

/// More are a job.
const AT_ONCE_MAX: u64 = 1_000;
/// About what a redelivery takes where nothing is known.
const ATTEMPT: Duration = Duration::from_millis(100);
/// About what the discard of one takes.
const DISCARDED: Duration = Duration::from_micros(20);
/// Lanes that are looked at for an estimate.
const LANES_ESTIMATED: usize = 200;
