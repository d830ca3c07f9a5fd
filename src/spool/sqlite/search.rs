//! What a replay can reach: settled records from a place or time on, found in one view of the file.
//!
//! Numbers grow with places within an epoch, so a place is found by halving. Times need not grow (a
//! server's clock steps, and commits overtake each other), so the first record committed at T or later is
//! found by an index.

use rusqlite::OptionalExtension as _;

use super::chunks::chunk_holding;
use super::dead_letters::discarded_within;
use super::error::failed;
use super::lanes::read_lanes;
use super::reader::SqliteReader;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Record, Seq};
use crate::spool::chunk::Chunk;
use crate::spool::error::SpoolError;
use crate::spool::meta::LowWatermark;
use crate::spool::search::{RecordRange, ReplayWindow, Search, SearchResult, SearchStart};
use crate::time::Timestamp;

impl SqliteReader {
    /// What can be replayed; `None` before a first start ended.
    pub(super) fn replay_window(&self, epoch_after: Seq) -> Result<Option<ReplayWindow>, SpoolError> {
        let Some(low_watermark) = self.low_watermark()? else { return Ok(None) };
        if low_watermark.seq >= epoch_after {
            let first = Position {
                number: low_watermark.position.number.saturating_add(1),
                ..low_watermark.position
            };
            return Ok(Some(ReplayWindow { first, after: low_watermark.at, low_watermark }));
        }
        // Places began anew with the epoch: its first record's is the first.
        let of_epoch = self.chunk_from(Seq(epoch_after.0 + 1))?;
        let record = of_epoch.as_ref().and_then(|chunk| records(chunk).next()).transpose()?;
        let first = record.map_or(Position { commit: Lsn(0), number: 1 }, |record| record.position);
        Ok(Some(ReplayWindow { first, after: low_watermark.at, low_watermark }))
    }

    /// Settled records in the lanes that `wants` accepts, all read in one view.
    pub(super) fn find_ranges(
        &self,
        search: &Search,
        wants: &mut dyn FnMut(LaneNo) -> bool,
    ) -> Result<SearchResult, SpoolError> {
        let _one_view = self.connection.unchecked_transaction().map_err(failed)?;
        let low_watermark = self.low_watermark()?;
        let behind = low_watermark.map_or(Seq(0), |low_watermark| low_watermark.seq);
        let end_from = match search.to {
            Some(to) => Some(self.first_chunk_where(search.epoch_after, |place| place > to.last())?),
            None => None,
        };
        let rows = read_lanes(&self.connection).map_err(failed)?.ok_or_else(damaged_lane)?;
        let begin = match search.from {
            SearchStart::Place(place) => {
                let chunk_at = self.first_chunk_where(search.epoch_after, |at| at >= place.first())?;
                (chunk_at, behind.max(search.epoch_after), Some(place.first()))
            }
            SearchStart::Since(at) => {
                let lanes: Vec<LaneNo> = rows.iter().map(|(lane, _)| *lane).collect();
                let Some(first) = self.first_committed_since(&lanes, at, behind)? else {
                    return Ok(SearchResult { low_watermark, ranges: Vec::new(), end: None });
                };
                (first, Seq(first.0 - 1), None)
            }
        };
        let (mut ranges, mut end) = (Vec::new(), None);
        for (lane, row) in rows.into_iter().filter(|(lane, _)| wants(*lane)) {
            let last = match (search.to, end_from) {
                (Some(to), Some(from)) => self.last_up_to(lane, from, search.epoch_after, to.last())?,
                _ => row.cursor,
            };
            end = end.max(search.to.map(|_| last));
            let Some(first) = self.first_from(lane, begin)? else { continue };
            self.add_ranges(lane, first, last.min(row.cursor), &mut ranges)?;
        }
        Ok(SearchResult {
            low_watermark,
            ranges,
            end: end.map(|end| end.max(end_from.unwrap_or_default().before())),
        })
    }

    fn low_watermark(&self) -> Result<Option<LowWatermark>, SpoolError> {
        self.connection
            .query_row("SELECT low_watermark_seq, low_watermark_commit, low_watermark_number, low_watermark_at FROM meta", [], |row| {
                let Some(seq) = row.get::<_, Option<i64>>(0)? else { return Ok(None) };
                let position =
                    Position { commit: Lsn(row.get::<_, i64>(1)?.cast_unsigned()), number: row.get(2)? };
                Ok(Some(LowWatermark { seq: Seq(seq.cast_unsigned()), position, at: Timestamp(row.get(3)?) }))
            })
            .map_err(failed)
    }

    /// A number between the chunks whose last place is not `reached` and those where it is. `reached`
    /// holds from some place on.
    pub(super) fn first_chunk_where(
        &self,
        epoch_after: Seq,
        reached: impl Fn(Position) -> bool,
    ) -> Result<Seq, SpoolError> {
        let mut probe = self
            .connection
            .prepare_cached(
                "SELECT last, last_commit, last_number FROM chunk WHERE last >= ?1 ORDER BY last LIMIT 1",
            )
            .map_err(failed)?;
        let last: Option<i64> =
            self.connection.query_row("SELECT max(last) FROM chunk", [], |row| row.get(0)).map_err(failed)?;
        let (mut low, mut high) = (epoch_after.0 + 1, last.map_or(0, i64::cast_unsigned) + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = probe
                .query_row([middle.cast_signed()], |row| {
                    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
                    Ok((number(0)?, Position { commit: Lsn(number(1)?), number: row.get(2)? }))
                })
                .optional()
                .map_err(failed)?;
            match found {
                Some((last, place)) if !reached(place) => low = last + 1,
                _ => high = middle,
            }
        }
        Ok(Seq(low))
    }

    /// The first record, over all lanes, of the first transaction committed at `at` or later.
    fn first_committed_since(
        &self,
        lanes: &[LaneNo],
        at: Timestamp,
        behind: Seq,
    ) -> Result<Option<Seq>, SpoolError> {
        let sql = "SELECT min(last) FROM chunk WHERE committed_max >= ?1 AND last > ?2";
        let from: Option<i64> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_row([at.0, behind.0.cast_signed()], |row| row.get(0)))
            .map_err(failed)?;
        let Some(from) = from.map(|from| Seq(from.cast_unsigned())) else { return Ok(None) };
        // The chunks of a group lie across each other: the first may be in any lane's.
        let mut first: Option<Seq> = None;
        for lane in lanes {
            let Some(chunk) = chunk_holding(&self.connection, *lane, from)? else { continue };
            if first.is_some_and(|first| chunk.first > first) {
                continue;
            }
            for record in records(&chunk) {
                let record = record?;
                if record.committed_at >= at && record.seq > behind {
                    first = Some(first.map_or(record.seq, |first| first.min(record.seq)));
                    break;
                }
            }
        }
        Ok(first)
    }

    /// The first record of a lane, in its first chunk that ends at `from` or later, that lies behind
    /// `behind` and at `place` or later.
    fn first_from(
        &self,
        lane: LaneNo,
        (from, behind, place): (Seq, Seq, Option<Position>),
    ) -> Result<Option<Seq>, SpoolError> {
        let mut from = from;
        while let Some(chunk) = chunk_holding(&self.connection, lane, from)? {
            for record in records(&chunk) {
                let record = record?;
                if record.seq > behind && place.is_none_or(|place| record.position >= place) {
                    return Ok(Some(record.seq));
                }
            }
            from = Seq(chunk.last.0 + 1);
        }
        Ok(None)
    }

    /// A number that no record of a lane up to `place` passes, and all up to it are at `place` or
    /// earlier. `from` lies between the chunks that end there and those that end later.
    fn last_up_to(
        &self,
        lane: LaneNo,
        from: Seq,
        epoch_after: Seq,
        place: Position,
    ) -> Result<Seq, SpoolError> {
        let mut last = from.before();
        if let Some(chunk) = chunk_holding(&self.connection, lane, from)? {
            for record in records(&chunk) {
                let record = record?;
                if record.seq <= epoch_after || record.position <= place {
                    last = last.max(record.seq);
                }
            }
        }
        Ok(last)
    }

    /// What of `first..=last` was not discarded.
    fn add_ranges(
        &self,
        lane: LaneNo,
        first: Seq,
        last: Seq,
        ranges: &mut Vec<RecordRange>,
    ) -> Result<(), SpoolError> {
        let mut from = first;
        for (gone_from, gone_to) in discarded_within(&self.connection, lane, first, last)? {
            ranges.extend(self.range(lane, from, gone_from.before())?);
            from = from.max(Seq(gone_to.0 + 1));
        }
        ranges.extend(self.range(lane, from, last)?);
        Ok(())
    }

    /// The records of a lane in `first..=last`; `None` where there is none.
    fn range(&self, lane: LaneNo, first: Seq, last: Seq) -> Result<Option<RecordRange>, SpoolError> {
        if first > last {
            return Ok(None);
        }
        let whole = self
            .connection
            .prepare_cached(
                "SELECT min(first), max(last), coalesce(sum(records), 0), coalesce(sum(fragment_bytes), 0) FROM chunk \
                 WHERE lane = ?1 AND last BETWEEN ?2 AND ?3 AND first >= ?2",
            )
            .and_then(|mut found| {
                let range = [lane.0.cast_signed(), first.0.cast_signed(), last.0.cast_signed()];
                found.query_row(range, |row| {
                    let ends = row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?);
                    Ok((ends, row.get::<_, i64>(2)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned()))
                })
            })
            .map_err(failed)?;
        let (ends, mut counted, mut bytes) = whole;
        let mut ends = ends.map(|(a, b)| (Seq(a.cast_unsigned()), Seq(b.cast_unsigned())));
        // Chunks that lie across an end are counted record by record, each once.
        let at_first = chunk_holding(&self.connection, lane, first)?.filter(|chunk| chunk.first < first);
        let at_last = chunk_holding(&self.connection, lane, last)?.filter(|chunk| {
            chunk.last > last && at_first.as_ref().is_none_or(|other| other.last != chunk.last)
        });
        for chunk in at_first.iter().chain(&at_last) {
            for record in records(chunk) {
                let record = record?;
                if (first..=last).contains(&record.seq) {
                    counted += 1;
                    bytes += record.fragment.len() as u64;
                    let (from, to) = ends.unwrap_or((record.seq, record.seq));
                    ends = Some((from.min(record.seq), to.max(record.seq)));
                }
            }
        }
        Ok(ends.map(|(first, last)| RecordRange { lane, first, last, records: counted, bytes }))
    }

    /// The first chunk over all lanes that ends at `from` or later.
    fn chunk_from(&self, from: Seq) -> Result<Option<Chunk>, SpoolError> {
        let lane = self
            .connection
            .prepare_cached("SELECT lane FROM chunk WHERE last >= ?1 ORDER BY last LIMIT 1")
            .and_then(|mut found| {
                found.query_row([from.0.cast_signed()], |row| row.get::<_, i64>(0)).optional()
            })
            .map_err(failed)?;
        let Some(lane) = lane else { return Ok(None) };
        chunk_holding(&self.connection, LaneNo(lane.cast_unsigned()), from)
    }
}

fn records(chunk: &Chunk) -> impl Iterator<Item = Result<Record<'_>, SpoolError>> {
    chunk.records().map(|record| record.map_err(SpoolError::from))
}

fn damaged_lane() -> SpoolError {
    SpoolError::Damaged("a lane".into())
}
