//! Checks of the database's encoding and of its sessions' defaults: findings for `doctor`.

use futures_util::TryStreamExt as _;
use tokio_postgres::Client;

use super::finding::{Finding, Severity, note, warning};
use super::server_state::ServerState;
use crate::source::catalog::identity;
use crate::source::documents::select::{self, ReadColumn};
use crate::source::wire::sql::Bytes;
use crate::source::{Required, SourceError};

/// Checks both. Without findings, both are as usual.
pub(in crate::source) async fn findings(
    client: &Client,
    found: &ServerState,
    required: &Required,
) -> Result<Vec<Finding>, SourceError> {
    let defaults = client.query_one(include_str!("../../../sql/session_defaults.sql"), &[]).await?;
    let mut findings = Vec::new();
    if defaults.try_get("read_only")? {
        findings.push(note(
            "default_transaction_read_only is on for this role or database",
            "The sidecar's own sessions turn it off: they create the publication and the slot, and write to no table.",
        ));
    }
    if defaults.try_get::<_, &str>("encoding")? == "SQL_ASCII" {
        findings.push(warning(
            "the database's encoding is SQL_ASCII: the encoding of its texts is unknown",
            "Content columns may hold any bytes. What receivers get must be UTF-8: ids, keys, projects, labels and \
             similarities. At a row where they are not, reading stops.",
        ));
        findings.extend(invalid_text(client, found, required).await);
    }
    Ok(findings)
}

/// Searches the columns that receivers get for text that is not UTF-8. A search that takes longer than a
/// minute is cancelled and reported as such.
async fn invalid_text(client: &Client, found: &ServerState, required: &Required) -> Vec<Finding> {
    let not_checked = |error: SourceError| {
        vec![note("ids, keys, projects and labels could not be checked to be UTF-8", error.to_string())]
    };
    search(client, found, required).await.unwrap_or_else(not_checked)
}

async fn search(
    client: &Client,
    found: &ServerState,
    required: &Required,
) -> Result<Vec<Finding>, SourceError> {
    let identity = identity::choose(&found.table, &required.id).unwrap_or_default();
    let sent: Vec<_> =
        required.columns.iter().filter(|named| !NEVER_SENT.contains(&named.setting.as_str())).collect();
    let names = identity.iter().chain(sent.iter().map(|named| &named.name));
    let columns: Vec<ReadColumn> =
        names.map(|name| ReadColumn { name: name.clone(), digest_over: None }).collect();
    client
        .batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'")
        .await?;
    let select = select::rows(&found.table, &columns, select::Encoding::Raw);
    let mut bad: Vec<(u64, String)> = vec![(0, String::new()); sent.len()];
    let looked = async {
        let rows = client.query_raw(&select, std::iter::empty::<&str>()).await?;
        tokio::pin!(rows);
        while let Some(row) = rows.try_next().await? {
            for (at, (count, first)) in bad.iter_mut().enumerate() {
                let text: Option<Bytes<'_>> = row.try_get(identity.len() + at)?;
                if text.is_none_or(|text| std::str::from_utf8(text.0).is_ok()) {
                    continue;
                }
                *count += 1;
                if *count == 1 {
                    let shown = |(at, name): (usize, &String)| {
                        let text: Option<Bytes<'_>> = row.try_get(at).ok()?;
                        Some(format!("{name} {}", String::from_utf8_lossy(text?.0).escape_debug()))
                    };
                    *first = identity.iter().enumerate().filter_map(shown).collect::<Vec<_>>().join(", ");
                }
            }
        }
        Ok::<_, SourceError>(())
    }
    .await;
    client.batch_execute("ROLLBACK").await?;
    looked?;
    let of_column = |(named, (count, first)): (&&crate::source::RequiredColumn, (u64, String))| Finding {
        // Labels are sent only when they change, the other columns with every document.
        severity: if named.setting.ends_with("labels") { Severity::Warning } else { Severity::Problem },
        title: format!(
            "{}: {} is not UTF-8 in {count} rows of {}.{}, the first with {first}",
            named.setting, named.name, required.schema, required.table
        ),
        explanation: "It is sent to receivers. Correct it in the table.".to_owned(),
        fix_sql: None,
    };
    Ok(sent.iter().zip(bad).filter(|(_, (count, _))| *count > 0).map(of_column).collect())
}

/// Columns that are compared and never sent.
const NEVER_SENT: [&str; 2] = ["documents.content", "documents.excluded"];
