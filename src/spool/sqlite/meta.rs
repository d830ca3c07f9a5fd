//! How far the stream is applied, and what is counted: one row.

use rusqlite::{Connection, params};

use super::row_bytes::RowBytes;
use crate::position::{Lsn, Position};
use crate::record::Seq;
use crate::spool::meta::{LowWatermark, SpoolMeta};
use crate::spool::stream_position::{OpenTransaction, StreamPosition};
use crate::time::{Timestamp, Uptime};

pub(super) fn write_meta(connection: &Connection, meta: &SpoolMeta) -> rusqlite::Result<()> {
    let position = meta.position.unwrap_or_default();
    let open = position.open;
    connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO meta (id, {COLUMNS}) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        ))?
        .execute(params![
            meta.position.map(|position| position.resume_lsn.0.cast_signed()),
            position.last_end.0.cast_signed(),
            open.map(|open| open.commit.0.cast_signed()),
            open.map_or(0, |open| open.changes_applied.cast_signed()),
            open.map_or(0, |open| open.records_made),
            meta.last_seq.0.cast_signed(),
            meta.uptime.0.cast_signed(),
            meta.live_bytes.cast_signed(),
            meta.shadow_documents.cast_signed(),
            meta.shadow_bytes.cast_signed(),
            meta.dead_records.cast_signed(),
            meta.low_watermark.map(|low_watermark| low_watermark.seq.0.cast_signed()),
            meta.low_watermark.map(|low_watermark| low_watermark.position.commit.0.cast_signed()),
            meta.low_watermark.map(|low_watermark| low_watermark.position.number),
            meta.low_watermark.map(|low_watermark| low_watermark.at.0),
            meta.sum(),
        ])?;
    Ok(())
}

/// `None`: it is not as it was written.
pub(super) fn read_meta(connection: &Connection) -> rusqlite::Result<Option<SpoolMeta>> {
    connection.query_row(&format!("SELECT {COLUMNS} FROM meta"), [], |row| {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let maybe =
            |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned));
        let (last_end, changes_applied, records_made) = (Lsn(number(1)?), number(3)?, row.get(4)?);
        let open =
            maybe(2)?.map(|commit| OpenTransaction { commit: Lsn(commit), changes_applied, records_made });
        let meta = SpoolMeta {
            position: maybe(0)?.map(|lsn| StreamPosition { resume_lsn: Lsn(lsn), last_end, open }),
            last_seq: Seq(number(5)?),
            uptime: Uptime(number(6)?),
            live_bytes: number(7)?,
            shadow_documents: number(8)?,
            shadow_bytes: number(9)?,
            dead_records: number(10)?,
            low_watermark: match (maybe(11)?, maybe(12)?, row.get(13)?, row.get(14)?) {
                (Some(seq), Some(commit), Some(number), Some(at)) => Some(LowWatermark {
                    seq: Seq(seq),
                    position: Position { commit: Lsn(commit), number },
                    at: Timestamp(at),
                }),
                _ => None,
            },
        };
        Ok((meta.sum() == row.get::<_, i64>(15)?).then_some(meta))
    })
}

impl SpoolMeta {
    pub(super) fn row_bytes(&self) -> RowBytes {
        let Self {
            position,
            last_seq,
            uptime,
            live_bytes,
            shadow_documents,
            shadow_bytes,
            dead_records,
            low_watermark,
        } = self;
        RowBytes::of("meta")
            .option(*position, |row, StreamPosition { resume_lsn, last_end, open }| {
                row.number(resume_lsn.0).number(last_end.0).option(open, |row, open| {
                    let OpenTransaction { commit, changes_applied, records_made } = open;
                    row.number(commit.0).number(changes_applied).number(records_made.into())
                })
            })
            .number(last_seq.0)
            .number(uptime.0)
            .number(*live_bytes)
            .number(*shadow_documents)
            .number(*shadow_bytes)
            .number(*dead_records)
            .option(*low_watermark, |row, LowWatermark { seq, position, at }| {
                row.number(seq.0).number(position.commit.0).number(position.number.into()).signed(at.0)
            })
    }

    fn sum(&self) -> i64 {
        self.row_bytes().sum()
    }
}

/// In the order in which they are written and read.
const COLUMNS: &str = "resume_lsn, last_end_lsn, open_commit_lsn, open_changes, open_records, last_seq, uptime, \
     live_bytes, shadow_documents, shadow_bytes, dead_letter_records, \
     low_watermark_seq, low_watermark_commit, low_watermark_number, low_watermark_at, sum";
