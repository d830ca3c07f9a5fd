//! What rows hold in columns that were added after them, as far as the catalog still tells.
//!
//! The catalog tells a constant default until the rows are written anew, and tells nothing of a default that
//! was dropped. It is always the catalog of now, while the stream may stand before what was altered since.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Row};

use super::SourceError;

/// What rows that were there before a column was added hold in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WhenAdded {
    /// A constant default, in the text that the stream would carry.
    Constant(String),
    /// NULL.
    Null,
    /// What a volatile default, a generation expression or a rewrite put there.
    Unknown,
}

/// The catalog's answer.
#[derive(Clone, Debug, Default)]
pub struct Added {
    columns: BTreeMap<String, AddedColumn>,
    /// Tables, by OID, whose rows were written anew, and the file that holds them now.
    pub files: Files,
}

/// By OID of a table or partition: the file that holds its rows, where that is not the first one.
pub type Files = BTreeMap<u32, u32>;

#[derive(Clone, Debug)]
struct AddedColumn {
    held: WhenAdded,
    /// Nothing was altered in it since the rows were last written anew.
    untouched: bool,
    /// The transactions that last altered it, of the table and of each partition.
    written_by: Vec<u32>,
}

impl Added {
    /// What is certain of each column: `files` is what was seen before it was added, and `xid` the
    /// transaction that the stream stands in, if any.
    pub fn certain(&self, files: &Files, xid: Option<u32>) -> BTreeMap<String, WhenAdded> {
        let written_anew = self.files.iter().any(|(oid, file)| files.get(oid) != Some(file));
        let certain = |column: &AddedColumn| {
            let altered_since = xid.is_some_and(|xid| column.written_by.iter().any(|by| is_later(*by, xid)));
            match &column.held {
                _ if altered_since => WhenAdded::Unknown,
                // It may have had a default, which was dropped after the rows were written anew.
                WhenAdded::Null if written_anew && !column.untouched => WhenAdded::Unknown,
                held => held.clone(),
            }
        };
        self.columns.iter().map(|(name, column)| (name.clone(), certain(column))).collect()
    }
}

/// Asks for the columns `names` of the table `oid`. Those that are not there any more are left out.
pub async fn added(client: &Client, oid: u32, names: &[String]) -> Result<Added, SourceError> {
    let columns = client.query(include_str!("../../sql/added.sql"), &[&oid, &names]).await?;
    let columns = columns.iter().map(column).collect::<Result<_, SourceError>>()?;
    Ok(Added { columns, files: files(client, oid).await? })
}

/// The files of the table `oid` and its partitions.
pub async fn files(client: &Client, oid: u32) -> Result<Files, SourceError> {
    let files = client.query(include_str!("../../sql/storage.sql"), &[&oid]).await?;
    files.iter().map(|row| Ok((row.try_get("oid")?, row.try_get("file")?))).collect()
}

fn column(row: &Row) -> Result<(String, AddedColumn), SourceError> {
    let missing: Option<String> = row.try_get("missing")?;
    let held = match missing {
        Some(text) if row.try_get("same_missing")? => WhenAdded::Constant(text),
        _ if row.try_get("some_missing")? || row.try_get("has_default")? => WhenAdded::Unknown,
        _ => WhenAdded::Null,
    };
    let written_by: Vec<i64> = row.try_get("written_by")?;
    let written_by = written_by.into_iter().filter_map(|xid| u32::try_from(xid).ok()).collect();
    let untouched = row.try_get("untouched")?;
    Ok((row.try_get("name")?, AddedColumn { held, untouched, written_by }))
}

/// Transaction ids are compared modulo 2^32; the first three are older than all others.
/// <https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND>
fn is_later(one: u32, other: u32) -> bool {
    one >= FIRST_NORMAL_XID
        && other >= FIRST_NORMAL_XID
        && (1..=i32::MAX.unsigned_abs()).contains(&one.wrapping_sub(other))
}

const FIRST_NORMAL_XID: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_catalog_says_of_now_is_not_taken_for_what_was() {
        let column = |held: &WhenAdded, untouched| AddedColumn {
            held: held.clone(),
            untouched,
            written_by: vec![100, 90],
        };
        let (null, five) = (WhenAdded::Null, WhenAdded::Constant("5".into()));
        let files: Files = [(7, 70)].into();
        let of = |held: &WhenAdded, untouched, known: &Files, xid| {
            let columns = [("c".to_owned(), column(held, untouched))].into();
            let added = Added { columns, files: files.clone() };
            added.certain(known, xid).remove("c").unwrap()
        };
        let certain = |held: &WhenAdded, known: &Files, xid| of(held, false, known, xid);
        // Altered at or before the stream's transaction, or by it.
        for xid in [Some(100), Some(150), None] {
            assert_eq!(certain(&null, &files, xid), null, "{xid:?}");
            assert_eq!(certain(&five, &files, xid), five, "{xid:?}");
        }
        // Altered since, also across the wraparound.
        for xid in [99, u32::MAX - 5] {
            assert_eq!(certain(&null, &files, Some(xid)), WhenAdded::Unknown);
            assert_eq!(certain(&five, &files, Some(xid)), WhenAdded::Unknown);
        }
        // Written anew since: a constant would have gone, a dropped default cannot be told from none.
        for known in [Files::new(), [(7, 69)].into()] {
            assert_eq!(certain(&null, &known, Some(150)), WhenAdded::Unknown);
            assert_eq!(certain(&five, &known, Some(150)), five);
            assert_eq!(of(&null, true, &known, Some(150)), null);
        }
    }
}
