//! How many documents of a replay have newer records: their receivers would get the old state again, and not
//! the new one.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::Xxh3;

use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::{Reader, RecordRange, ScratchError, ScratchTable, Spool, SpoolError};

/// Counts the documents of `ranges` that have records behind `end`, in any lane of their project.
/// Memory does not grow with them: they are kept in temporary space of the spool.
pub fn documents_with_newer_records(
    reader: &Reader,
    spool: &Spool,
    ranges: &[RecordRange],
    end: Seq,
) -> Result<u64, SpoolError> {
    let scratch = spool.scratch(&[IN_RANGE, NEWER])?;
    for range in ranges {
        for_each_document(reader, range.lane, range.first, range.last, &mut |key| {
            scratch.put_if_absent(IN_RANGE, &key, &[])
        })?;
    }
    let projects: BTreeSet<ProjectNo> = ranges.iter().map(|range| range.lane.project()).collect();
    for lane in projects.iter().flat_map(|project| Callback::ALL.map(|of| LaneNo::new(*project, of))) {
        for_each_document(reader, lane, Seq(end.0 + 1), Seq(u64::MAX >> 1), &mut |key| {
            if scratch.contains(IN_RANGE, &key)? { scratch.put_if_absent(NEWER, &key, &[]) } else { Ok(()) }
        })?;
    }
    Ok(scratch.count(NEWER)?)
}

/// Calls `visit` with the key of each record's document, in `first..=last` of a lane.
fn for_each_document(
    reader: &Reader,
    lane: LaneNo,
    first: Seq,
    last: Seq,
    visit: &mut dyn FnMut([u8; 8]) -> Result<(), ScratchError>,
) -> Result<(), SpoolError> {
    let mut from = first;
    while let Some(chunk) = reader.chunk_holding(lane, from)?.filter(|chunk| chunk.first <= last) {
        for record in chunk.records() {
            let record = record?;
            if (first..=last).contains(&record.seq) {
                visit(key(lane.project(), record.document))?;
            }
        }
        from = Seq(chunk.last.0 + 1);
    }
    Ok(())
}

fn key(project: ProjectNo, document: u64) -> [u8; 8] {
    let mut hash = Xxh3::with_seed(u64::from(project.0));
    hash.update(&document.to_le_bytes());
    hash.digest().to_be_bytes()
}

/// Documents of what would be sent.
const IN_RANGE: ScratchTable = ScratchTable("in_range");
/// Those of them that have newer records.
const NEWER: ScratchTable = ScratchTable("newer");
