//! Attempts of the last 24 hours, written into a spool while its sidecar is stopped: pictures show what a day looks like.

use std::path::Path;
use std::time::Duration;

use sidecar::outcome::OutcomeKind;
use sidecar::record::{LaneNo, Seq, body};
use sidecar::spool::{Attempted, Batch, Fate, LoggedAttempt, Op, Options, Reader, Spool};
use sidecar::time::Timestamp;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

/// Delivers what is pending in every lane, over the last day; a few attempts fail.
pub(crate) fn deliver_over_a_day(spool: &Path, epoch: Uuid) {
    let options = Options { bytes_max: 1 << 30, retain: Duration::from_hours(1_000) };
    let opened = Spool::open(spool, options).unwrap();
    let reader = opened.spool.reader().unwrap();
    let now = jiff::Timestamp::now().as_microsecond();
    for lane in &opened.lanes {
        let records = pending(&reader, lane.lane, lane.cursor);
        let batches: Vec<_> = records.chunks(RECORDS_MAX).collect();
        for (number, records) in batches.iter().enumerate() {
            let (at, of) = (i64::try_from(number).unwrap() + 1, i64::try_from(batches.len()).unwrap() + 1);
            // Some hours are busier than others: the second half of the batches takes a third of the day.
            let share = if at * 2 < of {
                DAY_MICROS / 3 * 4 / of * at
            } else {
                DAY_MICROS / 3 * 2 / of * (of + at) - DAY_MICROS / 3
            };
            let cut_at = Timestamp(now - DAY_MICROS + share);
            let mut batch = batch(lane.lane, records, cut_at, epoch);
            opened.spool.submit(Op::Cut(batch.clone()), |done| drop(done.unwrap()));
            let mut attempt = |at: Timestamp, status: u16, took: u64, fate| {
                let log = LoggedAttempt {
                    status: Some(status),
                    took_micros: took,
                    ..LoggedAttempt::new(batch.attempts + 1, at, OutcomeKind::of_status(status))
                };
                batch.attempts += 1;
                let health = lane.health.clone();
                let attempted = Attempted { batch: batch.id, lane: lane.lane, log, fate, health };
                opened.spool.submit(Op::Attempted(attempted), |done| drop(done.unwrap()));
            };
            let took = 31_000 + (number as u64 * 7_919) % 40_000;
            if number % 7 == 3 {
                attempt(cut_at, 503, took * 3, Fate::Failed);
            }
            attempt(Timestamp(cut_at.0 + 1_000_000), 204, took, Fate::Delivered);
        }
    }
    opened.spool.close();
}

fn pending(reader: &Reader, lane: LaneNo, cursor: Seq) -> Vec<(Seq, Vec<u8>)> {
    let (mut records, mut from) = (Vec::new(), Seq(cursor.0 + 1));
    while let Some(chunk) = reader.chunk_holding(lane, from).unwrap() {
        for record in chunk.records() {
            let record = record.unwrap();
            if record.seq > cursor {
                records.push((record.seq, record.fragment.to_vec()));
            }
        }
        from = Seq(chunk.last.0 + 1);
    }
    records
}

fn batch(lane: LaneNo, records: &[(Seq, Vec<u8>)], cut_at: Timestamp, epoch: Uuid) -> Batch {
    let body = body(lane.callback(), records.iter().map(|(_, fragment)| fragment.as_slice()));
    let seconds = cut_at.0.div_euclid(1_000_000);
    let nanos = u32::try_from(cut_at.0.rem_euclid(1_000_000)).unwrap() * 1_000;
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds.unsigned_abs(), nanos);
    Batch {
        id: Uuid::new_v7(time),
        lane,
        first: records[0].0,
        last: records[records.len() - 1].0,
        records: u32::try_from(records.len()).unwrap(),
        body_bytes: body.len() as u64,
        body_sum: xxh3_64(&body),
        cut_at,
        epoch,
        attempts: 0,
        replay: None,
    }
}

const RECORDS_MAX: usize = 6;
const DAY_MICROS: i64 = 86_400_000_000;
