//! Reads the values of columns that were added after the rows were written.

use std::time::Duration;

use tokio_postgres::{Client, Row};

use crate::relation::added::{AddedColumn, is_later};
use crate::relation::{AddedColumns, Filenodes, MissingValue};
use crate::source::SourceError;
use crate::source::wire::sql::Bytes;

/// Reads the columns `names` of the table `oid`. Columns that no longer exist are left out.
pub async fn added(client: &Client, oid: u32, names: &[String]) -> Result<AddedColumns, SourceError> {
    let columns = client.query(include_str!("../../../sql/added.sql"), &[&oid, &names]).await?;
    let columns = columns.iter().map(column).collect::<Result<_, SourceError>>()?;
    let order = client.query_one(include_str!("../../../sql/column_order.sql"), &[&oid]).await?;
    Ok(AddedColumns {
        columns,
        files: files(client, oid).await?,
        names: order.try_get("names")?,
        dropped_by: xids(&order, "dropped_by")?,
    })
}

/// The filenodes of the table `oid` and its partitions.
async fn files(client: &Client, oid: u32) -> Result<Filenodes, SourceError> {
    let files = client.query(include_str!("../../../sql/storage.sql"), &[&oid]).await?;
    files.iter().map(|row| Ok((row.try_get("oid")?, row.try_get("file")?))).collect()
}

/// Waits until the transaction `xid` is visible to new snapshots. The stream reports a commit as soon as it
/// is in the WAL, which is shortly before, or longer where a synchronous standby has to confirm it.
pub async fn until_visible(client: &Client, xid: u32) -> Result<(), SourceError> {
    loop {
        let row = client.query_one("SELECT pg_catalog.pg_current_snapshot()::text", &[]).await?;
        if sees(row.try_get(0)?, xid).unwrap_or(true) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Whether a snapshot, written as `xmin:xmax:xip,xip`, sees the committed transaction `xid`.
/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT-PARTS>
fn sees(snapshot: &str, xid: u32) -> Option<bool> {
    // A snapshot's ids are 64 bits wide: the epoch is above the 32 bits of an xid.
    let low = |text: &str| text.parse::<u64>().ok().and_then(|xid| u32::try_from(xid & 0xFFFF_FFFF).ok());
    let mut parts = snapshot.split(':');
    let (_, xmax, running) = (parts.next()?, low(parts.next()?)?, parts.next()?);
    let runs = running.split(',').any(|text| low(text) == Some(xid));
    Some(is_later(xmax, xid) && !runs)
}

fn column(row: &Row) -> Result<(String, AddedColumn), SourceError> {
    // Bytes, because in a SQL_ASCII database the value need not be UTF-8.
    let missing: Option<Bytes<'_>> = row.try_get("missing")?;
    let held = match missing {
        Some(Bytes(text)) if row.try_get("same_missing")? => MissingValue::Constant(text.to_owned()),
        _ if row.try_get("some_missing")? || row.try_get("has_default")? => MissingValue::Unknown,
        _ => MissingValue::Null,
    };
    let written_by = xids(row, "written_by")?;
    let untouched = row.try_get("untouched")?;
    Ok((row.try_get("name")?, AddedColumn { held, untouched, written_by }))
}

fn xids(row: &Row, column: &str) -> Result<Vec<u32>, SourceError> {
    let xids: Vec<i64> = row.try_get(column)?;
    Ok(xids.into_iter().filter_map(|xid| u32::try_from(xid).ok()).collect())
}

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

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
}
