//! What one pass over the table saw, in a scratch file: memory does not grow with the table.
//!
//! Identities and documents are kept as 128-bit hashes. Among a billion of them, two share one
//! with a chance of 1 in 10²⁰.

use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::classify::Identity;
use crate::record::ProjectNo;
use crate::spool::{Scratch, ScratchError, Table};

/// The rows that one pass saw.
#[derive(Debug)]
pub(super) struct SnapshotIndex {
    scratch: Scratch,
}

/// A document as receivers know it: hashed (project, id).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Document([u8; 16]);

/// What the pass saw of one identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sighting {
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
    pub(super) fn create(folder: &Path) -> Result<Self, ScratchError> {
        Ok(Self { scratch: Scratch::create(folder, &[ROW, MOVED, LIVE])? })
    }

    pub(super) fn note(&self, identity: &Identity, sighting: Sighting) -> Result<(), ScratchError> {
        let Document(document) = sighting.document;
        let mut value = document.to_vec();
        value.push(sighting.live.into());
        self.scratch.put(ROW, &hashed(identity), &value)?;
        if sighting.live {
            self.scratch.put_if_absent(LIVE, &document, &identity.0)?;
        }
        Ok(())
    }

    /// What the pass saw of `identity`; `None` where it has no row.
    pub(super) fn row(&self, identity: &Identity) -> Result<Option<Sighting>, ScratchError> {
        let found = self.scratch.get(ROW, &hashed(identity))?;
        Ok(found.and_then(|value| {
            let (document, live) = value.split_first_chunk()?;
            Some(Sighting { document: Document(*document), live: live == [1] })
        }))
    }

    /// The identity of a live row that shows `document`.
    pub(super) fn identity_of(&self, Document(document): Document) -> Result<Option<Identity>, ScratchError> {
        Ok(self.scratch.get(LIVE, &document)?.map(|identity| Identity(identity.into())))
    }

    /// What is remembered under `before` is of a document that is shown under another identity.
    pub(super) fn note_move(&self, before: &Identity, document: Document) -> Result<(), ScratchError> {
        let Some(now) = self.identity_of(document)? else { return Ok(()) };
        self.scratch.put_if_absent(MOVED, &hashed(&now), &before.0)
    }

    /// Under which identity the document of `now` is remembered, where that is another.
    pub(super) fn moved_from(&self, now: &Identity) -> Result<Option<Identity>, ScratchError> {
        Ok(self.scratch.get(MOVED, &hashed(now))?.map(|identity| Identity(identity.into())))
    }

    /// Whether any live row shows `document`.
    pub(super) fn is_live(&self, Document(document): Document) -> Result<bool, ScratchError> {
        self.scratch.contains(LIVE, &document)
    }
}

fn hashed(Identity(bytes): &Identity) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes()
}

/// Hashed identity → document, and whether it is live.
const ROW: Table = Table("row_of_identity");
/// Hashed identity → the identity under which its document is remembered.
const MOVED: Table = Table("moved");
/// Document → the identity of a live row that shows it.
const LIVE: Table = Table("live");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_live_where_any_row_shows_it_so() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot_index = SnapshotIndex::create(folder.path()).unwrap();
        let identity = |text: &str| Identity(text.as_bytes().into());
        let document = Document::of(ProjectNo(1), "7");
        let dead = Sighting { document, live: false };
        snapshot_index.note(&identity("a"), dead).unwrap();
        assert!(!snapshot_index.is_live(document).unwrap());
        snapshot_index.note(&identity("b"), Sighting { document, live: true }).unwrap();

        assert!(snapshot_index.is_live(document).unwrap());
        assert_eq!(snapshot_index.row(&identity("a")).unwrap(), Some(dead));
        assert_eq!(snapshot_index.row(&identity("c")).unwrap(), None);
        assert!(
            !snapshot_index.is_live(Document::of(ProjectNo(2), "7")).unwrap(),
            "another project's document"
        );
    }
}
