//! Checks on a sample of documents before the table is read: whether one is live, and which projects they
//! belong to.

use tokio_postgres::Client;

use super::finding::{Finding, note, warning};
use super::server_state::ServerState;
use crate::amount::count;
use crate::source::documents::select::DocumentKey;
use crate::source::wire::sql::Bytes;
use crate::source::{Required, SourceError};

/// The sample.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Sample {
    rows: i64,
    live: i64,
    projects: Vec<String>,
}

/// Warnings from the first [`ROWS`] documents. A query that takes too long is cancelled.
pub async fn warnings(
    client: &Client,
    found: &ServerState,
    required: &Required,
) -> Result<Vec<Finding>, SourceError> {
    let key = DocumentKey::of(required, found);
    client
        .batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10s'")
        .await?;
    let queried = client.query_one(&key.sample(&found.table, ROWS, PROJECTS), &[]).await;
    client.batch_execute("ROLLBACK").await?;
    let sample = match queried {
        Ok(row) => {
            // Bytes, because text that is not UTF-8 is a finding of its own.
            let projects: Vec<Bytes<'_>> = row.try_get(2)?;
            let projects = projects.iter().map(|Bytes(name)| String::from_utf8_lossy(name).into_owned());
            Sample { rows: row.try_get(0)?, live: row.try_get(1)?, projects: projects.collect() }
        }
        Err(error) if error.as_db_error().is_some() => {
            let why = SourceError::from(error).to_string();
            return Ok(vec![note("a sample of documents could not be read", why)]);
        }
        Err(error) => return Err(error.into()),
    };
    let mut findings: Vec<Finding> = none_live(&sample, found, required).into_iter().collect();
    findings.extend(unrouted(&sample.projects, &required.webhooks));
    Ok(findings)
}

fn none_live(sample: &Sample, found: &ServerState, required: &Required) -> Option<Finding> {
    let (column, when) = (required.excluded()?, found.exclusion.when.as_ref()?);
    (sample.rows > 0 && sample.live == 0).then(|| {
        let all = if sample.rows < ROWS { "of all" } else { "of the first" };
        warning(
            format!("{all} {} none is live", count(sample.rows.unsigned_abs(), "document", "documents")),
            format!("By {column}: {when}. Is the rule inverted?"),
        )
    })
}

/// Projects whose records match no webhook. `webhooks` holds the project of each webhook, `None` for all
/// projects.
fn unrouted(projects: &[String], webhooks: &[Option<String>]) -> Vec<Finding> {
    let fold = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let named = |project: &&String| webhooks.iter().flatten().any(|webhook| webhook == *project);
    let like = |project: &String| webhooks.iter().flatten().find(|webhook| fold(webhook) == fold(project));
    let unnamed: Vec<&String> = projects.iter().filter(|project| !named(project)).collect();
    let mut findings: Vec<Finding> = unnamed
        .iter()
        .filter_map(|project| {
            let webhook = like(project)?;
            Some(warning(
                format!(
                    "the project {project:?} is not the webhook's {webhook:?}: they differ in case or spaces"
                ),
                "A webhook's project is compared exactly.",
            ))
        })
        .collect();
    let without: Vec<String> = unnamed
        .iter()
        .filter(|project| like(project).is_none())
        .map(|project| format!("{project:?}"))
        .collect();
    if !without.is_empty() && !webhooks.contains(&None) {
        let shown = without.get(..SHOWN.min(without.len())).unwrap_or_default().join(", ");
        let more = without.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        findings.push(warning(
            format!("projects without a webhook: {shown}{more}"),
            "No webhook receives their records. A webhook with project = \"*\" receives what no other one does.",
        ));
    }
    findings
}

/// Documents in the sample.
const ROWS: i64 = 10_000;
/// Projects in the sample.
const PROJECTS: i64 = 1_000;
/// Projects that a finding names.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_a_webhook_and_one_that_differs_only_by_case_or_blanks_are_reported() {
        let titles = |projects: &[&str], webhooks: &[Option<&str>]| {
            let projects: Vec<String> = projects.iter().map(|name| (*name).to_owned()).collect();
            let webhooks: Vec<Option<String>> = webhooks.iter().map(|name| name.map(str::to_owned)).collect();
            let findings = unrouted(&projects, &webhooks).into_iter().map(|finding| finding.title);
            findings.collect::<Vec<_>>()
        };
        assert_eq!(titles(&["acme", "b"], &[Some("acme"), None]), Vec::<String>::new());
        assert_eq!(titles(&["acme", "b"], &[Some("acme")]), ["projects without a webhook: \"b\""]);
        for webhooks in [[Some("acme"), None], [Some("acme"), Some("b")]] {
            let unmatched = titles(&["Acme ", "b"], &webhooks);
            assert_eq!(
                unmatched,
                ["the project \"Acme \" is not the webhook's \"acme\": they differ in case or spaces"]
            );
        }
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert!(titles(&many, &[])[0].ends_with("\"e\" and 2 more"));
    }
}
