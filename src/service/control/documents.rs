//! What became of one document: its shadow, its row, its records.

use super::Controller;
use super::document_records::{Document, RecordStory};
use super::why::{DocumentFacts, RowFact, ShadowFact, summary};
use crate::admin::{DocumentDetail, DocumentQuery, RequestError, RowStatus, ShadowStatus, page_size};
use crate::amount::span;
use crate::classify::{Entry, Identity, Mapping, document_hash, id_parts};
use crate::deliver::{LaneCondition, LaneView};
use crate::position::Lsn;
use crate::record::{Callback, LaneNo, PropertySet, Seq};
use crate::service::state::Phase;
use crate::source::documents::lookup::{RowFound, RowKey, look_up};
use crate::spool::{Fact, Reader, RecordPage, SpoolError, Wanted};

impl Controller {
    pub(super) fn explain(
        &self,
        document: Document<'_>,
        query: &DocumentQuery,
    ) -> Result<DocumentDetail, RequestError> {
        let Document { project, id, .. } = document;
        let reader = self.reader()?;
        let limit = page_size(query.limit, RECORDS, RECORDS_MAX)? as usize;
        let before = query.after.as_deref().map(after).transpose()?;
        let found = self.look_up_row(&reader, document)?;
        let row = self.row_fact(&reader, project, &found)?;
        let (shadow, entry) = self.shadow_fact(&reader, document, found.as_ref().ok())?;
        let lanes: Vec<LaneNo> = match reader.project(project)? {
            Some(no) => Callback::ALL.iter().map(|callback| LaneNo::new(no, *callback)).collect(),
            None => Vec::new(),
        };
        let views = self.deliver.view_of(lanes.clone());
        let page = match lanes.as_slice() {
            [] => RecordPage::default(),
            lanes => reader.records(lanes, &Wanted::Document(document_hash(id)), before, limit)?,
        };
        let story = RecordStory::new(self, &reader, document, &views, (before.is_none()).then_some(&shadow))?;
        let records = story.records(&page.records, &lanes)?;
        let server_lsn = found.as_ref().ok().and_then(|found| found.lsn);
        let applied = *self.capture.confirmed().borrow();
        let facts = DocumentFacts {
            project: project.to_owned(),
            shadow,
            row,
            has_records: !records.is_empty() || before.is_some(),
            has_pending: records.iter().any(|record| !record.settled),
            behind_bytes: server_lsn.map(|server| server.0.saturating_sub(applied.0)),
            is_seeding: matches!(self.state.phase(), Phase::Seeding { .. }),
            ..self.lane_facts(project, &views)
        };
        Ok(DocumentDetail {
            project: project.to_owned(),
            id: id.to_owned(),
            summary: summary(&facts),
            shadow: entry,
            row: RowStatus {
                exists: match facts.row {
                    RowFact::Present => Some(true),
                    RowFact::Absent | RowFact::Elsewhere => Some(false),
                    RowFact::Unknown(_) => None,
                },
                error: found.err(),
            },
            applied_lsn: (applied > Lsn(0)).then(|| applied.to_string()),
            server_lsn: server_lsn.map(|lsn| lsn.to_string()),
            records,
            next: page.next.map(|seq| seq.0.to_string()),
        })
    }

    /// What the project's lanes and webhooks do.
    fn lane_facts(&self, project: &str, views: &[LaneView]) -> DocumentFacts {
        let routes = self.webhooks.routes();
        let takes = |callback: &Callback| routes.properties(project, *callback);
        let paused = views.iter().filter(|view| view.state == LaneCondition::Paused);
        let callbacks = [Callback::Ingested, Callback::Modified, Callback::Excluded];
        DocumentFacts {
            without_webhook: callbacks.into_iter().filter(|callback| takes(callback).is_none()).collect(),
            filtered: (callbacks.into_iter())
                .filter(|callback| {
                    *callback == Callback::Modified
                        && takes(callback).is_some_and(|properties| properties != PropertySet::ALL)
                })
                .collect(),
            paused: paused
                .map(|view| (view.lane.callback(), view.reason.clone().unwrap_or_default()))
                .collect(),
            ignored: self.settings.mapping.ignore.clone(),
            retain: span(self.settings.retain),
            ..DocumentFacts::default()
        }
    }

    /// The rows with this id, or why they are not known.
    fn look_up_row(
        &self,
        reader: &Reader,
        Document { id, .. }: Document<'_>,
    ) -> Result<Result<RowFound, String>, SpoolError> {
        let mapping = self.mapping(reader)?;
        let Some(parts) = id_parts(id, mapping.id.len()) else {
            return Ok(Ok(RowFound { rows: Vec::new(), lsn: None }));
        };
        let key = RowKey {
            table: (mapping.table.schema.clone(), mapping.table.name.clone()),
            columns: mapping.id.iter().cloned().zip(parts).collect(),
            read: mapping.project.iter().cloned().chain(identity(reader)?).collect(),
        };
        let looked_up = look_up(&self.settings.conninfo, &key);
        let found = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.block_on(looked_up).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Ok(found)
    }

    fn row_fact(
        &self,
        reader: &Reader,
        project: &str,
        found: &Result<RowFound, String>,
    ) -> Result<RowFact, SpoolError> {
        let has_project = self.mapping(reader)?.project.is_some();
        Ok(match found {
            Err(why) => RowFact::Unknown(why.clone()),
            Ok(found) if found.rows.is_empty() => RowFact::Absent,
            Ok(found) => {
                let of = |row: &Vec<Option<String>>| {
                    let name = row.first().filter(|_| has_project).cloned().flatten();
                    project_name(name.as_deref()) == project
                };
                if found.rows.iter().any(of) { RowFact::Present } else { RowFact::Elsewhere }
            }
        })
    }

    /// What the shadow has under the identity that the id gives, or that the row has.
    fn shadow_fact(
        &self,
        reader: &Reader,
        document: Document<'_>,
        found: Option<&RowFound>,
    ) -> Result<(ShadowFact, Option<ShadowStatus>), SpoolError> {
        let Document { project, id, is_scoped } = document;
        let mapping = self.mapping(reader)?;
        let skipped = usize::from(mapping.project.is_some());
        let rows = found.map(|found| found.rows.as_slice()).unwrap_or_default();
        let of_rows = rows.iter().map(|row| row.iter().skip(skipped).cloned().collect::<Option<Vec<_>>>());
        let by_id = identity_texts(&mapping, &identity(reader)?, document);
        let is_by_id = by_id.is_some();
        let mut elsewhere = None;
        for texts in by_id.into_iter().chain(of_rows.flatten()) {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let Ok(identity) = Identity::of(&texts) else { continue };
            let Some(bytes) = reader.shadow(&identity)? else { continue };
            let Ok(entry) = Entry::decode(&identity, &bytes) else {
                return Err(SpoolError::Damaged("an entry of the shadow".into()));
            };
            let owner = reader.project_name(entry.project)?.unwrap_or_default();
            if entry.id != id {
                continue;
            }
            let (is_own, live) = (owner == project, !entry.excluded);
            if !is_own {
                elsewhere = Some(owner).filter(|_| !is_scoped);
                if is_scoped {
                    return Ok((ShadowFact::Absent, None));
                }
                continue;
            }
            let status = ShadowStatus { project: Some(owner), id: entry.id, key: entry.key, live };
            return Ok((if live { ShadowFact::Live } else { ShadowFact::Excluded }, Some(status)));
        }
        Ok(match elsewhere {
            Some(owner) => (ShadowFact::Elsewhere(Some(owner)), None),
            None if is_by_id => (ShadowFact::Absent, None),
            None => (ShadowFact::NotById, None),
        })
    }

    /// The mapping that the shadow was made under.
    fn mapping(&self, reader: &Reader) -> Result<Mapping, SpoolError> {
        let stored = reader.fact(Fact::Mapping)?;
        let stored = stored.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(stored.unwrap_or_else(|| self.settings.mapping.clone()))
    }
}

/// The identity's columns.
fn identity(reader: &Reader) -> Result<Vec<String>, SpoolError> {
    let stored = reader.fact(Fact::Identity)?;
    Ok(stored.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default())
}

/// The texts of the identity's columns, where id and project tell them all.
fn identity_texts(mapping: &Mapping, identity: &[String], document: Document<'_>) -> Option<Vec<String>> {
    let parts = id_parts(document.id, mapping.id.len())?;
    let text = |column: &String| {
        let of_id = mapping.id.iter().position(|id| id == column).and_then(|at| parts.get(at).cloned());
        let of_project = (mapping.project.as_ref() == Some(column)).then(|| document.project.to_owned());
        of_id.or(of_project)
    };
    let texts: Option<Vec<String>> = identity.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty())
}

/// A project's name, as it is in records.
fn project_name(text: Option<&str>) -> &str {
    text.filter(|name| !name.is_empty()).unwrap_or("default")
}

fn after(text: &str) -> Result<Seq, RequestError> {
    let wrong =
        || RequestError::field("after", format!("`{text}` is not the `next` of a page of this document"));
    text.parse().map(Seq).map_err(|_| wrong())
}

const RECORDS: u32 = 20;
const RECORDS_MAX: u32 = 200;
