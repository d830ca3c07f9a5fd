//! The records of changes, before the spool assigns their sequence numbers.

use std::ops::Range;

use super::entry::Entry;
use super::identity::document_hash;
use super::similarity::SimilarityEntry;
use crate::record::{
    Callback, LabelProperty, ProjectNo, Property, write_document, write_labels, write_similarity,
};

/// A record without a sequence number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// Its callback.
    pub callback: Callback,
    /// The property that it is about; `None` in `ingested` and `excluded`.
    pub property: Option<Property>,
    /// Its project.
    pub project: ProjectNo,
    /// The hash of its document's id, for the order across lanes.
    pub document: u64,
    /// Another document whose `excluded` it waits for: the same one under its former id.
    pub earlier: Option<u64>,
    fragment: Range<usize>,
}

/// The records of changes, in order, until the spool takes them.
#[derive(Debug, Default)]
pub struct Drafts {
    /// In the order of their sequence numbers.
    pub list: Vec<Draft>,
    /// Similarity entries that are not an object or lack `similar_doc_id`.
    pub similarities_skipped: u64,
    fragments: Vec<u8>,
    /// Buffer for the JSON of a label column, reused.
    pub(super) scratch: Vec<u8>,
}

impl Drafts {
    /// A draft's JSON.
    pub fn fragment(&self, draft: &Draft) -> &[u8] {
        self.fragments.get(draft.fragment.clone()).unwrap_or_default()
    }

    /// Removes the records, and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.fragments.clear();
    }

    /// The number of records by [`Callback::index`].
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

    fn add(
        &mut self,
        (callback, property): (Callback, Option<Property>),
        of: &Entry,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.fragments.len();
        write(&mut self.fragments);
        self.list.push(Draft {
            callback,
            property,
            project: of.project,
            document: document_hash(&of.id),
            earlier: None,
            fragment: start..self.fragments.len(),
        });
    }

    pub(super) fn document(&mut self, callback: Callback, of: &Entry) {
        self.add((callback, None), of, |out| write_document(out, &of.id, of.key.as_deref()));
    }

    pub(super) fn labels(&mut self, of: &Entry, property: LabelProperty, json: &[u8]) {
        // The JSON was made from a `str`, so it is UTF-8.
        let json = std::str::from_utf8(json).unwrap_or("null");
        let modified = (Callback::Modified, Some(property.into()));
        self.add(modified, of, |out| write_labels(out, &of.id, of.key.as_deref(), property, json));
    }

    pub(super) fn similarity(&mut self, of: &Entry, entry: &SimilarityEntry) {
        self.add((Callback::Modified, Some(Property::Similarity)), of, |out| {
            write_similarity(out, &entry.id, entry.key.as_deref(), entry.label.as_deref());
        });
    }
}

/// The lengths before a change, to undo what it added.
pub(super) struct Savepoint {
    list: usize,
    fragments: usize,
    skipped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::fixture::{Harness, live};

    #[test]
    fn a_draft_names_the_property_it_is_about() {
        let mut harness = Harness::with_default_mapping();
        let before = harness.entry_of(&live());
        let after = live()
            .with("title", "other")
            .with("labels", "{z}")
            .with("predicted_labels", "null")
            .with("similarity", r#"{"similar_doc_id":9}"#);
        harness.classify(Some(&before), &after).unwrap();
        let properties: Vec<_> = harness.drafts.list.iter().map(|draft| draft.property).collect();
        let [labels, predicted_labels, similarity] = Property::ALL.map(Some);
        assert_eq!(properties, [None, labels, predicted_labels, similarity]);
    }
}
