//! Applies rows to the shadow, and makes the records of their changes.

use super::{GroupError, GroupWriter, PositionSource};
use crate::classify::{Entry, Identity, Layout, Row, draft_removed};
use crate::record::ProjectNo;

impl GroupWriter {
    /// Applies a row as it is now. `before` is the identity that it had; `positions` gives each record its
    /// position. Returns the number of records by [`Callback::index`].
    pub(crate) fn apply_row(
        &mut self,
        layout: &Layout,
        before: &Identity,
        row: &Row<'_>,
        positions: &mut dyn PositionSource,
    ) -> Result<[u64; 3], GroupError> {
        let known = self.entry(before)?;
        self.apply_over(known.as_ref(), layout, before, row, positions)
    }

    /// Applies a row of `project` as a new document. Rows of other projects are ignored.
    pub(crate) fn apply_as_new(
        &mut self,
        layout: &Layout,
        identity: &Identity,
        row: &Row<'_>,
        project: ProjectNo,
        positions: &mut dyn PositionSource,
    ) -> Result<[u64; 3], GroupError> {
        if self.document_ref(layout, row)?.project != project {
            return Ok([0; 3]);
        }
        self.apply_over(None, layout, identity, row, positions)
    }

    /// The number of records that a row would make, by [`Callback::index`]. The shadow is not changed.
    pub(crate) fn count_records(
        &mut self,
        layout: &Layout,
        identity: &Identity,
        row: &Row<'_>,
    ) -> Result<[u64; 3], GroupError> {
        let known = self.entry(identity)?;
        let drafted = layout.classify(known.as_ref(), row, &mut self.projects, &mut self.drafts);
        let counts = self.drafts.counts();
        self.drafts.clear();
        drafted?;
        Ok(counts)
    }

    fn apply_over(
        &mut self,
        known: Option<&Entry>,
        layout: &Layout,
        before: &Identity,
        row: &Row<'_>,
        positions: &mut dyn PositionSource,
    ) -> Result<[u64; 3], GroupError> {
        let drafted = layout.classify(known, row, &mut self.projects, &mut self.drafts);
        let entry = self.or_discard_drafts(drafted)?;
        let after = layout.identity(row);
        let after = self.or_discard_drafts(after)?;
        let counts = self.drafts.counts();
        self.append_drafts(positions)?;
        if after != *before && known.is_some() {
            self.shadow.put(before.clone(), None)?;
        }
        let bytes = entry.encode(&after);
        self.shadow.put(after, Some(bytes))?;
        self.changes += 1;
        Ok(counts)
    }

    /// The row of `identity` is gone.
    pub(crate) fn remove(
        &mut self,
        identity: &Identity,
        positions: &mut dyn PositionSource,
    ) -> Result<(), GroupError> {
        self.changes += 1;
        let Some(known) = self.entry(identity)? else { return Ok(()) };
        draft_removed(&known, &mut self.drafts);
        self.append_drafts(positions)?;
        self.shadow.put(identity.clone(), None)?;
        Ok(())
    }

    /// Marks the document of `identity` as excluded, with its record if `makes_record`.
    pub(crate) fn exclude(
        &mut self,
        identity: &Identity,
        entry: Entry,
        makes_record: bool,
        positions: &mut dyn PositionSource,
    ) -> Result<(), GroupError> {
        if makes_record {
            draft_removed(&entry, &mut self.drafts);
            self.append_drafts(positions)?;
        }
        let bytes = Entry { excluded: true, ..entry }.encode(identity);
        self.shadow.put(identity.clone(), Some(bytes))?;
        self.changes += 1;
        Ok(())
    }

    /// Moves the entry of `before` to `now`, unless `now` has one.
    pub(crate) fn move_entry(
        &mut self,
        before: &Identity,
        now: Identity,
        entry: &Entry,
    ) -> Result<(), GroupError> {
        if self.entry(&now)?.is_none() {
            let bytes = entry.encode(&now);
            self.shadow.put(now, Some(bytes))?;
        }
        self.shadow.put(before.clone(), None)?;
        self.changes += 1;
        Ok(())
    }

    /// The shadow entry of `identity`.
    pub(crate) fn entry(&mut self, identity: &Identity) -> Result<Option<Entry>, GroupError> {
        let bytes = self.shadow.get(identity)?;
        Ok(bytes.map(|bytes| Entry::decode(identity, &bytes)).transpose()?)
    }
}
