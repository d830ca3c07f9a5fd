//! Records that changes made, before the spool gives them their places.

use std::ops::Range;

use super::entry::Entry;
use super::identity::document_hash;
use super::similarity::SimilarityEntry;
use crate::record::{Callback, LabelProperty, ProjectNo, write_document, write_labels, write_similarity};

/// A record before it has a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// For which callback.
    pub callback: Callback,
    /// In which project.
    pub project: ProjectNo,
    /// Which document, for order.
    pub document: u64,
    /// The document whose `excluded` it waits for besides: the one under the id it had before.
    pub earlier: Option<u64>,
    fragment: Range<usize>,
}

/// The records that changes made, in order, until they are taken away.
#[derive(Debug, Default)]
pub struct Drafts {
    /// In the order in which they get their numbers.
    pub list: Vec<Draft>,
    /// Similarity entries that are no object or lack `similar_doc_id`.
    pub similarities_skipped: u64,
    fragments: Vec<u8>,
    /// Where a label column's JSON is made; kept to be used again.
    pub(super) scratch: Vec<u8>,
}

impl Drafts {
    /// A draft's JSON.
    pub fn fragment(&self, draft: &Draft) -> &[u8] {
        self.fragments.get(draft.fragment.clone()).unwrap_or_default()
    }

    /// Forgets the records, and keeps the room for the next.
    pub fn clear(&mut self) {
        self.list.clear();
        self.fragments.clear();
    }

    /// How many records there are, by [`Callback::index`].
    pub fn counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for draft in &self.list {
            if let Some(count) = counts.get_mut(draft.callback.index()) {
                *count += 1;
            }
        }
        counts
    }

    pub(super) fn mark(&self) -> Savepoint {
        Savepoint {
            list: self.list.len(),
            fragments: self.fragments.len(),
            skipped: self.similarities_skipped,
        }
    }

    pub(super) fn back_to(&mut self, mark: &Savepoint) {
        self.list.truncate(mark.list);
        self.fragments.truncate(mark.fragments);
        self.similarities_skipped = mark.skipped;
    }

    fn add(&mut self, callback: Callback, of: &Entry, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.fragments.len();
        write(&mut self.fragments);
        self.list.push(Draft {
            callback,
            project: of.project,
            document: document_hash(&of.id),
            earlier: None,
            fragment: start..self.fragments.len(),
        });
    }

    pub(super) fn document(&mut self, callback: Callback, of: &Entry) {
        self.add(callback, of, |out| write_document(out, &of.id, of.key.as_deref()));
    }

    pub(super) fn labels(&mut self, of: &Entry, property: LabelProperty, json: &[u8]) {
        // The JSON was made from text; it is text.
        let json = std::str::from_utf8(json).unwrap_or("null");
        self.add(Callback::Modified, of, |out| write_labels(out, &of.id, of.key.as_deref(), property, json));
    }

    pub(super) fn similarity(&mut self, of: &Entry, entry: &SimilarityEntry) {
        self.add(Callback::Modified, of, |out| {
            write_similarity(out, &entry.id, entry.key.as_deref(), entry.label.as_deref());
        });
    }
}

/// How much there was before a change.
pub(super) struct Savepoint {
    list: usize,
    fragments: usize,
    skipped: u64,
}
