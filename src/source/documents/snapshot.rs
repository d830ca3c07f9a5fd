//! The documents table as it stood at one place of the log.
//!
//! A temporary slot made at consistent point C1 exports a snapshot that holds exactly the transactions
//! whose commit LSN lies below C1. START_REPLICATION of the real slot at C1 gives every other one,
//! once. The real slot must be there before the snapshot is taken.
//!
//! Rows are read in constant memory, each value as the stream would carry it.

use futures_util::TryStreamExt as _;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::{Client, Row};

use super::select::{self, DocumentKey, Encoding, ReadColumn, SharedIds};
use crate::position::Lsn;
use crate::relation::Table;
use crate::source::catalog;
use crate::source::catalog::violation::CatalogError;
use crate::source::preflight::setup::{OnWaiting, while_waiting};
use crate::source::wire::sql::Bytes;
use crate::source::{Connection, Conninfo, SourceError, connect_sql};
use crate::time::Timestamp;

/// The table as of a consistent point; the transaction ends, and with it the hold on the table, when
/// this is dropped.
pub struct Snapshot {
    client: Client,
    /// C1: transactions whose commit record lies below it are in here, all others in the stream.
    pub at: Lsn,
    /// When it was taken, by the server's clock.
    pub taken_at: Timestamp,
    /// The table's columns at that point.
    pub table: Table,
    encoding: Encoding,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SqlValue<'a> {
    /// The SHA-256 of a text of more bytes than the column's `digest_over`.
    Digest([u8; 32]),
    /// NULL.
    Null,
    /// The type's output, as pgoutput sends it: in UTF-8, but of a SQL_ASCII database as it lies.
    Text(&'a [u8]),
}

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The table is not there, or an ordinary statement failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The server's answer to CREATE_REPLICATION_SLOT was not what its manual says.
    #[error("the server answered the making of a slot with {0:?}")]
    Answer(Vec<Option<String>>),
    /// No connection, or the server refused to make the slot.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl From<tokio_postgres::Error> for SnapshotError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Source(error.into())
    }
}

/// Why the reading of rows ended early.
#[derive(Debug, thiserror::Error)]
pub enum RowsError<E> {
    /// The one who is given the rows wants no more.
    #[error("{0}")]
    Stopped(E),
    /// The server or the way to it failed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl<E> From<tokio_postgres::Error> for RowsError<E> {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Source(error.into())
    }
}

impl Snapshot {
    /// Takes a snapshot of `schema.name`. `on_waiting` hears every five seconds whom it waits for: a slot is
    /// made only when the transactions that are open before it have ended.
    pub async fn take(
        conninfo: &Conninfo,
        schema: &str,
        name: &str,
        on_waiting: OnWaiting<'_>,
    ) -> Result<Self, SnapshotError> {
        let client = connect_sql(conninfo).await?;
        let mut walsender = Connection::open(conninfo).await?;
        let pid = backend_pid(&mut walsender).await?;
        let slot = escape_identifier(&format!("sidecar_{}", uuid::Uuid::new_v4().simple()));
        let create = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT");
        let answer = while_waiting(walsender.simple(&create), &client, pid, on_waiting).await?;
        let (at, exported) = consistent_point(answer)?;
        client.batch_execute(&begin(&exported)).await?;
        // The import holds the snapshot from here on; the slot would only keep the log.
        walsender.simple(&format!("DROP_REPLICATION_SLOT {slot}")).await?;
        drop(walsender);
        client.batch_execute(include_str!("../../../sql/snapshot_session.sql")).await?;
        let facts = client.query_one(include_str!("../../../sql/snapshot_facts.sql"), &[]).await?;
        Ok(Self {
            at,
            taken_at: Timestamp(facts.try_get("taken_at")?),
            encoding: Encoding::of_database(facts.try_get("encoding")?),
            table: catalog::table(&client, schema, name).await?,
            client,
        })
    }

    /// The session that sees the snapshot, for questions about the table as it stood.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Gives every row to `each`, in no order, and returns how many there were. Dropped half-way, the
    /// server reads at most [`FETCH`] rows more.
    pub async fn rows<E>(
        &self,
        columns: &[ReadColumn],
        mut each: impl FnMut(&[SqlValue<'_>]) -> Result<(), E>,
    ) -> Result<u64, RowsError<E>> {
        let select = select::rows(&self.table, columns, self.encoding);
        // An earlier reading that was dropped left its cursor open.
        self.client
            .batch_execute(&format!("CLOSE ALL; DECLARE sidecar_rows NO SCROLL CURSOR FOR {select}"))
            .await?;
        let fetch = self.client.prepare(&format!("FETCH FORWARD {FETCH} FROM sidecar_rows")).await?;
        let mut count = 0;
        loop {
            let before = count;
            let rows = self.client.query_raw(&fetch, std::iter::empty::<&str>()).await?;
            tokio::pin!(rows);
            while let Some(row) = rows.try_next().await? {
                each(&values(&row, columns)?).map_err(RowsError::Stopped)?;
                count += 1;
            }
            if count == before {
                return Ok(count);
            }
        }
    }

    /// Counts the live rows that share their project and id.
    pub async fn shared_ids(&self, key: &DocumentKey) -> Result<SharedIds, SourceError> {
        select::shared_ids(&self.client, &self.table, key).await
    }
}

async fn backend_pid(walsender: &mut Connection) -> Result<i32, SnapshotError> {
    let mut rows = walsender.simple("SELECT pg_catalog.pg_backend_pid()").await?;
    let answer = rows.pop().unwrap_or_default();
    let pid = answer.first().and_then(|pid| pid.as_ref()?.parse().ok());
    pid.ok_or(SnapshotError::Answer(answer))
}

/// slot_name, consistent_point, snapshot_name, output_plugin.
/// <https://www.postgresql.org/docs/current/protocol-replication.html>
fn consistent_point(mut rows: Vec<Vec<Option<String>>>) -> Result<(Lsn, String), SnapshotError> {
    let answer = rows.pop().unwrap_or_default();
    let point = answer.get(1).and_then(|point| point.as_ref()?.parse().ok());
    let exported = answer.get(2).cloned().flatten();
    point.zip(exported).ok_or(SnapshotError::Answer(answer))
}

/// The import must be the transaction's first statement.
fn begin(exported: &str) -> String {
    let exported = escape_literal(exported);
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {exported};")
}

fn values<'a>(row: &'a Row, columns: &[ReadColumn]) -> Result<Vec<SqlValue<'a>>, SourceError> {
    let digested: Vec<Option<bool>> = row.try_get(columns.len())?;
    let mut digested = digested.into_iter();
    let value = |(at, column): (usize, &ReadColumn)| {
        let text = row.try_get::<_, Option<Bytes<'a>>>(at)?;
        let is_digest = column.digest_over.is_some() && digested.next().flatten().unwrap_or(false);
        Ok(match text {
            // The server's sha256() is 32 bytes long; anything else cannot be a digest.
            Some(Bytes(text)) if is_digest => digest(text).map_or(SqlValue::Text(text), SqlValue::Digest),
            Some(Bytes(text)) => SqlValue::Text(text),
            None => SqlValue::Null,
        })
    };
    columns.iter().enumerate().map(value).collect()
}

/// Of 64 hexadecimal digits.
fn digest(text: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// Rows asked for at a time: what is still read when nobody wants them any more.
pub const FETCH: usize = 5_000;
