//! Replays of batches: their records as ranges without gaps, so that neighbours are sent as one.

use std::collections::HashMap;

use uuid::Uuid;

use super::Controller;
use super::bulk::estimate;
use super::replays::epochs;
use crate::admin::{DeliveryState, RequestError};
use crate::record::{LaneNo, Seq};
use crate::replay::ReplayRequest;
use crate::spool::{
    Batch, BatchQuery, BatchState, Done, LaneReplay, NewReplay, Op, Reader, RecordRange, ReplayNo, SpoolError,
};

/// Batches whose records may be sent again.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) batches: Vec<Batch>,
    /// Of those that were named: not settled, no longer kept, or without a webhook.
    pub(super) left_out: u64,
    /// There are more: counting stopped.
    pub(super) more: bool,
}

impl Settled {
    pub(super) fn of(batches: Vec<(Batch, BatchState)>) -> Self {
        let all = batches.len();
        let settled = batches.into_iter().filter(|(_, state)| is_settled(*state));
        let batches: Vec<Batch> = settled.map(|(batch, _)| batch).collect();
        Self { left_out: (all - batches.len()) as u64, batches, more: false }
    }

    pub(super) fn find(
        reader: &Reader,
        query: BatchQuery,
        state: Option<DeliveryState>,
    ) -> Result<Self, SpoolError> {
        let mut found = Self::default();
        if !matches!(state, None | Some(DeliveryState::DeadLetter | DeliveryState::Delivered)) {
            return Ok(found);
        }
        let mut query = BatchQuery { limit: AT_ONCE, ..query };
        loop {
            let page = reader.batches(&query)?;
            let settled = page.batches.into_iter().filter(|(_, state)| is_settled(*state));
            found.batches.extend(settled.map(|(batch, _)| batch));
            found.more = found.batches.len() as u64 >= COUNTED_MAX;
            if found.more || page.next.is_none() {
                return Ok(found);
            }
            query.before = page.next;
        }
    }
}

impl Settled {
    /// About how long sending them takes, in seconds.
    pub(super) fn takes(&self, reader: &Reader, rate: Option<u32>) -> Result<f64, SpoolError> {
        let mut by_lane: HashMap<LaneNo, u64> = HashMap::new();
        for batch in &self.batches {
            *by_lane.entry(batch.lane).or_default() += 1;
        }
        let records: u64 = self.batches.iter().map(|batch| u64::from(batch.records)).sum();
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let at_rate = rate.map_or(0.0, |rate| f64::from(records) / f64::from(rate.max(1)));
        Ok(estimate(reader, &by_lane)?.as_secs_f64().max(at_rate))
    }
}

impl Controller {
    /// Leaves out what retention removed, and what has no webhook.
    pub(super) fn leave_out_what_is_gone(
        &self,
        reader: &Reader,
        settled: &mut Settled,
    ) -> Result<(), RequestError> {
        let window = reader.window(epochs(reader)?.current_after())?;
        let gone = window.map_or(Seq(u64::MAX), |window| window.low_watermark.seq);
        let mut lanes: Vec<LaneNo> = settled.batches.iter().map(|batch| batch.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let views = self.deliver.view_of(lanes);
        let with_webhook: HashMap<LaneNo, bool> =
            views.into_iter().map(|view| (view.lane, view.has_webhook)).collect();
        let all = settled.batches.len();
        settled
            .batches
            .retain(|batch| batch.first > gone && with_webhook.get(&batch.lane).copied().unwrap_or_default());
        settled.left_out += (all - settled.batches.len()) as u64;
        Ok(())
    }

    /// Starts a replay of these ranges. Returns its number and its records.
    pub(super) fn begin_replay_of(
        &self,
        reader: &Reader,
        request: &ReplayRequest,
        mut ranges: Vec<RecordRange>,
    ) -> Result<(u64, u64), RequestError> {
        self.check_room(reader)?;
        loop {
            let window = reader.window(epochs(reader)?.current_after())?;
            let low_watermark = window.map(|window| window.low_watermark);
            // Retention may have removed records since they were found.
            ranges.retain(|range| low_watermark.is_none_or(|gone| range.first > gone.seq));
            let records = ranges.iter().map(|range| range.records).sum();
            let parts =
                |no| -> Vec<LaneReplay> { ranges.iter().map(|range| LaneReplay::new(no, range)).collect() };
            if ranges.is_empty() {
                return Err(RequestError::Conflict("their records are not kept any more".to_owned()));
            }
            let new = NewReplay {
                id: Uuid::now_v7(),
                request: serde_json::to_string(request).unwrap_or_default(),
                requested_at: self.clock.wall(),
                rate: request.rate,
                ranges: parts(ReplayNo::default()),
                low_watermark,
            };
            let (id, rate) = (new.id, new.rate);
            if let Done::Replaying(no) = self.spool.apply(Op::Replay(new))? {
                self.deliver.replay(no, id, rate, parts(no));
                tracing::info!(replay = %id, records, "the replay of batches was started");
                return Ok((no.0, records));
            }
        }
    }
}

/// The records of batches as ranges without gaps. Batches that follow each other, or overlap, are one range.
pub(super) fn ranges(reader: &Reader, batches: &[Batch]) -> Result<Vec<RecordRange>, RequestError> {
    let mut sorted: Vec<&Batch> = batches.iter().collect();
    sorted.sort_unstable_by_key(|batch| (batch.lane, batch.first, batch.last));
    let mut ranges: Vec<RecordRange> = Vec::new();
    for batch in sorted {
        let last = ranges.last_mut().filter(|last| last.lane == batch.lane);
        match last {
            Some(last) if batch.last <= last.last => {}
            Some(last) if batch.first <= last.last => {
                last.last = batch.last;
                (last.records, last.bytes) = measure(reader, last)?;
            }
            Some(last) if next_after(reader, last.lane, last.last)? == Some(batch.first) => {
                last.last = batch.last;
                last.records += u64::from(batch.records);
                last.bytes += batch.fragment_bytes();
            }
            _ => ranges.push(RecordRange {
                lane: batch.lane,
                first: batch.first,
                last: batch.last,
                records: u64::from(batch.records),
                bytes: batch.fragment_bytes(),
            }),
        }
    }
    if ranges.len() > RANGES_MAX {
        return Err(RequestError::Conflict(format!(
            "they are {} ranges of records, and a replay takes {RANGES_MAX}: narrow the filter, or replay by time",
            ranges.len()
        )));
    }
    Ok(ranges)
}

/// The first record of a lane behind another.
fn next_after(reader: &Reader, lane: LaneNo, seq: Seq) -> Result<Option<Seq>, SpoolError> {
    let behind = Seq(seq.0 + 1);
    let Some(chunk) = reader.chunk_holding(lane, behind)? else { return Ok(None) };
    for record in chunk.records() {
        let record = record?;
        if record.seq >= behind {
            return Ok(Some(record.seq));
        }
    }
    Ok(None)
}

/// Records and bytes of a range.
fn measure(reader: &Reader, range: &RecordRange) -> Result<(u64, u64), SpoolError> {
    let (mut records, mut bytes, mut from) = (0, 0, range.first);
    while let Some(chunk) = reader.chunk_holding(range.lane, from)?.filter(|chunk| chunk.first <= range.last)
    {
        for record in chunk.records() {
            let record = record?;
            if (range.first..=range.last).contains(&record.seq) {
                records += 1;
                bytes += record.fragment.len() as u64;
            }
        }
        from = Seq(chunk.last.0 + 1);
    }
    Ok((records, bytes))
}

fn is_settled(state: BatchState) -> bool {
    matches!(state, BatchState::DeadLetter | BatchState::Delivered)
}

const AT_ONCE: usize = 500;
/// Each attempt of a lane reads the ranges that it has.
const RANGES_MAX: usize = 1_000;

/// Batches of a replay that are looked for.
pub(super) const COUNTED_MAX: u64 = 100_000;
