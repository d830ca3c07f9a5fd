//! The works that are drained from a slot.

use super::row::{Row, Run};

/// A work: what is in the table before, what is changed, and how the receiver behaves.
pub struct Work {
    pub name: String,
    pub part: &'static str,
    pub version: u32,
    /// SQL before the first start.
    pub prepare: String,
    /// SQL that makes the changes.
    pub change: String,
    /// Changes that the slot has then.
    pub changes: u64,
    /// Records that arrive; `None`: the work ends when the stream is read.
    pub records: Option<u64>,
    pub answer_ms: u64,
    pub refuses: bool,
    pub reach: (&'static str, fn(&Row) -> bool),
}

const TABLE: &str = "the drain of a backlog";
const SIZES: &str = "documents and rows of other sizes";
const NOTHING: (&str, fn(&Row) -> bool) = ("", |_| false);

/// All of them.
pub fn all(run: &Run) -> Vec<Work> {
    let changes = run.changes / 200 * 200;
    let mut works = everyday(changes);
    works.extend(updates(changes));
    works.extend(sizes(changes));
    works
}

fn work(
    name: impl Into<String>,
    changes: u64,
    change: String,
    reach: (&'static str, fn(&Row) -> bool),
) -> Work {
    Work {
        name: name.into(),
        part: TABLE,
        version: 15,
        prepare: String::new(),
        change,
        changes,
        records: Some(changes),
        answer_ms: 0,
        refuses: false,
        reach,
    }
}

fn everyday(changes: u64) -> Vec<Work> {
    let slow: fn(&Row) -> bool = |row| row.figure("CPU") <= 9.0;
    // Of 400,000 changes, a hundred records for each of the 20,000 lanes.
    let many = changes * 5;
    vec![
        work(
            "20 projects, 100 rows a transaction",
            changes,
            backlog(changes, 20, 1_000),
            ("CPU ≤ 6 µs", |row| row.figure("CPU") <= 6.0),
        ),
        Work {
            answer_ms: 50,
            ..work(
                "receivers that answer after 50 ms, 20 projects",
                changes,
                backlog(changes, 20, 1_000),
                ("CPU ≤ 9 µs", slow),
            )
        },
        work(
            "one project",
            changes,
            backlog(changes, 1, 1_000),
            ("ratio ≥ 0.8", |row| row.figure("ratio") >= 0.8),
        ),
        work(
            "10,000 projects (20,000 lanes)",
            many,
            backlog(many, 10_000, 1_000),
            ("ratio ≥ 0.7, ≥ 50 records a request, memory ≤ 128 MiB", |row| {
                row.figure("ratio") >= 0.7 && row.figure("a request") >= 50.0 && row.figure("memory") <= 128.0
            }),
        ),
        work(
            "transactions of one row",
            changes / 2,
            single_rows(changes / 2),
            ("ratio ≥ 1.2", |row| row.figure("ratio") >= 1.2),
        ),
        Work {
            refuses: true,
            records: None,
            ..work(
                "a receiver that is down",
                changes,
                backlog(changes, 20, 1_000),
                ("within 20 % of all well", |_| false),
            )
        },
    ]
}

fn updates(changes: u64) -> Vec<Work> {
    let documents = changes * 2;
    let prepare = documents_of(documents);
    let in_hundreds = |set: &str, ids: &str| {
        format!(
            "DO $$ BEGIN FOR t IN 1..{} LOOP UPDATE documents SET {set} WHERE id = ANY({ids}); COMMIT; END LOOP; END $$",
            changes / 100
        )
    };
    let next = format!("ARRAY(SELECT ((t - 1) * 100 + g) % {documents} + 1 FROM generate_series(0, 99) g)");
    // A step that shares no factor with the number of documents visits each once, far from the one before.
    let far = format!(
        "ARRAY(SELECT ((t * 100 + g)::bigint * 7919 * 31) % {documents} + 1 FROM generate_series(0, 99) g)"
    );
    let labels = "labels = ARRAY['b', 'l' || t]";
    vec![
        Work {
            prepare: prepare.clone(),
            ..work(
                "random updates",
                changes,
                in_hundreds(labels, &far),
                ("ratio ≥ 0.9", |row| row.figure("ratio") >= 0.9),
            )
        },
        Work {
            prepare: prepare.clone(),
            ..work(
                "updates of neighbouring documents",
                changes,
                in_hundreds(labels, &next),
                ("ratio ≥ 1.0", |row| row.figure("ratio") >= 1.0),
            )
        },
        Work {
            prepare,
            records: None,
            ..work(
                "updates that change nothing",
                changes,
                in_hundreds("updated_at = now()", &next),
                ("ratio ≥ 1.4", |row| row.figure("ratio") >= 1.4),
            )
        },
    ]
}

fn sizes(changes: u64) -> Vec<Work> {
    let small = changes / 4 / 200 * 200;
    let mut works = Vec::new();
    for documents in [10_000, 100_000, 1_000_000, 10_000_000] {
        let far = format!(
            "ARRAY(SELECT ((t * 100 + g)::bigint * 7919 * 31) % {documents} + 1 FROM generate_series(0, 99) g)"
        );
        let change = format!(
            "DO $$ BEGIN FOR t IN 1..{} LOOP UPDATE documents SET labels = ARRAY['b', 'l' || t] WHERE id = ANY({far}); COMMIT; END LOOP; END $$",
            small / 100
        );
        works.push(Work {
            part: SIZES,
            prepare: documents_of(documents),
            ..work(format!("random updates of {documents} documents"), small, change, NOTHING)
        });
    }
    for (size, bytes, changes) in
        [("100 B", 100, changes / 2), ("1 KB", 1_000, changes / 2), ("50 KB", 50_000, 4_000)]
    {
        for (place, storage) in [("in line", "MAIN"), ("out of line", "EXTERNAL")] {
            let prepare = format!("ALTER TABLE documents ALTER body SET STORAGE {storage}");
            works.push(Work {
                part: SIZES,
                prepare,
                ..work(format!("rows of {size}, {place}"), changes, backlog(changes, 20, bytes), NOTHING)
            });
        }
    }
    works.push(Work {
        part: SIZES,
        prepare: "ALTER TABLE documents REPLICA IDENTITY FULL".into(),
        ..work("REPLICA IDENTITY FULL", changes, backlog(changes, 20, 1_000), NOTHING)
    });
    works.push(Work {
        part: SIZES,
        version: 18,
        ..work("PostgreSQL 18", changes, backlog(changes, 20, 1_000), NOTHING)
    });
    works
}

/// Documents in the table before the first start.
fn documents_of(documents: u64) -> String {
    format!(
        "INSERT INTO documents (id, key, project_id, title, body, labels)
            SELECT g, 'key-' || g, 'project-' || g % 20, 'title', repeat(md5(g::text), 10), '{{a}}'
            FROM generate_series(1, {documents}) g"
    )
}

/// Half inserts of documents with a body of `bytes`, half updates of their labels, 100 rows a transaction.
fn backlog(changes: u64, projects: u64, bytes: u64) -> String {
    let last = changes / 200;
    format!(
        "DO $$ BEGIN FOR t IN 1..{last} LOOP
            INSERT INTO documents (id, key, project_id, title, body, labels)
                SELECT (t - 1) * 100 + g, 'key-' || g, 'project-' || ((t - 1) * 100 + g) % {projects}, 'title ' || t,
                    substr(repeat(md5(t::text), {bytes} / 32 + 1), 1, {bytes}), '{{a}}'
                FROM generate_series(1, 100) g;
            COMMIT;
            UPDATE documents SET labels = ARRAY['b', 'l' || t] WHERE id > (t - 1) * 100 AND id <= t * 100;
            COMMIT;
        END LOOP; END $$"
    )
}

/// Half inserts, half updates, each a transaction.
fn single_rows(changes: u64) -> String {
    format!(
        "DO $$ BEGIN FOR t IN 1..{} LOOP
            INSERT INTO documents (id, key, project_id, title, body, labels)
                VALUES (t, 'key-' || t, 'project-' || t % 20, 'title', repeat(md5(t::text), 32), '{{a}}');
            COMMIT;
            UPDATE documents SET labels = ARRAY['b', 'l' || t] WHERE id = t;
            COMMIT;
        END LOOP; END $$",
        changes / 2
    )
}
