//! The rules that turn a change into records.
//!
//! The shadow decides and not the operation, and each change is classified by itself.

use std::borrow::Cow;
use std::collections::HashSet;

use super::drafts::Drafts;
use super::entry::{Entry, Similarity};
use super::fingerprint::Fingerprint;
use super::identity::document_hash;
use super::labels::write_labels_json;
use super::layout::{Layout, SimilarityAt};
use super::projects::Projects;
use super::row::{Row, Unreadable, Value, text};
use super::similarity::{SimilarityEntries, SimilarityEntry};
use crate::record::{Callback, LabelProperty, ProjectNo};
use crate::relation::{ExcludedWhen, TypeKind, canonical};

/// The document of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentRef {
    /// The id that receivers get.
    pub id: String,
    /// Its project.
    pub project: ProjectNo,
    /// Soft-deleted.
    pub excluded: bool,
}

/// The records of a document whose row was deleted: `excluded`, if it was live.
pub fn draft_removed(before: &Entry, drafts: &mut Drafts) {
    if !before.excluded {
        drafts.document(Callback::Excluded, before);
    }
}

impl Layout {
    /// Adds the records for `row` after `before`, and returns the new entry.
    ///
    /// If a value cannot be read, this is an error, `drafts` is unchanged, and the stream must stop before
    /// this change.
    pub fn classify(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        projects: &mut Projects,
        drafts: &mut Drafts,
    ) -> Result<Entry, Unreadable> {
        let mark = drafts.mark();
        self.draft(before, row, projects, drafts).inspect_err(|_| drafts.back_to(&mark))
    }

    fn draft(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        projects: &mut Projects,
        drafts: &mut Drafts,
    ) -> Result<Entry, Unreadable> {
        let read = self.read(before, row, projects, drafts)?;
        let after = &read.entry;
        match before {
            None => {
                if !after.excluded {
                    drafts.document(Callback::Ingested, after);
                }
            }
            Some(before) => match (before.excluded, after.excluded) {
                (true, true) => {}
                (true, false) => drafts.document(Callback::Ingested, after),
                (false, true) => drafts.document(Callback::Excluded, before),
                (false, false) if before.project != after.project || before.id != after.id => {
                    drafts.document(Callback::Excluded, before);
                    drafts.document(Callback::Ingested, after);
                    if let Some(ingested) = drafts.list.last_mut().filter(|_| before.project == after.project)
                    {
                        ingested.earlier = Some(document_hash(&before.id));
                    }
                }
                (false, false) => self.draft_changes(before, &read, row, drafts)?,
            },
        }
        Ok(read.entry)
    }

    /// The document of a row and whether it is live, for the first pass of a resync.
    pub fn document_ref(&self, row: &Row<'_>, projects: &mut Projects) -> Result<DocumentRef, Unreadable> {
        Ok(DocumentRef {
            id: self.read_id(None, row)?,
            project: self.read_project(None, row, projects)?,
            excluded: self.read_excluded(None, row)?,
        })
    }

    /// One record per property: ingested, then labels, predicted labels, similarity entries.
    fn draft_changes(
        &self,
        before: &Entry,
        read: &ReadRow,
        row: &Row<'_>,
        drafts: &mut Drafts,
    ) -> Result<(), Unreadable> {
        let after = &read.entry;
        let content_changed =
            read.content_before.iter().zip(&after.content).any(|(old, new)| old.changed_to(*new));
        if content_changed || before.key != after.key {
            drafts.document(Callback::Ingested, after);
        }
        if before.labels.changed_to(after.labels) {
            self.draft_labels(after, self.labels, LabelProperty::Labels, row, drafts)?;
        }
        if before.predicted_labels.changed_to(after.predicted_labels) {
            self.draft_labels(after, self.predicted_labels, LabelProperty::PredictedLabels, row, drafts)?;
        }
        draft_similarities(before, read, drafts);
        Ok(())
    }

    fn draft_labels(
        &self,
        after: &Entry,
        column: Option<(usize, TypeKind)>,
        property: LabelProperty,
        row: &Row<'_>,
        drafts: &mut Drafts,
    ) -> Result<(), Unreadable> {
        let Some((at, kind)) = column else { return Ok(()) };
        let mut json = std::mem::take(&mut drafts.scratch);
        json.clear();
        match self.value(row, at) {
            Value::Text(bytes) => {
                let column = self.column_name(at);
                let bad =
                    |_| Unreadable::BadText { column: column.to_owned(), expected: "the text of an array" };
                write_labels_json(&mut json, kind, text(bytes, column)?).map_err(bad)?;
            }
            Value::Digest(_) | Value::Null | Value::Unchanged => json.extend_from_slice(b"null"),
        }
        drafts.labels(after, property, &json);
        drafts.scratch = json;
        Ok(())
    }

    fn read(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        projects: &mut Projects,
        drafts: &mut Drafts,
    ) -> Result<ReadRow, Unreadable> {
        let content_before = before.map(|entry| self.content_of(entry)).unwrap_or_default();
        let id = self.read_id(before, row)?;
        let (similarity, similarities) = self.read_similarity(before, row, drafts)?;
        let fingerprint = |at: usize, known: Option<Fingerprint>| match self.value(row, at) {
            Value::Digest(sha256) => Fingerprint::of_digest(sha256),
            Value::Null => Fingerprint::NULL,
            Value::Text(bytes) => Fingerprint::of_text(bytes),
            // An omitted value is not NULL, so the shadow should have had it.
            Value::Unchanged => {
                known.filter(|known| *known != Fingerprint::NULL).unwrap_or(Fingerprint::UNKNOWN)
            }
        };
        let label = |column: Option<(usize, TypeKind)>, known: Option<Fingerprint>| {
            column.map_or(Fingerprint::NULL, |(at, _)| fingerprint(at, known))
        };
        let entry = Entry {
            key: self.read_key(before, row, &id)?,
            project: self.read_project(before, row, projects)?,
            excluded: self.read_excluded(before, row)?,
            layout: self.number,
            content: (self.content.iter().enumerate())
                .map(|(place, at)| fingerprint(*at, content_before.get(place).copied()))
                .collect(),
            labels: label(self.labels, before.map(|entry| entry.labels)),
            predicted_labels: label(self.predicted_labels, before.map(|entry| entry.predicted_labels)),
            similarity,
            id,
        };
        Ok(ReadRow { entry, content_before, similarities })
    }

    fn read_id(&self, before: Option<&Entry>, row: &Row<'_>) -> Result<String, Unreadable> {
        let part = |place: usize, at: usize| match self.value(row, at) {
            Value::Text(bytes) => self.name(at, bytes).map(Cow::into_owned),
            Value::Unchanged => before
                .and_then(|entry| id_part(&entry.id, place, self.id.len()))
                .ok_or_else(|| self.out_of_line(at)),
            Value::Digest(_) | Value::Null => Err(self.null_id(at)),
        };
        if let [only] = self.id.as_slice() {
            return part(0, *only);
        }
        let parts = self.id.iter().enumerate().map(|(place, at)| part(place, *at).map(|text| escaped(&text)));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.join(":"))
    }

    fn read_key(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        id: &str,
    ) -> Result<Option<String>, Unreadable> {
        let Some(at) = self.key else { return Ok(Some(id.to_owned())) };
        match self.value(row, at) {
            Value::Text(bytes) => Ok(Some(self.name(at, bytes)?.into_owned())),
            Value::Digest(_) | Value::Null => Ok(None),
            Value::Unchanged => before.map(|entry| entry.key.clone()).ok_or_else(|| self.out_of_line(at)),
        }
    }

    fn read_project(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        projects: &mut Projects,
    ) -> Result<ProjectNo, Unreadable> {
        let Some(at) = self.project else { return Ok(projects.number(Projects::DEFAULT)) };
        match self.value(row, at) {
            Value::Text(bytes) => Ok(projects.number(&self.name(at, bytes)?)),
            Value::Digest(_) | Value::Null => Ok(projects.number(Projects::DEFAULT)),
            Value::Unchanged => before.map(|entry| entry.project).ok_or_else(|| self.out_of_line(at)),
        }
    }

    fn read_excluded(&self, before: Option<&Entry>, row: &Row<'_>) -> Result<bool, Unreadable> {
        let Some(at) = self.excluded else { return Ok(false) };
        let when = &self.mapping.excluded_when;
        let kind = self.kind(at);
        match self.value(row, at) {
            // An omitted value is not NULL.
            Value::Text(_) | Value::Unchanged if *when == ExcludedWhen::NotNull => Ok(true),
            Value::Text(bytes) => Ok(when.holds(kind, Some(text(bytes, self.column_name(at))?))),
            Value::Digest(_) | Value::Null => Ok(when.holds(kind, None)),
            Value::Unchanged => before.map(|entry| entry.excluded).ok_or_else(|| self.out_of_line(at)),
        }
    }

    /// An id, key or project, without the blanks that `char(n)` adds, which SQL ignores in comparisons as
    /// well. Everything else is significant: the case of citext, the trailing zeros of a number.
    fn name<'a>(&self, at: usize, bytes: &'a [u8]) -> Result<Cow<'a, str>, Unreadable> {
        let whole = text(bytes, self.column_name(at))?;
        Ok(match self.kind(at) {
            kind @ TypeKind::Padded => canonical(kind, whole),
            _ => whole.into(),
        })
    }

    /// The similarity to store, and the entries that may become records.
    fn read_similarity(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        drafts: &mut Drafts,
    ) -> Result<(Similarity, Vec<SimilarityEntry>), Unreadable> {
        match self.similarity {
            SimilarityAt::Nowhere => Ok((Similarity::Entries(Vec::new()), Vec::new())),
            SimilarityAt::Json(at) => {
                let json = match self.value(row, at) {
                    Value::Text(bytes) => Some(text(bytes, self.column_name(at))?),
                    Value::Digest(_) | Value::Null => None,
                    Value::Unchanged => {
                        let known = before.map_or(Similarity::Unknown, |entry| entry.similarity.clone());
                        return Ok((known, Vec::new()));
                    }
                };
                let read = SimilarityEntries::read(json);
                drafts.similarities_skipped += read.skipped;
                let prints = read.entries.iter().map(SimilarityEntry::fingerprint).collect();
                Ok((Similarity::Entries(prints), read.entries))
            }
            SimilarityAt::Columns(columns) => self.read_similarity_columns(before, row, columns),
        }
    }

    fn read_similarity_columns(
        &self,
        before: Option<&Entry>,
        row: &Row<'_>,
        columns: [usize; 3],
    ) -> Result<(Similarity, Vec<SimilarityEntry>), Unreadable> {
        let known = match before.map(|entry| &entry.similarity) {
            Some(Similarity::Texts(texts)) => Some(texts),
            _ => None,
        };
        let mut texts: Box<[Option<String>; 3]> = Box::default();
        for (place, (slot, at)) in texts.iter_mut().zip(columns).enumerate() {
            *slot = match (self.value(row, at), known) {
                (Value::Text(bytes), _) => Some(self.name(at, bytes)?.into_owned()),
                (Value::Digest(_) | Value::Null, _) => None,
                (Value::Unchanged, Some(known)) => known.get(place).cloned().flatten(),
                (Value::Unchanged, None) => return Ok((Similarity::Unknown, Vec::new())),
            };
        }
        let entries = entry_of(&texts).into_iter().collect();
        Ok((Similarity::Texts(texts), entries))
    }
}

/// One record for each entry that the old value does not contain.
fn draft_similarities(before: &Entry, read: &ReadRow, drafts: &mut Drafts) {
    if before.similarity == read.entry.similarity {
        return;
    }
    // A set, because the input determines the number of entries.
    let mut known: HashSet<Fingerprint> = match &before.similarity {
        Similarity::Entries(entries) => entries.iter().copied().collect(),
        Similarity::Texts(texts) => entry_of(texts).map(|entry| entry.fingerprint()).into_iter().collect(),
        Similarity::Unknown => return,
    };
    for entry in &read.similarities {
        if known.insert(entry.fingerprint()) {
            drafts.similarity(&read.entry, entry);
        }
    }
}

/// What was read from a row: the new entry, and what records need besides.
struct ReadRow {
    entry: Entry,
    /// The former fingerprints of the same content columns.
    content_before: Vec<Fingerprint>,
    similarities: Vec<SimilarityEntry>,
}

/// The entry in three columns; `None` without an id.
fn entry_of([id, key, label]: &[Option<String>; 3]) -> Option<SimilarityEntry> {
    Some(SimilarityEntry { id: id.clone()?, key: key.clone(), label: label.clone() })
}

/// The text of one of several id columns, escaped so that the parts can be joined by `:`.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(':', "\\:")
}

/// The text of one id column, from an id of `of` columns.
fn id_part(id: &str, place: usize, of: usize) -> Option<String> {
    id_parts(id, of)?.into_iter().nth(place)
}

/// The texts of the id columns, from an id of `of` columns.
pub fn id_parts(id: &str, of: usize) -> Option<Vec<String>> {
    if of == 1 {
        return Some(vec![id.to_owned()]);
    }
    let mut parts = vec![String::new()];
    let mut letters = id.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => parts.push(String::new()),
            '\\' => parts.last_mut()?.push(letters.next()?),
            plain => parts.last_mut()?.push(plain),
        }
    }
    Some(parts).filter(|parts| parts.len() == of)
}

#[cfg(test)]
mod tests;
