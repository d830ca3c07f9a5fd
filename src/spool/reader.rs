//! Reading beside the writer: chunks for batches, entries for the shadow, sums for people.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::facts::read_fact;
use super::lanes::{LaneRow, lane_state, read_lanes};
use super::ops::{Chunk, Fact, LaneState};
use super::schema::open_reader;
use super::store::{SpoolError, failed, shadow_bytes};
use crate::classify::Identity;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// A connection of its own; each question sees everything that was committed before it.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Live bytes of records, batches, dead letters and attempts.
    pub live_bytes: u64,
    /// Of the file, which is used again but never shrinks.
    pub file_bytes: u64,
    /// Documents that the shadow knows.
    pub shadow_documents: u64,
    /// What it takes to know them.
    pub shadow_bytes: u64,
    /// Records that are dead letters.
    pub dead_records: u64,
}

impl Reader {
    pub(super) fn open(folder: &Path) -> Result<Self, SpoolError> {
        open_reader(folder).map(|connection| Self { connection }).map_err(failed)
    }

    /// The first chunk of `lane` that ends at `seq` or later.
    pub fn chunk_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<Chunk>, SpoolError> {
        chunk_holding(&self.connection, lane, seq)
    }

    /// Every lane.
    pub fn lanes(&self) -> Result<Vec<LaneState>, SpoolError> {
        let damaged = || SpoolError::Damaged("a lane".into());
        let rows = read_lanes(&self.connection).map_err(failed)?.ok_or_else(damaged)?;
        let state = |(lane, row): (LaneNo, LaneRow)| {
            lane_state(&self.connection, lane, row).map_err(failed)?.ok_or_else(damaged)
        };
        rows.into_iter().map(state).collect()
    }

    /// The last record of `lane` that was spooled at `before` or earlier.
    pub fn last_spooled_by(&self, lane: LaneNo, before: Uptime) -> Result<Option<Seq>, SpoolError> {
        self.seq(
            "SELECT max(last) FROM chunk WHERE lane = ?1 AND spooled_uptime <= ?2",
            params![lane.0.cast_signed(), before.0.cast_signed()],
        )
    }

    /// The record of `lane` behind `cursor` up to which at least `bytes` of fragments lie: whole
    /// chunks, the oldest first.
    pub fn seq_freeing(&self, lane: LaneNo, cursor: Seq, bytes: u64) -> Result<Option<Seq>, SpoolError> {
        let mut chunks = self
            .connection
            .prepare_cached(
                "SELECT last, fragment_bytes FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last",
            )
            .map_err(failed)?;
        let mut rows = chunks.query(params![lane.0.cast_signed(), cursor.0.cast_signed()]).map_err(failed)?;
        let (mut freed, mut through) = (0_u64, None);
        while let Some(row) = rows.next().map_err(failed)? {
            if freed >= bytes {
                break;
            }
            through = Some(Seq(row.get::<_, i64>(0).map_err(failed)?.cast_unsigned()));
            freed += row.get::<_, i64>(1).map_err(failed)?.cast_unsigned();
        }
        Ok(through)
    }

    /// What is remembered by this name.
    pub fn fact(&self, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError> {
        read_fact(&self.connection, fact)
    }

    /// How much there is of everything.
    pub fn usage(&self) -> Result<Usage, SpoolError> {
        let pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        let file_bytes: i64 = self.connection.query_row(pages, [], |row| row.get(0)).map_err(failed)?;
        self.connection
            .query_row(
                "SELECT live_bytes, shadow_documents, shadow_bytes, dead_letter_records FROM meta",
                [],
                |row| {
                    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
                    Ok(Usage {
                        live_bytes: number(0)?,
                        file_bytes: file_bytes.cast_unsigned(),
                        shadow_documents: number(1)?,
                        shadow_bytes: number(2)?,
                        dead_records: number(3)?,
                    })
                },
            )
            .map_err(failed)
    }

    /// The shadow's entry of one identity.
    pub fn shadow(&self, identity: &Identity) -> Result<Option<Box<[u8]>>, SpoolError> {
        let mut found =
            self.connection.prepare_cached("SELECT entry FROM shadow WHERE identity = ?1").map_err(failed)?;
        let mut rows = found.query([&identity.0[..]]).map_err(failed)?;
        match rows.next().map_err(failed)? {
            Some(row) => {
                let summed = row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).map_err(failed)?;
                checked(identity, summed).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Up to `limit` entries of the shadow behind `after`, in the order of identities.
    pub fn shadow_after(
        &self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Box<[u8]>)>, SpoolError> {
        // No identity is empty bytes but that of one empty text, which is then the first.
        let (from, inclusive) = after.map_or((&[][..], true), |identity| (&identity.0[..], false));
        let sql = if inclusive {
            "SELECT identity, entry FROM shadow WHERE identity >= ?1 ORDER BY identity LIMIT ?2"
        } else {
            "SELECT identity, entry FROM shadow WHERE identity > ?1 ORDER BY identity LIMIT ?2"
        };
        let mut found = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = found.query_map(params![from, limit], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
        });
        let entry = |row: rusqlite::Result<(Vec<u8>, Vec<u8>)>| {
            let (identity, summed) = row.map_err(failed)?;
            let identity = Identity(identity.into());
            checked(&identity, &summed).map(|entry| (identity, entry))
        };
        rows.map_err(failed)?.map(entry).collect()
    }

    fn seq(&self, sql: &str, values: impl rusqlite::Params) -> Result<Option<Seq>, SpoolError> {
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_row(values, |row| row.get::<_, Option<i64>>(0)));
        Ok(found.map_err(failed)?.map(|seq| Seq(seq.cast_unsigned())))
    }
}

/// The first chunk of `lane` that ends at `seq` or later, its checksum checked.
pub(super) fn chunk_holding(
    connection: &Connection,
    lane: LaneNo,
    seq: Seq,
) -> Result<Option<Chunk>, SpoolError> {
    let mut found = connection
        .prepare_cached(&format!(
            "SELECT {CHUNK_COLUMNS} FROM chunk WHERE lane = ?1 AND last >= ?2 ORDER BY last LIMIT 1"
        ))
        .map_err(failed)?;
    let mut rows = found.query(params![lane.0.cast_signed(), seq.0.cast_signed()]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let (chunk, sum) = read_chunk(row).map_err(failed)?;
    if chunk.sum() != sum {
        return Err(SpoolError::Damaged(format!(
            "the chunk of records {} to {}",
            chunk.first.0, chunk.last.0
        )));
    }
    Ok(Some(chunk))
}

fn read_chunk(row: &Row<'_>) -> rusqlite::Result<(Chunk, i64)> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let chunk = Chunk {
        last: Seq(number(0)?),
        lane: LaneNo(number(1)?),
        first: Seq(number(2)?),
        records: row.get(3)?,
        fragment_bytes: number(4)?,
        spooled_at: Timestamp(row.get(5)?),
        spooled_uptime: Uptime(number(6)?),
        last_position: Position { commit: Lsn(number(7)?), number: row.get(8)? },
        committed_max: Timestamp(row.get(9)?),
        packed: row.get::<_, Vec<u8>>(11)?.into(),
    };
    Ok((chunk, row.get(10)?))
}

/// An entry without the checksum behind it.
fn checked(identity: &Identity, summed: &[u8]) -> Result<Box<[u8]>, SpoolError> {
    let whole = summed.split_last_chunk::<8>();
    let entry =
        whole.filter(|(entry, sum)| shadow_bytes(identity).sum_with(entry) == i64::from_le_bytes(**sum));
    let (entry, _) = entry.ok_or_else(|| SpoolError::Damaged("an entry of the shadow".into()))?;
    Ok(entry.into())
}

/// In the order in which they are written and read.
pub(super) const CHUNK_COLUMNS: &str = "last, lane, first, records, fragment_bytes, spooled_at, spooled_uptime, last_commit, last_number, committed_max, \
     sum, packed";
