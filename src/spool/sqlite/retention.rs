//! What is removed, and in which order. Never a record that is not settled, or a cut batch.
//!
//! By age: settled records, dead letters and attempts past `retain`. By count: attempts, of which the last
//! million is kept. By size, near `bytes_max`:
//! delivered records, oldest first, but those that a running replay needs: the delivery loop cancels
//! replays, the newest first. Then the oldest dead letters of the lane that holds most. What is left
//! then are pending records: the delivery loop gives up those of lanes that fail, are paused or have no
//! webhook, and only where none of these is left is there no room.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{OptionalExtension as _, params};

use super::dead_letters::find_dead_letter;

use super::attempts::{ATTEMPTS_MAX, TEXT_BYTES};
use super::cost::{BATCH_COST, attempt_cost, chunk_cost};
use super::error::failed;
use super::store::Store;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Seq};
use crate::spool::batch::BatchState;
use crate::spool::dead_letter::DeadLetterNo;
use crate::spool::engine::RetentionStep;
use crate::spool::error::SpoolError;
use crate::spool::meta::LowWatermark;
use crate::spool::ops::Room;
use crate::time::Timestamp;

/// A settled chunk that may be removed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Removable {
    last: Seq,
    lane: LaneNo,
    records: u64,
    cost: u64,
    spooled_at: Timestamp,
    last_position: Position,
    committed_max: Timestamp,
}

impl Store {
    pub(super) fn sweep_once(&mut self, cutoff: Timestamp) -> Result<RetentionStep, SpoolError> {
        self.begin()?;
        let swept = self.sweep_step(cutoff).and_then(|swept| self.commit().map(|()| swept));
        if swept.is_err() {
            self.roll_back();
        }
        let swept = swept?;
        self.room = self.room_after_step(swept.more);
        Ok(swept)
    }

    pub(super) fn is_nearly_full(&self) -> bool {
        self.is_crowded() || self.room != Room::Open
    }

    /// From three quarters on, delivered records make room.
    fn is_crowded(&self) -> bool {
        self.meta.live_bytes > self.bytes_max / 4 * 3
    }

    fn room_after_step(&self, more: bool) -> Room {
        let live = self.meta.live_bytes;
        if more || live <= self.bytes_max / 8 * 7 {
            Room::Open
        } else if live < self.bytes_max {
            Room::Near
        } else {
            Room::Full
        }
    }

    fn sweep_step(&mut self, cutoff: Timestamp) -> Result<RetentionStep, SpoolError> {
        let mut swept = RetentionStep { more: self.sweep_old_rows(cutoff)?, records: 0 };
        if !self.is_crowded() && !self.holds_chunks_before(cutoff)? {
            return Ok(swept);
        }
        let mut candidates = self.candidates()?;
        let mut left = STEP_CHUNKS;
        while let Some(Reverse(chunk)) = candidates.pop() {
            if !self.is_crowded() && chunk.spooled_at >= cutoff {
                // An older one may follow in another lane, but not by more than a group.
                break;
            }
            if left == 0 {
                swept.more = true;
                return Ok(swept);
            }
            left -= 1;
            swept.records += chunk.records;
            self.remove_chunk(chunk)?;
            candidates.extend(self.candidate_after(chunk.lane, chunk.last)?.map(Reverse));
        }
        let crowded = self.is_crowded() && candidates.is_empty();
        // Dead letters go only where no replay is left that could go.
        if crowded && !self.is_replaying()? && self.expire_fullest_dead_letter()? {
            swept.more = true;
        }
        Ok(swept)
    }

    /// One lookup in place of one for each lane, in most sweeps: chunks are numbered in the order of time.
    fn holds_chunks_before(&self, cutoff: Timestamp) -> Result<bool, SpoolError> {
        let first: Option<i64> =
            self.one("SELECT (SELECT spooled_at FROM chunk ORDER BY last LIMIT 1)", [])?;
        Ok(first.is_some_and(|spooled_at| spooled_at < cutoff.0))
    }

    /// The oldest removable chunk of each lane.
    fn candidates(&self) -> Result<BinaryHeap<Reverse<Removable>>, SpoolError> {
        let mut candidates = BinaryHeap::new();
        for lane in self.lanes.keys() {
            candidates.extend(self.candidate_after(*lane, Seq(0))?.map(Reverse));
        }
        Ok(candidates)
    }

    /// The first chunk of `lane` behind `seq` that is settled, holds no dead letter, and is not needed
    /// by a running replay.
    fn candidate_after(&self, lane: LaneNo, mut seq: Seq) -> Result<Option<Removable>, SpoolError> {
        let Some(cursor) = self.lanes.get(&lane).map(|row| row.cursor) else { return Ok(None) };
        loop {
            let found = self
                .connection
                .prepare_cached(
                    "SELECT last, first, records, length(packed), spooled_at, last_commit, last_number, committed_max FROM chunk \
                     WHERE lane = ?1 AND last > ?2 AND last <= ?3 ORDER BY last LIMIT 1",
                )
                .and_then(|mut found| {
                    found
                        .query_row(
                            params![lane.0.cast_signed(), seq.0.cast_signed(), cursor.0.cast_signed()],
                            |row| {
                                let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
                                let packed = usize::try_from(number(3)?).unwrap_or(usize::MAX);
                                let chunk = Removable {
                                    last: Seq(number(0)?),
                                    lane,
                                    records: number(2)?,
                                    cost: chunk_cost(packed),
                                    spooled_at: Timestamp(row.get(4)?),
                                    last_position: Position { commit: Lsn(number(5)?), number: row.get(6)? },
                                    committed_max: Timestamp(row.get(7)?),
                                };
                                Ok((chunk, Seq(number(1)?)))
                            },
                        )
                        .optional()
                })
                .map_err(failed)?;
            let Some((chunk, first)) = found else { return Ok(None) };
            match self.needed_until(lane, first, chunk.last)? {
                Some(until) => seq = chunk.last.max(until),
                None => return Ok(Some(chunk)),
            }
        }
    }

    fn needed_until(&self, lane: LaneNo, first: Seq, last: Seq) -> Result<Option<Seq>, SpoolError> {
        let numbers = [lane.0.cast_signed(), first.0.cast_signed(), last.0.cast_signed()];
        let until: Option<i64> = self.one(
            "SELECT max(last) FROM (
                 SELECT last FROM dead_letter WHERE lane = ?1 AND last >= ?2 AND first <= ?3
                 UNION ALL
                 SELECT last FROM replay_range
                 WHERE is_running = 1 AND lane = ?1 AND last >= ?2 AND max(first, cursor + 1) <= ?3
             )",
            numbers,
        )?;
        // Chunks that lie wholly inside are skipped with it.
        Ok(until.map(|until| Seq(until.cast_unsigned().saturating_sub(1))))
    }

    fn remove_chunk(&mut self, chunk: Removable) -> Result<(), SpoolError> {
        self.execute("DELETE FROM chunk WHERE last = ?1", [chunk.last.0.cast_signed()])?;
        self.freed(chunk.cost);
        let gone = LowWatermark { seq: chunk.last, position: chunk.last_position, at: chunk.committed_max };
        self.meta.low_watermark.get_or_insert(gone).raise(gone);
        // The batches of its records, and their attempts, are removed with it.
        let gone = self.ids(
            "SELECT id FROM batch WHERE lane = ?1 AND last <= ?2 AND state IN (1, 3)",
            params![chunk.lane.0.cast_signed(), chunk.last.0.cast_signed()],
        )?;
        gone.into_iter().try_for_each(|id| self.remove_batch(&id))
    }

    pub(super) fn remove_batch(&mut self, id: &[u8]) -> Result<(), SpoolError> {
        let attempts: i64 = self.one(
            &format!("SELECT coalesce(sum({TEXT_BYTES} + ?2), 0) FROM attempt WHERE batch = ?1"),
            params![id, attempt_cost(0).cast_signed()],
        )?;
        self.execute("DELETE FROM attempt WHERE batch = ?1", [id])?;
        self.execute("DELETE FROM batch WHERE id = ?1", [id])?;
        self.freed(attempts.cast_unsigned() + BATCH_COST);
        Ok(())
    }

    /// Removes dead letters and attempts from before `cutoff`. Returns whether there are more.
    fn sweep_old_rows(&mut self, cutoff: Timestamp) -> Result<bool, SpoolError> {
        let dead = self.numbers(
            "SELECT no FROM dead_letter WHERE at < ?1 ORDER BY no LIMIT ?2",
            params![cutoff.0, STEP_ROWS],
        )?;
        dead.iter().try_for_each(|no| self.expire_dead_letter(*no))?;
        self.remove_old_replays(cutoff)?;
        let low_watermark =
            self.meta.low_watermark.map_or(0, |low_watermark| low_watermark.seq.0.cast_signed());
        self.execute("DELETE FROM discarded WHERE last <= ?1", [low_watermark])?;
        // Attempts are numbered in the order of time; those of a batch that still waits may be old.
        // Their numbers bound their count, so that nothing counts rows.
        let last: i64 = self.one("SELECT coalesce(max(no), 0) FROM attempt", [])?;
        let attempts = self.numbers(
            "SELECT no FROM (SELECT no, started_at FROM attempt ORDER BY no LIMIT ?2) WHERE started_at < ?1 OR no <= ?3",
            params![cutoff.0, STEP_ROWS, last - ATTEMPTS_MAX],
        )?;
        for no in &attempts {
            let texts: i64 = self.one(&format!("SELECT {TEXT_BYTES} FROM attempt WHERE no = ?1"), [no])?;
            self.execute("DELETE FROM attempt WHERE no = ?1", [no])?;
            self.freed(attempt_cost(usize::try_from(texts).unwrap_or(0)));
        }
        Ok(dead.len().max(attempts.len()) == STEP_ROWS as usize)
    }

    /// Removes the oldest dead letter of the lane whose dead letters hold most. `false`: there is none.
    fn expire_fullest_dead_letter(&mut self) -> Result<bool, SpoolError> {
        let fullest = "SELECT lane FROM dead_letter GROUP BY lane ORDER BY sum(bytes) DESC, lane LIMIT 1";
        let oldest = self.numbers(
            &format!("SELECT no FROM dead_letter WHERE lane = ({fullest}) ORDER BY no LIMIT 1"),
            [],
        )?;
        oldest.iter().try_for_each(|no| self.expire_dead_letter(*no))?;
        Ok(!oldest.is_empty())
    }

    /// Its records become settled ones like any other, and are removed as such.
    fn expire_dead_letter(&mut self, no: i64) -> Result<(), SpoolError> {
        let Some(letter) = find_dead_letter(&self.connection, DeadLetterNo(no))? else { return Ok(()) };
        self.remove_dead_letter(&letter)?;
        let Some(batch) = letter.batch else { return Ok(()) };
        let retired = params![batch.as_bytes(), BatchState::Retired as u8];
        self.execute("UPDATE batch SET state = ?2 WHERE id = ?1", retired)
    }

    fn freed(&mut self, bytes: u64) {
        self.meta.live_bytes = self.meta.live_bytes.saturating_sub(bytes);
    }

    fn numbers(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<i64>, SpoolError> {
        let mut found = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = found.query_map(values, |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn ids(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Vec<u8>>, SpoolError> {
        let mut found = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = found.query_map(values, |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

/// A step holds the writer for a few milliseconds at most.
const STEP_CHUNKS: usize = 64;
const STEP_ROWS: u32 = 256;
