//! Records in their bodies, for receivers that ask for them.

use serde_json::value::RawValue;

use super::Controller;
use super::delivery_query::callback;
use super::replays::{epochs, window};
use super::stored_records::{StoredRecord, body_of};
use crate::admin::{RecordBody, RecordQuery, RequestError, page_size};
use crate::position::{Place, Position};
use crate::record::{LaneNo, Seq};
use crate::spool::{Reader, SpoolError};

impl Controller {
    pub(super) fn pull(&self, project: &str, query: &RecordQuery) -> Result<RecordBody, RequestError> {
        let reader = self.reader()?;
        let limit = page_size(query.limit, RECORDS, RECORDS_MAX)? as usize;
        let callback = callback(Some(&query.callback))?
            .ok_or_else(|| RequestError::field("callback", "it is required"))?;
        let after = query.after.as_deref().map(position).transpose()?;
        let epochs = epochs(&reader)?;
        let lane = reader.project(project)?.map(|project| LaneNo::new(project, callback));
        let mut page = match lane {
            Some(lane) => records_after(&reader, lane, after, epochs.current_after(), limit)?,
            None => Pulled::default(),
        };
        let kept_from = window(&reader, &self.capture)?.map(|window| window.from_lsn);
        let body = String::from_utf8_lossy(&body_of(callback, &page.records)).into_owned();
        let ends = page.records.first().zip(page.records.last());
        let ends = ends.map(|(first, last)| (first.position, last.position));
        Ok(RecordBody {
            project: project.to_owned(),
            callback,
            epoch: epochs.current().to_string(),
            records: page.records.len() as u64,
            positions: ends.map(|(first, last)| format!("{first}..{last}")),
            body: RawValue::from_string(body)
                .map_err(|error| SpoolError::Damaged(format!("a record: {error}")))?,
            next: ends.map(|(_, last)| last.to_string()).or_else(|| query.after.clone()),
            more: page.more,
            kept_from,
            items: page.records.drain(..).map(|record| record.shown()).collect::<Result<_, _>>()?,
        })
    }
}

/// Records of one lane, in order.
#[derive(Default)]
struct Pulled {
    records: Vec<StoredRecord>,
    more: bool,
}

/// The records of a lane behind a position. What was discarded is left out.
fn records_after(
    reader: &Reader,
    lane: LaneNo,
    after: Option<Position>,
    epoch_after: Seq,
    limit: usize,
) -> Result<Pulled, SpoolError> {
    let mut from = match after {
        Some(after) => reader.seq_behind(after, epoch_after)?,
        None => Seq(epoch_after.0 + 1),
    };
    let (mut pulled, mut bytes) = (Pulled::default(), 0);
    while let Some(chunk) = reader.chunk_holding(lane, from)? {
        let discarded = reader.discarded(lane, chunk.first, chunk.last)?;
        for record in chunk.records() {
            let record = record?;
            let is_gone = discarded.iter().any(|(first, last)| (*first..=*last).contains(&record.seq));
            if record.seq <= epoch_after || after.is_some_and(|after| record.position <= after) || is_gone {
                continue;
            }
            let is_full = pulled.records.len() >= limit || bytes + record.fragment.len() > BYTES_MAX;
            if is_full && !pulled.records.is_empty() {
                pulled.more = true;
                return Ok(pulled);
            }
            bytes += record.fragment.len();
            pulled.records.push(StoredRecord {
                position: record.position,
                committed_at: record.committed_at,
                fragment: record.fragment.to_vec(),
            });
        }
        from = Seq(chunk.last.0 + 1);
    }
    Ok(pulled)
}

fn position(text: &str) -> Result<Position, RequestError> {
    let place: Place = text.parse().map_err(|error| RequestError::field("after", format!("{error}")))?;
    Ok(place.last())
}

const RECORDS: u32 = 100;
const RECORDS_MAX: u32 = 1_000;
/// A larger record goes alone, as in batches.
const BYTES_MAX: usize = 1024 * 1024;
