//! Batches are cut: from the first unsettled record on, one at a time.

use super::chunks::first_behind;
use super::lanes::{BatchState, open_batches, write_batch};
use super::store::{BATCH_COST, Store, failed};
use crate::spool::batch::Batch;
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::replay::ReplayNo;

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
