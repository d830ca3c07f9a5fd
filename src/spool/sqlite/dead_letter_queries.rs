//! Lists and counts of dead letters. Those of lanes are found by the index of lanes.

use rusqlite::params;

use super::dead_letters::{COLUMNS, damaged, read_dead_letter};
use super::error::failed;
use super::reader::SqliteReader;
use crate::record::LaneNo;
use crate::spool::dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterNo, DeadReason, LaneDeadLetters};
use crate::spool::error::SpoolError;

impl SqliteReader {
    pub(super) fn find_dead_letters_of(
        &self,
        lanes: &[LaneNo],
        after: DeadLetterNo,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, SpoolError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letter INDEXED BY dead_letter_of_lane WHERE lane = ?1 AND no > ?2 ORDER BY no LIMIT ?3"
        );
        let mut found = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut letters = Vec::new();
        for lane in lanes {
            let rows: Option<Vec<DeadLetter>> = found
                .query_map(params![lane.0.cast_signed(), after.0, limit], read_dead_letter)
                .and_then(Iterator::collect)
                .map_err(failed)?;
            letters.extend(rows.ok_or_else(damaged)?);
        }
        letters.sort_unstable_by_key(|letter| letter.no);
        letters.truncate(limit as usize);
        Ok(letters)
    }

    pub(super) fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        match &filter.lanes {
            None => self.count_where("?1 IS NOT NULL", LaneNo(0), filter),
            Some(lanes) => {
                let counts = lanes.iter().map(|lane| self.count_where("lane = ?1", *lane, filter));
                Ok(counts.collect::<Result<Vec<_>, _>>()?.concat())
            }
        }
    }

    fn count_where(
        &self,
        which: &str,
        lane: LaneNo,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        let sql = format!(
            "SELECT lane, count(*), sum(records) FROM dead_letter WHERE ({which}) AND (?2 IS NULL OR reason = ?2) \
             AND at >= ?3 AND at < ?4 AND no <= ?5 GROUP BY lane"
        );
        let values = params![
            lane.0.cast_signed(),
            filter.reason.map(DeadReason::name),
            filter.since.map_or(i64::MIN, |since| since.0),
            filter.until.map_or(i64::MAX, |until| until.0),
            filter.last.map_or(i64::MAX, |last| last.0),
        ];
        let mut found = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = found.query_map(values, |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(LaneDeadLetters { lane: LaneNo(number(0)?), dead_letters: number(1)?, records: number(2)? })
        });
        rows.and_then(Iterator::collect).map_err(failed)
    }
}
