//! Lists and counts of dead letters. Those of lanes are found by the index of lanes.

use rusqlite::{Row, params};
use uuid::Uuid;

use super::dead_letters::{COLUMNS, damaged, read_dead_letter};
use super::error::failed;
use super::reader::SqliteReader;
use crate::record::LaneNo;
use crate::spool::batch_query::{AttemptFilter, BatchQuery, least_id};
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

    /// Of the dead letters that were cut: each is looked up by the id of its batch.
    pub(super) fn dead_batch_counts(&self, query: &BatchQuery) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        let lanes =
            query.lanes.as_ref().map(|lanes| is_one_of("letter.lane", lanes.iter().map(|lane| lane.0)));
        let attempt = match query.attempt {
            None => "TRUE".to_owned(),
            Some(filter) => format!(
                "EXISTS (SELECT 1 FROM attempt WHERE attempt.batch = letter.batch AND ({}))",
                self.attempts_like(filter)?
            ),
        };
        let sql = format!(
            "SELECT letter.lane, count(*), sum(letter.records) FROM dead_letter AS letter CROSS JOIN batch \
             ON batch.id = letter.batch WHERE batch.state = 2 AND batch.id >= ?1 AND batch.id < ?2 \
             AND ({}) AND ({attempt}) GROUP BY letter.lane",
            lanes.as_deref().unwrap_or("TRUE")
        );
        let least = query.since.map_or(Uuid::nil(), least_id);
        let below = query.until.map_or(Uuid::max(), least_id);
        let mut found = self.connection.prepare(&sql).map_err(failed)?;
        let rows = found.query_map(params![least.as_bytes(), below.as_bytes()], read_count);
        let mut counts: Vec<LaneDeadLetters> = rows.and_then(Iterator::collect).map_err(failed)?;
        counts.retain(|of| query.callback.is_none_or(|callback| callback == of.lane.callback()));
        Ok(counts)
    }

    /// Which attempts a filter takes, of those on record, as a condition. Names of outcomes are words of ours.
    fn attempts_like(&self, filter: AttemptFilter) -> Result<String, SpoolError> {
        let Some((from, to)) = filter.status.filter(|_| filter.class.is_none()) else {
            let alternatives = self.failures(filter)?.into_iter().map(|(outcome, status)| {
                let status = status.map_or_else(|| "NULL".to_owned(), |status| status.to_string());
                format!("attempt.outcome = '{outcome}' AND attempt.status IS {status}")
            });
            let alternatives: Vec<String> = alternatives.collect();
            return Ok(if alternatives.is_empty() { "FALSE".to_owned() } else { alternatives.join(" OR ") });
        };
        Ok(format!("attempt.status BETWEEN {from} AND {to}"))
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
        let rows = found.query_map(values, read_count);
        rows.and_then(Iterator::collect).map_err(failed)
    }
}

fn read_count(row: &Row<'_>) -> rusqlite::Result<LaneDeadLetters> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    Ok(LaneDeadLetters { lane: LaneNo(number(0)?), dead_letters: number(1)?, records: number(2)? })
}

fn is_one_of(column: &str, numbers: impl Iterator<Item = u64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.cast_signed().to_string()).collect();
    format!("{column} IN ({})", numbers.join(", "))
}
