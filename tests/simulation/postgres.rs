//! The server: transactions as pgoutput sends them, one slot, one connection.
//!
//! It sends whole transactions in commit order, those again that were not confirmed; forwards a start
//! that lies behind what is confirmed, silently; and after a crash of its own knows an older
//! confirmation, as a slot is written at checkpoints only.

use bytes::{BufMut as _, BytesMut};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};
use sidecar::position::Lsn;
use sidecar::source::FrameBlock;
use sidecar::time::Timestamp;

use crate::model::{Document, Model};

pub struct Postgres {
    /// The table as committed, and the records that must arrive.
    pub model: Model,
    pub confirmed: Lsn,
    /// What a crash of the server leaves of `confirmed`.
    checkpointed: Lsn,
    /// The end of the log.
    pub wal: Lsn,
    transactions: Vec<Transaction>,
    sending: Option<Sending>,
    next_id: i64,
}

struct Transaction {
    commit: Lsn,
    end: Lsn,
    committed_at: Timestamp,
    changes: Vec<Change>,
}

enum Change {
    /// Of a relation that is published too and is none of ours.
    Other,
    Row(Box<(Option<Document>, Option<Document>)>),
    Truncate,
}

/// A connection that streams.
struct Sending {
    transaction: usize,
    /// Messages of it that were sent: 0 is Begin.
    message: usize,
    described: bool,
    /// Everything below was sent.
    sent: Lsn,
}

impl Postgres {
    pub fn new() -> Self {
        Self {
            model: Model::default(),
            confirmed: START,
            checkpointed: START,
            wal: START,
            transactions: Vec::new(),
            sending: None,
            next_id: 0,
        }
    }

    /// Commits a transaction of up to `most` changes.
    pub fn commit(&mut self, random: &mut StdRng, most: usize, now: Timestamp) {
        let mut changes = Vec::new();
        for _ in 0..random.random_range(0..=most) {
            changes.push(self.change(random));
        }
        // Begin has the LSN at which the commit record begins; that may be exactly what was last confirmed.
        let commit = Lsn(self.wal.0 + if random.random_bool(0.5) { 0 } else { random.random_range(8..400) });
        let end = Lsn(commit.0 + 48);
        self.wal = end;
        if random.random_bool(0.3) {
            self.elsewhere(random);
        }
        // One without a published change is not sent.
        if !changes.is_empty() {
            self.transactions.push(Transaction { commit, end, committed_at: now, changes });
        }
    }

    /// One transaction that inserts so many documents.
    pub fn flood(&mut self, random: &mut StdRng, rows: usize, now: Timestamp) {
        let insert = |_| {
            let row = self.new_document(random);
            self.model.change(None, Some(row.clone()));
            Change::Row(Box::new((None, Some(row))))
        };
        let changes = (0..rows).map(insert).collect();
        let (commit, end) = (self.wal, Lsn(self.wal.0 + 48));
        self.wal = end;
        self.transactions.push(Transaction { commit, end, committed_at: now, changes });
    }

    /// Another database writes to the log.
    pub fn elsewhere(&mut self, random: &mut StdRng) {
        self.wal = Lsn(self.wal.0 + random.random_range(1..1_000));
    }

    fn change(&mut self, random: &mut StdRng) -> Change {
        let known: Vec<i64> = self.model.rows.keys().copied().collect();
        let Some(id) = known.choose(random).copied().filter(|_| !random.random_bool(0.3)) else {
            if random.random_bool(0.1) {
                return Change::Other;
            }
            let row = self.new_document(random);
            self.model.change(None, Some(row.clone()));
            return Change::Row(Box::new((None, Some(row))));
        };
        let before = self.model.rows[&id].clone();
        let mut row = before.clone();
        match random.random_range(0..20) {
            0..6 => row.labels = labels(random),
            6..8 => row.predicted = labels(random),
            8 => row.similarity = similarity(random),
            9 => row.title = Some(word(random)),
            10 => row.body = Some(word(random).repeat(700)),
            11..14 => row.excluded = !row.excluded,
            14 => row.project = Some(project(random)),
            15 => row.id = self.new_id(),
            16 => {}
            17 if known.len() > 4 => {
                // The order of a table that is emptied is that of its identities, which are texts.
                let mut all = known;
                all.sort_by_key(ToString::to_string);
                all.into_iter().for_each(|id| self.model.change(Some(id), None));
                return Change::Truncate;
            }
            _ => {
                self.model.change(Some(id), None);
                return Change::Row(Box::new((Some(before), None)));
            }
        }
        self.model.change(Some(id), Some(row.clone()));
        Change::Row(Box::new((Some(before), Some(row))))
    }

    fn new_document(&mut self, random: &mut StdRng) -> Document {
        Document {
            id: self.new_id(),
            key: Some(word(random)),
            project: Some(project(random)),
            title: Some(word(random)),
            body: Some(word(random).repeat(700)),
            labels: labels(random),
            predicted: None,
            similarity: Vec::new(),
            excluded: random.random_bool(0.1),
        }
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn is_streaming(&self) -> bool {
        self.sending.is_some()
    }

    /// START_REPLICATION.
    pub fn start(&mut self, from: Lsn) {
        let from = from.max(self.confirmed);
        let transaction = self.transactions.partition_point(|transaction| transaction.commit < from);
        self.sending = Some(Sending { transaction, message: 0, described: false, sent: from });
    }

    pub fn cut(&mut self) {
        self.sending = None;
    }

    /// A status update arrived.
    pub fn confirm(&mut self, confirmed: Lsn) {
        self.confirmed = self.confirmed.max(confirmed);
        assert!(self.confirmed <= self.wal, "{confirmed} was confirmed, the log ends at {}", self.wal);
    }

    pub fn checkpoint(&mut self) {
        self.checkpointed = self.confirmed;
    }

    pub fn crash(&mut self) {
        self.confirmed = self.checkpointed;
        self.sending = None;
    }

    /// The next `messages` messages, as many as there are, sent now.
    pub fn send(&mut self, messages: usize, now: Timestamp) -> Option<FrameBlock> {
        let mut out = BytesMut::new();
        for _ in 0..messages {
            let Some(sending) = &mut self.sending else { break };
            let Some(transaction) = self.transactions.get(sending.transaction) else { break };
            sending.next(transaction, now, &mut out);
        }
        (!out.is_empty()).then(|| FrameBlock::of(out.freeze()))
    }

    /// A keepalive. Inside a transaction it has the log's end, which lies behind its commit.
    pub fn keepalive(&mut self, reply_requested: bool) -> Option<FrameBlock> {
        let sending = self.sending.as_mut()?;
        if sending.message == 0 {
            let next = self.transactions.get(sending.transaction);
            sending.sent = next.map_or(self.wal, |next| next.commit).max(sending.sent);
        }
        let end = if sending.message == 0 { sending.sent } else { self.wal };
        let mut out = BytesMut::new();
        copy_data(&mut out, |out| {
            out.put_u8(b'k');
            out.put_u64(end.0);
            out.put_i64(0);
            out.put_u8(u8::from(reply_requested));
        });
        Some(FrameBlock::of(out.freeze()))
    }
}

impl Sending {
    fn next(&mut self, transaction: &Transaction, now: Timestamp, out: &mut BytesMut) {
        let Transaction { commit, end, committed_at, changes } = transaction;
        match self.message.checked_sub(1) {
            None => data(out, now, |out| {
                out.put_u8(b'B');
                out.put_u64(commit.0);
                out.put_i64(committed_at.to_postgres());
                out.put_u32(7);
            }),
            Some(at) if at < changes.len() => {
                if !std::mem::replace(&mut self.described, true) {
                    describe(out, now);
                }
                data(out, now, |out| put_change(out, &changes[at]));
            }
            Some(_) => {
                data(out, now, |out| {
                    out.put_slice(b"C\0");
                    out.put_u64(commit.0);
                    out.put_u64(end.0);
                    out.put_i64(committed_at.to_postgres());
                });
                *self = Self { transaction: self.transaction + 1, message: 0, described: true, sent: *end };
                return;
            }
        }
        self.message += 1;
    }
}

fn put_change(out: &mut BytesMut, change: &Change) {
    match change {
        Change::Other => {
            out.put_u8(b'I');
            out.put_u32(OTHER);
            out.put_slice(b"N\0\x01t\0\0\0\x01x");
        }
        Change::Truncate => {
            out.put_u8(b'T');
            out.put_u32(1);
            out.put_u8(0);
            out.put_u32(DOCUMENTS);
        }
        Change::Row(row) => put_row(out, row.0.as_ref(), row.1.as_ref()),
    }
}

fn put_row(out: &mut BytesMut, old: Option<&Document>, new: Option<&Document>) {
    match (old, new) {
        (None, Some(new)) => {
            out.put_u8(b'I');
            out.put_u32(DOCUMENTS);
            out.put_u8(b'N');
            tuple(out, new, None);
        }
        (Some(old), Some(new)) => {
            out.put_u8(b'U');
            out.put_u32(DOCUMENTS);
            if old.id != new.id {
                key_tuple(out, old);
            }
            out.put_u8(b'N');
            tuple(out, new, Some(old));
        }
        (old, None) => {
            out.put_u8(b'D');
            out.put_u32(DOCUMENTS);
            old.iter().for_each(|old| key_tuple(out, old));
        }
    }
}

/// The default identity: its column, all others NULL.
fn key_tuple(out: &mut BytesMut, old: &Document) {
    out.put_slice(b"K\0\x09");
    text(out, Some(&old.id.to_string()));
    out.put_bytes(b'n', 8);
}

fn tuple(out: &mut BytesMut, new: &Document, old: Option<&Document>) {
    let array =
        |labels: &Option<Vec<String>>| labels.as_ref().map(|labels| format!("{{{}}}", labels.join(",")));
    out.put_u16(9);
    text(out, Some(&new.id.to_string()));
    text(out, new.key.as_deref());
    text(out, new.project.as_deref());
    text(out, new.title.as_deref());
    // It lies out of line, and is left out where it was not touched.
    if old.is_some_and(|old| old.body == new.body) {
        out.put_u8(b'u');
    } else {
        text(out, new.body.as_deref());
    }
    text(out, array(&new.labels).as_deref());
    text(out, array(&new.predicted).as_deref());
    text(out, Some(&Value::from(new.similarity.clone()).to_string()));
    text(out, new.excluded.then_some("2026-01-01 00:00:00+00"));
}

fn text(out: &mut BytesMut, value: Option<&str>) {
    let Some(value) = value else { return out.put_u8(b'n') };
    out.put_u8(b't');
    out.put_u32(u32::try_from(value.len()).unwrap());
    out.put_slice(value.as_bytes());
}

/// Relation messages: once a connection, before the first change.
fn describe(out: &mut BytesMut, now: Timestamp) {
    let columns = [
        ("id", 20),
        ("key", 25),
        ("project_id", 25),
        ("title", 25),
        ("body", 25),
        ("labels", 1009),
        ("predicted_labels", 1009),
        ("similarity", 3802),
        ("deleted_at", 1184),
    ];
    for (oid, name, columns) in [(OTHER, "others", &columns[1..2]), (DOCUMENTS, "documents", &columns[..])] {
        data(out, now, |out| {
            out.put_u8(b'R');
            out.put_u32(oid);
            out.put_slice(b"public\0");
            out.put_slice(name.as_bytes());
            out.put_slice(b"\0d");
            out.put_u16(u16::try_from(columns.len()).unwrap());
            for (name, oid) in columns {
                out.put_u8(u8::from(*name == "id"));
                out.put_slice(name.as_bytes());
                out.put_u8(0);
                out.put_u32(*oid);
                out.put_i32(-1);
            }
        });
    }
}

fn data(out: &mut BytesMut, sent_at: Timestamp, body: impl FnOnce(&mut BytesMut)) {
    copy_data(out, |out| {
        out.put_u8(b'w');
        out.put_bytes(0, 16);
        out.put_i64(sent_at.to_postgres());
        body(out);
    });
}

fn copy_data(out: &mut BytesMut, content: impl FnOnce(&mut BytesMut)) {
    out.put_u8(b'd');
    let length = out.len();
    out.put_u32(0);
    content(out);
    let counted = u32::try_from(out.len() - length).unwrap();
    out[length..length + 4].copy_from_slice(&counted.to_be_bytes());
}

fn project(random: &mut StdRng) -> String {
    (*PROJECTS.choose(random).unwrap()).to_owned()
}

fn word(random: &mut StdRng) -> String {
    (0..4).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

fn labels(random: &mut StdRng) -> Option<Vec<String>> {
    let count = random.random_range(0..3);
    (!random.random_bool(0.1)).then(|| (0..count).map(|_| word(random)).collect())
}

fn similarity(random: &mut StdRng) -> Vec<Value> {
    // No two alike: a list holds a similarity once.
    let mut others: Vec<u32> = (0..2).map(|_| random.random_range(0..9)).collect();
    others.dedup();
    let entry = |other: u32| json!({"similar_doc_id": other.to_string(), "similar_doc_key": null, "similarity_label": "near"});
    others.into_iter().map(entry).collect()
}

pub const PROJECTS: [&str; 3] = ["a", "b", "c"];
/// Where the slot was made.
pub const START: Lsn = Lsn(0x100_0000);
const DOCUMENTS: u32 = 20_001;
const OTHER: u32 = 20_002;
