//! Dead letters as rows: records that were given up, their redelivery and their discard.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::batches::{insert_batch, update_batch};
use super::chunks::first_behind;
use super::cost::{BATCH_COST, DEAD_LETTER_COST};
use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::record::{LaneNo, Seq};
use crate::spool::attempt::Attempted;
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::dead_letter::{DeadLetter, DeadLetterNo, DeadReason};
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::rules::{self, CutDeadLetter};
use crate::time::Timestamp;

impl DeadLetter {
    /// Without `redelivery`, which changes: a wrong one causes no wrong request body.
    pub(super) fn row_bytes(&self) -> RowBytes {
        let Self { no: _, lane, first, last, records, bytes, reason, at, batch, redelivery: _ } = self;
        RowBytes::of("dead_letter")
            .number(lane.0)
            .number(first.0)
            .number(last.0)
            .number(*records)
            .number(*bytes)
            .text(reason.name())
            .signed(at.0)
            .option(batch.as_ref(), |row, batch| row.bytes(batch.as_bytes()))
    }

    fn sum(&self) -> i64 {
        self.row_bytes().sum()
    }
}

impl Store {
    /// Adds a dead letter; its number, where it has none, is drawn.
    pub(super) fn add_dead_letter(&mut self, letter: &DeadLetter) -> Result<(), SpoolError> {
        self.execute(
            &format!(
                "INSERT INTO dead_letter ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
            ),
            params![
                Some(letter.no.0).filter(|no| *no > 0),
                letter.lane.0.cast_signed(),
                letter.first.0.cast_signed(),
                letter.last.0.cast_signed(),
                letter.records.cast_signed(),
                letter.bytes.cast_signed(),
                letter.reason.name(),
                letter.at.0,
                letter.batch.as_ref().map(Uuid::as_bytes),
                letter.redelivery.as_ref().map(Uuid::as_bytes),
                letter.sum(),
            ],
        )?;
        self.meta.live_bytes += DEAD_LETTER_COST;
        self.meta.dead_records += letter.records;
        Ok(())
    }

    /// A batch becomes a dead letter.
    pub(super) fn add_batch_dead_letter(
        &mut self,
        batch: &Batch,
        reason: DeadReason,
        at: Timestamp,
    ) -> Result<(), SpoolError> {
        self.add_dead_letter(&DeadLetter {
            no: DeadLetterNo::default(),
            lane: batch.lane,
            first: batch.first,
            last: batch.last,
            records: u64::from(batch.records),
            bytes: batch.fragment_bytes(),
            reason,
            at,
            batch: Some(batch.id),
            redelivery: None,
        })
    }

    /// Its records become settled ones like any other. The caller sets the state of its batch.
    pub(super) fn remove_dead_letter(&mut self, letter: &DeadLetter) -> Result<(), SpoolError> {
        self.execute("DELETE FROM dead_letter WHERE no = ?1", [letter.no.0])?;
        self.meta.dead_records = self.meta.dead_records.saturating_sub(letter.records);
        self.meta.live_bytes = self.meta.live_bytes.saturating_sub(DEAD_LETTER_COST);
        Ok(())
    }

    pub(super) fn redeliver(&mut self, dead: &[DeadLetterNo], id: Uuid) -> Result<Done, SpoolError> {
        let (mut lanes, mut count) = (Vec::new(), 0);
        for no in dead {
            let Some(letter) = find_dead_letter(&self.connection, *no)? else { continue };
            self.set_redelivery(*no, Some(rules::redelivery(&letter, id)))?;
            lanes.push(letter.lane);
            count += 1;
        }
        lanes.sort_unstable();
        lanes.dedup();
        Ok(Done::Redelivering { lanes, dead: count })
    }

    fn set_redelivery(&self, no: DeadLetterNo, id: Option<Uuid>) -> Result<(), SpoolError> {
        let sql = "UPDATE dead_letter SET redelivery = ?2 WHERE no = ?1";
        self.execute(sql, params![no.0, id.as_ref().map(Uuid::as_bytes)])
    }

    /// A dead letter that was removed or cut meanwhile stays as it is.
    pub(super) fn cut_dead(&mut self, dead: DeadLetterNo, batch: &Batch) -> Result<Done, SpoolError> {
        let letter = find_dead_letter(&self.connection, dead)?.filter(|letter| letter.batch.is_none());
        let Some(letter) = letter else { return Ok(Done::Ok) };
        let next = first_behind(&self.connection, letter.lane, batch.last)?;
        let CutDeadLetter { cut, rest } = rules::cut_of_dead_letter(batch, &letter, next)?;
        insert_batch(&self.connection, batch, BatchState::DeadLetter).map_err(failed)?;
        self.meta.live_bytes += BATCH_COST;
        self.remove_dead_letter(&letter)?;
        rest.iter().chain([&cut]).try_for_each(|letter| self.add_dead_letter(letter))?;
        Ok(Done::Ok)
    }

    pub(super) fn redelivered(
        &mut self,
        dead: DeadLetterNo,
        attempted: &Attempted,
    ) -> Result<Done, SpoolError> {
        self.log_attempt(attempted)?;
        let letter = find_dead_letter(&self.connection, dead)?;
        let state = rules::redelivered(letter.as_ref(), attempted);
        let Some((letter, state)) = letter.zip(state) else { return Ok(Done::Ok) };
        let Some((batch, _)) = self.batch(&attempted.batch)? else {
            return Err(SpoolError::Damaged("a dead letter without its batch".into()));
        };
        let batch = Batch { attempts: attempted.log.number, ..batch };
        update_batch(&self.connection, &batch, state).map_err(failed)?;
        match state {
            BatchState::DeadLetter => self.set_redelivery(dead, None)?,
            _ => self.remove_dead_letter(&letter)?,
        }
        Ok(Done::Ok)
    }

    pub(super) fn discard_dead(&mut self, dead: &[DeadLetterNo]) -> Result<Done, SpoolError> {
        let (mut records, mut bytes) = (0, 0);
        for no in dead {
            let Some(letter) = find_dead_letter(&self.connection, *no)? else { continue };
            let (range, state) = rules::discard_dead_letter(&letter);
            self.remove_dead_letter(&letter)?;
            self.add_discarded(range.lane, range.first, range.last)?;
            if let Some((batch, _)) = letter.batch.map(|id| self.batch(&id)).transpose()?.flatten() {
                update_batch(&self.connection, &batch, state).map_err(failed)?;
            }
            records += range.records;
            bytes += range.bytes;
        }
        Ok(Done::Settled { records, bytes })
    }

    /// No replay sends these records.
    pub(super) fn add_discarded(&self, lane: LaneNo, first: Seq, last: Seq) -> Result<(), SpoolError> {
        self.execute(
            "INSERT OR REPLACE INTO discarded (lane, first, last, sum) VALUES (?1, ?2, ?3, ?4)",
            params![
                lane.0.cast_signed(),
                first.0.cast_signed(),
                last.0.cast_signed(),
                discarded_bytes(lane, first, last).sum()
            ],
        )
    }
}

/// The number of the newest dead letter; 0 where there is none.
pub(super) fn last_dead_letter(connection: &Connection) -> Result<DeadLetterNo, SpoolError> {
    let last = "SELECT coalesce(max(no), 0) FROM dead_letter";
    connection.query_row(last, [], |row| row.get(0).map(DeadLetterNo)).map_err(failed)
}

/// Whether redeliveries of a lane's dead letters are due.
pub(super) fn has_redeliveries(connection: &Connection, lane: LaneNo) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE lane = ?1 AND redelivery IS NOT NULL)",
        )?
        .query_row([lane.0.cast_signed()], |row| row.get(0))
}

/// The batches of a lane's dead letters whose redelivery is due.
pub(super) fn redelivery_batches(connection: &Connection, lane: LaneNo) -> Result<Vec<BatchId>, SpoolError> {
    let sql =
        "SELECT batch FROM dead_letter WHERE lane = ?1 AND redelivery IS NOT NULL AND batch IS NOT NULL";
    let mut found = connection.prepare_cached(sql).map_err(failed)?;
    let ids = found.query_map([lane.0.cast_signed()], |row| row.get(0).map(Uuid::from_bytes));
    ids.and_then(Iterator::collect).map_err(failed)
}

/// The next dead letter of a lane whose redelivery is due, in the order of records.
pub(super) fn next_redelivery(
    connection: &Connection,
    lane: LaneNo,
) -> Result<Option<DeadLetter>, SpoolError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letter WHERE lane = ?1 AND redelivery IS NOT NULL ORDER BY first LIMIT 1"
    );
    one_dead_letter(connection, &sql, lane.0.cast_signed())
}

pub(super) fn find_dead_letter(
    connection: &Connection,
    no: DeadLetterNo,
) -> Result<Option<DeadLetter>, SpoolError> {
    one_dead_letter(connection, &format!("SELECT {COLUMNS} FROM dead_letter WHERE no = ?1"), no.0)
}

/// Up to `limit` dead letters behind `after`, in the order of their numbers.
pub(super) fn dead_letters_after(
    connection: &Connection,
    after: DeadLetterNo,
    limit: u32,
) -> Result<Vec<DeadLetter>, SpoolError> {
    let mut found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM dead_letter WHERE no > ?1 ORDER BY no LIMIT ?2"))
        .map_err(failed)?;
    let rows: Option<Vec<_>> = found
        .query_map(params![after.0, limit], read_dead_letter)
        .and_then(Iterator::collect)
        .map_err(failed)?;
    rows.ok_or_else(damaged)
}

/// What of `first..=last` was discarded, in order.
pub(super) fn discarded_within(
    connection: &Connection,
    lane: LaneNo,
    first: Seq,
    last: Seq,
) -> Result<Vec<(Seq, Seq)>, SpoolError> {
    let mut found = connection
        .prepare_cached(
            "SELECT first, last, sum FROM discarded WHERE lane = ?1 AND last >= ?2 AND first <= ?3 ORDER BY first",
        )
        .map_err(failed)?;
    let numbers = [lane.0.cast_signed(), first.0.cast_signed(), last.0.cast_signed()];
    let rows = found.query_map(numbers, |row| {
        let seq = |at: usize| row.get::<_, i64>(at).map(|seq| Seq(seq.cast_unsigned()));
        let (first, last) = (seq(0)?, seq(1)?);
        Ok((discarded_bytes(lane, first, last).sum() == row.get::<_, i64>(2)?).then_some((first, last)))
    });
    let ranges: Option<Vec<_>> = rows.and_then(Iterator::collect).map_err(failed)?;
    ranges.ok_or_else(|| SpoolError::Damaged("what was discarded".into()))
}

/// The dead letter that holds a record: dead letters of a lane do not overlap.
pub(super) fn dead_letter_holding(
    connection: &Connection,
    lane: LaneNo,
    seq: Seq,
) -> Result<Option<DeadLetter>, SpoolError> {
    let sql =
        format!("SELECT {COLUMNS} FROM dead_letter WHERE lane = ?1 AND last >= ?2 ORDER BY last LIMIT 1");
    let found = connection
        .prepare_cached(&sql)
        .and_then(|mut found| {
            found.query_row([lane.0.cast_signed(), seq.0.cast_signed()], read_dead_letter).optional()
        })
        .map_err(failed)?;
    let found = found.map(|letter| letter.ok_or_else(damaged)).transpose()?;
    Ok(found.filter(|letter| letter.first <= seq))
}

fn one_dead_letter(
    connection: &Connection,
    sql: &str,
    number: i64,
) -> Result<Option<DeadLetter>, SpoolError> {
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut found| found.query_row([number], read_dead_letter).optional())
        .map_err(failed)?;
    found.map(|letter| letter.ok_or_else(damaged)).transpose()
}

pub(super) fn read_dead_letter(row: &Row<'_>) -> rusqlite::Result<Option<DeadLetter>> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let id = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(at)?.map(Uuid::from_bytes));
    let name: String = row.get(6)?;
    let Some(reason) = DeadReason::ALL.into_iter().find(|reason| reason.name() == name) else {
        return Ok(None);
    };
    let letter = DeadLetter {
        no: DeadLetterNo(row.get(0)?),
        lane: LaneNo(number(1)?),
        first: Seq(number(2)?),
        last: Seq(number(3)?),
        records: number(4)?,
        bytes: number(5)?,
        reason,
        at: Timestamp(row.get(7)?),
        batch: id(8)?,
        redelivery: id(9)?,
    };
    Ok((letter.sum() == row.get::<_, i64>(10)?).then_some(letter))
}

pub(super) fn discarded_bytes(lane: LaneNo, first: Seq, last: Seq) -> RowBytes {
    RowBytes::of("discarded").number(lane.0).number(first.0).number(last.0)
}

pub(super) fn damaged() -> SpoolError {
    SpoolError::Damaged("a dead letter".into())
}

/// In the order in which they are written and read.
pub(super) const COLUMNS: &str = "no, lane, first, last, records, bytes, reason, at, batch, redelivery, sum";
