//! Batches are cut: from the first unsettled record on, one at a time.

use super::batches::insert_batch;
use super::chunks::first_behind;
use super::cost::BATCH_COST;
use super::error::failed;
use super::store::Store;
use crate::spool::batch::{Batch, BatchState};
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::replay::ReplayNo;
use crate::spool::rules;

impl Store {
    pub(super) fn cut(&mut self, batch: &Batch) -> Result<Done, SpoolError> {
        if let Some(replay) = batch.replay {
            return self.cut_of_replay(batch, replay);
        }
        let cursor = self.lanes.get(&batch.lane).map(|lane| lane.cursor);
        let open = self.batches(batch.lane)?;
        let after = open.last().map(|last| last.last).or(cursor);
        let next = first_behind(&self.connection, batch.lane, after.unwrap_or_default())?;
        rules::cut(batch, cursor, &open, next, self.meta.last_seq)?;
        self.add_batch(batch)?;
        Ok(Done::Ok)
    }

    fn cut_of_replay(&mut self, batch: &Batch, replay: ReplayNo) -> Result<Done, SpoolError> {
        let range = self.running_range(batch.lane, replay)?;
        let open = self.batches_of(batch.lane, Some(replay))?;
        let cursor = range.map(|range| range.cursor).unwrap_or_default();
        let next = first_behind(&self.connection, batch.lane, cursor)?;
        rules::cut_of_replay(batch, range.as_ref(), &open, next)?;
        self.add_batch(batch)?;
        Ok(Done::Ok)
    }

    pub(super) fn add_batch(&mut self, batch: &Batch) -> Result<(), SpoolError> {
        insert_batch(&self.connection, batch, BatchState::Open).map_err(failed)?;
        self.meta.live_bytes += BATCH_COST;
        Ok(())
    }
}
