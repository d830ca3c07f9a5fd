//! Records as the spool holds them, and as the API shows them.

use std::collections::HashMap;

use crate::admin::DeadLetterRecord;
use crate::position::Position;
use crate::record::{Callback, LaneNo, ProjectNo, Seq, body};
use crate::spool::{Reader, SpoolError};
use crate::time::Timestamp;

/// A record.
pub(super) struct StoredRecord {
    pub(super) position: Position,
    pub(super) committed_at: Timestamp,
    pub(super) fragment: Vec<u8>,
}

/// Up to `limit` records of a lane in `first..=last`.
pub(super) fn stored_records(
    reader: &Reader,
    lane: LaneNo,
    (first, last): (Seq, Seq),
    limit: usize,
) -> Result<Vec<StoredRecord>, SpoolError> {
    let (mut found, mut from) = (Vec::new(), first);
    while let Some(chunk) = reader.chunk_holding(lane, from)?.filter(|chunk| chunk.first <= last) {
        for record in chunk.records() {
            let record = record?;
            if record.seq < first {
                continue;
            }
            if record.seq > last || found.len() >= limit {
                return Ok(found);
            }
            found.push(StoredRecord {
                position: record.position,
                committed_at: record.committed_at,
                fragment: record.fragment.to_vec(),
            });
        }
        from = Seq(chunk.last.0 + 1);
    }
    Ok(found)
}

/// The body that these records make.
pub(super) fn body_of(callback: Callback, records: &[StoredRecord]) -> Vec<u8> {
    body(callback, records.iter().map(|record| record.fragment.as_slice()))
}

impl StoredRecord {
    /// As the API shows it.
    pub(super) fn shown(&self) -> Result<DeadLetterRecord, SpoolError> {
        let fragment = String::from_utf8_lossy(&self.fragment).into_owned();
        Ok(DeadLetterRecord {
            position: self.position.to_string(),
            commit_lsn: self.position.commit.to_string(),
            committed_at: self.committed_at.to_rfc3339(),
            record: serde_json::value::RawValue::from_string(fragment)
                .map_err(|error| SpoolError::Damaged(format!("a record: {error}")))?,
        })
    }
}

/// The names of projects, each read once.
pub(super) struct Names<'a> {
    reader: &'a Reader,
    known: HashMap<ProjectNo, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(reader: &'a Reader) -> Self {
        Self { reader, known: HashMap::new() }
    }

    /// The name of a lane's project.
    pub(super) fn of(&mut self, lane: LaneNo) -> Result<String, SpoolError> {
        let no = lane.project();
        if let Some(name) = self.known.get(&no) {
            return Ok(name.clone());
        }
        let name = self.reader.project_name(no)?.unwrap_or_default();
        self.known.insert(no, name.clone());
        Ok(name)
    }
}
