//! Compares the records that arrive with the expected ones. A record is expected just before its transaction
//! commits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::record::Callback;
use crate::time::Timestamp;

/// What a record is about, as far as its JSON shows.
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
    /// The document and what the application did to it, as text.
    pub(super) action: String,
}

/// A record that arrived.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// `latency` is measured from just before the commit.
    Expected { action: String, latency: Duration },
    /// No transaction made it, or it has arrived before.
    Unexpected,
}

/// The expected records, and counts of those that arrived.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Records that have not arrived, in commit order.
    missing: HashMap<(String, Callback, Subject), VecDeque<(Timestamp, String)>>,
    counts: Counts,
    /// Latencies of the records that no outage delayed.
    latencies: Vec<Duration>,
}

/// Numbers of records so far.
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
        for ExpectedRecord { project, callback, subject, action } in expected {
            inner.counts.expected += 1;
            inner.missing.entry((project, callback, subject)).or_default().push_back((now, action));
        }
    }

    /// Takes a record off the list. `is_undelayed` says of a commit time whether the latency counts.
    pub(super) fn arrive(
        &self,
        project: &str,
        callback: Callback,
        subject: Subject,
        is_undelayed: impl Fn(Timestamp) -> bool,
        now: Timestamp,
    ) -> Arrival {
        let mut inner = self.inner();
        let key = (project.to_owned(), callback, subject);
        let Some((at, action)) = inner.missing.get_mut(&key).and_then(VecDeque::pop_front) else {
            inner.counts.unexpected += 1;
            return Arrival::Unexpected;
        };
        if inner.missing.get(&key).is_some_and(VecDeque::is_empty) {
            inner.missing.remove(&key);
        }
        if let Some(count) = inner.counts.arrived.get_mut(callback.index()) {
            *count += 1;
        }
        let latency = now.since(at);
        if is_undelayed(at) {
            inner.latencies.push(latency);
        }
        Arrival::Expected { action, latency }
    }

    pub(super) fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// The given percentile of the latencies.
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
    /// Parses a record of a request body.
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
            action: id.into(),
        }
    }

    #[test]
    fn a_record_expected_once_arrives_once() {
        let tally = Tally::default();
        tally.expect(vec![expected("1"), expected("2")], Timestamp(0));
        let arrive = |id| tally.arrive("p", Callback::Ingested, document(id), |_| true, Timestamp(2_000));
        assert_eq!(arrive("1"), Arrival::Expected { action: "1".into(), latency: Duration::from_millis(2) });
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
    fn a_record_has_a_subject() {
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
