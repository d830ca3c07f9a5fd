//! How records are settled: delivered, given up, or discarded.

use rusqlite::params;

use super::batches::update_batch;
use super::chunks::chunk_holding;
use super::cost::CHUNK_COST;
use super::error::failed;
use super::store::Store;
use crate::record::{LaneNo, Seq};
use crate::spool::attempt::{Attempted, Fate};
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::dead_letter::{DeadLetter, DeadLetterNo, DeadReason};
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::rules::{self, AttemptedBatch};
use crate::time::Timestamp;

impl Store {
    pub(super) fn attempted(&mut self, attempted: &Attempted) -> Result<Done, SpoolError> {
        if let Some((batch, state)) = self.batch(&attempted.batch)?
            && let Some(replay) = batch.replay
        {
            return self.replay_attempted(attempted, (batch, state), replay);
        }
        let AttemptedBatch { refused_before, batch } =
            rules::attempted(attempted, self.batches(attempted.lane)?)?;
        let batch = Batch { attempts: attempted.log.number, ..batch };
        self.log_attempt(attempted)?;
        for refused in &refused_before {
            self.refused(refused, attempted.log.started_at)?;
        }
        self.lane(batch.lane, batch.first).health = attempted.health.clone();
        update_batch(&self.connection, &batch, rules::batch_after(attempted.fate)).map_err(failed)?;
        if let Fate::Dead(reason) = attempted.fate {
            self.add_batch_dead_letter(&batch, reason, attempted.log.started_at)?;
        }
        if attempted.fate != Fate::Failed {
            self.settle(batch.lane, batch.last, u64::from(batch.records), batch.fragment_bytes());
        }
        Ok(Done::Ok)
    }

    /// A record that was refused alone becomes a dead letter.
    pub(super) fn refused(&mut self, batch: &Batch, at: Timestamp) -> Result<(), SpoolError> {
        update_batch(&self.connection, batch, BatchState::DeadLetter).map_err(failed)?;
        self.add_batch_dead_letter(batch, DeadReason::Refused, at)?;
        self.settle(batch.lane, batch.last, u64::from(batch.records), batch.fragment_bytes());
        Ok(())
    }

    pub(super) fn settle(&mut self, lane: LaneNo, through: Seq, records: u64, bytes: u64) {
        let row = self.lane(lane, through);
        row.cursor = row.cursor.max(through);
        row.pending_records = row.pending_records.saturating_sub(records);
        row.pending_bytes = row.pending_bytes.saturating_sub(bytes);
    }

    pub(super) fn retire(&mut self, batch: BatchId, successors: &[Batch]) -> Result<Done, SpoolError> {
        let first = successors.first().ok_or(SpoolError::Refused("a retired batch has successors"))?;
        let open = self.batches_of(first.lane, first.replay)?;
        rules::retire(batch, successors, &open)?;
        for old in &open {
            update_batch(&self.connection, old, BatchState::Retired).map_err(failed)?;
        }
        successors.iter().try_for_each(|successor| self.add_batch(successor))?;
        Ok(Done::Ok)
    }

    pub(super) fn give_up(
        &mut self,
        lane: LaneNo,
        through: Seq,
        reason: DeadReason,
        at: Timestamp,
    ) -> Result<Done, SpoolError> {
        let batches = self.batches(lane)?;
        rules::settle_through(through, &batches, self.meta.last_seq)?;
        let cursor = self.lane(lane, through).cursor;
        let (mut settled, mut bytes, mut uncut_from) = (0, 0, cursor);
        for batch in batches.iter().filter(|batch| batch.last <= through) {
            update_batch(&self.connection, batch, BatchState::DeadLetter).map_err(failed)?;
            self.add_batch_dead_letter(batch, reason, at)?;
            settled += u64::from(batch.records);
            bytes += batch.fragment_bytes();
            uncut_from = batch.last;
        }
        let uncut = self.measure(lane, uncut_from, through)?;
        if let Some((first, last)) = uncut.ends {
            self.add_dead_letter(&DeadLetter {
                no: DeadLetterNo::default(),
                lane,
                first,
                last,
                records: uncut.records,
                bytes: uncut.bytes,
                reason,
                at,
                batch: None,
                redelivery: None,
            })?;
        }
        settled += uncut.records;
        bytes += uncut.bytes;
        self.settle(lane, through, settled, bytes);
        self.lane(lane, through).health.batches_given_up();
        Ok(Done::Settled { records: settled, bytes })
    }

    pub(super) fn discard(&mut self, lane: LaneNo, through: Seq) -> Result<Done, SpoolError> {
        let batches = self.batches(lane)?;
        rules::settle_through(through, &batches, self.meta.last_seq)?;
        let cursor = self.lane(lane, through).cursor;
        let gone = self.measure(lane, cursor, through)?;
        for batch in batches.iter().filter(|batch| batch.last <= through) {
            self.remove_batch(batch.id.as_bytes())?;
        }
        self.settle(lane, through, gone.records, gone.bytes);
        self.lane(lane, through).health.batches_given_up();
        // What was discarded is never delivered again: its chunks go at once. Part of the first and the
        // last may stay.
        if let Some((first, last)) = gone.ends {
            self.add_discarded(lane, first, last)?;
        }
        let removed: i64 = self.one("SELECT coalesce(sum(length(packed) + ?4), 0) FROM chunk WHERE lane = ?1 AND first > ?2 AND last <= ?3", params![lane.0.cast_signed(), cursor.0.cast_signed(), through.0.cast_signed(), CHUNK_COST.cast_signed()])?;
        self.execute(
            "DELETE FROM chunk WHERE lane = ?1 AND first > ?2 AND last <= ?3",
            params![lane.0.cast_signed(), cursor.0.cast_signed(), through.0.cast_signed()],
        )?;
        self.meta.live_bytes = self.meta.live_bytes.saturating_sub(removed.cast_unsigned());
        Ok(Done::Settled { records: gone.records, bytes: gone.bytes })
    }

    /// The records stay in their chunks, like delivered ones.
    pub(super) fn skip(&mut self, lane: LaneNo, through: Seq) -> Result<Done, SpoolError> {
        let batches = self.batches(lane)?;
        rules::settle_through(through, &batches, self.meta.last_seq)?;
        let cursor = self.lane(lane, through).cursor;
        let skipped = self.measure(lane, cursor, through)?;
        for batch in batches.iter().filter(|batch| batch.last <= through) {
            update_batch(&self.connection, batch, BatchState::Retired).map_err(failed)?;
        }
        self.settle(lane, through, skipped.records, skipped.bytes);
        self.lane(lane, through).health.batches_given_up();
        Ok(Done::Settled { records: skipped.records, bytes: skipped.bytes })
    }

    /// Counts the records of a lane behind `after`, up to `through`.
    fn measure(&self, lane: LaneNo, after: Seq, through: Seq) -> Result<Measured, SpoolError> {
        let mut measured = Measured::default();
        let mut seen = after;
        while let Some(chunk) = chunk_holding(&self.connection, lane, Seq(seen.0 + 1))? {
            if chunk.first > through {
                break;
            }
            for record in chunk.records() {
                let record = record?;
                if record.seq > after && record.seq <= through {
                    measured.add(record.seq, record.fragment.len());
                }
            }
            seen = chunk.last;
        }
        Ok(measured)
    }
}

#[derive(Default)]
struct Measured {
    records: u64,
    bytes: u64,
    ends: Option<(Seq, Seq)>,
}

impl Measured {
    fn add(&mut self, seq: Seq, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
        self.ends = Some((self.ends.map_or(seq, |(first, _)| first), seq));
    }
}
