//! What must arrive, and what did: every record is expected before its transaction commits, and
//! crossed out when it comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::record::Callback;
use crate::time::Timestamp;

/// What a record is about, as its receiver can tell.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Subject {
    Document(String),
    Labels(String),
    Predicted(String),
    Similar { id: String, label: String },
}

/// A record that must arrive.
#[derive(Clone, Debug)]
pub(super) struct ExpectedRecord {
    pub(super) project: String,
    pub(super) callback: Callback,
    pub(super) subject: Subject,
    /// What the application did, for people.
    pub(super) told: String,
}

/// A record that came.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// Since the transaction was about to commit.
    Expected { told: String, after: Duration },
    /// Nothing that the application did made it, or it came before.
    Unexpected,
}

/// Which records are on their way.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In the order of their commits.
    open: HashMap<(String, Callback, Subject), VecDeque<(Timestamp, String)>>,
    counts: Counts,
    /// Of the records that waited for no receiver.
    latencies: Vec<Duration>,
}

/// Records, so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub(super) expected: u64,
    /// By [`Callback::index`].
    pub(super) arrived: [u64; 3],
    pub(super) unexpected: u64,
}

impl Counts {
    pub(super) fn all_arrived(&self) -> u64 {
        self.arrived.iter().sum()
    }

    pub(super) fn missing(&self) -> u64 {
        self.expected - self.all_arrived()
    }
}

impl Tally {
    pub(super) fn expect(&self, expected: Vec<ExpectedRecord>, now: Timestamp) {
        let mut inner = self.inner();
        for ExpectedRecord { project, callback, subject, told } in expected {
            inner.counts.expected += 1;
            inner.open.entry((project, callback, subject)).or_default().push_back((now, told));
        }
    }

    /// `prompt`: no receiver held it up, so that it tells something of the sidecar's speed.
    pub(super) fn arrive(
        &self,
        project: &str,
        callback: Callback,
        subject: Subject,
        prompt: impl Fn(Timestamp) -> bool,
        now: Timestamp,
    ) -> Arrival {
        let mut inner = self.inner();
        let key = (project.to_owned(), callback, subject);
        let Some((at, told)) = inner.open.get_mut(&key).and_then(VecDeque::pop_front) else {
            inner.counts.unexpected += 1;
            return Arrival::Unexpected;
        };
        if inner.open.get(&key).is_some_and(VecDeque::is_empty) {
            inner.open.remove(&key);
        }
        if let Some(count) = inner.counts.arrived.get_mut(callback.index()) {
            *count += 1;
        }
        let after = now.since(at);
        if prompt(at) {
            inner.latencies.push(after);
        }
        Arrival::Expected { told, after }
    }

    pub(super) fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// The time within which `percent` of the records that waited for no receiver came.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut inner = self.inner();
        inner.latencies.sort_unstable();
        let at = (inner.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        inner.latencies.get(at).copied().unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    /// Of a record as it stands in a body.
    pub(super) fn of(record: &Value) -> Option<Self> {
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        if let Some(id) = text("similar_doc_id") {
            return Some(Self::Similar { id, label: text("similarity_label").unwrap_or_default() });
        }
        let id = text("id")?;
        Some(if record.get("labels").is_some() {
            Self::Labels(id)
        } else if record.get("predicted_labels").is_some() {
            Self::Predicted(id)
        } else {
            Self::Document(id)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(id: &str) -> Subject {
        Subject::Document(id.into())
    }

    fn expected(id: &str) -> ExpectedRecord {
        ExpectedRecord {
            project: "p".into(),
            callback: Callback::Ingested,
            subject: document(id),
            told: id.into(),
        }
    }

    #[test]
    fn what_is_expected_once_arrives_once() {
        let tally = Tally::default();
        tally.expect(vec![expected("1"), expected("2")], Timestamp(0));
        let arrive = |id| tally.arrive("p", Callback::Ingested, document(id), |_| true, Timestamp(2_000));
        assert_eq!(arrive("1"), Arrival::Expected { told: "1".into(), after: Duration::from_millis(2) });
        assert_eq!(arrive("1"), Arrival::Unexpected);
        let counts = tally.counts();
        assert_eq!((counts.missing(), counts.unexpected, counts.all_arrived()), (1, 1, 1));
    }

    #[test]
    fn a_record_of_another_project_or_callback_is_another_record() {
        let tally = Tally::default();
        tally.expect(vec![expected("1")], Timestamp(0));
        let arrive =
            |project, callback| tally.arrive(project, callback, document("1"), |_| true, Timestamp(0));
        assert_eq!(arrive("q", Callback::Ingested), Arrival::Unexpected);
        assert_eq!(arrive("p", Callback::Excluded), Arrival::Unexpected);
        assert_eq!(tally.counts().missing(), 1);
    }

    #[test]
    fn percentiles_count_from_the_fastest() {
        let tally = Tally::default();
        for id in 1..=100 {
            tally.expect(vec![expected(&id.to_string())], Timestamp(0));
            tally.arrive(
                "p",
                Callback::Ingested,
                document(&id.to_string()),
                |_| id <= 99,
                Timestamp(id * 1_000),
            );
        }
        assert_eq!(tally.percentile(50), Duration::from_millis(50));
        assert_eq!(tally.percentile(99), Duration::from_millis(99));
        assert_eq!(Tally::default().percentile(99), Duration::ZERO);
    }

    #[test]
    fn a_record_tells_what_it_is_about() {
        assert_eq!(Subject::of(&json!({"id": "1", "key": null})), Some(document("1")));
        assert_eq!(Subject::of(&json!({"id": "1", "labels": null})), Some(Subject::Labels("1".into())));
        assert_eq!(
            Subject::of(&json!({"id": "1", "predicted_labels": []})),
            Some(Subject::Predicted("1".into()))
        );
        let similar = json!({"similar_doc_id": "2", "similarity_label": "near"});
        assert_eq!(Subject::of(&similar), Some(Subject::Similar { id: "2".into(), label: "near".into() }));
        assert_eq!(Subject::of(&json!({})), None);
    }
}
