//! The stream's messages, entered in their order.

use std::collections::HashMap;

use super::carried::{Carried, Lacking};
use super::halt::Halt;
use super::ledger::{Ledger, LedgerError, Records, Silent};
use super::stand::{OutOfOrder, Stand, Step};
use crate::classify::{Layout, Mapping, TypeKinds, Unreadable};
use crate::decode::{Malformed, Message, OldTuple, Relation, Tuple};
use crate::metrics::{Metrics, OperationLabel};
use crate::moment::Moment;
use crate::position::{Lsn, Position};
use crate::source::added::{Added, At};
use crate::source::types::TypeForm;
use crate::source::{Frame, MalformedFrame};
use crate::spool::{Fact, StreamPosition};

/// What the catalog is asked when a relation has what was never seen: the kinds of types, and what
/// rows hold in columns that were added after them; as of the transaction that the stream stands in.
pub type Ask = Box<dyn Fn(&[u32], &[String], u32) -> Result<Answer, String> + Send>;

/// The catalog's answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// By OID.
    pub kinds: HashMap<u32, TypeForm>,
    /// Of the columns.
    pub added: Added,
}

/// The stream, as far as it is applied.
pub(super) struct Follow {
    mapping: Mapping,
    identity: Vec<String>,
    table: Option<u32>,
    exclude_on_truncate: bool,
    ask: Ask,
    kinds: TypeKinds,
    pub(super) stand: Stand,
    /// The stream ends before the first transaction that is committed here or later.
    until: Option<Lsn>,
    /// By OID; what else the publication holds is counted and passed over.
    relations: HashMap<u32, Known>,
    carried: Carried,
    metrics: Metrics,
    counts: [u64; 4],
    /// The last place that was understood.
    place: Lsn,
    /// The transaction that the stream stands in.
    xid: u32,
    /// A column came of which it is not known what documents hold: they are to be looked at.
    pub(super) unlearned: bool,
}

enum Known {
    Documents(Box<(Relation, Layout)>),
    Other,
}

/// What there is to do after a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    /// The server wants to know how far we are.
    Answer,
    Nothing,
    /// The documents are gone, all of them: to be entered piece by piece, committed at that time.
    Truncated(Moment),
}

/// What the source of the documents is.
#[derive(Clone, Debug)]
pub struct Documents {
    /// The roles of their columns.
    pub mapping: Mapping,
    /// What tells one row from another.
    pub identity: Vec<String>,
    /// The type of the column that tells excluded documents, as the mapping was read for it. `None`: any.
    pub excluded_type: Option<TypeForm>,
    /// The table's OID, which stays the same when it is renamed. `None` where only its name is known.
    pub table: Option<u32>,
    /// Whether a TRUNCATE makes records.
    pub exclude_on_truncate: bool,
    /// Where reading ends, where it does: before the first transaction that is committed here or later.
    pub until: Option<Lsn>,
}

impl Follow {
    pub(super) fn new(documents: Documents, ask: Ask, position: StreamPosition, metrics: Metrics) -> Self {
        Self {
            mapping: documents.mapping,
            identity: documents.identity,
            table: documents.table,
            exclude_on_truncate: documents.exclude_on_truncate,
            ask,
            kinds: TypeKinds::read_for(documents.excluded_type),
            stand: Stand::new(position),
            until: documents.until,
            relations: HashMap::new(),
            carried: Carried::default(),
            metrics,
            counts: [0; 4],
            place: position.whole,
            xid: 0,
            unlearned: false,
        }
    }

    pub(super) fn frame(
        &mut self,
        frame: Result<Frame<'_>, MalformedFrame>,
        ledger: &mut Ledger,
    ) -> Result<After, Halt> {
        match frame.map_err(|error| self.malformed(&error))? {
            Frame::Data { body, .. } => {
                let message = Message::parse(body).map_err(|error| self.malformed::<Malformed>(&error))?;
                self.message(message, ledger)
            }
            Frame::Keepalive { end, reply_requested } => {
                self.stand.keepalive(end);
                if let Some(until) = self.until.filter(|until| self.stand.position().whole >= *until) {
                    return Err(Halt::Reached(until));
                }
                Ok(if reply_requested { After::Answer } else { After::Nothing })
            }
        }
    }

    fn message(&mut self, message: Message<'_>, ledger: &mut Ledger) -> Result<After, Halt> {
        if matches!(message, Message::Begin { .. } | Message::Commit { .. } | Message::Truncate { .. }) {
            self.carried.other();
        }
        match message {
            Message::Begin { commit, committed_at, xid } => {
                if let Some(until) = self.until.filter(|until| commit >= *until) {
                    return Err(Halt::Reached(until));
                }
                self.stand.begin(commit, committed_at).map_err(|error| self.malformed(&error))?;
                (self.place, self.xid) = (commit, xid);
            }
            Message::Commit { commit, end, .. } => {
                self.stand.commit(commit, end).map_err(|error| self.malformed(&error))?;
                self.place = end;
            }
            Message::Relation(relation) => self.relation(relation, ledger)?,
            Message::Insert { relation, new } => self.changed(relation, None, Some(&new), INSERT, ledger)?,
            Message::Update { relation, old, new } => {
                self.changed(relation, old.as_ref(), Some(&new), UPDATE, ledger)?;
            }
            Message::Delete { relation, old } => self.changed(relation, Some(&old), None, DELETE, ledger)?,
            Message::Truncate { relations } => return self.truncated(&relations),
            Message::Logical | Message::Origin | Message::Type => {}
        }
        Ok(After::Nothing)
    }

    /// A row came, changed or went.
    fn changed(
        &mut self,
        relation: u32,
        old: Option<&OldTuple<'_>>,
        new: Option<&Tuple<'_>>,
        operation: usize,
        ledger: &mut Ledger,
    ) -> Result<(), Halt> {
        let known = self.relations.get(&relation);
        match known {
            Some(Known::Documents(_)) => self.carried.row(),
            Some(Known::Other) | None => self.carried.other(),
        }
        let Step::Apply(committed_at) = self.stand.change().map_err(|error| self.malformed(&error))? else {
            return Ok(());
        };
        match known {
            None => {
                return Err(
                    self.malformed(&format!("a change of the relation {relation}, which was not described"))
                );
            }
            Some(Known::Other) => {}
            Some(Known::Documents(known)) => {
                let (layout, lsn, lacking) = (&known.1, self.place, self.carried.lacking());
                let not_carried = |lacking: &Lacking| Halt::NotCarried { lsn, lacking: lacking.clone() };
                // Without an old row, what is not in the replica identity may have changed.
                if let Some(lacking) = lacking.filter(|_| operation == UPDATE && old.is_none()) {
                    return Err(not_carried(lacking));
                }
                let mut places = Places { stand: &mut self.stand, committed_at };
                let entered = enter(layout, old, new, ledger, &mut places);
                entered.map_err(|error| match (error, lacking) {
                    (LedgerError::Unreadable(Unreadable::NullId { .. }), Some(lacking)) if old.is_some() => {
                        not_carried(lacking)
                    }
                    (error, _) => Halt::Ledger { lsn, table: self.mapping.table.clone(), error },
                })?;
                if let Some(count) = self.counts.get_mut(operation) {
                    *count += 1;
                }
            }
        }
        self.stand.applied();
        Ok(())
    }

    fn truncated(&mut self, relations: &[u32]) -> Result<After, Halt> {
        let Step::Apply(committed_at) = self.stand.change().map_err(|error| self.malformed(&error))? else {
            return Ok(After::Nothing);
        };
        let ours = |oid: &u32| matches!(self.relations.get(oid), Some(Known::Documents(_)));
        if relations.iter().any(ours) {
            return Ok(After::Truncated(committed_at));
        }
        self.stand.applied();
        Ok(After::Nothing)
    }

    /// Enters a part of a TRUNCATE: some of the documents that are left. Says whether that was the
    /// last. What is left is read from the disk, so everything before must be there.
    pub(super) fn truncate_step(&mut self, committed_at: Moment, ledger: &mut Ledger) -> Result<bool, Halt> {
        let (lsn, table) = (self.place, self.mapping.table.clone());
        let halt = |error| Halt::Ledger { lsn, table: table.clone(), error };
        let left = ledger.on_disk_after(None, TRUNCATE_STEP).map_err(halt)?;
        if left.is_empty() {
            self.stand.applied();
            if let Some(count) = self.counts.last_mut() {
                *count += 1;
            }
            return Ok(true);
        }
        for (identity, _) in &left {
            let mut places = Places { stand: &mut self.stand, committed_at };
            let removed = if self.exclude_on_truncate {
                ledger.remove(identity, &mut places)
            } else {
                ledger.remove(identity, &mut Silent)
            };
            removed.map_err(halt)?;
        }
        Ok(false)
    }

    fn relation(&mut self, relation: Relation, ledger: &mut Ledger) -> Result<(), Halt> {
        // An empty schema is pg_catalog's, and never ours.
        let table = &self.mapping.table;
        let is_named = (&relation.schema, &relation.name) == (&table.schema, &table.name);
        // A table that was renamed, or moved to another schema, is the same one, and its changes count.
        let is_documents = self.table.map_or(is_named, |oid| relation.oid == oid);
        self.carried.relation(&relation, is_documents, &self.identity);
        if is_named && !is_documents {
            return Err(Halt::TableReplaced { lsn: self.place, table: table.to_string() });
        }
        if !is_documents {
            self.relations.insert(relation.oid, Known::Other);
            return Ok(());
        }
        let same = |known: &Known| matches!(known, Known::Documents(known) if known.0 == relation);
        if self.relations.get(&relation.oid).is_some_and(same) {
            return Ok(());
        }
        let another =
            |(oid, known): (&u32, &Known)| matches!(known, Known::Documents(_)) && *oid != relation.oid;
        if self.relations.iter().any(another) {
            return Err(Halt::TableReplaced { lsn: self.place, table: table.to_string() });
        }
        let layout = self.resolve(&relation, ledger)?;
        self.relations.insert(relation.oid, Known::Documents(Box::new((relation, layout))));
        Ok(())
    }

    fn resolve(&mut self, relation: &Relation, ledger: &mut Ledger) -> Result<Layout, Halt> {
        let types = Layout::unknown_types(&self.mapping, relation, &self.kinds);
        let added = ledger.layouts.added(&self.mapping, relation);
        let mut answer = Answer::default();
        if !types.is_empty() || !added.is_empty() {
            answer = (self.ask)(&types, &added, self.xid).map_err(Halt::Catalog)?;
        }
        for (oid, form) in answer.kinds {
            self.kinds.learn(oid, form);
        }
        let before = ledger.layouts.clone();
        let columns: Vec<&str> = relation.columns.iter().map(|column| column.name.as_str()).collect();
        let at = At { xid: self.xid, columns: &columns };
        let defaults = answer.added.certain(&ledger.layouts.files, Some(at));
        let layout = Layout::resolve(
            &self.mapping,
            &self.identity,
            relation,
            &mut ledger.layouts,
            &self.kinds,
            &defaults,
        );
        let layout = layout.map_err(Halt::ColumnMissing)?;
        if !added.is_empty() {
            ledger.layouts.files = answer.added.files;
        }
        if ledger.layouts != before {
            self.unlearned = !ledger.layouts.unlearned().is_empty();
            ledger.note(Fact::Layouts, serde_json::to_vec(&ledger.layouts).ok());
        }
        Ok(layout)
    }

    /// Adds what was counted to the metrics: once a group.
    pub(super) fn count(&mut self) {
        for (count, operation) in self.counts.iter_mut().zip(["insert", "update", "delete", "truncate"]) {
            self.metrics.changes.get_or_create(&OperationLabel { operation }).inc_by(std::mem::take(count));
        }
    }

    fn malformed<E: ToString>(&self, error: &E) -> Halt {
        Halt::Malformed { lsn: self.place, what: error.to_string() }
    }
}

fn enter(
    layout: &Layout,
    old: Option<&OldTuple<'_>>,
    new: Option<&Tuple<'_>>,
    ledger: &mut Ledger,
    places: &mut Places<'_>,
) -> Result<(), LedgerError> {
    let before = old.map(|old| layout.old_identity(old)).transpose()?;
    let Some(new) = new else {
        return before.map_or(Ok(()), |before| ledger.remove(&before, places));
    };
    let row = layout.updated_row(old, new)?;
    let before = match before {
        Some(before) => before,
        None => layout.identity(&row)?,
    };
    ledger.enter(layout, &before, &row, places).map(drop)
}

/// Places of the transaction that is being applied.
struct Places<'a> {
    stand: &'a mut Stand,
    committed_at: Moment,
}

impl Records for Places<'_> {
    fn place(&mut self) -> Result<Option<(Position, Moment)>, String> {
        let position = self.stand.next_record().map_err(|error: OutOfOrder| error.to_string())?;
        Ok(Some((position, self.committed_at)))
    }
}

const INSERT: usize = 0;
const UPDATE: usize = 1;
const DELETE: usize = 2;
/// Documents that one group of a TRUNCATE removes.
const TRUNCATE_STEP: u32 = 5_000;
