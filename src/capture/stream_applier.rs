//! Applies the stream's messages in order.

use std::collections::HashMap;
use std::time::Duration;

use super::apply_error::ApplyError;
use super::group_writer::{GroupError, GroupWriter, NoRecords, PositionSource};
use super::replica_identity::{IncompleteReplicaIdentity, ReplicaIdentities};
use super::stream_cursor::{Decision, OutOfOrder, StreamCursor};
use crate::classify::{Layout, Mapping, TypeKinds, Unreadable};
use crate::decode::{Malformed, Message, OldTuple, Relation, Tuple};
use crate::metrics::{Metrics, OperationLabel};
use crate::position::{Lsn, Position};
use crate::relation::{AddedColumns, StreamSchema, TypeForm};
use crate::source::{Frame, MalformedFrame};
use crate::spool::{Fact, StreamPosition};
use crate::time::Timestamp;

/// Queries the catalog about a relation with unknown types or columns: the kinds of the types, and the values
/// that existing rows have in added columns, as of the stream's current transaction.
pub type CatalogLookup = Box<dyn Fn(&[u32], &[String], u32) -> Result<CatalogAnswer, String> + Send>;

/// The result of a [`CatalogLookup`].
#[derive(Clone, Debug, Default)]
pub struct CatalogAnswer {
    /// Types, by OID.
    pub kinds: HashMap<u32, TypeForm>,
    /// The added columns.
    pub added: AddedColumns,
}

/// The state of a stream that is being applied.
pub(super) struct StreamApplier {
    mapping: Mapping,
    identity: Vec<String>,
    table: Option<u32>,
    exclude_on_truncate: bool,
    lookup: CatalogLookup,
    kinds: TypeKinds,
    pub(super) cursor: StreamCursor,
    /// The stream ends before the first transaction that is committed here or later.
    until: Option<Lsn>,
    /// By OID. Changes of other tables in the publication are counted and skipped.
    relations: HashMap<u32, TrackedRelation>,
    identities: ReplicaIdentities,
    metrics: Metrics,
    counts: [u64; 4],
    /// The LSN of the last message that was decoded.
    lsn: Lsn,
    /// The current transaction.
    xid: u32,
    /// How long after its commit the current transaction was sent, by the server's clock.
    pub(super) behind: Duration,
    /// A column was added whose values in existing documents are unknown.
    pub(super) needs_backfill: bool,
}

enum TrackedRelation {
    Documents(Box<(Relation, Layout)>),
    Other,
}

/// What the caller must do after a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Applied {
    /// Reply to a keepalive.
    ReplyRequested,
    Nothing,
    /// Remove all documents, with [`StreamApplier::truncate_step`]. The time is that of the commit.
    Truncated(Timestamp),
}

/// How the table is read as documents.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The roles of the columns.
    pub mapping: Mapping,
    /// The columns that identify a row.
    pub identity: Vec<String>,
    /// The type of the column `documents.excluded` that the mapping was resolved for. `None`: any.
    pub excluded_type: Option<TypeForm>,
    /// The table's OID, which stays the same when it is renamed. `None` where only its name is known.
    pub table: Option<u32>,
    /// Whether a TRUNCATE makes records.
    pub exclude_on_truncate: bool,
    /// Reading ends before the first transaction that is committed here or later. `None`: it does not end.
    pub until: Option<Lsn>,
}

impl StreamApplier {
    pub(super) fn new(
        documents: Documents,
        lookup: CatalogLookup,
        position: StreamPosition,
        metrics: Metrics,
    ) -> Self {
        Self {
            mapping: documents.mapping,
            identity: documents.identity,
            table: documents.table,
            exclude_on_truncate: documents.exclude_on_truncate,
            lookup,
            kinds: TypeKinds::read_for(documents.excluded_type),
            cursor: StreamCursor::new(position),
            until: documents.until,
            relations: HashMap::new(),
            identities: ReplicaIdentities::default(),
            metrics,
            counts: [0; 4],
            lsn: position.resume_lsn,
            xid: 0,
            behind: Duration::ZERO,
            needs_backfill: false,
        }
    }

    pub(super) fn frame(
        &mut self,
        frame: Result<Frame<'_>, MalformedFrame>,
        group_writer: &mut GroupWriter,
    ) -> Result<Applied, ApplyError> {
        match frame.map_err(|error| self.malformed(&error))? {
            Frame::Data { body, sent_at, .. } => {
                let message = Message::parse(body).map_err(|error| self.malformed::<Malformed>(&error))?;
                if let Message::Begin { committed_at, .. } = message {
                    self.behind = sent_at.since(committed_at);
                }
                self.message(message, group_writer)
            }
            Frame::Keepalive { end, reply_requested } => {
                self.cursor.keepalive(end);
                if let Some(until) = self.until.filter(|until| self.cursor.position().resume_lsn >= *until) {
                    return Err(ApplyError::TargetReached(until));
                }
                Ok(if reply_requested { Applied::ReplyRequested } else { Applied::Nothing })
            }
        }
    }

    fn message(
        &mut self,
        message: Message<'_>,
        group_writer: &mut GroupWriter,
    ) -> Result<Applied, ApplyError> {
        if matches!(message, Message::Begin { .. } | Message::Commit { .. } | Message::Truncate { .. }) {
            self.identities.on_other();
        }
        match message {
            Message::Begin { commit, committed_at, xid } => {
                if let Some(until) = self.until.filter(|until| commit >= *until) {
                    return Err(ApplyError::TargetReached(until));
                }
                self.cursor.begin(commit, committed_at).map_err(|error| self.malformed(&error))?;
                (self.lsn, self.xid) = (commit, xid);
            }
            Message::Commit { commit, end, .. } => {
                self.cursor.commit(commit, end).map_err(|error| self.malformed(&error))?;
                self.lsn = end;
            }
            Message::Relation(relation) => self.relation(relation, group_writer)?,
            Message::Insert { relation, new } => {
                self.changed(relation, None, Some(&new), INSERT, group_writer)?;
            }
            Message::Update { relation, old, new } => {
                self.changed(relation, old.as_ref(), Some(&new), UPDATE, group_writer)?;
            }
            Message::Delete { relation, old } => {
                self.changed(relation, Some(&old), None, DELETE, group_writer)?;
            }
            Message::Truncate { relations } => return self.truncated(&relations),
            Message::Logical | Message::Origin | Message::Type => {}
        }
        Ok(Applied::Nothing)
    }

    /// A row was inserted, updated or deleted.
    fn changed(
        &mut self,
        relation: u32,
        old: Option<&OldTuple<'_>>,
        new: Option<&Tuple<'_>>,
        operation: usize,
        group_writer: &mut GroupWriter,
    ) -> Result<(), ApplyError> {
        let known = self.relations.get(&relation);
        match known {
            Some(TrackedRelation::Documents(_)) => self.identities.on_row(),
            Some(TrackedRelation::Other) | None => self.identities.on_other(),
        }
        let Decision::Apply(committed_at) = self.cursor.change().map_err(|error| self.malformed(&error))?
        else {
            return Ok(());
        };
        match known {
            None => {
                return Err(
                    self.malformed(&format!("a change of the relation {relation}, which was not described"))
                );
            }
            Some(TrackedRelation::Other) => {}
            Some(TrackedRelation::Documents(known)) => {
                let (layout, lsn, lacking) = (&known.1, self.lsn, self.identities.incomplete());
                let not_carried = |lacking: &IncompleteReplicaIdentity| {
                    ApplyError::IncompleteReplicaIdentity { lsn, found: lacking.clone() }
                };
                // Without an old row, columns outside the replica identity may have changed.
                if let Some(lacking) = lacking.filter(|_| operation == UPDATE && old.is_none()) {
                    return Err(not_carried(lacking));
                }
                let mut positions = TransactionPositions { cursor: &mut self.cursor, committed_at };
                let applied = apply_row(layout, old, new, group_writer, &mut positions);
                applied.map_err(|error| match (error, lacking) {
                    (GroupError::Unreadable(Unreadable::NullId { .. }), Some(lacking)) if old.is_some() => {
                        not_carried(lacking)
                    }
                    (error, _) => ApplyError::GroupWriter { lsn, table: self.mapping.table.clone(), error },
                })?;
                if let Some(count) = self.counts.get_mut(operation) {
                    *count += 1;
                }
            }
        }
        self.cursor.applied();
        Ok(())
    }

    fn truncated(&mut self, relations: &[u32]) -> Result<Applied, ApplyError> {
        let Decision::Apply(committed_at) = self.cursor.change().map_err(|error| self.malformed(&error))?
        else {
            return Ok(Applied::Nothing);
        };
        let ours = |oid: &u32| matches!(self.relations.get(oid), Some(TrackedRelation::Documents(_)));
        if relations.iter().any(ours) {
            return Ok(Applied::Truncated(committed_at));
        }
        self.cursor.applied();
        Ok(Applied::Nothing)
    }

    /// Applies a part of a TRUNCATE: removes some of the documents that are left. Returns whether none is
    /// left. They are read from the disk, so everything before must be committed.
    pub(super) fn truncate_step(
        &mut self,
        committed_at: Timestamp,
        group_writer: &mut GroupWriter,
    ) -> Result<bool, ApplyError> {
        let (lsn, table) = (self.lsn, self.mapping.table.clone());
        let error = |error| ApplyError::GroupWriter { lsn, table: table.clone(), error };
        let left = group_writer.on_disk_after(None, TRUNCATE_STEP).map_err(error)?;
        if left.is_empty() {
            self.cursor.applied();
            if let Some(count) = self.counts.last_mut() {
                *count += 1;
            }
            return Ok(true);
        }
        for (identity, _) in &left {
            let mut positions = TransactionPositions { cursor: &mut self.cursor, committed_at };
            let removed = if self.exclude_on_truncate {
                group_writer.remove(identity, &mut positions)
            } else {
                group_writer.remove(identity, &mut NoRecords)
            };
            removed.map_err(error)?;
        }
        Ok(false)
    }

    fn relation(&mut self, relation: Relation, group_writer: &mut GroupWriter) -> Result<(), ApplyError> {
        // An empty schema is pg_catalog's, and never ours.
        let table = &self.mapping.table;
        let is_named = (&relation.schema, &relation.name) == (&table.schema, &table.name);
        // A table that was renamed, or moved to another schema, is the same one.
        let is_documents = self.table.map_or(is_named, |oid| relation.oid == oid);
        self.identities.on_relation(&relation, is_documents, &self.identity);
        if is_named && !is_documents {
            return Err(ApplyError::TableReplaced { lsn: self.lsn, table: table.to_string() });
        }
        if !is_documents {
            self.relations.insert(relation.oid, TrackedRelation::Other);
            return Ok(());
        }
        let same = |known: &TrackedRelation| matches!(known, TrackedRelation::Documents(known) if known.0 == relation);
        if self.relations.get(&relation.oid).is_some_and(same) {
            return Ok(());
        }
        let another = |(oid, known): (&u32, &TrackedRelation)| {
            matches!(known, TrackedRelation::Documents(_)) && *oid != relation.oid
        };
        if self.relations.iter().any(another) {
            return Err(ApplyError::TableReplaced { lsn: self.lsn, table: table.to_string() });
        }
        let layout = self.resolve(&relation, group_writer)?;
        self.relations.insert(relation.oid, TrackedRelation::Documents(Box::new((relation, layout))));
        Ok(())
    }

    fn resolve(&mut self, relation: &Relation, group_writer: &mut GroupWriter) -> Result<Layout, ApplyError> {
        let types = Layout::unknown_types(&self.mapping, relation, &self.kinds);
        let added = group_writer.layouts.added(&self.mapping, relation);
        let mut answer = CatalogAnswer::default();
        if !types.is_empty() || !added.is_empty() {
            answer = (self.lookup)(&types, &added, self.xid).map_err(ApplyError::Catalog)?;
        }
        for (oid, form) in answer.kinds {
            self.kinds.insert(oid, form);
        }
        let before = group_writer.layouts.clone();
        let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        let at = StreamSchema { xid: self.xid, columns: &columns };
        let defaults = answer.added.certain(&group_writer.layouts.files, Some(at));
        let layout = Layout::resolve(
            &self.mapping,
            &self.identity,
            relation,
            &mut group_writer.layouts,
            &self.kinds,
            &defaults,
        );
        let layout = layout.map_err(ApplyError::ColumnMissing)?;
        if !added.is_empty() {
            group_writer.layouts.files = answer.added.files;
        }
        if group_writer.layouts != before {
            self.needs_backfill = !group_writer.layouts.columns_to_backfill().is_empty();
            group_writer.set_fact(Fact::Layouts, serde_json::to_vec(&group_writer.layouts).ok());
        }
        Ok(layout)
    }

    /// Adds the counts to the metrics, once a group.
    pub(super) fn count(&mut self) {
        for (count, operation) in self.counts.iter_mut().zip(["insert", "update", "delete", "truncate"]) {
            self.metrics.changes.get_or_create(&OperationLabel { operation }).inc_by(std::mem::take(count));
        }
    }

    fn malformed<E: ToString>(&self, error: &E) -> ApplyError {
        ApplyError::Malformed { lsn: self.lsn, what: error.to_string() }
    }
}

fn apply_row(
    layout: &Layout,
    old: Option<&OldTuple<'_>>,
    new: Option<&Tuple<'_>>,
    group_writer: &mut GroupWriter,
    positions: &mut TransactionPositions<'_>,
) -> Result<(), GroupError> {
    let before = old.map(|old| layout.old_identity(old)).transpose()?;
    let Some(new) = new else {
        return before.map_or(Ok(()), |before| group_writer.remove(&before, positions));
    };
    let row = layout.updated_row(old, new)?;
    let before = match before {
        Some(before) => before,
        None => layout.identity(&row)?,
    };
    group_writer.apply_row(layout, &before, &row, positions).map(drop)
}

/// The positions of the records of the transaction that is being applied.
struct TransactionPositions<'a> {
    cursor: &'a mut StreamCursor,
    committed_at: Timestamp,
}

impl PositionSource for TransactionPositions<'_> {
    fn next_position(&mut self) -> Result<Option<(Position, Timestamp)>, String> {
        let position = self.cursor.next_record().map_err(|error: OutOfOrder| error.to_string())?;
        Ok(Some((position, self.committed_at)))
    }
}

const INSERT: usize = 0;
const UPDATE: usize = 1;
const DELETE: usize = 2;
/// Documents that one group of a TRUNCATE removes.
const TRUNCATE_STEP: u32 = 5_000;
