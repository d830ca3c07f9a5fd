//! Rows and documents entered: what is remembered of them, and the records they make.

use super::{GroupError, GroupWriter, Records};
use crate::classify::{Entry, Identity, Layout, Row, draft_removed};
use crate::record::ProjectNo;

impl GroupWriter {
    /// A row as it is now. `before` is the identity that it had, `records` gives each record's place.
    /// Says how many records the rules make of it, by [`Callback::index`].
    pub(crate) fn enter(
        &mut self,
        layout: &Layout,
        before: &Identity,
        row: &Row<'_>,
        records: &mut dyn Records,
    ) -> Result<[u64; 3], GroupError> {
        let known = self.entry(before)?;
        self.enter_over(known.as_ref(), layout, before, row, records)
    }

    /// A row as it is now: where it is a document of `project`, as one that was never seen.
    pub(crate) fn enter_anew(
        &mut self,
        layout: &Layout,
        identity: &Identity,
        row: &Row<'_>,
        project: ProjectNo,
        records: &mut dyn Records,
    ) -> Result<[u64; 3], GroupError> {
        if self.sight(layout, row)?.project != project {
            return Ok([0; 3]);
        }
        self.enter_over(None, layout, identity, row, records)
    }

    /// How many records a row would make, by [`Callback::index`]. Nothing is remembered of it.
    pub(crate) fn would_make(
        &mut self,
        layout: &Layout,
        identity: &Identity,
        row: &Row<'_>,
    ) -> Result<[u64; 3], GroupError> {
        let known = self.entry(identity)?;
        let judged = layout.judge(known.as_ref(), row, &mut self.projects, &mut self.drafts);
        let made = self.drafts.counts();
        self.drafts.clear();
        judged?;
        Ok(made)
    }

    fn enter_over(
        &mut self,
        known: Option<&Entry>,
        layout: &Layout,
        before: &Identity,
        row: &Row<'_>,
        records: &mut dyn Records,
    ) -> Result<[u64; 3], GroupError> {
        let judged = layout.judge(known, row, &mut self.projects, &mut self.drafts);
        let entry = self.whole_or_nothing(judged)?;
        let after = layout.identity(row);
        let after = self.whole_or_nothing(after)?;
        let made = self.drafts.counts();
        self.take_drafts(records)?;
        if after != *before && known.is_some() {
            self.shadow.put(before.clone(), None)?;
        }
        let bytes = entry.encode(&after);
        self.shadow.put(after, Some(bytes))?;
        self.changes += 1;
        Ok(made)
    }

    /// The row of `identity` is gone.
    pub(crate) fn remove(
        &mut self,
        identity: &Identity,
        records: &mut dyn Records,
    ) -> Result<(), GroupError> {
        self.changes += 1;
        let Some(known) = self.entry(identity)? else { return Ok(()) };
        draft_removed(&known, &mut self.drafts);
        self.take_drafts(records)?;
        self.shadow.put(identity.clone(), None)?;
        Ok(())
    }

    /// The document of `identity` counts as excluded from now on, and `told` says whether that makes
    /// its record.
    pub(crate) fn exclude(
        &mut self,
        identity: &Identity,
        entry: Entry,
        told: bool,
        records: &mut dyn Records,
    ) -> Result<(), GroupError> {
        if told {
            draft_removed(&entry, &mut self.drafts);
            self.take_drafts(records)?;
        }
        let bytes = Entry { excluded: true, ..entry }.encode(identity);
        self.shadow.put(identity.clone(), Some(bytes))?;
        self.changes += 1;
        Ok(())
    }

    /// What was remembered under `before` is remembered under `now`, where nothing is yet.
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

    /// What is remembered of `identity`.
    pub(crate) fn entry(&mut self, identity: &Identity) -> Result<Option<Entry>, GroupError> {
        let bytes = self.shadow.get(identity)?;
        Ok(bytes.map(|bytes| Entry::decode(identity, &bytes)).transpose()?)
    }
}
