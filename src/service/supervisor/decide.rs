//! What to do on a new connection: stream, make a first start, resync, or wait for a decision. Pure.

use uuid::Uuid;

use super::continuity::{Continuity, SourceObject};
use super::resync_job::ResyncJob;
use crate::admin::ResyncRequest;
use crate::position::Lsn;
use crate::source::Required;
use crate::spool::StreamPosition;

/// What the decision is made from.
pub(super) struct Inputs<'a> {
    /// The resync that began and did not finish.
    pub(super) job: Option<&'a ResyncJob>,
    pub(super) request: Option<ResyncRequest>,
    pub(super) continuity: &'a Continuity,
    /// Why `job` waits for `sidecar resync --force`.
    pub(super) held: Option<&'a str>,
    /// The LSN up to which the stream is applied.
    pub(super) applied: Lsn,
    /// New columns whose existing values are unknown.
    pub(super) columns_to_backfill: &'a [String],
    /// The mapping is not the one that the shadow was made under.
    pub(super) mapping_changed: bool,
    pub(super) required: &'a Required,
    /// The id of an epoch, should one begin.
    pub(super) new_epoch: Uuid,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Decision {
    pub(super) next: Next,
    /// Why the request is refused.
    pub(super) refusal: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Nothing is read until somebody decides.
    Block(Block),
    FirstStart {
        /// The server reports the slot as lost: it is dropped first.
        drop_slot: bool,
    },
    Resync {
        job: ResyncJob,
        /// Only counts: nothing is kept of it.
        dry_run: bool,
    },
    Stream(StreamPosition),
}

/// Why nothing is read until somebody decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Block {
    pub(super) why: String,
    /// Nothing is delivered either.
    pub(super) holds_delivery: bool,
}

pub(super) fn decide(inputs: Inputs<'_>) -> Decision {
    let Inputs { job, continuity, required, .. } = inputs;
    let (request, mut refusal) = check_as_ingested(&inputs);
    let dry_run = request.is_some_and(|request| request.dry_run);
    // A job that was made for another database does not adopt this one.
    let adopts = job.is_none_or(|job| job.epoch.is_some()) || request.is_some_and(|request| request.adopt);
    if matches!(continuity, Continuity::Diverged { .. }) && !adopts {
        let refusal = refusal.or_else(|| request.map(|_| DIVERGED.to_owned()));
        return Decision { next: without_resync(continuity, required), refusal };
    }
    let next = match (job, request) {
        (Some(job), None) => match inputs.held {
            Some(why) => Next::Block(Block { why: why.to_owned(), holds_delivery: job.holds_delivery }),
            None => Next::Resync { job: job.clone(), dry_run },
        },
        (Some(job), Some(request)) => {
            let job = amended(job, request, continuity, inputs.new_epoch);
            Next::Resync { job, dry_run }
        }
        (None, None) => match required_job(&inputs) {
            Some(job) => Next::Resync { job, dry_run },
            None => without_resync(continuity, required),
        },
        (None, Some(request)) => match requested_job(request, &inputs) {
            Ok(job) => Next::Resync { job, dry_run },
            Err(why) => {
                refusal = Some(why);
                without_resync(continuity, required)
            }
        },
    };
    Decision { next, refusal }
}

/// The request, unless it is refused. `--as-ingested` makes no other record, so it must not pass over a
/// difference.
fn check_as_ingested<'a>(inputs: &'a Inputs<'_>) -> (Option<&'a ResyncRequest>, Option<String>) {
    let goes_on =
        matches!(inputs.continuity, Continuity::GoOn(_)) && inputs.job.is_none() && !inputs.mapping_changed;
    match &inputs.request {
        Some(request) if request.as_ingested.is_some() && !goes_on => {
            (None, Some(AS_INGESTED_NEEDS_A_STREAM.to_owned()))
        }
        request => (request.as_ref(), None),
    }
}

/// The job that began, as the request changes it.
fn amended(job: &ResyncJob, request: &ResyncRequest, continuity: &Continuity, new_epoch: Uuid) -> ResyncJob {
    let epoch = job.epoch.or_else(|| request.adopt.then_some(new_epoch));
    ResyncJob {
        forced: request.force,
        // A job that was to make no records makes none.
        learns: job.learns || request.learn,
        epoch,
        catches_up: job.catches_up && !matches!(continuity, Continuity::Diverged { .. }),
        holds_delivery: job.holds_delivery || epoch.is_some(),
        ..job.clone()
    }
}

/// The job that the state of the source requires.
fn required_job(inputs: &Inputs<'_>) -> Option<ResyncJob> {
    let backfills =
        matches!(inputs.continuity, Continuity::GoOn(_)) && !inputs.columns_to_backfill.is_empty();
    of_gap(inputs.continuity, inputs.required)
        .or_else(|| backfills.then(|| ResyncJob::of_backfill(inputs.columns_to_backfill, inputs.applied)))
}

/// The job that is requested, or why it is refused.
fn requested_job(request: &ResyncRequest, inputs: &Inputs<'_>) -> Result<ResyncJob, String> {
    let job = ResyncJob::requested(request, inputs.applied, inputs.new_epoch);
    match inputs.continuity {
        Continuity::Diverged { why } if !request.adopt => {
            Err(format!("{why}. If this database is the right one: `sidecar resync --adopt`"))
        }
        Continuity::Diverged { .. } | Continuity::SpoolBehind { .. } => {
            Ok(ResyncJob { catches_up: false, holds_delivery: true, ..job })
        }
        Continuity::GoOn(_) | Continuity::FirstStart { .. } => Ok(job),
        Continuity::Replaced { .. } | Continuity::SlotGone { .. } => {
            Ok(match of_gap(inputs.continuity, inputs.required) {
                Some(gap) => ResyncJob { catches_up: false, drops_slot: gap.drops_slot, why: gap.why, ..job },
                None => job,
            })
        }
    }
}

/// The job that closes a gap in the stream.
fn of_gap(continuity: &Continuity, required: &Required) -> Option<ResyncJob> {
    let (from, what, drops_slot) = match continuity {
        Continuity::SlotGone { from, lost } => {
            let is = lost.map_or_else(
                || "missing (it was dropped, or the server was restored without it)".to_owned(),
                |why| format!("lost ({why})"),
            );
            (*from, format!("the slot `{}` is {is}", required.slot), lost.is_some())
        }
        Continuity::Replaced { what: SourceObject::Table, from } => {
            let table = format!("{}.{}", required.schema, required.table);
            (*from, format!("the table {table} was dropped and created again"), false)
        }
        Continuity::Replaced { what: SourceObject::Publication, from } => {
            let publication = &required.publication;
            (*from, format!("the publication {publication} was dropped and created again"), false)
        }
        Continuity::Diverged { .. }
        | Continuity::FirstStart { .. }
        | Continuity::GoOn(_)
        | Continuity::SpoolBehind { .. } => return None,
    };
    let why = format!("{what}: what changed after {from} cannot be known from the stream");
    Some(ResyncJob::of_gap(why, from, drops_slot))
}

fn without_resync(continuity: &Continuity, required: &Required) -> Next {
    let why = match continuity {
        Continuity::FirstStart { drop_slot } => return Next::FirstStart { drop_slot: *drop_slot },
        Continuity::GoOn(position) => return Next::Stream(*position),
        Continuity::Diverged { why } => format!(
            "{why}. Nothing is read or delivered. If this database is the right one: `sidecar resync --adopt`"
        ),
        Continuity::SpoolBehind { confirmed } => format!(
            "the slot `{}` has confirmed {confirmed}, beyond what the spool holds: the spool was restored, or the slot \
             was made again. Nothing is read or delivered. `sidecar resync` sends the differences",
            required.slot
        ),
        Continuity::Replaced { .. } | Continuity::SlotGone { .. } => String::new(),
    };
    Next::Block(Block { why, holds_delivery: true })
}

const DIVERGED: &str = "the database is not the one that the spool was made from: `sidecar resync --adopt` if it is the right one";
const AS_INGESTED_NEEDS_A_STREAM: &str = "--as-ingested needs a stream that goes on: `sidecar resync` first";

#[cfg(test)]
mod tests;
