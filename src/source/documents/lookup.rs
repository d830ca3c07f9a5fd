//! One row of the documents table, looked up by id over a connection of its own.

use std::time::Duration;

use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::error::SqlState;

use crate::position::Lsn;
use crate::source::{Conninfo, SourceError, connect_sql};

/// Which row.
#[derive(Clone, Debug)]
pub struct RowKey {
    /// The table's schema and name.
    pub table: (String, String),
    /// Columns and their texts.
    pub columns: Vec<(String, String)>,
    /// Columns whose texts are read.
    pub read: Vec<String>,
}

/// What the server has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowFound {
    /// The texts of [`RowKey::read`], of each row that there is: at most [`ROWS_MAX`].
    pub rows: Vec<Vec<Option<String>>>,
    /// How far the server has written its WAL.
    pub lsn: Option<Lsn>,
}

/// Looks a row up. Takes a few seconds at most.
pub async fn look_up(conninfo: &Conninfo, key: &RowKey) -> Result<RowFound, SourceError> {
    let looked_up = tokio::time::timeout(PATIENCE, look_up_now(conninfo, key)).await;
    looked_up.unwrap_or_else(|_| {
        Err(SourceError::Unreachable(format!("the database does not answer within {PATIENCE:?}")))
    })
}

async fn look_up_now(conninfo: &Conninfo, key: &RowKey) -> Result<RowFound, SourceError> {
    let client = connect_sql(conninfo).await?;
    client
        .batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '2s'")
        .await?;
    let lsn = client.query_one(LSN, &[]).await?.try_get::<_, Option<String>>(0)?;
    let rows = match client.query(&key.sql(), &[]).await {
        Ok(rows) => rows
            .iter()
            .map(|row| (0..key.read.len()).map(|at| row.try_get(at)).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()?,
        // A text that the id's type does not take: no row has it.
        Err(error) if error.code().is_some_and(is_no_value) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(RowFound { rows, lsn: lsn.and_then(|lsn| lsn.parse().ok()) })
}

impl RowKey {
    /// The literals have no type of their own, so that the columns' indexes serve.
    fn sql(&self) -> String {
        let read = self.read.iter().map(|column| {
            let column = escape_identifier(column);
            format!("CASE WHEN t.{column} IS NULL THEN NULL ELSE pg_catalog.concat(t.{column}) END")
        });
        let is_row = self.columns.iter().map(|(column, text)| {
            format!("t.{} = {}", escape_identifier(column), escape_literal(text).trim_start())
        });
        let (schema, name) = &self.table;
        format!(
            "SELECT {} FROM {}.{} AS t WHERE {} LIMIT {ROWS_MAX}",
            read.collect::<Vec<_>>().join(", "),
            escape_identifier(schema),
            escape_identifier(name),
            is_row.collect::<Vec<_>>().join(" AND ")
        )
    }
}

fn is_no_value(code: &SqlState) -> bool {
    [
        SqlState::INVALID_TEXT_REPRESENTATION,
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        SqlState::INVALID_DATETIME_FORMAT,
    ]
    .contains(code)
}

const LSN: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
                   ELSE pg_catalog.pg_current_wal_lsn() END::text";
const PATIENCE: Duration = Duration::from_secs(3);
/// Rows of several projects may share an id.
pub const ROWS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        let text = |text: &str| text.to_owned();
        let key = RowKey {
            table: (text("a\"b"), text("t")),
            columns: vec![(text("id"), text("it's")), (text("x y"), text("2"))],
            read: vec![text("p")],
        };
        assert_eq!(
            key.sql(),
            "SELECT CASE WHEN t.\"p\" IS NULL THEN NULL ELSE pg_catalog.concat(t.\"p\") END FROM \"a\"\"b\".\"t\" AS t \
             WHERE t.\"id\" = 'it''s' AND t.\"x y\" = '2' LIMIT 20"
        );
    }
}
