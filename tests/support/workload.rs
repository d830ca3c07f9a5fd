//! A seeded random application: transactions over its own projects, and what each of them means.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::model::{Document, Model};

/// One writer. It alone touches its projects and ids, so the order of their records is known.
pub struct Writer {
    pub model: Model,
    rng: StdRng,
    projects: Vec<String>,
    ids: std::ops::Range<i64>,
    next_id: i64,
}

impl Writer {
    pub fn new(seed: u64, number: i64) -> Self {
        let ids = number * 1_000_000..(number + 1) * 1_000_000;
        Self {
            model: Model::default(),
            rng: StdRng::seed_from_u64(seed.wrapping_add(number.unsigned_abs())),
            projects: (0..3).map(|project| format!("w{number}-{project}")).collect(),
            next_id: ids.start,
            ids,
        }
    }

    /// Commits one transaction of up to `changes` changes, or rolls it back.
    pub async fn transaction(&mut self, client: &Client, changes: usize) {
        let (sql, planned) = self.plan(changes, "");
        self.model = planned;
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// One transaction as SQL, and the model after it. `with` is committed with it.
    pub fn plan(&mut self, changes: usize, with: &str) -> (String, Model) {
        let mut planned = self.model.clone();
        let mut sql = String::from("BEGIN;");
        for _ in 0..self.rng.random_range(1..=changes) {
            let back = self.rng.random_bool(0.1);
            let before = planned.clone();
            if back {
                sql += "SAVEPOINT s;";
            }
            sql += &self.statement(&mut planned);
            if back {
                sql += "ROLLBACK TO SAVEPOINT s;";
                planned = before;
            }
        }
        if self.rng.random_bool(0.05) {
            sql += "ROLLBACK;";
            return (sql, self.model.clone());
        }
        sql += with;
        sql += "COMMIT;";
        (sql, planned)
    }

    /// One change of one row, as SQL and in the model.
    fn statement(&mut self, model: &mut Model) -> String {
        let known: Vec<i64> = model.rows.keys().copied().collect();
        // The table grows to some hundreds of rows, and no further.
        let grows = if known.len() < ROWS_ABOUT { 0.3 } else { 0.05 };
        let Some(id) = known.choose(&mut self.rng).copied().filter(|_| !self.rng.random_bool(grows)) else {
            return self.insert(model);
        };
        let mut row = model.rows[&id].clone();
        let change = match self.rng.random_range(0..14) {
            0..4 => {
                row.labels = self.labels();
                format!("labels = {}", array(row.labels.as_deref()))
            }
            4..6 => {
                row.predicted = self.labels();
                format!("predicted_labels = {}", array(row.predicted.as_deref()))
            }
            6 => {
                row.similarity = self.similarity();
                format!("similarity = {}", literal(&Value::from(row.similarity.clone()).to_string()))
            }
            7 => {
                row.title = self.text(8);
                row.labels = self.labels();
                format!(
                    "title = {}, labels = {}",
                    nullable(row.title.as_deref()),
                    array(row.labels.as_deref())
                )
            }
            8 => {
                row.body = self.text(6_000);
                format!("body = {}", nullable(row.body.as_deref()))
            }
            9 => {
                row.excluded = !row.excluded;
                row.labels = self.labels();
                let at = if row.excluded { "now()" } else { "NULL" };
                format!("deleted_at = {at}, labels = {}", array(row.labels.as_deref()))
            }
            10 => {
                row.project = self.project();
                format!("project_id = {}", nullable(row.project.as_deref()))
            }
            11 => {
                row.id = self.new_id();
                format!("id = {}", row.id)
            }
            12 => "updated_at = now(), title = title, body = body".to_owned(),
            _ => {
                model.change(Some(id), None);
                return format!("DELETE FROM documents WHERE id = {id};");
            }
        };
        model.change(Some(id), Some(row));
        format!("UPDATE documents SET {change} WHERE id = {id};")
    }

    fn insert(&mut self, model: &mut Model) -> String {
        let row = Document {
            id: self.new_id(),
            key: self.text(5),
            project: self.project(),
            title: self.text(8),
            body: self.text(6_000),
            labels: self.labels(),
            predicted: None,
            similarity: Vec::new(),
            excluded: self.rng.random_bool(0.1),
        };
        let sql = format!(
            "INSERT INTO documents (id, key, project_id, title, body, labels, deleted_at) VALUES ({}, {}, {}, {}, {}, {}, {});",
            row.id,
            nullable(row.key.as_deref()),
            nullable(row.project.as_deref()),
            nullable(row.title.as_deref()),
            nullable(row.body.as_deref()),
            array(row.labels.as_deref()),
            if row.excluded { "now()" } else { "NULL" },
        );
        model.change(None, Some(row));
        sql
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        assert!(self.ids.contains(&self.next_id));
        self.next_id
    }

    fn project(&mut self) -> Option<String> {
        self.projects.choose(&mut self.rng).cloned()
    }

    fn text(&mut self, longest: usize) -> Option<String> {
        if self.rng.random_bool(0.1) {
            return None;
        }
        let alphabet: Vec<char> = "abc\"\\ éß,{}".chars().collect();
        let length = self.rng.random_range(0..=longest);
        Some((0..length).filter_map(|_| alphabet.choose(&mut self.rng)).collect())
    }

    fn labels(&mut self) -> Option<Vec<String>> {
        if self.rng.random_bool(0.1) {
            return None;
        }
        let count = self.rng.random_range(0..4);
        Some((0..count).map(|_| self.text(4).unwrap_or_default()).collect())
    }

    fn similarity(&mut self) -> Vec<Value> {
        let count = self.rng.random_range(0..3);
        // No two alike: a list holds a similarity once.
        let entry = |other: u32| json!({"similar_doc_id": other.to_string(), "similar_doc_key": null, "similarity_label": "near"});
        let mut others: Vec<u32> = (0..count).map(|_| self.rng.random_range(0..9)).collect();
        others.sort_unstable();
        others.dedup();
        others.into_iter().map(entry).collect()
    }
}

const ROWS_ABOUT: usize = 300;

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn nullable(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), literal)
}

fn array(texts: Option<&[String]>) -> String {
    let Some(texts) = texts else { return "NULL".to_owned() };
    let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]::text[]", texts.join(", "))
}
