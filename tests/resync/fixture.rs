//! A sidecar whose shadow has some documents, and changes to them that it does not see.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) receiver: Receiver,
    pub(crate) sidecar: Sidecar,
}

/// (project, callback, record) as taken.
pub(crate) type Delivered = (String, String, Value);

impl Fixture {
    /// Documents 1 to `documents`, in projects `p0` and `p1`, labelled `["old"]`, in the shadow, and never sent.
    pub(crate) async fn new(version: u32, name: &str, documents: u32) -> Self {
        Self::on(Database::new(version, name).await, documents).await
    }

    pub(crate) async fn on(database: Database, documents: u32) -> Self {
        database.run(DOCUMENTS).await;
        database
            .run(&format!(
                "INSERT INTO documents (id, key, project_id, title, labels)
                 SELECT g, 'k' || g, 'p' || g % 2, 't', '{{old}}' FROM generate_series(1, {documents}) g"
            ))
            .await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &settings(&receiver)).await;
        Self { database, receiver, sidecar }
    }

    pub(crate) fn settings(&self) -> String {
        settings(&self.receiver)
    }

    pub(crate) fn slot(&self) -> String {
        format!("s_{}", self.database.name)
    }

    /// Of every kind a difference: one gone, excluded, new, relabelled, rewritten, moved away, and two
    /// whose ids were swapped.
    pub(crate) async fn change(&self) {
        self.database
            .run(
                "DELETE FROM documents WHERE id = 1;
                 UPDATE documents SET deleted_at = now() WHERE id = 2;
                 INSERT INTO documents (id, key, project_id) VALUES (1001, 'k1001', 'p1');
                 UPDATE documents SET labels = '{new}' WHERE id = 4;
                 UPDATE documents SET title = 'u' WHERE id = 5;
                 UPDATE documents SET project_id = 'p2' WHERE id = 6;
                 UPDATE documents SET labels = '{other}' WHERE id = 7;
                 UPDATE documents SET labels = '{old}' WHERE id = 7;",
            )
            .await;
    }

    /// What those make, sorted.
    pub(crate) fn differences() -> Vec<Delivered> {
        let document = |id: u32| json!({"id": id.to_string(), "key": format!("k{id}")});
        let delivered =
            |project: &str, callback: &str, record: Value| (project.into(), callback.into(), record);
        let mut all = vec![
            delivered("p1", "excluded", document(1)),
            delivered("p0", "excluded", document(2)),
            delivered("p1", "ingested", document(1_001)),
            delivered("p0", "modified", json!({"id": "4", "key": "k4", "labels": ["new"]})),
            delivered("p1", "ingested", document(5)),
            delivered("p0", "excluded", document(6)),
            delivered("p2", "ingested", document(6)),
        ];
        sort(&mut all);
        all
    }

    /// Everything that was taken, sorted.
    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        let mut all = Vec::new();
        for request in self.receiver.received().iter().filter(|request| request.taken()) {
            let (project, callback) = (request.project().to_owned(), request.callback().to_owned());
            all.extend(
                request.records().into_iter().map(|record| (project.clone(), callback.clone(), record)),
            );
        }
        sort(&mut all);
        all
    }

    /// Inserts one more document, whose record is the last of its lane, and waits for it and
    /// for every lane to be empty. Returns the other records.
    pub(crate) async fn delivered_before(&self, id: u32) -> Vec<Delivered> {
        self.database
            .run(&format!("INSERT INTO documents (id, key, project_id) VALUES ({id}, 'z', 'z')"))
            .await;
        until("the last document", async || {
            self.delivered().iter().any(|(project, ..)| project == "z").then_some(())
        })
        .await;
        self.sidecar.idle().await;
        self.delivered().into_iter().filter(|(project, ..)| project != "z").collect()
    }

    /// `sidecar resync` with these arguments, to its end.
    pub(crate) async fn resync(&self, arguments: &[&str]) -> Output {
        let mut command = self.sidecar.command("resync");
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) async fn unready(&self, because: &str) {
        until(because, async || {
            let (status, body) = self.sidecar.get("/-/ready")?;
            (status == 503 && body.contains(because)).then_some(())
        })
        .await;
    }
}

pub(crate) fn settings(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 5\n[delivery]\nretry_schedule = [\"50ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

fn sort(all: &mut [Delivered]) {
    all.sort_by_key(|(project, callback, record)| (project.clone(), callback.clone(), record.to_string()));
}
