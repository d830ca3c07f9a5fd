//! What rows hold in columns that were added after them, as far as the catalog still knows.
//!
//! The catalog keeps a constant default until the table is rewritten, and nothing of a default that was
//! dropped. It is always the current catalog, while the stream may be behind what was altered since.

use std::collections::BTreeMap;

/// What rows that were there before a column was added hold in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MissingValue {
    /// A constant default, in the text that the stream would carry.
    Constant(Vec<u8>),
    /// NULL.
    Null,
    /// What a volatile default, a generation expression or a rewrite put there.
    Unknown,
}

/// The catalog's answer.
#[derive(Clone, Debug, Default)]
pub struct AddedColumns {
    pub(crate) columns: BTreeMap<String, AddedColumn>,
    /// Tables, by OID, whose rows were written anew, and the file that holds them now.
    pub files: Filenodes,
    /// All columns there are, in their order.
    pub(crate) names: Vec<String>,
    /// The transactions that dropped columns.
    pub(crate) dropped_by: Vec<u32>,
}

/// The table's columns at the stream's position.
#[derive(Clone, Copy, Debug)]
pub struct StreamSchema<'a> {
    /// In this transaction, or in a savepoint of it.
    pub xid: u32,
    /// The table's columns there, in their order.
    pub columns: &'a [&'a str],
}

/// By OID of a table or partition: the file that holds its rows, where that is not the first one.
pub type Filenodes = BTreeMap<u32, u32>;

#[derive(Clone, Debug)]
pub(crate) struct AddedColumn {
    pub(crate) held: MissingValue,
    /// Nothing was altered in it since the rows were last written anew.
    pub(crate) untouched: bool,
    /// The transactions that last altered it, of the table and of each partition.
    pub(crate) written_by: Vec<u32>,
}

impl AddedColumns {
    /// What is certain of each column: `files` is what was seen before it was added, and `at` where the
    /// stream stands, where it does.
    pub fn certain(&self, files: &Filenodes, at: Option<StreamSchema<'_>>) -> BTreeMap<String, MissingValue> {
        let written_anew = self.files.iter().any(|(oid, file)| files.get(oid) != Some(file));
        let certain = |name: &str, column: &AddedColumn| {
            let altered_since =
                at.is_some_and(|at| any_later(&column.written_by, at.xid) && !self.is_the_same(name, at));
            match &column.held {
                _ if altered_since => MissingValue::Unknown,
                // It may have had a default, which was dropped after the rows were written anew.
                MissingValue::Null if written_anew && !column.untouched => MissingValue::Unknown,
                held => held.clone(),
            }
        };
        self.columns.iter().map(|(name, column)| (name.clone(), certain(name, column))).collect()
    }

    /// Whether the column `name` of now is that of the stream: nothing was dropped since, and the same
    /// columns come before it.
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

/// Transaction ids are compared modulo 2^32; the first three are older than all others.
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

    /// The column `c`, last altered by transaction 100 and another dropped by 99.
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
            // Altered at or before the stream's transaction.
            for xid in [100, 150] {
                assert_eq!(certain(xid, &["c"]), held, "{xid}");
            }
            // Altered since, or in a savepoint, but still the same column.
            assert_eq!(certain(99, &["a", "c"]), held);
            // Another one bears the name.
            assert_eq!(certain(99, &["c", "a"]), MissingValue::Unknown);
            assert_eq!(certain(99, &["a", "b", "c"]), MissingValue::Unknown);
            // Dropped and made again, perhaps; also across the wraparound.
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
            // A constant would have gone with the rewrite.
            assert_eq!(added(&five, false).certain(&known, None)["c"], five);
        }
    }
}
