//! What the application's people do: statements, and the records that each must make.

use anyhow::Context as _;
use tokio_postgres::{Client, Transaction};

use super::archive::{Dice, Document, PROJECTS, TABLE, other_labels};
use super::ledger::{Ledger, Subject, Wanted};
use crate::clock::Clock;
use crate::record::Callback;

/// The application: its documents, and its dice.
#[derive(Debug)]
pub(super) struct Application {
    documents: Vec<Document>,
    dice: Dice,
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
            Self { documents: Vec::new(), dice: Dice(seed), next_id: 1, transactions: 0, silent: 0 };
        let transaction = client.transaction().await?;
        new.publish(&transaction, count).await.context("write the documents")?;
        transaction.commit().await?;
        Ok(new)
    }

    /// One transaction of one of the people.
    pub(super) async fn act(&mut self, client: &mut Client, ledger: &Ledger) -> anyhow::Result<()> {
        let on = client.transaction().await?;
        let wanted = match self.dice.below(100) {
            0..20 => self.publish(&on, 1).await?,
            20..22 => self.publish(&on, 25).await?,
            22..42 => self.label(&on).await?,
            42..60 => self.predict(&on).await?,
            60..70 => self.compare(&on).await?,
            70..82 => self.revise(&on).await?,
            82..88 => self.bin(&on).await?,
            88..93 => self.restore(&on).await?,
            93..95 => self.shred(&on).await?,
            95..97 => self.hand_over(&on).await?,
            _ => self.touch(&on).await?,
        };
        self.transactions += 1;
        self.silent += u64::from(wanted.is_empty());
        // Before the commit: a callback may be here before the commit's answer is.
        ledger.expect(wanted, Clock::now());
        on.commit().await?;
        Ok(())
    }

    async fn publish(&mut self, on: &Transaction<'_>, count: usize) -> anyhow::Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        let statement = on.prepare(INSERT).await?;
        for _ in 0..count {
            let document = Document::draw(self.next_id, &mut self.dice);
            let Document { id, key, project, title, author, body, labels, .. } = &document;
            on.execute(&statement, &[id, key, project, title, author, body, labels]).await?;
            wanted.push(ingested(&document, "published"));
            self.documents.push(document);
            self.next_id += 1;
        }
        Ok(wanted)
    }

    async fn label(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, dice)) = self.one(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.labels, dice);
        if !one_row(
            on.execute("UPDATE documents SET labels = $2 WHERE id = $1", &[&document.id, &labels]).await?,
        ) {
            return Ok(Vec::new());
        }
        let told = format!("labels {labels:?}");
        document.labels = labels;
        Ok(vec![document.wanted(Callback::Modified, Subject::Labels(document.id.to_string()), &told)])
    }

    async fn predict(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, dice)) = self.one(true) else { return Ok(Vec::new()) };
        let labels = other_labels(&document.predicted, dice);
        let json = serde_json::to_string(&labels)?;
        let statement = "UPDATE documents SET predicted_labels = $2::text::jsonb WHERE id = $1";
        if !one_row(on.execute(statement, &[&document.id, &json]).await?) {
            return Ok(Vec::new());
        }
        let told = format!("predicted {labels:?}");
        document.predicted = labels;
        Ok(vec![document.wanted(Callback::Modified, Subject::Predicted(document.id.to_string()), &told)])
    }

    /// Finds a neighbour. Each is a new one, so each makes a record.
    async fn compare(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((other, dice)) = self.one(true) else { return Ok(Vec::new()) };
        let (id, key) = (other.id.to_string(), other.key.clone());
        let label = format!(
            "{} {}",
            dice.pick(&["same event, pair", "same source, pair", "near duplicate, pair"]),
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
        Ok(vec![document.wanted(Callback::Modified, Subject::Similar { id, label }, &told)])
    }

    async fn revise(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, dice)) = self.one(true) else { return Ok(Vec::new()) };
        document.revise(dice);
        let statement = "UPDATE documents SET body = $2, updated_at = now() WHERE id = $1";
        let done = on.execute(statement, &[&document.id, &document.body]).await?;
        Ok(if one_row(done) { vec![ingested(document, "revised")] } else { Vec::new() })
    }

    async fn bin(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL";
        let done = on.execute(statement, &[&document.id]).await?;
        document.live = false;
        Ok(if one_row(done) { vec![excluded(document, "put into the bin")] } else { Vec::new() })
    }

    async fn restore(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, _)) = self.one(false) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL";
        let done = on.execute(statement, &[&document.id]).await?;
        document.live = true;
        Ok(if one_row(done) { vec![ingested(document, "restored")] } else { Vec::new() })
    }

    async fn shred(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let at = self.dice.below(self.documents.len());
        if at >= self.documents.len() {
            return Ok(Vec::new());
        }
        let document = self.documents.swap_remove(at);
        let done = on.execute("DELETE FROM documents WHERE id = $1", &[&document.id]).await?;
        Ok(if one_row(done) && document.live { vec![excluded(&document, "deleted")] } else { Vec::new() })
    }

    /// To another project: it leaves one and arrives in the other.
    async fn hand_over(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
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
    async fn touch(&mut self, on: &Transaction<'_>) -> anyhow::Result<Vec<Wanted>> {
        let Some((document, _)) = self.one(true) else { return Ok(Vec::new()) };
        let statement = "UPDATE documents SET labels = labels, updated_at = now() WHERE id = $1";
        on.execute(statement, &[&document.id]).await?;
        Ok(Vec::new())
    }

    /// A live or a binned document, if a few looks find one.
    fn one(&mut self, live: bool) -> Option<(&mut Document, &mut Dice)> {
        let looks = if live { 50 } else { 0 };
        let drawn = (0..looks).map(|_| self.dice.below(self.documents.len())).collect::<Vec<_>>();
        let is_it = |at: &usize| self.documents.get(*at).is_some_and(|document| document.live == live);
        let at =
            drawn.into_iter().find(is_it).or_else(|| self.documents.iter().position(|d| d.live == live))?;
        self.documents.get_mut(at).map(|document| (document, &mut self.dice))
    }
}

impl Document {
    fn wanted(&self, callback: Callback, subject: Subject, deed: &str) -> Wanted {
        let told = format!("{}  {}: {deed}", self.key, self.title);
        Wanted { project: self.project.to_owned(), callback, subject, told }
    }
}

fn ingested(document: &Document, deed: &str) -> Wanted {
    document.wanted(Callback::Ingested, Subject::Document(document.id.to_string()), deed)
}

fn excluded(document: &Document, deed: &str) -> Wanted {
    document.wanted(Callback::Excluded, Subject::Document(document.id.to_string()), deed)
}

/// Somebody else may have removed it meanwhile: then nobody is told of it.
fn one_row(rows: u64) -> bool {
    rows == 1
}

const INSERT: &str = "INSERT INTO documents (id, key, project_id, title, author, body, labels) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
