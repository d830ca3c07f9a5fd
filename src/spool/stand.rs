//! How far the stream is applied, and what is counted: one row.

use rusqlite::params;
use xxhash_rust::xxh3::Xxh3;

use super::ops::{OpenTransaction, StreamPosition};
use super::store::Store;
use crate::moment::{Moment, Running};
use crate::position::{Lsn, Position};
use crate::record::Seq;

/// What is counted, and how far the stream is applied: one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stand {
    pub(super) position: Option<StreamPosition>,
    pub(super) last_seq: Seq,
    pub(super) running: Running,
    pub(super) live_bytes: u64,
    pub(super) shadow_documents: u64,
    pub(super) shadow_bytes: u64,
    pub(super) dead_records: u64,
    /// What lies here or before is no longer there; `None` before a first start ended.
    pub(super) floor: Option<Floor>,
}

/// The end of what a replay can no longer reach: records, places and times up to here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Floor {
    /// Of the last record that was removed; 0 where none was.
    pub seq: Seq,
    /// Its place; before one was removed, the one before the first start's snapshot.
    pub position: Position,
    /// The latest time at which something removed was committed, or the snapshot was taken.
    pub at: Moment,
}

impl Floor {
    /// Everything up to `other` is gone as well.
    pub(super) fn raise(&mut self, other: Self) {
        if other.seq > self.seq {
            (self.seq, self.position) = (other.seq, other.position);
        }
        self.at = self.at.max(other.at);
    }
}

impl Store {
    pub(super) fn write_stand(&self) -> rusqlite::Result<()> {
        let stand = &self.stand;
        let position = stand.position.unwrap_or_default();
        let open = position.open;
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO stand VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)")?
            .execute(params![
                stand.position.map(|position| position.whole.0.cast_signed()),
                position.last_end.0.cast_signed(),
                open.map(|open| open.commit.0.cast_signed()),
                open.map_or(0, |open| open.changes_applied.cast_signed()),
                open.map_or(0, |open| open.records_made),
                stand.last_seq.0.cast_signed(),
                stand.running.0.cast_signed(),
                stand.live_bytes.cast_signed(),
                stand.shadow_documents.cast_signed(),
                stand.shadow_bytes.cast_signed(),
                stand.dead_records.cast_signed(),
                stand.floor.map(|floor| floor.seq.0.cast_signed()),
                stand.floor.map(|floor| floor.position.commit.0.cast_signed()),
                stand.floor.map(|floor| floor.position.number),
                stand.floor.map(|floor| floor.at.0),
                stand.sum(),
            ])?;
        Ok(())
    }

    /// `None`: it is not as it was written.
    pub(super) fn read_stand(&self) -> rusqlite::Result<Option<Stand>> {
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
            let stand = Stand {
                position: maybe(1)?.map(|whole| StreamPosition { whole: Lsn(whole), last_end, open }),
                last_seq: Seq(number(6)?),
                running: Running(number(7)?),
                live_bytes: number(8)?,
                shadow_documents: number(9)?,
                shadow_bytes: number(10)?,
                dead_records: number(11)?,
                floor: match (maybe(12)?, maybe(13)?, row.get(14)?, row.get(15)?) {
                    (Some(seq), Some(commit), Some(number), Some(at)) => Some(Floor {
                        seq: Seq(seq),
                        position: Position { commit: Lsn(commit), number },
                        at: Moment(at),
                    }),
                    _ => None,
                },
            };
            Ok((stand.sum() == row.get::<_, i64>(16)?).then_some(stand))
        })
    }
}

impl Stand {
    fn sum(&self) -> i64 {
        let mut hash = Xxh3::new();
        hash.update(format!("{self:?}").as_bytes());
        hash.digest().cast_signed()
    }
}
