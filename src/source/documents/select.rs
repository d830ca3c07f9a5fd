//! SELECTs over the documents table: names in, SQL or a count out.
//!
//! Values are read as `concat(column)`, with NULL handled separately: `concat` calls the type's output
//! function, as pgoutput does, while a cast to text differs for xml, char(n), boolean and inet.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::Client;

use crate::relation::{ExcludedWhen, Table, TypeKind};
use crate::source::preflight::server_state::ServerState;
use crate::source::{Required, SourceError};

/// Which rows are live.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Live {
    /// All rows.
    Always,
    /// The rows whose text in this column, of this form, means live.
    ByColumn(String, ExcludedWhen, TypeKind),
}

impl Live {
    /// Whether the row `t` is live, as SQL.
    pub(in crate::source) fn sql(&self) -> String {
        let Self::ByColumn(column, when, kind) = self else { return "true".to_owned() };
        let column = of("t", column);
        let text = format!("pg_catalog.concat({column})");
        // As `types::canonical`, or close to it: used for counts only.
        let text = match kind {
            TypeKind::Folded => format!("pg_catalog.lower({text})"),
            TypeKind::Number => format!("CAST(nullif({text}, '') AS pg_catalog.float8)"),
            TypeKind::Padded => format!("pg_catalog.rtrim({text}, ' ')"),
            TypeKind::Array { .. } | TypeKind::Json | TypeKind::Text => text,
        };
        let values = when.values().iter().map(|value| escape_literal(value)).collect::<Vec<_>>().join(", ");
        match when {
            ExcludedWhen::ByType => "true".to_owned(),
            ExcludedWhen::NotNull => format!("{column} IS NOT DISTINCT FROM NULL"),
            ExcludedWhen::True => format!("{text} NOT IN ('t', 'true')"),
            ExcludedWhen::Unless(_) => format!("({column} IS DISTINCT FROM NULL AND {text} IN ({values}))"),
            ExcludedWhen::Values(_) => {
                format!("({column} IS NOT DISTINCT FROM NULL OR {text} NOT IN ({values}))")
            }
        }
    }
}

/// The columns that make two rows the same document to a receiver.
#[derive(Clone, Debug)]
pub struct DocumentKey {
    /// The project's column, if there is one, and whether it is padded with blanks.
    pub project: Option<(String, bool)>,
    /// The columns of the id.
    pub id: Vec<String>,
    /// The rows that count.
    pub live: Live,
}

impl DocumentKey {
    /// From the settings, for the table that was found.
    pub fn of(required: &Required, found: &ServerState) -> Self {
        let rule = &found.exclusion;
        let live = match (required.excluded(), &rule.when, rule.form) {
            (Some(column), Some(when), Some(form)) => {
                Live::ByColumn(column.to_owned(), when.clone(), form.kind)
            }
            _ => Live::Always,
        };
        let is_padded =
            |name: &String| found.types.get(name).is_some_and(|of| of.form.kind == TypeKind::Padded);
        let project = required.project.clone().map(|name| (name.clone(), is_padded(&name)));
        Self { project, id: required.id.clone(), live }
    }

    /// Whether the identity already prevents rows from sharing an id, so that nothing needs to be counted.
    pub fn is_unique_by(&self, identity: &[String]) -> bool {
        identity.iter().all(|column| {
            self.id.contains(column) || self.project.as_ref().is_some_and(|(project, _)| project == column)
        })
    }

    /// SQL for the first `rows` rows: their number, the number of live ones, and their projects.
    pub(in crate::source) fn sample(&self, table: &Table, rows: i64, projects: i64) -> String {
        let (live, project) = (self.live.sql(), self.project_sql().unwrap_or_else(|| "'default'".to_owned()));
        format!(
            "WITH s AS MATERIALIZED (SELECT {live} AS live, {project}::text AS project FROM {} AS t LIMIT {rows}) \
             SELECT pg_catalog.count(*)::int8, pg_catalog.count(*) FILTER (WHERE s.live)::int8, \
             ARRAY(SELECT DISTINCT d.project FROM s AS d ORDER BY 1 LIMIT {projects}) FROM s",
            table.read_from()
        )
    }

    /// The project's name, as it is in records.
    fn project_sql(&self) -> Option<String> {
        let (column, padded) = self.project.as_ref()?;
        let text = format!("pg_catalog.concat({})", of("t", column));
        let text = if *padded { format!("pg_catalog.rtrim({text}, ' ')") } else { text };
        Some(format!("coalesce(nullif({text}, ''), 'default')"))
    }

    /// SQL that counts the ids that several live rows share, and those rows.
    fn shared_ids(&self, table: &Table) -> String {
        let live = self.live.sql();
        let project = self.project_sql();
        let id = self.id.iter().map(|column| format!("pg_catalog.concat({})", of("t", column)));
        let group = project.into_iter().chain(id).collect::<Vec<_>>().join(", ");
        format!(
            "SELECT pg_catalog.count(*)::int8, coalesce(pg_catalog.sum(s.n), 0)::int8 FROM (\
             SELECT pg_catalog.count(*) AS n FROM {} AS t WHERE {live} GROUP BY {group} HAVING pg_catalog.count(*) > 1) AS s",
            table.read_from()
        )
    }
}

/// Live rows that share their project and id with another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SharedIds {
    /// Number of such ids.
    pub ids: u64,
    /// Number of rows with them.
    pub rows: u64,
}

/// Counts the live rows of `table` that share their project and id: one pass over the table.
pub async fn shared_ids(client: &Client, table: &Table, key: &DocumentKey) -> Result<SharedIds, SourceError> {
    let row = client.query_one(&key.shared_ids(table), &[]).await?;
    let count = |column| Ok::<_, SourceError>(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0));
    Ok(SharedIds { ids: count(0)?, rows: count(1)? })
}

/// A column to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadColumn {
    /// Its name.
    pub name: String,
    /// A text of more bytes than this is read as its SHA-256, so that large bodies are not transferred.
    pub digest_over: Option<usize>,
}

/// How texts are transferred.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::source) enum Encoding {
    /// The server converts them from its encoding to UTF-8.
    Converted,
    /// SQL_ASCII: any bytes, without a known encoding.
    Raw,
    /// Stored as UTF-8.
    Utf8,
}

impl Encoding {
    pub(in crate::source) fn of_database(name: &str) -> Self {
        match name {
            "SQL_ASCII" => Self::Raw,
            "UTF8" => Self::Utf8,
            _ => Self::Converted,
        }
    }

    /// SQL for the bytes of `value` as they are transferred.
    fn bytes(self, value: &str) -> String {
        let encoding = if self == Self::Raw { "SQL_ASCII" } else { "UTF8" };
        format!("pg_catalog.convert_to({value}, '{encoding}')")
    }

    /// SQL for the number of these bytes.
    fn length(self, value: &str) -> String {
        let bytes = if self == Self::Converted { self.bytes(value) } else { value.to_owned() };
        format!("pg_catalog.octet_length({bytes})")
    }
}

/// Reads `columns` of every row: one result column each, and one array that says for each column that may
/// be a digest whether it is one (the digest as hexadecimal text). A table has at most 1,600 columns, so
/// the result stays below the limit of a SELECT, 1,664.
///
/// OFFSET 0 keeps the planner from pulling up the inner SELECT, which would compute each text three times.
pub(in crate::source) fn rows(table: &Table, columns: &[ReadColumn], encoding: Encoding) -> String {
    let (mut outer, mut inner, mut digested) = (Vec::new(), Vec::new(), Vec::new());
    for (number, column) in columns.iter().enumerate() {
        let (name, value) = (of("t", &column.name), format!("r.c{number}"));
        // IS NULL on a composite value tests its fields; this tests the value itself.
        inner.push(format!(
            "CASE WHEN {name} IS DISTINCT FROM NULL THEN pg_catalog.concat({name}) END AS c{number}"
        ));
        let Some(limit) = column.digest_over else {
            outer.push(value);
            continue;
        };
        let (bytes, is_long) = (encoding.bytes(&value), format!("{} > {limit}", encoding.length(&value)));
        let digest = format!("pg_catalog.encode(pg_catalog.sha256({bytes}), 'hex')");
        outer.push(format!("CASE WHEN {is_long} THEN {digest} ELSE {value} END"));
        digested.push(is_long);
    }
    outer.push(format!("ARRAY[{}]::pg_catalog.bool[]", digested.join(", ")));
    format!(
        "SELECT {} FROM (SELECT {} FROM {} AS t OFFSET 0) AS r",
        outer.join(", "),
        inner.join(", "),
        table.read_from()
    )
}

fn of(table: &str, column: &str) -> String {
    format!("{table}.{}", escape_identifier(column))
}
