//! The transactions of the simulated application, and the records that each must make.

use anyhow::Context as _;
use fastrand::Rng;
use tokio_postgres::{Client, Transaction};

use super::archive::{Document, PROJECTS, TABLE, below, other_labels, pick};
use super::tally::{ExpectedRecord, Subject, Tally};
use crate::clock::Clock;
use crate::record::Callback;

/// The application: its documents and its random number generator.
#[derive(Debug)]
pub(super) struct Application {
    documents: Vec<Document>,
    rng: Rng,
    next_id: i64,
    /// Transactions committed.
    pub(super) transactions: u64,
    /// Transactions that make no record.
    pub(super) silent: u64,
}

impl Application {
    /// Creates the table and fills it with `count` documents.
    pub(super) async fn create(client: &mut Client, count: usize, seed: u64) -> anyhow::Result<Self> {
        client.batch_execute(TABLE).await.context("create the documents table")?;
        let mut new =
            Self { documents: Vec::new(), rng: Rng::with_seed(seed), next_id: 1, transactions: 0, silent: 0 };
        let transaction = client.transaction().await?;
        new.publish(&transaction, count).await.context("write the documents")?;
        transaction.commit().await?;
        Ok(new)
    }

    /// Runs one random transaction.
    pub(super) async fn act(&mut self, client: &mut Client, tally: &Tally) -> anyhow::Result<()> {
        let on = client.transaction().await?;
        let expected = match below(&mut self.rng, 100) {
            0..20 => self.publish(&on, 1).await?,
            20..22 => self.publish(&on, 25).await?,
            22..42 => self.label(&on).await?,
            42..60 => self.predict(&on).await?,
            60..70 => self.compare(&on).await?,
            70..82 => self.revise(&on).await?,
            82..88 => self.soft_delete(&on).await?,
            88..93 => self.restore(&on).await?,
            93..95 => self.delete(&on).await?,
            95..97 => self.move_project(&on).await?,
            _ => self.touch(&on).await?,
        };
        self.transactions += 1;
        self.silent += u64::from(expected.is_empty());
        // Before the commit: the record may arrive before the COMMIT returns.
        tally.expect(expected, Clock::now());
        on.commit().await?;
        Ok(())
    }

    async fn publish(&mut self, on: &Transaction<'_>, count: usize) -> anyhow::Result<Vec<ExpectedRecord>> {
        let mut expected = Vec::new();
        let statement = on.prepare(INSERT).await?;
        for _ in 0..count {
            let document = Document::random(self.next_id, &mut self.rng);
            let Document { id, key, project, title, author, body, labels, .. } = &document;
            on.execute(&statement, &[id, key, project, title, author, body, labels]).await?;
            expected.push(ingested(&document, "published"));
            self.documents.push(document);
            self.next_id += 1;
        }
        Ok(expected)
    }

    async fn label(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.choose(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.labels, rng);
        if !one_row(
            on.execute("UPDATE documents SET labels = $2 WHERE id = $1", &[&document.id, &labels]).await?,
        ) {
            return Ok(Vec::new());
        }
        let action = format!("labels {labels:?}");
        document.labels = labels;
        Ok(vec![document.expected(Callback::Modified, Subject::Labels(document.id.to_string()), &action)])
    }

    async fn predict(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.choose(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.predicted, rng);
        let json = serde_json::to_string(&labels)?;
        let statement = "UPDATE documents SET predicted_labels = $2::text::jsonb WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &json]).await?) {
            return Ok(Vec::new());
        }
        let action = format!("predicted {labels:?}");
        document.predicted = labels;
        Ok(vec![document.expected(Callback::Modified, Subject::Predicted(document.id.to_string()), &action)])
    }

    /// Writes a similarity entry. Its label is new, so it always makes a record.
    async fn compare(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((other, rng)) = self.choose(true) else { return Ok(Vec::new()) };
        let (id, key) = (other.id.to_string(), other.key.clone());
        let label = format!(
            "{} {}",
            pick(rng, &["same event, pair", "same source, pair", "near duplicate, pair"]),
            self.transactions
        );
        let Some((document, _)) = self.choose(true) else { return Ok(Vec::new()) };
        let entry =
            serde_json::json!({ "similar_doc_id": id, "similar_doc_key": key, "similarity_label": label });
        let statement = "UPDATE documents SET similarity = $2::text::jsonb WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &entry.to_string()]).await?) {
            return Ok(Vec::new());
        }
        let action = format!("similar to {key}");
        Ok(vec![document.expected(Callback::Modified, Subject::Similar { id, label }, &action)])
    }

    async fn revise(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.choose(true) else { return Ok(Vec::new()) };
        document.revise(rng);
        let statement = "UPDATE documents SET body = $2, updated_at = now() WHERE id = $1";
        let done = on.execute(statement, &[&document.id, &document.body]).await?;
        Ok(if one_row(done) { vec![ingested(document, "revised")] } else { Vec::new() })
    }

    async fn soft_delete(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.choose(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL";
        let done = on.execute(statement, &[&document.id]).await?;
        document.live = false;
        Ok(if one_row(done) { vec![excluded(document, "soft-deleted")] } else { Vec::new() })
    }

    async fn restore(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.choose(false) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL";
        let done = on.execute(statement, &[&document.id]).await?;
        document.live = true;
        Ok(if one_row(done) { vec![ingested(document, "restored")] } else { Vec::new() })
    }

    async fn delete(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let at = below(&mut self.rng, self.documents.len());
        if at >= self.documents.len() {
            return Ok(Vec::new());
        }
        let document = self.documents.swap_remove(at);
        let done = on.execute("DELETE FROM documents WHERE id = $1", &[&document.id]).await?;
        Ok(if one_row(done) && document.live { vec![excluded(&document, "deleted")] } else { Vec::new() })
    }

    /// Moves a document to another project: `excluded` in one, `ingested` in the other.
    async fn move_project(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.choose(true) else { return Ok(Vec::new()) };
        let others: Vec<_> = PROJECTS.into_iter().filter(|project| *project != document.project).collect();
        let Some(project) = others.first().copied() else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET project_id = $2 WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &project]).await?) {
            return Ok(Vec::new());
        }
        let left = excluded(document, &format!("moved to {project}"));
        document.project = project;
        Ok(vec![left, ingested(document, "moved here")])
    }

    /// Updates a row without changing it: no record.
    async fn touch(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.choose(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET labels = labels, updated_at = now() WHERE id = $1";
        on.execute(statement, &[&document.id]).await?;
        Ok(Vec::new())
    }

    /// A random document that is live, or soft-deleted. `None` if there is none.
    fn choose(&mut self, live: bool) -> Option<(&mut Document, &mut Rng)> {
        let tries = if live { 50 } else { 0 };
        let chosen = (0..tries).map(|_| below(&mut self.rng, self.documents.len())).collect::<Vec<_>>();
        let matches = |at: &usize| self.documents.get(*at).is_some_and(|document| document.live == live);
        let at = chosen
            .into_iter()
            .find(matches)
            .or_else(|| self.documents.iter().position(|d| d.live == live))?;
        self.documents.get_mut(at).map(|document| (document, &mut self.rng))
    }
}

impl Document {
    fn expected(&self, callback: Callback, subject: Subject, action: &str) -> ExpectedRecord {
        let action = format!("{}  {}: {action}", self.key, self.title);
        ExpectedRecord { project: self.project.to_owned(), callback, subject, action }
    }
}

fn ingested(document: &Document, action: &str) -> ExpectedRecord {
    document.expected(Callback::Ingested, Subject::Document(document.id.to_string()), action)
}

fn excluded(document: &Document, action: &str) -> ExpectedRecord {
    document.expected(Callback::Excluded, Subject::Document(document.id.to_string()), action)
}

/// Whether the statement changed its row. Otherwise another session has deleted it, and no record is made.
fn one_row(rows: u64) -> bool {
    rows == 1
}

const INSERT: &str = "INSERT INTO documents (id, key, project_id, title, author, body, labels) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
