//! What rows hold in columns that were added after them, as far as the catalog still tells.
//!
//! The catalog tells a constant default until the rows are written anew, and tells nothing of a default that
//! was dropped. It is always the catalog of now, while the stream may stand before what was altered since.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::{Client, Row};

use crate::source::SourceError;
use crate::source::wire::sql::Bytes;

/// What rows that were there before a column was added hold in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WhenAdded {
    /// A constant default, in the text that the stream would carry.
    Constant(Vec<u8>),
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
    /// All columns there are, in their order.
    names: Vec<String>,
    /// The transactions that dropped columns.
    dropped_by: Vec<u32>,
}

/// Where the stream stands.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// In this transaction, or in a savepoint of it.
    pub xid: u32,
    /// The table's columns there, in their order.
    pub columns: &'a [&'a str],
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
    /// What is certain of each column: `files` is what was seen before it was added, and `at` where the
    /// stream stands, where it does.
    pub fn certain(&self, files: &Files, at: Option<At<'_>>) -> BTreeMap<String, WhenAdded> {
        let written_anew = self.files.iter().any(|(oid, file)| files.get(oid) != Some(file));
        let certain = |name: &str, column: &AddedColumn| {
            let altered_since =
                at.is_some_and(|at| any_later(&column.written_by, at.xid) && !self.is_the_same(name, at));
            match &column.held {
                _ if altered_since => WhenAdded::Unknown,
                // It may have had a default, which was dropped after the rows were written anew.
                WhenAdded::Null if written_anew && !column.untouched => WhenAdded::Unknown,
                held => held.clone(),
            }
        };
        self.columns.iter().map(|(name, column)| (name.clone(), certain(name, column))).collect()
    }

    /// Whether the column `name` of now is that of the stream: nothing was dropped since, and the same
    /// columns come before it.
    fn is_the_same(&self, name: &str, at: At<'_>) -> bool {
        let before_now = self.names.iter().map(String::as_str).take_while(|other| *other != name);
        let before_now = before_now.filter(|other| at.columns.contains(other));
        let before_then = at.columns.iter().copied().take_while(|other| *other != name);
        !any_later(&self.dropped_by, at.xid) && before_now.eq(before_then)
    }
}

/// Asks for the columns `names` of the table `oid`. Those that are not there any more are left out.
pub async fn added(client: &Client, oid: u32, names: &[String]) -> Result<Added, SourceError> {
    let columns = client.query(include_str!("../../../sql/added.sql"), &[&oid, &names]).await?;
    let columns = columns.iter().map(column).collect::<Result<_, SourceError>>()?;
    let order = client.query_one(include_str!("../../../sql/column_order.sql"), &[&oid]).await?;
    Ok(Added {
        columns,
        files: files(client, oid).await?,
        names: order.try_get("names")?,
        dropped_by: xids(&order, "dropped_by")?,
    })
}

/// The files of the table `oid` and its partitions.
async fn files(client: &Client, oid: u32) -> Result<Files, SourceError> {
    let files = client.query(include_str!("../../../sql/storage.sql"), &[&oid]).await?;
    files.iter().map(|row| Ok((row.try_get("oid")?, row.try_get("file")?))).collect()
}

/// Waits until sessions see what the transaction `xid` did: the stream tells of a commit when it is in the
/// log, which is a moment before, or longer where a standby has to confirm it.
pub async fn until_visible(client: &Client, xid: u32) -> Result<(), SourceError> {
    loop {
        let row = client.query_one("SELECT pg_catalog.pg_current_snapshot()::text", &[]).await?;
        if sees(row.try_get(0)?, xid).unwrap_or(true) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Whether a snapshot, written `xmin:xmax:xip,xip`, sees a transaction that was committed.
/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS>
fn sees(snapshot: &str, xid: u32) -> Option<bool> {
    // Its numbers count on beyond 32 bits.
    let low = |text: &str| text.parse::<u64>().ok().and_then(|xid| u32::try_from(xid & 0xFFFF_FFFF).ok());
    let mut parts = snapshot.split(':');
    let (_, xmax, running) = (parts.next()?, low(parts.next()?)?, parts.next()?);
    let runs = running.split(',').any(|text| low(text) == Some(xid));
    Some(is_later(xmax, xid) && !runs)
}

fn column(row: &Row) -> Result<(String, AddedColumn), SourceError> {
    // Of any bytes, as what is in the column.
    let missing: Option<Bytes<'_>> = row.try_get("missing")?;
    let held = match missing {
        Some(Bytes(text)) if row.try_get("same_missing")? => WhenAdded::Constant(text.to_owned()),
        _ if row.try_get("some_missing")? || row.try_get("has_default")? => WhenAdded::Unknown,
        _ => WhenAdded::Null,
    };
    let written_by = xids(row, "written_by")?;
    let untouched = row.try_get("untouched")?;
    Ok((row.try_get("name")?, AddedColumn { held, untouched, written_by }))
}

fn xids(row: &Row, column: &str) -> Result<Vec<u32>, SourceError> {
    let xids: Vec<i64> = row.try_get(column)?;
    Ok(xids.into_iter().filter_map(|xid| u32::try_from(xid).ok()).collect())
}

fn any_later(xids: &[u32], than: u32) -> bool {
    xids.iter().any(|xid| is_later(*xid, than))
}

/// Transaction ids are compared modulo 2^32; the first three are older than all others.
/// <https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND>
fn is_later(one: u32, other: u32) -> bool {
    one >= FIRST_NORMAL_XID
        && other >= FIRST_NORMAL_XID
        && (1..=i32::MAX.unsigned_abs()).contains(&one.wrapping_sub(other))
}

const FIRST_NORMAL_XID: u32 = 3;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// The column `c`, last altered by transaction 100 and another dropped by 99.
    fn added(held: &WhenAdded, untouched: bool) -> Added {
        let column = AddedColumn { held: held.clone(), untouched, written_by: vec![100, 90] };
        Added {
            columns: [("c".to_owned(), column)].into(),
            files: [(7, 70)].into(),
            names: vec!["a".into(), "c".into(), "later".into()],
            dropped_by: vec![99],
        }
    }

    #[test]
    fn what_the_catalog_says_of_now_is_not_taken_for_what_was() {
        for held in [WhenAdded::Null, WhenAdded::Constant("5".into())] {
            let added = added(&held, false);
            let certain = |xid, columns| added.certain(&added.files, Some(At { xid, columns }))["c"].clone();
            assert_eq!(added.certain(&added.files, None)["c"], held);
            // Altered at or before the stream's transaction.
            for xid in [100, 150] {
                assert_eq!(certain(xid, &["c"]), held, "{xid}");
            }
            // Altered since, or in a savepoint, but still the same column.
            assert_eq!(certain(99, &["a", "c"]), held);
            // Another one bears the name.
            assert_eq!(certain(99, &["c", "a"]), WhenAdded::Unknown);
            assert_eq!(certain(99, &["a", "b", "c"]), WhenAdded::Unknown);
            // Dropped and made again, perhaps; also across the wraparound.
            for xid in [98, u32::MAX - 5] {
                assert_eq!(certain(xid, &["a", "c"]), WhenAdded::Unknown, "{xid}");
            }
        }
    }

    #[test]
    fn a_snapshot_sees_what_was_committed_before_it() {
        let seen = |snapshot, xid| sees(snapshot, xid).unwrap();
        assert!(seen("100:100:", 99) && seen("90:100:95,97", 96));
        assert!(!seen("100:100:", 100) && !seen("90:100:95,97", 97) && !seen("90:100:95", 101));
        assert!(
            seen("4294967390:4294967396:4294967391", 99) && !seen("4294967390:4294967396:4294967391", 95)
        );
        assert!(seen("4294967299:4294967300:", u32::MAX - 1), "across the wraparound");
        assert_eq!(sees("nothing", 1), None);
    }

    #[test]
    fn a_default_that_was_dropped_after_a_rewrite_is_not_taken_for_none() {
        let (null, five) = (WhenAdded::Null, WhenAdded::Constant("5".into()));
        for known in [Files::new(), [(7, 69)].into()] {
            assert_eq!(added(&null, false).certain(&known, None)["c"], WhenAdded::Unknown);
            assert_eq!(added(&null, true).certain(&known, None)["c"], null);
            // A constant would have gone with the rewrite.
            assert_eq!(added(&five, false).certain(&known, None)["c"], five);
        }
    }
}
