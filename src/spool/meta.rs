//! How far the stream is applied, and what is counted: one row.

use rusqlite::params;
use xxhash_rust::xxh3::Xxh3;

use super::ops::{OpenTransaction, StreamPosition};
use super::store::Store;
use crate::position::{Lsn, Position};
use crate::record::Seq;
use crate::time::{Timestamp, Uptime};

/// What is counted, and how far the stream is applied: one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SpoolMeta {
    pub(super) position: Option<StreamPosition>,
    pub(super) last_seq: Seq,
    pub(super) running: Uptime,
    pub(super) live_bytes: u64,
    pub(super) shadow_documents: u64,
    pub(super) shadow_bytes: u64,
    pub(super) dead_records: u64,
    /// What lies here or before is no longer there; `None` before a first start ended.
    pub(super) low_watermark: Option<LowWatermark>,
}

/// The end of what a replay can no longer reach: records, places and times up to here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LowWatermark {
    /// Of the last record that was removed; 0 where none was.
    pub seq: Seq,
    /// Its place; before one was removed, the one before the first start's snapshot.
    pub position: Position,
    /// The latest time at which something removed was committed, or the snapshot was taken.
    pub at: Timestamp,
}

impl LowWatermark {
    /// Everything up to `other` is gone as well.
    pub(super) fn raise(&mut self, other: Self) {
        if other.seq > self.seq {
            (self.seq, self.position) = (other.seq, other.position);
        }
        self.at = self.at.max(other.at);
    }
}

impl Store {
    pub(super) fn write_meta(&self) -> rusqlite::Result<()> {
        let meta = &self.meta;
        let position = meta.position.unwrap_or_default();
        let open = position.open;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO stand VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)")?
            .execute(params![
                meta.position.map(|position| position.resume_lsn.0.cast_signed()),
                position.last_end.0.cast_signed(),
                open.map(|open| open.commit.0.cast_signed()),
                open.map_or(0, |open| open.changes_applied.cast_signed()),
                open.map_or(0, |open| open.records_made),
                meta.last_seq.0.cast_signed(),
                meta.running.0.cast_signed(),
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
    pub(super) fn read_meta(&self) -> rusqlite::Result<Option<SpoolMeta>> {
        self.connection.query_row("SELECT * FROM stand", [], |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let maybe =
                |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned));
            let (last_end, changes_applied, records_made) = (Lsn(number(2)?), number(4)?, row.get(5)?);
            let open = maybe(3)?.map(|commit| OpenTransaction {
                commit: Lsn(commit),
                changes_applied,
                records_made,
            });
            let meta = SpoolMeta {
                position: maybe(1)?.map(|whole| StreamPosition { resume_lsn: Lsn(whole), last_end, open }),
                last_seq: Seq(number(6)?),
                running: Uptime(number(7)?),
                live_bytes: number(8)?,
                shadow_documents: number(9)?,
                shadow_bytes: number(10)?,
                dead_records: number(11)?,
                low_watermark: match (maybe(12)?, maybe(13)?, row.get(14)?, row.get(15)?) {
                    (Some(seq), Some(commit), Some(number), Some(at)) => Some(LowWatermark {
                        seq: Seq(seq),
                        position: Position { commit: Lsn(commit), number },
                        at: Timestamp(at),
                    }),
                    _ => None,
                },
            };
            Ok((meta.sum() == row.get::<_, i64>(16)?).then_some(meta))
        })
    }
}

impl SpoolMeta {
    fn sum(&self) -> i64 {
        let mut hash = Xxh3::new();
        hash.update(format!("{self:?}").as_bytes());
        hash.digest().cast_signed()
    }
}
