//! Searches for records: the filters of chunks are read in their index, and only chunks that may hold what is
//! wanted are read. A page ends after a bounded number of chunks.

use rusqlite::{OptionalExtension as _, params};

use super::chunks::chunk_holding;
use super::error::failed;
use super::reader::SqliteReader;
use crate::position::Position;
use crate::record::{LaneNo, ProjectNo, Record, Seq};
use crate::spool::chunk::Chunk;
use crate::spool::error::SpoolError;
use crate::spool::filter::{key_hash, key_in, may_hold, written};
use crate::spool::record_query::{FoundRecord, RecordPage, Wanted};

/// What is compared with records.
struct Needle {
    hash: u64,
    /// The key as records have it; `None`: the hash is of a document.
    key: Option<Vec<u8>>,
}

/// What one page may read.
struct Budget {
    filters: u32,
    chunks: u32,
}

impl SqliteReader {
    /// The number of a project.
    pub(super) fn find_project(&self, name: &str) -> Result<Option<ProjectNo>, SpoolError> {
        self.connection
            .prepare_cached("SELECT no FROM project WHERE name = ?1")
            .and_then(|mut found| found.query_row([name], |row| row.get(0).map(ProjectNo)).optional())
            .map_err(failed)
    }

    /// The name of a project.
    pub(super) fn find_project_name(&self, project: ProjectNo) -> Result<Option<String>, SpoolError> {
        self.connection
            .prepare_cached("SELECT name FROM project WHERE no = ?1")
            .and_then(|mut found| found.query_row([project.0], |row| row.get(0)).optional())
            .map_err(failed)
    }

    /// Up to `limit` records of these lanes before `before`, the newest first.
    pub(super) fn find_records(
        &self,
        lanes: &[LaneNo],
        wanted: &Wanted,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<RecordPage, SpoolError> {
        let _one_view = self.connection.unchecked_transaction().map_err(failed)?;
        let needle = Needle::of(wanted);
        let mut budget = Budget { filters: FILTERS_MAX, chunks: CHUNKS_MAX };
        let (mut records, mut complete_from) = (Vec::new(), None::<Seq>);
        for lane in lanes {
            let stopped = self.find_in_lane(*lane, &needle, before, limit + 1, &mut budget, &mut records)?;
            complete_from = complete_from.max(stopped);
        }
        // What lies before the place where the search of one lane stopped may lack records of that lane.
        records.retain(|record| complete_from.is_none_or(|from| record.seq >= from));
        records.sort_unstable_by_key(|record| std::cmp::Reverse(record.seq));
        if records.len() > limit {
            records.truncate(limit);
            return Ok(RecordPage { next: records.last().map(|record| record.seq), records });
        }
        Ok(RecordPage { records, next: complete_from })
    }

    /// Adds a lane's records. Returns the number from which on all were found; `None`: all were.
    fn find_in_lane(
        &self,
        lane: LaneNo,
        needle: &Needle,
        before: Option<Seq>,
        limit: usize,
        budget: &mut Budget,
        records: &mut Vec<FoundRecord>,
    ) -> Result<Option<Seq>, SpoolError> {
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT last, filter FROM chunk INDEXED BY chunk_of_lane WHERE lane = ?1 AND last <= ?2 ORDER BY last DESC",
            )
            .map_err(failed)?;
        // The chunk that holds `before` ends at it or later.
        let end = match before {
            Some(before) => self.chunk_end(lane, before)?.unwrap_or(before),
            None => Seq(i64::MAX.cast_unsigned()),
        };
        let mut rows = found.query([lane.0.cast_signed(), end.0.cast_signed()]).map_err(failed)?;
        let (mut count, mut reached) = (0, before.unwrap_or(end));
        while let Some(row) = rows.next().map_err(failed)? {
            if count >= limit || !budget.allows() {
                return Ok(Some(reached));
            }
            let last = Seq(row.get::<_, i64>(0).map_err(failed)?.cast_unsigned());
            let filter = row.get_ref(1).and_then(|filter| Ok(filter.as_blob_or_null()?)).map_err(failed)?;
            reached = last.min(reached);
            if !may_hold(filter.unwrap_or_default(), needle.hash) {
                continue;
            }
            budget.chunks -= 1;
            let Some(chunk) = chunk_holding(&self.connection, lane, last)? else { continue };
            for record in chunk.records() {
                let record = record?;
                if before.is_none_or(|before| record.seq < before) && needle.is_in(&record) {
                    records.push(found_record(&chunk, &record));
                    count += 1;
                }
            }
            reached = chunk.first.min(reached);
        }
        Ok(None)
    }

    /// The end of the first chunk of a lane that ends at `seq` or later.
    fn chunk_end(&self, lane: LaneNo, seq: Seq) -> Result<Option<Seq>, SpoolError> {
        self.connection
            .prepare_cached("SELECT last FROM chunk WHERE lane = ?1 AND last >= ?2 ORDER BY last LIMIT 1")
            .and_then(|mut found| {
                let numbers = [lane.0.cast_signed(), seq.0.cast_signed()];
                found.query_row(numbers, |row| row.get::<_, i64>(0)).optional()
            })
            .map(|end| end.map(|end| Seq(end.cast_unsigned())))
            .map_err(failed)
    }

    /// The record of the current epoch at this position.
    pub(super) fn find_position(
        &self,
        position: Position,
        epoch_after: Seq,
    ) -> Result<Option<FoundRecord>, SpoolError> {
        let _one_view = self.connection.unchecked_transaction().map_err(failed)?;
        let from = self.first_chunk_where(epoch_after, |place| place >= position)?;
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT last, lane, first, spooled_uptime FROM chunk WHERE last >= ?1 ORDER BY last LIMIT ?2",
            )
            .map_err(failed)?;
        let mut rows = found.query(params![from.0.cast_signed(), GROUP_CHUNKS_MAX]).map_err(failed)?;
        // The record lies in a chunk that reaches over the end of the first one; those of a group lie across
        // each other, and no later group's does.
        let mut of_first = None;
        while let Some(row) = rows.next().map_err(failed)? {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned).map_err(failed);
            let (last, lane, first, uptime) =
                (Seq(number(0)?), LaneNo(number(1)?), Seq(number(2)?), number(3)?);
            let (end, group) = *of_first.get_or_insert((last, uptime));
            if first > end {
                if uptime == group {
                    continue;
                }
                break;
            }
            let Some(chunk) = chunk_holding(&self.connection, lane, last)? else { continue };
            for record in chunk.records() {
                let record = record?;
                if record.position == position && record.seq > epoch_after {
                    return Ok(Some(found_record(&chunk, &record)));
                }
            }
        }
        Ok(None)
    }
}

impl Needle {
    fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Document(hash) => Self { hash: *hash, key: None },
            Wanted::Key(key) => {
                let key = written(key);
                Self { hash: key_hash(&key), key: Some(key) }
            }
        }
    }

    fn is_in(&self, record: &Record<'_>) -> bool {
        match &self.key {
            None => record.document == self.hash,
            Some(key) => key_in(record.fragment) == Some(key),
        }
    }
}

impl Budget {
    fn allows(&mut self) -> bool {
        self.filters = self.filters.saturating_sub(1);
        self.filters > 0 && self.chunks > 0
    }
}

fn found_record(chunk: &Chunk, record: &Record<'_>) -> FoundRecord {
    FoundRecord {
        lane: chunk.lane,
        seq: record.seq,
        position: record.position,
        committed_at: record.committed_at,
        spooled_at: chunk.spooled_at,
        document: record.document,
        after: record.after,
        fragment: record.fragment.to_vec(),
    }
}

/// Filters that one page reads.
const FILTERS_MAX: u32 = 60_000;
/// Chunks that one page reads.
const CHUNKS_MAX: u32 = 200;
/// A group has no more chunks than changes, about.
const GROUP_CHUNKS_MAX: u32 = 40_000;
