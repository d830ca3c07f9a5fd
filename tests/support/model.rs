//! The reference: which records must arrive, computed from the rules alone, row against row.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A row of the documents table.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub id: i64,
    pub key: Option<String>,
    pub project: Option<String>,
    pub title: Option<String>,
    pub body: Option<String>,
    pub labels: Option<Vec<String>>,
    pub predicted: Option<Vec<String>>,
    pub similarity: Vec<Value>,
    pub excluded: bool,
}

/// A record that must arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub project: String,
    pub callback: &'static str,
    /// Of the document that it is about.
    pub id: String,
    pub json: Value,
}

/// The table as its transactions were committed, and the records they make.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub rows: BTreeMap<i64, Document>,
    /// In commit order.
    pub records: Vec<Expected>,
}

impl Model {
    /// The row of identity `before` is now `after`; either may be missing.
    pub fn change(&mut self, before: Option<i64>, after: Option<Document>) {
        let old = before.and_then(|id| self.rows.remove(&id));
        self.emit(old.as_ref(), after.as_ref());
        if let Some(after) = after {
            self.rows.insert(after.id, after);
        }
    }

    fn emit(&mut self, old: Option<&Document>, new: Option<&Document>) {
        let live = |row: &&Document| !row.excluded;
        match (old.filter(live), new.filter(live)) {
            (None, None) => {}
            (None, Some(new)) => self.add("ingested", new, document(new)),
            (Some(old), None) => self.add("excluded", old, document(old)),
            (Some(old), Some(new)) if project(old) != project(new) || old.id != new.id => {
                self.add("excluded", old, document(old));
                self.add("ingested", new, document(new));
            }
            (Some(old), Some(new)) => self.emit_changes(old, new),
        }
    }

    fn emit_changes(&mut self, old: &Document, new: &Document) {
        if (&old.title, &old.body, &old.key) != (&new.title, &new.body, &new.key) {
            self.add("ingested", new, document(new));
        }
        if old.labels != new.labels {
            self.add(
                "modified",
                new,
                json!({"id": new.id.to_string(), "key": new.key, "labels": new.labels}),
            );
        }
        if old.predicted != new.predicted {
            let json = json!({"id": new.id.to_string(), "key": new.key, "predicted_labels": new.predicted});
            self.add("modified", new, json);
        }
        for entry in new.similarity.iter().filter(|entry| !old.similarity.contains(entry)) {
            self.add("modified", new, entry.clone());
        }
    }

    fn add(&mut self, callback: &'static str, of: &Document, json: Value) {
        self.records.push(Expected { project: project(of), callback, id: of.id.to_string(), json });
    }
}

fn document(of: &Document) -> Value {
    json!({"id": of.id.to_string(), "key": of.key})
}

fn project(of: &Document) -> String {
    of.project.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "default".into())
}
