//! The connection that writes, its transactions, and what it holds of the rows.

use std::collections::BTreeSet;
use std::fs::File;

use foldhash::{HashMap, HashMapExt as _};
use rusqlite::Connection;

use super::batches::{find_batch, open_batches};
use super::checkpoint::Checkpointer;
use super::error::failed;
use super::lanes::LaneRow;
use super::meta::write_meta;
use crate::record::{LaneNo, Seq};
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::error::SpoolError;
use crate::spool::meta::SpoolMeta;
use crate::spool::ops::Room;
use crate::spool::replay::ReplayNo;

/// The writer's connection and what it holds of the rows.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) meta: SpoolMeta,
    pub(super) lanes: HashMap<LaneNo, LaneRow>,
    /// Lanes whose row is behind `lanes`, in the order of their rows: neighbours are in one page.
    changed: BTreeSet<LaneNo>,
    /// Lanes that the last transactions changed, until they are taken.
    pub(super) moved_cursors: Vec<(LaneNo, Seq)>,
    pub(super) bytes_max: u64,
    pub(super) room: Room,
    /// Copies the log into the file; `None`: the connection does it.
    pub(super) checkpointer: Option<Checkpointer>,
    /// Held while the file is open.
    pub(super) lock: Option<File>,
    /// The state before the transaction, for when it cannot be committed.
    before: Option<(SpoolMeta, HashMap<LaneNo, Option<LaneRow>>)>,
}

impl Store {
    pub(super) fn new(connection: Connection, bytes_max: u64) -> Self {
        Self {
            connection,
            meta: SpoolMeta::default(),
            lanes: HashMap::new(),
            changed: BTreeSet::new(),
            moved_cursors: Vec::new(),
            bytes_max,
            room: Room::Open,
            checkpointer: None,
            lock: None,
            before: None,
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), SpoolError> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        self.before = Some((self.meta.clone(), HashMap::new()));
        Ok(())
    }

    /// Writes the lanes and the meta row, and syncs.
    pub(super) fn commit(&mut self) -> Result<(), SpoolError> {
        let changed = self.changed.iter().filter_map(|lane| Some((*lane, self.lanes.get(lane)?)));
        for (lane, row) in changed.clone() {
            row.write(&self.connection, lane).map_err(failed)?;
        }
        write_meta(&self.connection, &self.meta).map_err(failed)?;
        self.connection.execute_batch("COMMIT").map_err(failed)?;
        self.moved_cursors.extend(changed.map(|(lane, row)| (lane, row.cursor)));
        self.changed.clear();
        self.before = None;
        Ok(())
    }

    pub(super) fn roll_back(&mut self) {
        let _ = self.connection.execute_batch("ROLLBACK");
        self.changed.clear();
        let Some((meta, lanes)) = self.before.take() else { return };
        self.meta = meta;
        for (lane, row) in lanes {
            match row {
                Some(row) => self.lanes.insert(lane, row),
                None => self.lanes.remove(&lane),
            };
        }
    }

    /// A lane to be changed, created where it is new, with its cursor before `first`.
    pub(super) fn lane(&mut self, lane: LaneNo, first: Seq) -> &mut LaneRow {
        let known = self.lanes.get(&lane).cloned();
        if let Some((_, before)) = &mut self.before {
            before.entry(lane).or_insert(known);
        }
        self.changed.insert(lane);
        let cursor = Seq(first.0.saturating_sub(1));
        self.lanes.entry(lane).or_insert_with(|| LaneRow { cursor, ..LaneRow::default() })
    }

    /// The lane's own, no replay's.
    pub(super) fn batches(&self, lane: LaneNo) -> Result<Vec<Batch>, SpoolError> {
        self.batches_of(lane, None)
    }

    /// A batch in any state.
    pub(super) fn batch(&self, id: &BatchId) -> Result<Option<(Batch, BatchState)>, SpoolError> {
        find_batch(&self.connection, id)
    }

    /// The open batches of a lane, or of a replay in it.
    pub(super) fn batches_of(
        &self,
        lane: LaneNo,
        replay: Option<ReplayNo>,
    ) -> Result<Vec<Batch>, SpoolError> {
        let open = open_batches(&self.connection, lane, replay).map_err(failed)?;
        open.ok_or_else(|| SpoolError::Damaged("a batch".into()))
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), SpoolError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(values))
            .map_err(failed)
            .map(drop)
    }

    pub(super) fn one<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<T, SpoolError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_row(values, |row| row.get(0)))
            .map_err(failed)
    }
}
