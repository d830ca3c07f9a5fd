//! Batches are cut: from the first unsettled record on, one at a time.

use rusqlite::{Connection, OptionalExtension as _};

use super::lanes::{BatchState, open_batches, write_batch};
use super::ops::{Batch, Chunk, Done};
use super::reader::chunk_holding;
use super::replays::ReplayNo;
use super::store::{BATCH_COST, SpoolError, Store, failed};
use crate::record::{LaneNo, Seq};

impl Store {
    pub(super) fn cut(&mut self, batch: &Batch) -> Result<Done, SpoolError> {
        if let Some(replay) = batch.replay {
            return self.cut_of_replay(batch, replay);
        }
        let cursor = self.lanes.get(&batch.lane).map(|lane| lane.cursor);
        if cursor.is_none_or(|cursor| cursor >= batch.first) || batch.first > batch.last {
            return Err(SpoolError::Refused("a cut batch lies behind its lane's cursor"));
        }
        if !self.batches(batch.lane)?.is_empty() {
            return Err(SpoolError::Refused("a lane has one batch in flight"));
        }
        // A cut that begins further on would pass over records for ever.
        if first_behind(&self.connection, batch.lane, cursor.unwrap_or_default())? != Some(batch.first) {
            return Err(SpoolError::Refused("a batch begins with its lane's first unsettled record"));
        }
        if batch.last > self.meta.last_seq {
            return Err(SpoolError::Refused("a batch ends with a record that was spooled"));
        }
        self.add_batch(batch)?;
        Ok(Done::Ok)
    }

    fn cut_of_replay(&mut self, batch: &Batch, replay: ReplayNo) -> Result<Done, SpoolError> {
        let Some(part) = self.part_at_work(batch.lane, replay)? else {
            return Err(SpoolError::Refused("a batch is cut of a running replay"));
        };
        if batch.first > batch.last || batch.last > part.last {
            return Err(SpoolError::Refused("a replay's batch lies inside its part"));
        }
        let open = open_batches(&self.connection, batch.lane, Some(replay)).map_err(failed)?;
        if open.is_none_or(|open| !open.is_empty()) {
            return Err(SpoolError::Refused("a replay has one batch in flight a lane"));
        }
        if first_behind(&self.connection, batch.lane, part.cursor)? != Some(batch.first) {
            return Err(SpoolError::Refused("a replay's batch begins with the next record of its part"));
        }
        self.add_batch(batch)?;
        Ok(Done::Ok)
    }

    pub(super) fn add_batch(&mut self, batch: &Batch) -> Result<(), SpoolError> {
        write_batch(&self.connection, batch, BatchState::Open).map_err(failed)?;
        self.meta.live_bytes += BATCH_COST;
        Ok(())
    }
}

/// The first record of `lane` behind `cursor`.
pub(super) fn first_behind(
    connection: &Connection,
    lane: LaneNo,
    cursor: Seq,
) -> Result<Option<Seq>, SpoolError> {
    let sql = "SELECT first FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1";
    let found = connection.prepare_cached(sql).and_then(|mut found| {
        let of = [lane.0.cast_signed(), cursor.0.cast_signed()];
        found.query_row(of, |row| row.get::<_, i64>(0)).optional()
    });
    let Some(first) = found.map_err(failed)?.map(|first| Seq(first.cast_unsigned())) else {
        return Ok(None);
    };
    if first > cursor {
        return Ok(Some(first));
    }
    // Part of the chunk lies behind: which record comes next stands in it alone.
    let chunk = chunk_holding(connection, lane, Seq(cursor.0 + 1))?;
    let mut seqs = chunk.iter().flat_map(Chunk::records).map(|record| record.map(|record| record.seq));
    let next = seqs.find(|seq| seq.as_ref().map_or(true, |seq| *seq > cursor)).transpose();
    next.map_err(|error| SpoolError::Damaged(error.to_string()))
}
