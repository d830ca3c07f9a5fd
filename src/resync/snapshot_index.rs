//! An index of the rows in a snapshot, in a scratch file: memory does not grow with the table.
//!
//! Identities and documents are kept as 128-bit hashes. Among a billion of them, two share one
//! with a chance of 1 in 10²⁰.

use xxhash_rust::xxh3::Xxh3;

use crate::classify::Identity;
use crate::record::ProjectNo;
use crate::spool::{Scratch, ScratchError, ScratchTable, Spool};

/// Identity, document and state of every row in a snapshot.
#[derive(Debug)]
pub(super) struct SnapshotIndex {
    scratch: Scratch,
}

/// A document, as a hash of (project, id).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Document([u8; 16]);

/// The row of one identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct IndexedRow {
    pub(super) document: Document,
    pub(super) live: bool,
}

impl Document {
    pub(super) fn of(project: ProjectNo, id: &str) -> Self {
        let mut hash = Xxh3::new();
        hash.update(&project.0.to_le_bytes());
        hash.update(id.as_bytes());
        Self(hash.digest128().to_le_bytes())
    }
}

impl SnapshotIndex {
    /// Empty, in a scratch file in `folder`.
    pub(super) fn create(spool: &Spool) -> Result<Self, ScratchError> {
        Ok(Self { scratch: spool.scratch(&[ROW, MOVED, LIVE])? })
    }

    pub(super) fn note(&self, identity: &Identity, row: IndexedRow) -> Result<(), ScratchError> {
        let Document(document) = row.document;
        let mut value = document.to_vec();
        value.push(row.live.into());
        self.scratch.put(ROW, &hashed(identity), &value)?;
        if row.live {
            self.scratch.put_if_absent(LIVE, &document, &identity.0)?;
        }
        Ok(())
    }

    /// The row of `identity`.
    pub(super) fn row(&self, identity: &Identity) -> Result<Option<IndexedRow>, ScratchError> {
        let found = self.scratch.get(ROW, &hashed(identity))?;
        Ok(found.and_then(|value| {
            let (document, live) = value.split_first_chunk()?;
            Some(IndexedRow { document: Document(*document), live: live == [1] })
        }))
    }

    /// The identity of a live row of `document`.
    pub(super) fn identity_of(&self, Document(document): Document) -> Result<Option<Identity>, ScratchError> {
        Ok(self.scratch.get(LIVE, &document)?.map(|identity| Identity(identity.into())))
    }

    /// Notes that the document of the entry `before` has a row under another identity.
    pub(super) fn note_move(&self, before: &Identity, document: Document) -> Result<(), ScratchError> {
        let Some(now) = self.identity_of(document)? else { return Ok(()) };
        self.scratch.put_if_absent(MOVED, &hashed(&now), &before.0)
    }

    /// The identity under which the shadow has the document of `now`, where it is another one.
    pub(super) fn moved_from(&self, now: &Identity) -> Result<Option<Identity>, ScratchError> {
        Ok(self.scratch.get(MOVED, &hashed(now))?.map(|identity| Identity(identity.into())))
    }

    /// Whether `document` has a live row.
    pub(super) fn is_live(&self, Document(document): Document) -> Result<bool, ScratchError> {
        self.scratch.contains(LIVE, &document)
    }
}

fn hashed(Identity(bytes): &Identity) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes()
}

/// Hashed identity → document, and whether it is live.
const ROW: ScratchTable = ScratchTable("row_of_identity");
/// Hashed identity → the identity under which its document is remembered.
const MOVED: ScratchTable = ScratchTable("moved");
/// Document → the identity of a live row that shows it.
const LIVE: ScratchTable = ScratchTable("live");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Options;

    #[test]
    fn a_document_is_live_where_any_row_of_it_is_live() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { bytes_max: 1 << 20, retain: std::time::Duration::from_hours(1) };
        let spool = Spool::open(folder.path(), options).unwrap().spool;
        let snapshot_index = SnapshotIndex::create(&spool).unwrap();
        let identity = |text: &str| Identity(text.as_bytes().into());
        let document = Document::of(ProjectNo(1), "7");
        let dead = IndexedRow { document, live: false };
        snapshot_index.note(&identity("a"), dead).unwrap();
        assert!(!snapshot_index.is_live(document).unwrap());
        snapshot_index.note(&identity("b"), IndexedRow { document, live: true }).unwrap();

        assert!(snapshot_index.is_live(document).unwrap());
        assert_eq!(snapshot_index.row(&identity("a")).unwrap(), Some(dead));
        assert_eq!(snapshot_index.row(&identity("c")).unwrap(), None);
        assert!(
            !snapshot_index.is_live(Document::of(ProjectNo(2), "7")).unwrap(),
            "another project's document"
        );
    }
}
