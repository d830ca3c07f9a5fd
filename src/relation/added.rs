//! The values of added columns in rows that are older than the column, as far as the catalog has them.
//!
//! The catalog stores a constant default until the table is rewritten, and nothing about a default that was
//! dropped. Queries see the current catalog, while the stream may be at an earlier point.

use std::collections::BTreeMap;

/// The value of an added column in rows that are older than the column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MissingValue {
    /// A constant default, in the text that the stream would carry.
    Constant(Vec<u8>),
    /// NULL.
    Null,
    /// Set by a volatile default, a generation expression or a rewrite: the catalog does not have it.
    Unknown,
}

/// What the catalog has about added columns.
#[derive(Clone, Debug, Default)]
pub struct AddedColumns {
    pub(crate) columns: BTreeMap<String, AddedColumn>,
    /// The tables that were rewritten, by OID, with their current filenode.
    pub files: Filenodes,
    /// All columns of the table, in order.
    pub(crate) names: Vec<String>,
    /// The transactions that dropped columns.
    pub(crate) dropped_by: Vec<u32>,
}

/// The table's columns at the stream's position.
#[derive(Clone, Copy, Debug)]
pub struct StreamSchema<'a> {
    /// The transaction at that position, or a subtransaction of it.
    pub xid: u32,
    /// The table's columns at that position, in order.
    pub columns: &'a [&'a str],
}

/// The filenode of each table or partition, by OID, if it is not the initial one.
pub type Filenodes = BTreeMap<u32, u32>;

#[derive(Clone, Debug)]
pub(crate) struct AddedColumn {
    pub(crate) held: MissingValue,
    /// The column was not altered since the rows were last rewritten.
    pub(crate) untouched: bool,
    /// The transactions that last altered the column, in the table and in each partition.
    pub(crate) written_by: Vec<u32>,
}

impl AddedColumns {
    /// The values that are certain. `files` are the filenodes before the column was added; `at` is the
    /// stream's position, if it is known.
    pub fn certain(&self, files: &Filenodes, at: Option<StreamSchema<'_>>) -> BTreeMap<String, MissingValue> {
        let written_anew = self.files.iter().any(|(oid, file)| files.get(oid) != Some(file));
        let certain = |name: &str, column: &AddedColumn| {
            let altered_since =
                at.is_some_and(|at| any_later(&column.written_by, at.xid) && !self.is_the_same(name, at));
            match &column.held {
                _ if altered_since => MissingValue::Unknown,
                // It may have had a default that was dropped after a rewrite of the rows.
                MissingValue::Null if written_anew && !column.untouched => MissingValue::Unknown,
                held => held.clone(),
            }
        };
        self.columns.iter().map(|(name, column)| (name.clone(), certain(name, column))).collect()
    }

    /// Whether the current column `name` is the one of the stream: no column was dropped since, and the
    /// same columns precede it.
    fn is_the_same(&self, name: &str, at: StreamSchema<'_>) -> bool {
        let before_now = self.names.iter().map(String::as_str).take_while(|other| *other != name);
        let before_now = before_now.filter(|other| at.columns.contains(other));
        let before_then = at.columns.iter().copied().take_while(|other| *other != name);
        !any_later(&self.dropped_by, at.xid) && before_now.eq(before_then)
    }
}

fn any_later(xids: &[u32], than: u32) -> bool {
    xids.iter().any(|xid| is_later(*xid, than))
}

/// Whether `one` is a later transaction than `other`. Ids are compared modulo 2^32; the first three are
/// reserved, and older than all others.
/// <https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND>
pub(crate) fn is_later(one: u32, other: u32) -> bool {
    one >= FIRST_NORMAL_XID
        && other >= FIRST_NORMAL_XID
        && (1..=i32::MAX.unsigned_abs()).contains(&one.wrapping_sub(other))
}

const FIRST_NORMAL_XID: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// The column `c`, last altered by transaction 100; another one was dropped by 99.
    fn added(held: &MissingValue, untouched: bool) -> AddedColumns {
        let column = AddedColumn { held: held.clone(), untouched, written_by: vec![100, 90] };
        AddedColumns {
            columns: [("c".to_owned(), column)].into(),
            files: [(7, 70)].into(),
            names: vec!["a".into(), "c".into(), "later".into()],
            dropped_by: vec![99],
        }
    }

    #[test]
    fn what_the_catalog_says_of_now_is_not_taken_for_what_was() {
        for held in [MissingValue::Null, MissingValue::Constant("5".into())] {
            let added = added(&held, false);
            let certain =
                |xid, columns| added.certain(&added.files, Some(StreamSchema { xid, columns }))["c"].clone();
            assert_eq!(added.certain(&added.files, None)["c"], held);
            // Altered in the stream's transaction or before it.
            for xid in [100, 150] {
                assert_eq!(certain(xid, &["c"]), held, "{xid}");
            }
            // Altered later, or in a subtransaction, but still the same column.
            assert_eq!(certain(99, &["a", "c"]), held);
            // Another column has the name.
            assert_eq!(certain(99, &["c", "a"]), MissingValue::Unknown);
            assert_eq!(certain(99, &["a", "b", "c"]), MissingValue::Unknown);
            // May have been dropped and added again; also across the wraparound.
            for xid in [98, u32::MAX - 5] {
                assert_eq!(certain(xid, &["a", "c"]), MissingValue::Unknown, "{xid}");
            }
        }
    }

    #[test]
    fn a_default_that_was_dropped_after_a_rewrite_is_not_taken_for_none() {
        let (null, five) = (MissingValue::Null, MissingValue::Constant("5".into()));
        for known in [Filenodes::new(), [(7, 69)].into()] {
            assert_eq!(added(&null, false).certain(&known, None)["c"], MissingValue::Unknown);
            assert_eq!(added(&null, true).certain(&known, None)["c"], null);
            // A rewrite would have removed the constant.
            assert_eq!(added(&five, false).certain(&known, None)["c"], five);
        }
    }
}
