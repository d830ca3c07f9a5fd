//! Chunks as rows.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::cost::chunk_cost;
use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Seq};
use crate::spool::chunk::Chunk;
use crate::spool::error::SpoolError;
use crate::time::{Timestamp, Uptime};

impl Store {
    pub(super) fn add_chunk(&mut self, chunk: &Chunk) -> Result<(), SpoolError> {
        self.execute(
            &format!(
                "INSERT INTO chunk ({COLUMNS}, filter) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            ),
            params![
                chunk.last.0.cast_signed(),
                chunk.lane.0.cast_signed(),
                chunk.first.0.cast_signed(),
                chunk.records,
                chunk.fragment_bytes.cast_signed(),
                chunk.spooled_at.0,
                chunk.spooled_uptime.0.cast_signed(),
                chunk.last_position.commit.0.cast_signed(),
                chunk.last_position.number,
                chunk.committed_max.0,
                chunk_sum(chunk),
                &chunk.packed[..],
                &chunk.filter[..],
            ],
        )?;
        let lane = self.lane(chunk.lane, chunk.first);
        lane.pending_records += u64::from(chunk.records);
        lane.pending_bytes += chunk.fragment_bytes;
        self.meta.last_seq = self.meta.last_seq.max(chunk.last);
        self.meta.live_bytes += chunk_cost(chunk.packed.len());
        Ok(())
    }
}

/// The first chunk of `lane` that ends at `seq` or later, its checksum checked.
pub(super) fn chunk_holding(
    connection: &Connection,
    lane: LaneNo,
    seq: Seq,
) -> Result<Option<Chunk>, SpoolError> {
    Ok(chunks_from(connection, lane, seq, 1, u64::MAX)?.pop())
}

/// The chunks of `lane` that end at `seq` or later, their checksums checked: the first, and the next ones until they
/// have `records` records or `bytes` of fragments.
pub(super) fn chunks_from(
    connection: &Connection,
    lane: LaneNo,
    seq: Seq,
    records: u32,
    bytes: u64,
) -> Result<Vec<Chunk>, SpoolError> {
    let mut found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM chunk WHERE lane = ?1 AND last >= ?2 ORDER BY last"))
        .map_err(failed)?;
    let mut rows = found.query(params![lane.0.cast_signed(), seq.0.cast_signed()]).map_err(failed)?;
    let (mut chunks, mut counted, mut measured) = (Vec::new(), 0, 0);
    while (chunks.is_empty() || counted < records && measured < bytes)
        && let Some(row) = rows.next().map_err(failed)?
    {
        let (chunk, sum) = read_chunk(row).map_err(failed)?;
        if chunk_sum(&chunk) != sum {
            return Err(SpoolError::Damaged(format!(
                "the chunk of records {} to {}",
                chunk.first.0, chunk.last.0
            )));
        }
        counted += chunk.records;
        measured += chunk.fragment_bytes;
        chunks.push(chunk);
    }
    Ok(chunks)
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
        filter: bytes::Bytes::new(),
    };
    Ok((chunk, row.get(10)?))
}

/// The first record of `lane` behind `cursor`.
pub(super) fn first_behind(
    connection: &Connection,
    lane: LaneNo,
    cursor: Seq,
) -> Result<Option<Seq>, SpoolError> {
    let sql = "SELECT first FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1";
    let found = connection.prepare_cached(sql).and_then(|mut found| {
        let of = [lane.0.cast_signed(), cursor.0.cast_signed()];
        found.query_row(of, |row| row.get::<_, i64>(0)).optional()
    });
    let Some(first) = found.map_err(failed)?.map(|first| Seq(first.cast_unsigned())) else {
        return Ok(None);
    };
    if first > cursor {
        return Ok(Some(first));
    }
    // The cursor is inside the chunk: only its records tell which one is next.
    let chunk = chunk_holding(connection, lane, Seq(cursor.0 + 1))?;
    let mut seqs = chunk.iter().flat_map(Chunk::records).map(|record| record.map(|record| record.seq));
    let next = seqs.find(|seq| seq.as_ref().map_or(true, |seq| *seq > cursor)).transpose();
    Ok(next?)
}

/// The last record of `lane` that was spooled at `before` or earlier.
pub(super) fn last_spooled_by(
    connection: &Connection,
    lane: LaneNo,
    before: Uptime,
) -> Result<Option<Seq>, SpoolError> {
    let sql = "SELECT max(last) FROM chunk WHERE lane = ?1 AND spooled_uptime <= ?2";
    let found = connection.prepare_cached(sql).and_then(|mut found| {
        found.query_row(params![lane.0.cast_signed(), before.0.cast_signed()], |row| {
            row.get::<_, Option<i64>>(0)
        })
    });
    Ok(found.map_err(failed)?.map(|seq| Seq(seq.cast_unsigned())))
}

/// Whole chunks, the oldest first.
pub(super) fn seq_freeing(
    connection: &Connection,
    lane: LaneNo,
    cursor: Seq,
    bytes: u64,
) -> Result<Option<Seq>, SpoolError> {
    let mut chunks = connection
        .prepare_cached("SELECT last, fragment_bytes FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last")
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

/// What its checksum is taken of, without the packed records that end it.
pub(super) fn chunk_bytes(chunk: &Chunk) -> RowBytes {
    RowBytes::of("chunk")
        .number(chunk.lane.0)
        .number(chunk.first.0)
        .number(chunk.last.0)
        .number(chunk.records.into())
        .number(chunk.fragment_bytes)
        .signed(chunk.spooled_at.0)
        .number(chunk.spooled_uptime.0)
        .number(chunk.last_position.commit.0)
        .number(chunk.last_position.number.into())
        .signed(chunk.committed_max.0)
        .number(chunk.packed.len() as u64)
}

pub(super) fn chunk_sum(chunk: &Chunk) -> i64 {
    chunk_bytes(chunk).sum_with(&chunk.packed)
}

/// In the order in which they are written and read.
const COLUMNS: &str = "last, lane, first, records, fragment_bytes, spooled_at, spooled_uptime, last_commit, last_number, committed_max, \
     sum, packed";
