//! The bytes of a chunk: its records, packed.
//!
//! For each record: its numbers as distances from the record before it (unsigned, or zigzag where
//! they may fall), seven bits a byte; the hash of its document; its fragment with its length.

use bytes::Bytes;

use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Record, Seq, WaitsFor};
use crate::time::{Timestamp, Uptime};

/// Consecutive records of one lane from one group, packed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Their lane.
    pub lane: LaneNo,
    /// Number of the first record.
    pub first: Seq,
    /// Number of the last record: the chunk's key, as no two chunks share one.
    pub last: Seq,
    /// How many records.
    pub records: u32,
    /// Bytes of the fragments alone.
    pub fragment_bytes: u64,
    /// When it was submitted to the spool.
    pub spooled_at: Timestamp,
    /// The uptime then.
    pub spooled_uptime: Uptime,
    /// The place of the last record.
    pub last_position: Position,
    /// The latest time at which one of its transactions was committed.
    pub committed_max: Timestamp,
    /// The packed records.
    pub packed: Bytes,
    /// What it may hold, for searches; empty in a chunk that was read.
    pub filter: Bytes,
}

/// A chunk's bytes are not what was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a chunk of records is damaged")]
pub struct DamagedChunk;

/// The records of a chunk, in order.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    before: Before,
    left: u32,
}

/// What the next record's numbers are counted from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    seq: u64,
    commit: u64,
    committed_at: i64,
}

impl Chunk {
    /// What it takes of a cache: many chunks of one record are mostly this struct.
    pub fn bytes_in_memory(&self) -> usize {
        size_of::<Self>() + self.packed.len()
    }

    /// Its records. Bytes that came from the disk were checked when they were read, so an error
    /// here means that they were written wrong.
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.packed, before: Before::default(), left: self.records }
    }
}

/// Appends a record; `before` moves on to it.
pub(super) fn pack(out: &mut Vec<u8>, before: &mut Before, record: &Record<'_>) {
    write(out, record.seq.0.wrapping_sub(before.seq));
    write(out, zigzag(record.position.commit.0.wrapping_sub(before.commit).cast_signed()));
    write(out, u64::from(record.position.number));
    write(out, zigzag(record.committed_at.0.wrapping_sub(before.committed_at)));
    for after in record.after.0 {
        // What it waits for lies before it; 0 is nothing.
        write(out, if after.0 == 0 { 0 } else { record.seq.0.wrapping_sub(after.0) });
    }
    out.extend_from_slice(&record.document.to_le_bytes());
    write(out, record.fragment.len() as u64);
    out.extend_from_slice(record.fragment);
    *before =
        Before { seq: record.seq.0, commit: record.position.commit.0, committed_at: record.committed_at.0 };
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<Record<'a>, DamagedChunk> {
        let seq = self.before.seq.wrapping_add(self.number()?);
        let commit = self.before.commit.wrapping_add(unzigzag(self.number()?).cast_unsigned());
        let number = u32::try_from(self.number()?).map_err(|_| DamagedChunk)?;
        let committed_at = self.before.committed_at.wrapping_add(unzigzag(self.number()?));
        let mut after = WaitsFor::default();
        for slot in &mut after.0 {
            let distance = self.number()?;
            *slot = Seq(if distance == 0 { 0 } else { seq.wrapping_sub(distance) });
        }
        let document = u64::from_le_bytes(*self.take()?);
        let length = usize::try_from(self.number()?).map_err(|_| DamagedChunk)?;
        let (fragment, rest) = self.rest.split_at_checked(length).ok_or(DamagedChunk)?;
        self.rest = rest;
        self.before = Before { seq, commit, committed_at };
        Ok(Record {
            seq: Seq(seq),
            position: Position { commit: Lsn(commit), number },
            committed_at: Timestamp(committed_at),
            after,
            document,
            fragment,
        })
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], DamagedChunk> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DamagedChunk)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, DamagedChunk> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DamagedChunk)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, DamagedChunk>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = self.read();
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk(packed: Vec<u8>, records: u32) -> Chunk {
        Chunk {
            lane: LaneNo(1),
            first: Seq(1),
            last: Seq(9),
            records,
            fragment_bytes: 0,
            spooled_at: Timestamp(0),
            spooled_uptime: Uptime(0),
            last_position: Position::default(),
            committed_max: Timestamp(0),
            packed: packed.into(),
            filter: Bytes::new(),
        }
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_packed(
            numbers in prop::collection::vec(any::<(u64, u64, u32, i64, [u64; 3], u64, Vec<u8>)>(), 0..5)
        ) {
            let records: Vec<Record<'_>> = numbers.iter().map(|(seq, commit, number, at, after, document, fragment)| Record {
                seq: Seq(*seq),
                position: Position { commit: Lsn(*commit), number: *number },
                committed_at: Timestamp(*at),
                after: WaitsFor(after.map(|after| Seq(if after == *seq { 0 } else { after }))),
                document: *document,
                fragment,
            }).collect();
            let (mut packed, mut before) = (Vec::new(), Before::default());
            records.iter().for_each(|record| pack(&mut packed, &mut before, record));
            let count = u32::try_from(records.len()).unwrap();
            let whole = chunk(packed.clone(), count);
            let read: Vec<_> = whole.records().map(Result::unwrap).collect();
            prop_assert_eq!(read, records);
            for length in 0..packed.len() {
                let cut = chunk(packed[..length].to_vec(), count);
                prop_assert!(cut.records().any(|read| read.is_err()));
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = chunk(bytes, 9).records().count();
        }
    }
}
