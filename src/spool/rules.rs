//! What operations may do, whatever engine keeps the rows.
//!
//! Each function takes what is there and what is requested, and says what follows or refuses it. An
//! engine calls it before it changes anything.

use super::batch::{Batch, BatchId, BatchState};
use super::dead_letter::DeadLetter;
use super::error::SpoolError;
use super::meta::LowWatermark;
use super::ops::{Attempted, Fate};
use super::replay::{LaneReplay, NewReplay};
use crate::record::{LaneNo, Seq};

/// A batch of a lane: `open` are the lane's open batches, `next` is its first record behind the cursor.
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
    check(open.is_empty(), "a lane has one batch in flight")?;
    // A cut that begins further on would pass over records for ever.
    check(next == Some(batch.first), "a batch begins with its lane's first unsettled record")?;
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

/// A batch of a dead letter that was never cut.
pub(super) fn cut_of_dead_letter(batch: &Batch, letter: &DeadLetter) -> Result<(), SpoolError> {
    let is_inside = batch.first == letter.first && batch.first <= batch.last && batch.last <= letter.last;
    check(
        batch.lane == letter.lane && is_inside && u64::from(batch.records) <= letter.records,
        "a dead letter is cut from its first record on",
    )
}

/// The batch that an attempt was of: the first of the open ones of its lane, or of its replay there.
pub(super) fn attempted(batch: BatchId, open: Vec<Batch>) -> Result<Batch, SpoolError> {
    let first = open.into_iter().next().filter(|first| first.id == batch);
    first.ok_or(SpoolError::Refused("an attempt is of its lane's first open batch"))
}

/// What becomes of a lane's batch with an attempt.
pub(super) fn batch_after(fate: Fate) -> BatchState {
    match fate {
        Fate::Dead(_) => BatchState::DeadLetter,
        Fate::Delivered => BatchState::Delivered,
        Fate::Waits => BatchState::Open,
    }
}

/// What becomes of a replay's range and its batch with an attempt. Records that were refused as too large
/// are passed over: they are settled already.
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
        Fate::Waits => (range, BatchState::Open),
    })
}

/// The batch that makes way for `successors`: the first of the open ones.
pub(super) fn retire(batch: BatchId, successors: &[Batch], open: Vec<Batch>) -> Result<Batch, SpoolError> {
    let old = open.into_iter().next().filter(|open| open.id == batch);
    let old = old.ok_or(SpoolError::Refused("only a lane's first open batch is retired"))?;
    let is_ordered = successors.iter().zip(successors.iter().skip(1)).all(|(a, b)| a.last < b.first);
    let ends = successors.first().map(|batch| batch.first).zip(successors.last().map(|batch| batch.last));
    let records: u32 = successors.iter().map(|successor| successor.records).sum();
    check(
        is_ordered && ends == Some((old.first, old.last)) && records == old.records,
        "successors hold the records of the batch that is retired",
    )?;
    Ok(old)
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
    check(!new.parts.is_empty() && new.parts.iter().all(is_sound), "a replay covers settled records")?;
    Ok(true)
}

fn check(holds: bool, rule: &'static str) -> Result<(), SpoolError> {
    if holds { Ok(()) } else { Err(SpoolError::Refused(rule)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use uuid::Uuid;

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
    fn successors_hold_exactly_the_records_of_the_first_open_batch() {
        let old = batch(3, 8);
        let retired = |successors: &[Batch]| retire(old.id, successors, vec![old.clone()]);
        assert_eq!(retired(&[batch(3, 5), batch(6, 8)]), Ok(old.clone()));
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
        assert!(retire(batch(9, 9).id, &[batch(3, 8)], vec![old]).is_err(), "another batch");
    }

    #[test]
    fn an_open_batch_is_given_up_whole_or_not_at_all() {
        let through = |seq| settle_through(Seq(seq), &[batch(3, 5)], Seq(9));
        assert_eq!([2, 5, 9].map(through), [Ok(()), Ok(()), Ok(())]);
        assert!([3, 4, 10].map(through).iter().all(Result::is_err));
    }
}
