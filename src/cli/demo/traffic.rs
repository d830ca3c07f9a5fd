//! What the application's people do: statements, and the records that each must make.

use anyhow::Context as _;
use fastrand::Rng;
use tokio_postgres::{Client, Transaction};

use super::archive::{Document, PROJECTS, TABLE, below, other_labels, pick};
use super::tally::{ExpectedRecord, Subject, Tally};
use crate::clock::Clock;
use crate::record::Callback;

/// The application: its documents, and its random numbers.
#[derive(Debug)]
pub(super) struct Application {
    documents: Vec<Document>,
    rng: Rng,
    next_id: i64,
    /// Transactions committed.
    pub(super) transactions: u64,
    /// Those of them that changed nothing that a receiver is told.
    pub(super) silent: u64,
}

impl Application {
    /// Makes the table and fills it with `count` documents.
    pub(super) async fn found(client: &mut Client, count: usize, seed: u64) -> anyhow::Result<Self> {
        client.batch_execute(TABLE).await.context("make the documents table")?;
        let mut new =
            Self { documents: Vec::new(), rng: Rng::with_seed(seed), next_id: 1, transactions: 0, silent: 0 };
        let transaction = client.transaction().await?;
        new.publish(&transaction, count).await.context("write the documents")?;
        transaction.commit().await?;
        Ok(new)
    }

    /// One transaction of one of the people.
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
        // Before the commit: a callback may be here before the commit's answer is.
        tally.expect(expected, Clock::now());
        on.commit().await?;
        Ok(())
    }

    async fn publish(&mut self, on: &Transaction<'_>, count: usize) -> anyhow::Result<Vec<ExpectedRecord>> {
        let mut expected = Vec::new();
        let statement = on.prepare(INSERT).await?;
        for _ in 0..count {
            let document = Document::draw(self.next_id, &mut self.rng);
            let Document { id, key, project, title, author, body, labels, .. } = &document;
            on.execute(&statement, &[id, key, project, title, author, body, labels]).await?;
            expected.push(ingested(&document, "published"));
            self.documents.push(document);
            self.next_id += 1;
        }
        Ok(expected)
    }

    async fn label(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.one(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.labels, rng);
        if !one_row(
            on.execute("UPDATE documents SET labels = $2 WHERE id = $1", &[&document.id, &labels]).await?,
        ) {
            return Ok(Vec::new());
        }
        let told = format!("labels {labels:?}");
        document.labels = labels;
        Ok(vec![document.expected(Callback::Modified, Subject::Labels(document.id.to_string()), &told)])
    }

    async fn predict(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.one(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.predicted, rng);
        let json = serde_json::to_string(&labels)?;
        let statement = "UPDATE documents SET predicted_labels = $2::text::jsonb WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &json]).await?) {
            return Ok(Vec::new());
        }
        let told = format!("predicted {labels:?}");
        document.predicted = labels;
        Ok(vec![document.expected(Callback::Modified, Subject::Predicted(document.id.to_string()), &told)])
    }

    /// Finds a neighbour. Each is a new one, so each makes a record.
    async fn compare(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((other, rng)) = self.one(true) else { return Ok(Vec::new()) };
        let (id, key) = (other.id.to_string(), other.key.clone());
        let label = format!(
            "{} {}",
            pick(rng, &["same event, pair", "same source, pair", "near duplicate, pair"]),
            self.transactions
        );
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let entry =
            serde_json::json!({ "similar_doc_id": id, "similar_doc_key": key, "similarity_label": label });
        let statement = "UPDATE documents SET similarity = $2::text::jsonb WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &entry.to_string()]).await?) {
            return Ok(Vec::new());
        }
        let told = format!("similar to {key}");
        Ok(vec![document.expected(Callback::Modified, Subject::Similar { id, label }, &told)])
    }

    async fn revise(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, rng)) = self.one(true) else { return Ok(Vec::new()) };
        document.revise(rng);
        let statement = "UPDATE documents SET body = $2, updated_at = now() WHERE id = $1";
        let done = on.execute(statement, &[&document.id, &document.body]).await?;
        Ok(if one_row(done) { vec![ingested(document, "revised")] } else { Vec::new() })
    }

    async fn soft_delete(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL";
        let done = on.execute(statement, &[&document.id]).await?;
        document.live = false;
        Ok(if one_row(done) { vec![excluded(document, "put into the bin")] } else { Vec::new() })
    }

    async fn restore(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.one(false) else { return Ok(Vec::new()) };
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

    /// To another project: it leaves one and arrives in the other.
    async fn move_project(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let others: Vec<_> = PROJECTS.into_iter().filter(|project| *project != document.project).collect();
        let Some(project) = others.first().copied() else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET project_id = $2 WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &project]).await?) {
            return Ok(Vec::new());
        }
        let left = excluded(document, &format!("handed over to {project}"));
        document.project = project;
        Ok(vec![left, ingested(document, "taken over")])
    }

    /// Writes what is there already: nobody is told.
    async fn touch(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<ExpectedRecord>> {
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET labels = labels, updated_at = now() WHERE id = $1";
        on.execute(statement, &[&document.id]).await?;
        Ok(Vec::new())
    }

    /// A live or a binned document, if a few looks find one.
    fn one(&mut self, live: bool) -> Option<(&mut Document, &mut Rng)> {
        let looks = if live { 50 } else { 0 };
        let drawn = (0..looks).map(|_| below(&mut self.rng, self.documents.len())).collect::<Vec<_>>();
        let is_it = |at: &usize| self.documents.get(*at).is_some_and(|document| document.live == live);
        let at =
            drawn.into_iter().find(is_it).or_else(|| self.documents.iter().position(|d| d.live == live))?;
        self.documents.get_mut(at).map(|document| (document, &mut self.rng))
    }
}

impl Document {
    fn expected(&self, callback: Callback, subject: Subject, action: &str) -> ExpectedRecord {
        let told = format!("{}  {}: {action}", self.key, self.title);
        ExpectedRecord { project: self.project.to_owned(), callback, subject, told }
    }
}

fn ingested(document: &Document, action: &str) -> ExpectedRecord {
    document.expected(Callback::Ingested, Subject::Document(document.id.to_string()), action)
}

fn excluded(document: &Document, action: &str) -> ExpectedRecord {
    document.expected(Callback::Excluded, Subject::Document(document.id.to_string()), action)
}

/// Somebody else may have removed it meanwhile: then nobody is told of it.
fn one_row(rows: u64) -> bool {
    rows == 1
}

const INSERT: &str = "INSERT INTO documents (id, key, project_id, title, author, body, labels) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
