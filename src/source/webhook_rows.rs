//! The application's own table of webhooks, by the query of the settings.
//!
//! It runs in a read only transaction with timeouts. Rows come as JSON, so that a column may have any type.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio_postgres::Client;

use super::{Conninfo, SourceError, connect_sql};

/// What the query gave.
#[derive(Debug)]
pub struct WebhookRows {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each a JSON object.
    pub rows: Vec<String>,
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum WebhookRowsError {
    /// No answer in time.
    #[error("Postgres has not answered for {} s", ANSWER_WITHIN.as_secs())]
    Silent,
    /// The server, or the way to it.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// More than is kept in memory.
    #[error("it has more than {ROWS_MAX} rows, or {} MiB: select less", BYTES_MAX >> 20)]
    TooMany,
}

/// A session for the query. A lost one is opened again, with the password as it is then.
#[derive(Default)]
pub struct WebhookTable {
    session: Option<Client>,
}

impl WebhookTable {
    /// Runs the query.
    pub async fn read(&mut self, conninfo: &Conninfo, sql: &str) -> Result<WebhookRows, WebhookRowsError> {
        // A session whose future is dropped is not used again.
        let session = self.session.take();
        let read = async {
            let client = match session.filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => connect_sql(conninfo).await?,
            };
            let rows = rows(&client, sql).await;
            let is_usable = client.batch_execute("ROLLBACK").await.is_ok();
            Ok::<_, WebhookRowsError>((rows, is_usable.then_some(client)))
        };
        let (rows, session) =
            tokio::time::timeout(ANSWER_WITHIN, read).await.map_err(|_| WebhookRowsError::Silent)??;
        self.session = session;
        rows
    }
}

async fn rows(client: &Client, sql: &str) -> Result<WebhookRows, WebhookRowsError> {
    client.batch_execute(BEGIN).await.map_err(SourceError::from)?;
    let statement = client.prepare(sql).await.map_err(SourceError::from)?;
    let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    // A comment at its end ends with its line.
    let wrapped = format!("SELECT pg_catalog.to_jsonb(r)::text FROM (\n{sql}\n) r LIMIT {}", ROWS_MAX + 1);
    let found = client.query_raw(&wrapped, std::iter::empty::<&str>()).await.map_err(SourceError::from)?;
    tokio::pin!(found);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.try_next().await.map_err(SourceError::from)? {
        let row: String = row.try_get(0).map_err(SourceError::from)?;
        bytes += row.len();
        if rows.len() == ROWS_MAX || bytes > BYTES_MAX {
            return Err(WebhookRowsError::TooMany);
        }
        rows.push(row);
    }
    Ok(WebhookRows { columns, rows })
}

/// Functions come from pg_catalog first, so that nobody who may create one in public can replace them.
const BEGIN: &str = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, public; \
                     SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10s'";
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const ROWS_MAX: usize = 100_000;
const BYTES_MAX: usize = 64 << 20;
