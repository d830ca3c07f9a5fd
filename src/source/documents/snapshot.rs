//! The documents table at one point of the WAL.
//!
//! A temporary slot created at consistent point C1 exports a snapshot that holds exactly the transactions
//! with a commit LSN below C1. START_REPLICATION of the real slot at C1 sends every other transaction once.
//! The real slot must exist before the snapshot is taken.
//!
//! Rows are read in constant memory, each value as the stream would carry it.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::Client;

use super::select::{self, DocumentKey, Encoding, ReadColumn, SharedIds};
use crate::position::Lsn;
use crate::relation::Table;
use crate::source::catalog;
use crate::source::catalog::violation::CatalogError;
use crate::source::preflight::setup::{OnWaiting, while_waiting};
use crate::source::wire::cursor::{CursorReader, DataRow, malformed};
use crate::source::{Connection, Conninfo, SourceError, connect_sql};
use crate::time::Timestamp;

/// The table as of a consistent point, in two sessions that have imported it. Dropping it ends their transactions.
///
/// Only `reader` keeps a lock on the table. Were `client` to keep one as well, an ALTER TABLE that waits for it would let
/// `reader` wait for ever: the server sees no deadlock between sessions of one client.
pub struct Snapshot {
    client: Client,
    reader: CursorReader,
    /// C1: transactions with a commit LSN below it are in the snapshot, all others in the stream.
    pub at: Lsn,
    /// The time of the snapshot, by the server's clock.
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
    /// The output of the type's output function, as pgoutput sends it: UTF-8, except in a SQL_ASCII
    /// database.
    Text(&'a [u8]),
}

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The table does not exist, or an ordinary statement failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The server's answer to CREATE_REPLICATION_SLOT was not as documented.
    #[error("the server answered CREATE_REPLICATION_SLOT with {0:?}")]
    Answer(Vec<Option<String>>),
    /// No connection, or the server refused to create the slot.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl From<tokio_postgres::Error> for SnapshotError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Source(error.into())
    }
}

/// Why reading the rows ended early.
#[derive(Debug, thiserror::Error)]
pub enum RowsError<E> {
    /// The callback returned an error.
    #[error("{0}")]
    Stopped(E),
    /// The server or the connection failed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Snapshot {
    /// Takes a snapshot of `schema.name`. `on_waiting` is called every five seconds with the transactions
    /// it waits for: a slot is created only after all transactions that were open before have ended.
    pub async fn take(
        conninfo: &Conninfo,
        schema: &str,
        name: &str,
        on_waiting: OnWaiting<'_>,
    ) -> Result<Self, SnapshotError> {
        let client = connect_sql(conninfo).await?;
        let mut reader = CursorReader::open(conninfo).await?;
        let mut walsender = Connection::open(conninfo).await?;
        let pid = backend_pid(&mut walsender).await?;
        let slot = escape_identifier(&format!("sidecar_{}", uuid::Uuid::new_v4().simple()));
        let create = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT");
        let answer = while_waiting(walsender.simple(&create), &client, pid, on_waiting).await?;
        let (at, exported) = consistent_point(answer)?;
        client.batch_execute(&begin(&exported)).await?;
        reader.execute(&begin(&exported)).await?;
        // The importing transactions hold the snapshot from here on; the slot would only retain WAL.
        walsender.simple(&format!("DROP_REPLICATION_SLOT {slot}")).await?;
        drop(walsender);
        client.batch_execute(SESSION).await?;
        reader.execute(SESSION).await?;
        let facts = client.query_one(include_str!("../../../sql/snapshot_facts.sql"), &[]).await?;
        Ok(Self {
            at,
            taken_at: Timestamp(facts.try_get("taken_at")?),
            encoding: Encoding::of_database(facts.try_get("encoding")?),
            table: catalog::table(&client, schema, name).await?,
            client,
            reader,
        })
    }

    /// The session with the snapshot, for other queries on the table at this point.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls `each` for every row, in no order, and returns their number. If the future is dropped, the
    /// server sends at most twice [`FETCH`] more rows.
    pub async fn rows<E>(
        &mut self,
        columns: &[ReadColumn],
        mut each: impl FnMut(&[SqlValue<'_>]) -> Result<(), E>,
    ) -> Result<u64, RowsError<E>> {
        let select = select::rows(&self.table, columns, self.encoding);
        // An earlier call whose future was dropped left its cursor open.
        let declare = format!("CLOSE ALL; DECLARE sidecar_rows NO SCROLL CURSOR FOR {select}");
        self.reader.execute(&declare).await?;
        let each = |row: DataRow<'_>| each(&values(row, columns)?).map_err(RowsError::Stopped);
        self.reader.rows("sidecar_rows", FETCH, each).await
    }

    /// Counts the live rows that share their project and id.
    pub async fn shared_ids(&self, key: &DocumentKey) -> Result<SharedIds, SourceError> {
        self.client.batch_execute("SAVEPOINT sidecar_count").await?;
        let counted = select::shared_ids(&self.client, &self.table, key).await;
        // Its lock on the table ends here, and so does an error's hold on the transaction.
        self.client.batch_execute("ROLLBACK TO SAVEPOINT sidecar_count").await?;
        counted
    }

    /// Ends both sessions. Where it is dropped instead, the server logs that one was lost.
    pub async fn close(self) {
        self.reader.close().await;
    }
}

async fn backend_pid(walsender: &mut Connection) -> Result<i32, SnapshotError> {
    let mut rows = walsender.simple("SELECT pg_catalog.pg_backend_pid()").await?;
    let answer = rows.pop().unwrap_or_default();
    let pid = answer.first().and_then(|pid| pid.as_ref()?.parse().ok());
    pid.ok_or(SnapshotError::Answer(answer))
}

/// The columns of the answer: slot_name, consistent_point, snapshot_name, output_plugin.
/// <https://www.postgresql.org/docs/current/protocol-replication.html>
fn consistent_point(mut rows: Vec<Vec<Option<String>>>) -> Result<(Lsn, String), SnapshotError> {
    let answer = rows.pop().unwrap_or_default();
    let point = answer.get(1).and_then(|point| point.as_ref()?.parse().ok());
    let exported = answer.get(2).cloned().flatten();
    point.zip(exported).ok_or(SnapshotError::Answer(answer))
}

/// SQL that begins the transaction. The import must be its first statement.
fn begin(exported: &str) -> String {
    let exported = escape_literal(exported);
    format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {exported};")
}

/// The last value is an array of boolean, in its text form: which of the columns that may be are digests.
fn values<'a>(row: DataRow<'a>, columns: &[ReadColumn]) -> Result<Vec<SqlValue<'a>>, SourceError> {
    let mut values = row.values()?;
    let digested = values.pop().flatten();
    if values.len() != columns.len() {
        return Err(malformed(format_args!("a row has {} columns", values.len())));
    }
    let mut digested = digested.unwrap_or_default().split(|byte| b"{,}".contains(byte)).skip(1);
    let value = |(column, text): (&ReadColumn, Option<&'a [u8]>)| {
        let is_digest = column.digest_over.is_some() && digested.next() == Some(b"t");
        match text {
            // The server's sha256() is 32 bytes long; anything else cannot be a digest.
            Some(text) if is_digest => digest(text).map_or(SqlValue::Text(text), SqlValue::Digest),
            Some(text) => SqlValue::Text(text),
            None => SqlValue::Null,
        }
    };
    Ok(columns.iter().zip(values).map(value).collect())
}

/// From 64 hexadecimal digits.
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

/// Rows per FETCH. One is handled while the next is under way, so up to twice as many are still sent after nobody wants
/// more.
pub const FETCH: usize = 5_000;
const SESSION: &str = include_str!("../../../sql/snapshot_session.sql");
