//! The bytes that the checksum of a row is taken of.
//!
//! They are the name of the row's type and its fields in a fixed order: a number as 8 bytes,
//! little-endian; a text or bytes with the length before them; an option as 0, or as 1 and the value.
//! Nothing in them depends on a name in this code.

use xxhash_rust::xxh3::Xxh3;

/// The bytes of one row, written field by field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RowBytes(pub(super) Vec<u8>);

impl RowBytes {
    /// A row of this type.
    pub(super) fn of(row_type: &'static str) -> Self {
        Self(Vec::with_capacity(128)).text(row_type)
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn signed(self, number: i64) -> Self {
        self.number(number.cast_unsigned())
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut row = self.number(bytes.len() as u64);
        row.0.extend_from_slice(bytes);
        row
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn option<T>(mut self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        self.0.push(value.is_some().into());
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }

    /// The checksum, as SQL keeps it.
    pub(super) fn sum(&self) -> i64 {
        self.sum_with(&[])
    }

    /// The checksum of the row followed by `payload`, which ends it.
    pub(super) fn sum_with(&self, payload: &[u8]) -> i64 {
        let mut hash = Xxh3::new();
        hash.update(&self.0);
        hash.update(payload);
        hash.digest().cast_signed()
    }
}
