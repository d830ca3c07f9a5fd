//! The rules of operations, the same for every engine.
//!
//! Each function takes the stored state and the operation, and returns the next state or refuses the
//! operation. An engine calls it before it changes anything.

use std::time::Duration;

use uuid::Uuid;

use super::attempt::{Attempted, Fate};
use super::batch::{Batch, BatchId, BatchState};
use super::dead_letter::{DeadLetter, DeadLetterNo};
use super::error::SpoolError;
use super::lane::LaneHealth;
use super::meta::LowWatermark;
use super::replay::{LaneReplay, NewReplay, Replay, ReplayState};
use super::search::RecordRange;
use crate::outcome::may_be_taken;
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// A batch of a lane: `open` are the lane's open batches, `next` is its first record behind them and the
/// cursor.
pub(super) fn cut(
    batch: &Batch,
    cursor: Option<Seq>,
    open: &[Batch],
    next: Option<Seq>,
    last_seq: Seq,
) -> Result<(), SpoolError> {
    check(
        cursor.is_some_and(|cursor| cursor < batch.first) && batch.first <= batch.last,
        "a cut batch lies behind its lane's cursor",
    )?;
    check(open.iter().all(was_refused_alone), "a lane has one batch in flight")?;
    // A cut that begins further on would skip records for ever.
    check(next == Some(batch.first), "a batch begins with its lane's next record")?;
    check(batch.last <= last_seq, "a batch ends with a record that was spooled")
}

/// A batch of a replay: `range` is the one that runs in the batch's lane, `open` are its open batches, and
/// `next` is the first record behind its cursor.
pub(super) fn cut_of_replay(
    batch: &Batch,
    range: Option<&LaneReplay>,
    open: &[Batch],
    next: Option<Seq>,
) -> Result<(), SpoolError> {
    let range = range.ok_or(SpoolError::Refused("a batch is cut of a running replay"))?;
    check(batch.first <= batch.last && batch.last <= range.last, "a replay's batch lies inside its range")?;
    check(open.is_empty(), "a replay has one batch in flight a lane")?;
    check(next == Some(batch.first), "a replay's batch begins with the next record of its range")
}

/// What a cut makes of a dead letter that was never cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CutDeadLetter {
    /// The batch, a dead letter of its own. Without a number it gets a new one.
    pub(super) cut: DeadLetter,
    /// The records that are left keep the number, so that whoever lists them finds them again.
    pub(super) rest: Option<DeadLetter>,
}

/// A batch of a dead letter that was never cut; `next` is the first record of its lane behind the batch.
pub(super) fn cut_of_dead_letter(
    batch: &Batch,
    letter: &DeadLetter,
    next: Option<Seq>,
) -> Result<CutDeadLetter, SpoolError> {
    let is_inside = batch.first == letter.first && batch.first <= batch.last && batch.last <= letter.last;
    check(
        batch.lane == letter.lane && is_inside && u64::from(batch.records) <= letter.records,
        "a dead letter is cut from its first record on",
    )?;
    let bytes = batch.fragment_bytes();
    let rest = next.filter(|first| *first <= letter.last).map(|first| DeadLetter {
        first,
        records: letter.records.saturating_sub(u64::from(batch.records)),
        bytes: letter.bytes.saturating_sub(bytes),
        ..letter.clone()
    });
    let cut = DeadLetter {
        no: if rest.is_some() { DeadLetterNo::default() } else { letter.no },
        last: batch.last,
        records: u64::from(batch.records),
        bytes,
        batch: Some(batch.id),
        ..letter.clone()
    };
    Ok(CutDeadLetter { cut, rest })
}

/// The id of the redelivery of a dead letter: one that is requested already keeps its id.
pub(super) fn redelivery(letter: &DeadLetter, id: Uuid) -> Uuid {
    letter.redelivery.unwrap_or(id)
}

/// The state of a dead letter's batch after its redelivery: delivered, the dead letter is removed; otherwise
/// it stays, and is not sent again before the next request. `None`: the dead letter was
/// removed or cut anew meanwhile, and the attempt is only logged.
pub(super) fn redelivered(letter: Option<&DeadLetter>, attempted: &Attempted) -> Option<BatchState> {
    letter.filter(|letter| letter.batch == Some(attempted.batch))?;
    Some(match attempted.fate {
        Fate::Delivered => BatchState::Delivered,
        Fate::Dead(_) | Fate::Failed => BatchState::DeadLetter,
    })
}

/// What is discarded with a dead letter: these records, which no replay sends, and its batch is retired.
pub(super) fn discard_dead_letter(letter: &DeadLetter) -> (RecordRange, BatchState) {
    let DeadLetter { lane, first, last, records, bytes, .. } = *letter;
    (RecordRange { lane, first, last, records, bytes }, BatchState::Retired)
}

/// A batch like those behind which another may be sent: a record that was refused alone.
fn was_refused_alone(batch: &Batch) -> bool {
    batch.records == 1 && batch.attempts > 0
}

/// The batch that an attempt was of, and the open ones before it that become dead letters: those behind which
/// a record was, or may have been, taken. Sent again, they would arrive behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct AttemptedBatch {
    pub(super) refused_before: Vec<Batch>,
    pub(super) batch: Batch,
}

/// The batch that an attempt was of: the first of the open ones of its lane, or of its replay there, or one
/// behind records that were refused alone.
pub(super) fn attempted(attempted: &Attempted, mut open: Vec<Batch>) -> Result<AttemptedBatch, SpoolError> {
    let at = open.iter().position(|batch| batch.id == attempted.batch);
    let mut from = open.split_off(at.unwrap_or(open.len())).into_iter();
    let batch = from.next().ok_or(SpoolError::Refused("an attempt is of an open batch of its lane"))?;
    check(open.iter().all(was_refused_alone), "an attempt is of its lane's first open batch")?;
    let settles = attempted.fate != Fate::Failed || may_be_taken(attempted.log.outcome, attempted.log.status);
    Ok(AttemptedBatch { refused_before: if settles { open } else { Vec::new() }, batch })
}

/// The batch of a lane that was in flight when the process ended, if one was.
pub(super) fn in_flight(health: &LaneHealth, open: &[Batch]) -> Option<Batch> {
    let search = health.refusals.and_then(|refusals| refusals.search);
    let isolated = search.and_then(|search| usize::try_from(search.isolated).ok());
    open.get(isolated.unwrap_or_default()).cloned()
}

/// The state of a lane's batch after an attempt.
pub(super) fn batch_after(fate: Fate) -> BatchState {
    match fate {
        Fate::Dead(_) => BatchState::DeadLetter,
        Fate::Delivered => BatchState::Delivered,
        Fate::Failed => BatchState::Open,
    }
}

/// A replay's range, and the state of its batch, after an attempt. Records that were refused as too large
/// are skipped: they are settled already.
pub(super) fn range_after(
    range: Option<LaneReplay>,
    batch: &Batch,
    attempted: &Attempted,
) -> Result<(LaneReplay, BatchState), SpoolError> {
    let range = range.filter(|range| batch.last <= range.last);
    let range = range.ok_or(SpoolError::Refused("an attempt is of a running replay"))?;
    let records = u64::from(batch.records);
    Ok(match attempted.fate {
        Fate::Dead(_) => (
            LaneReplay { cursor: batch.last, refused: range.refused + records, ..range },
            BatchState::Retired,
        ),
        Fate::Delivered => {
            (LaneReplay { cursor: batch.last, sent: range.sent + records, ..range }, BatchState::Delivered)
        }
        Fate::Failed => (range, BatchState::Open),
    })
}

/// Whether `successors` replace the batch, the first of the open ones: they hold its first records. All open
/// batches are retired.
pub(super) fn retire(batch: BatchId, successors: &[Batch], open: &[Batch]) -> Result<(), SpoolError> {
    let old = open.first().filter(|open| open.id == batch);
    let old = old.ok_or(SpoolError::Refused("only a lane's first open batch is retired"))?;
    let is_ordered = successors.iter().zip(successors.iter().skip(1)).all(|(a, b)| a.last < b.first);
    let first = successors.first().map(|batch| batch.first);
    let last = successors.last().map_or(old.first, |batch| batch.last);
    let records: u32 = successors.iter().map(|successor| successor.records).sum();
    let is_prefix = if records == old.records { last == old.last } else { last < old.last };
    check(
        is_ordered && first == Some(old.first) && records <= old.records && is_prefix,
        "successors hold the first records of the batch that is retired",
    )
}

/// All pending records of a lane up to `through` are given up or discarded; `open` are its open batches.
pub(super) fn settle_through(through: Seq, open: &[Batch], last_seq: Seq) -> Result<(), SpoolError> {
    let is_split = open.iter().any(|batch| batch.first <= through && through < batch.last);
    check(!is_split, "a batch is given up or discarded whole")?;
    check(through <= last_seq, "only what was spooled is given up or discarded")
}

/// Whether a replay is entered: not where something was removed since its ranges were read.
pub(super) fn enter_replay(
    new: &NewReplay,
    low_watermark: Option<LowWatermark>,
    cursor: impl Fn(LaneNo) -> Option<Seq>,
) -> Result<bool, SpoolError> {
    if low_watermark != new.low_watermark {
        return Ok(false);
    }
    let is_settled = |range: &LaneReplay| cursor(range.lane).is_some_and(|cursor| range.last <= cursor);
    let is_sound =
        |range: &LaneReplay| range.first <= range.last && range.cursor < range.first && is_settled(range);
    check(!new.ranges.is_empty() && new.ranges.iter().all(is_sound), "a replay covers settled records")?;
    Ok(true)
}

/// The replay after its cancellation; `None`: it has ended already, and stays as it is.
pub(super) fn cancel_replay(replay: Replay, at: Timestamp) -> Option<Replay> {
    let is_running = replay.state == ReplayState::Running;
    is_running.then_some(Replay { state: ReplayState::Cancelled, ended_at: Some(at), ..replay })
}

/// The replay after the last attempt of one of its ranges; `None`: other ranges are left.
pub(super) fn end_replay(replay: Replay, ranges_left: u64, last: &Attempted) -> Option<Replay> {
    let ended_at = last.log.started_at.plus(Duration::from_micros(last.log.took_micros));
    (ranges_left == 0).then_some(Replay { state: ReplayState::Done, ended_at: Some(ended_at), ..replay })
}

fn check(holds: bool, rule: &'static str) -> Result<(), SpoolError> {
    if holds { Ok(()) } else { Err(SpoolError::Refused(rule)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::OutcomeKind;
    use crate::spool::attempt::LoggedAttempt;
    use crate::spool::dead_letter::DeadReason;
    use crate::spool::lane::LaneHealth;
    use crate::spool::replay::ReplayNo;

    fn batch(first: u64, last: u64) -> Batch {
        Batch {
            id: Uuid::from_u128(u128::from(first)),
            lane: LaneNo(1),
            first: Seq(first),
            last: Seq(last),
            records: u32::try_from((last + 1).saturating_sub(first)).unwrap(),
            body_bytes: 0,
            body_sum: 0,
            cut_at: Timestamp(0),
            epoch: Uuid::nil(),
            attempts: 0,
            replay: None,
        }
    }

    #[test]
    fn a_batch_is_cut_from_the_next_record_on_while_none_is_open() {
        let cut_of = |first, last| cut(&batch(first, last), Some(Seq(4)), &[], Some(Seq(5)), Seq(9));
        assert_eq!((cut_of(5, 5), cut_of(5, 9)), (Ok(()), Ok(())));
        for (first, last) in [(4, 5), (6, 7), (5, 10), (5, 4)] {
            assert!(cut_of(first, last).is_err(), "{first} to {last}");
        }
        assert!(cut(&batch(5, 6), None, &[], Some(Seq(5)), Seq(9)).is_err(), "no such lane");
        assert!(
            cut(&batch(5, 6), Some(Seq(4)), &[batch(5, 5)], Some(Seq(5)), Seq(9)).is_err(),
            "one is open"
        );
    }

    #[test]
    fn successors_hold_the_first_records_of_the_first_open_batch() {
        let old = batch(3, 8);
        let retired = |successors: &[Batch]| retire(old.id, successors, std::slice::from_ref(&old));
        for right in [vec![batch(3, 5)], vec![batch(3, 3)], vec![batch(3, 5), batch(6, 8)], vec![batch(3, 8)]]
        {
            assert_eq!(retired(&right), Ok(()), "{right:?}");
        }
        for wrong in [
            vec![],
            vec![batch(3, 5), batch(7, 8)],
            vec![batch(3, 5), batch(5, 8)],
            vec![batch(4, 8)],
            vec![batch(3, 9)],
            vec![batch(6, 8), batch(3, 5)],
        ] {
            assert!(retired(&wrong).is_err(), "{wrong:?}");
        }
        assert!(retire(batch(9, 9).id, &[batch(3, 8)], &[old]).is_err(), "another batch");
    }

    fn ended(of: &Batch, status: Option<u16>, fate: Fate) -> Attempted {
        Attempted {
            batch: of.id,
            lane: of.lane,
            log: LoggedAttempt {
                status,
                ..LoggedAttempt::new(
                    2,
                    Timestamp(0),
                    status.map_or(OutcomeKind::Timeout, OutcomeKind::of_status),
                )
            },
            fate,
            health: LaneHealth::default(),
        }
    }

    #[test]
    fn what_was_refused_alone_dies_once_a_record_behind_it_may_have_been_taken() {
        let refused = Batch { attempts: 1, ..batch(3, 3) };
        let (probe, open) = (batch(4, 4), vec![refused.clone(), batch(4, 4)]);
        let before = |status, fate| {
            let found = attempted(&ended(&probe, status, fate), open.clone()).unwrap();
            assert_eq!(found.batch, probe);
            found.refused_before
        };
        for status in [None, Some(408), Some(500), Some(503), Some(302)] {
            assert_eq!(before(status, Fate::Failed), std::slice::from_ref(&refused), "{status:?}");
        }
        for status in [400, 401, 404, 410, 413, 422, 429] {
            assert_eq!(before(Some(status), Fate::Failed), [], "{status}");
        }
        assert_eq!(before(Some(200), Fate::Delivered), std::slice::from_ref(&refused));
        assert_eq!(before(Some(422), Fate::Dead(DeadReason::Aborted)), std::slice::from_ref(&refused));
        let other = |open: Vec<Batch>| attempted(&ended(&probe, Some(200), Fate::Delivered), open);
        for open in [
            vec![],
            vec![refused.clone()],
            vec![batch(3, 3), probe.clone()],
            vec![batch(2, 3), probe.clone()],
        ] {
            assert!(other(open.clone()).is_err(), "{open:?}");
        }
    }

    #[test]
    fn a_batch_is_cut_behind_records_that_were_refused_alone() {
        let refused = Batch { attempts: 1, ..batch(5, 5) };
        let behind = |open: &[Batch]| cut(&batch(6, 6), Some(Seq(4)), open, Some(Seq(6)), Seq(9));
        assert_eq!(behind(&[refused]), Ok(()));
        assert!(behind(&[batch(5, 5)]).is_err(), "it was not sent");
    }

    #[test]
    fn an_open_batch_is_given_up_whole_or_not_at_all() {
        let through = |seq| settle_through(Seq(seq), &[batch(3, 5)], Seq(9));
        assert_eq!([2, 5, 9].map(through), [Ok(()), Ok(()), Ok(())]);
        assert!([3, 4, 10].map(through).iter().all(Result::is_err));
    }

    fn letter(no: i64, first: u64, last: u64, batch: Option<BatchId>) -> DeadLetter {
        DeadLetter {
            no: DeadLetterNo(no),
            lane: LaneNo(1),
            first: Seq(first),
            last: Seq(last),
            records: (last + 1).saturating_sub(first),
            bytes: 100,
            reason: DeadReason::GivenUp,
            at: Timestamp(0),
            batch,
            redelivery: None,
        }
    }

    #[test]
    fn a_dead_letter_is_cut_from_its_first_record_on_and_the_rest_keeps_its_number() {
        let whole = letter(7, 3, 8, None);
        let cut_of = |first, last, next| cut_of_dead_letter(&batch(first, last), &whole, next);
        let CutDeadLetter { cut, rest } = cut_of(3, 5, Some(Seq(6))).unwrap();
        assert_eq!((cut.no, cut.first, cut.last, cut.records), (DeadLetterNo(0), Seq(3), Seq(5), 3));
        assert_eq!(cut.batch, Some(batch(3, 5).id));
        let rest = rest.unwrap();
        assert_eq!((rest.no, rest.first, rest.last, rest.records), (DeadLetterNo(7), Seq(6), Seq(8), 3));
        assert_eq!(rest.batch, None);
        for next in [None, Some(Seq(9))] {
            let CutDeadLetter { cut, rest } = cut_of(3, 8, next).unwrap();
            assert_eq!((cut.no, rest), (DeadLetterNo(7), None));
        }
        for (first, last) in [(4, 5), (2, 5), (3, 9), (3, 2)] {
            assert!(cut_of(first, last, None).is_err(), "{first} to {last}");
        }
    }

    #[test]
    fn a_redelivery_keeps_the_id_of_its_first_request() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let requested = DeadLetter { redelivery: Some(first), ..letter(7, 3, 8, None) };
        assert_eq!(redelivery(&requested, second), first);
        assert_eq!(redelivery(&letter(7, 3, 8, None), second), second);
    }

    #[test]
    fn a_redelivery_decides_over_the_dead_letter_of_its_batch_alone() {
        let of = batch(3, 8);
        let attempted = |fate| Attempted {
            batch: of.id,
            lane: of.lane,
            log: LoggedAttempt::new(2, Timestamp(0), OutcomeKind::Delivered),
            fate,
            health: LaneHealth::default(),
        };
        let own = letter(7, 3, 8, Some(of.id));
        let after = |letter: Option<DeadLetter>, fate| redelivered(letter.as_ref(), &attempted(fate));
        assert_eq!(after(Some(own.clone()), Fate::Delivered), Some(BatchState::Delivered));
        for fate in [Fate::Failed, Fate::Dead(DeadReason::TooLarge)] {
            assert_eq!(after(Some(own.clone()), fate), Some(BatchState::DeadLetter));
        }
        for other in [None, Some(batch(9, 9).id)] {
            assert_eq!(after(Some(letter(7, 3, 8, other)), Fate::Delivered), None);
        }
        assert_eq!(after(None, Fate::Delivered), None);
    }

    #[test]
    fn the_batch_of_a_discarded_dead_letter_is_retired_and_its_records_counted() {
        let (range, state) = discard_dead_letter(&letter(7, 3, 8, None));
        assert_eq!((range.first, range.last, range.records, range.bytes), (Seq(3), Seq(8), 6, 100));
        assert_eq!(state, BatchState::Retired);
    }

    #[test]
    fn a_replay_ends_once() {
        let running = Replay {
            no: ReplayNo(1),
            id: Uuid::nil(),
            request: String::new(),
            requested_at: Timestamp(0),
            rate: None,
            state: ReplayState::Running,
            ended_at: None,
        };
        let cancelled = cancel_replay(running, Timestamp(5)).unwrap();
        assert_eq!((cancelled.state, cancelled.ended_at), (ReplayState::Cancelled, Some(Timestamp(5))));
        assert_eq!(cancel_replay(cancelled, Timestamp(6)), None);
    }
}
