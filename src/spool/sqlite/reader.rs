//! A reader: a connection of its own, which does not block the writer.

use std::sync::Arc;

use std::path::Path;

use rusqlite::Connection;

use super::access::{all_credentials, audit_before};
use super::attempts::{attempts_of, last_attempt_of};
use super::batches::{find_batch, last_batch};
use super::chunks::{chunk_holding, chunks_from, last_spooled_by, seq_freeing};
use super::dead_letters::{
    dead_letter_holding, dead_letters_after, discarded_within, find_dead_letter, last_dead_letter,
    next_redelivery,
};
use super::error::failed;
use super::facts::read_fact;
use super::lane_history::lane_history;
use super::lane_states::all_lanes;
use super::replays::{all_replays, find_replay, ranges_of};
use super::schema::{open_reader, release_memory};
use super::shadow::{find_shadow, shadow_after};
use super::webhooks::all_webhooks;
use crate::classify::Identity;
use crate::position::Position;
use crate::record::{LaneNo, ProjectNo, Seq};
use crate::spool::access::{StoredAudit, StoredCredential};
use crate::spool::attempt::LoggedAttempt;
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::batch_query::{BatchPage, BatchQuery};
use crate::spool::chunk::Chunk;
use crate::spool::dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterNo, LaneDeadLetters};
use crate::spool::engine::EngineReader;
use crate::spool::error::SpoolError;
use crate::spool::fact::Fact;
use crate::spool::lane::LaneState;
use crate::spool::lane_history::{HistoryQuery, LaneHistory};
use crate::spool::meta::Usage;
use crate::spool::record_query::{FoundRecord, RecordPage, Wanted};
use crate::spool::replay::{LaneReplay, Replay, ReplayNo};
use crate::spool::search::{ReplayWindow, Search, SearchResult};
use crate::spool::stored_webhook::StoredWebhook;
use crate::time::Uptime;

#[derive(Debug)]
pub(super) struct SqliteReader {
    pub(super) connection: Connection,
}

impl SqliteReader {
    pub(super) fn open(folder: &Path) -> Result<Self, SpoolError> {
        open_reader(folder).map(|connection| Self { connection }).map_err(failed)
    }
}

impl EngineReader for SqliteReader {
    fn lanes(&self) -> Result<Vec<LaneState>, SpoolError> {
        all_lanes(&self.connection)
    }

    fn chunk_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<Chunk>, SpoolError> {
        chunk_holding(&self.connection, lane, seq)
    }

    fn chunks_from(
        &self,
        lane: LaneNo,
        seq: Seq,
        records: u32,
        bytes: u64,
    ) -> Result<Vec<Chunk>, SpoolError> {
        chunks_from(&self.connection, lane, seq, records, bytes)
    }

    fn last_spooled_by(&self, lane: LaneNo, before: Uptime) -> Result<Option<Seq>, SpoolError> {
        last_spooled_by(&self.connection, lane, before)
    }

    fn seq_freeing(&self, lane: LaneNo, cursor: Seq, bytes: u64) -> Result<Option<Seq>, SpoolError> {
        seq_freeing(&self.connection, lane, cursor, bytes)
    }

    fn batch(&self, id: &BatchId) -> Result<Option<(Batch, BatchState)>, SpoolError> {
        find_batch(&self.connection, id)
    }

    fn batches(&self, query: &BatchQuery) -> Result<BatchPage, SpoolError> {
        self.find_batches(query)
    }

    fn batches_holding(&self, lane: LaneNo, seq: Seq) -> Result<Vec<(Batch, BatchState)>, SpoolError> {
        self.find_batches_holding(lane, seq)
    }

    fn records(
        &self,
        lanes: &[LaneNo],
        wanted: &Wanted,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<RecordPage, SpoolError> {
        self.find_records(lanes, wanted, before, limit)
    }

    fn record_at(&self, position: Position, epoch_after: Seq) -> Result<Option<FoundRecord>, SpoolError> {
        self.find_position(position, epoch_after)
    }

    fn seq_behind(&self, position: Position, epoch_after: Seq) -> Result<Seq, SpoolError> {
        self.first_chunk_where(epoch_after, |place| place > position)
    }

    fn project(&self, name: &str) -> Result<Option<ProjectNo>, SpoolError> {
        self.find_project(name)
    }

    fn project_name(&self, project: ProjectNo) -> Result<Option<String>, SpoolError> {
        self.find_project_name(project)
    }

    fn discarded(&self, lane: LaneNo, first: Seq, last: Seq) -> Result<Vec<(Seq, Seq)>, SpoolError> {
        discarded_within(&self.connection, lane, first, last)
    }

    fn dead_letter_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<DeadLetter>, SpoolError> {
        dead_letter_holding(&self.connection, lane, seq)
    }

    fn attempts(&self, batch: &BatchId) -> Result<Vec<LoggedAttempt>, SpoolError> {
        attempts_of(&self.connection, batch)
    }

    fn last_attempt(&self, batch: &BatchId) -> Result<Option<LoggedAttempt>, SpoolError> {
        last_attempt_of(&self.connection, batch)
    }

    fn dead_letters(&self, after: DeadLetterNo, limit: u32) -> Result<Vec<DeadLetter>, SpoolError> {
        dead_letters_after(&self.connection, after, limit)
    }

    fn dead_letters_of(
        &self,
        lanes: &[LaneNo],
        after: DeadLetterNo,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, SpoolError> {
        self.find_dead_letters_of(lanes, after, limit)
    }

    fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        self.dead_letter_counts(filter)
    }

    fn count_dead_batches(&self, query: &BatchQuery) -> Result<Vec<LaneDeadLetters>, SpoolError> {
        self.dead_batch_counts(query)
    }

    fn dead_letter(&self, no: DeadLetterNo) -> Result<Option<DeadLetter>, SpoolError> {
        find_dead_letter(&self.connection, no)
    }

    fn last_dead_letter(&self) -> Result<DeadLetterNo, SpoolError> {
        last_dead_letter(&self.connection)
    }

    fn next_redelivery(&self, lane: LaneNo) -> Result<Option<DeadLetter>, SpoolError> {
        next_redelivery(&self.connection, lane)
    }

    fn replays(&self) -> Result<Vec<Replay>, SpoolError> {
        all_replays(&self.connection)
    }

    fn replay(&self, no: ReplayNo) -> Result<Option<Replay>, SpoolError> {
        find_replay(&self.connection, no)
    }

    fn ranges(&self, replay: ReplayNo) -> Result<Vec<LaneReplay>, SpoolError> {
        ranges_of(&self.connection, replay)
    }

    fn window(&self, epoch_after: Seq) -> Result<Option<ReplayWindow>, SpoolError> {
        self.replay_window(epoch_after)
    }

    fn search(
        &self,
        search: &Search,
        wants: &mut dyn FnMut(LaneNo) -> bool,
    ) -> Result<SearchResult, SpoolError> {
        self.find_ranges(search, wants)
    }

    fn begin_view(&self) -> Result<(), SpoolError> {
        self.connection.execute_batch("BEGIN").map_err(failed)
    }

    fn end_view(&self) {
        // A view that does not end is an error of the next one's begin.
        let _ = self.connection.execute_batch("COMMIT");
    }

    fn release_memory(&self) {
        release_memory(&self.connection);
    }

    fn shadow(&self, identity: &Identity) -> Result<Option<Arc<[u8]>>, SpoolError> {
        find_shadow(&self.connection, identity)
    }

    fn shadow_after(
        &self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Arc<[u8]>)>, SpoolError> {
        shadow_after(&self.connection, after, limit)
    }

    fn fact(&self, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError> {
        read_fact(&self.connection, fact)
    }

    fn webhooks(&self) -> Result<Vec<StoredWebhook>, SpoolError> {
        all_webhooks(&self.connection)
    }

    fn credentials(&self) -> Result<Vec<StoredCredential>, SpoolError> {
        all_credentials(&self.connection)
    }

    fn audit(&self, before: u64, project: Option<&str>, limit: u32) -> Result<Vec<StoredAudit>, SpoolError> {
        audit_before(&self.connection, before, project, limit)
    }

    fn last_batch(&self, lane: LaneNo) -> Result<Option<Batch>, SpoolError> {
        last_batch(&self.connection, lane)
    }

    fn lane_history(&self, query: &HistoryQuery) -> Result<LaneHistory, SpoolError> {
        lane_history(&self.connection, query)
    }

    fn usage(&self) -> Result<Usage, SpoolError> {
        usage(&self.connection)
    }
}

fn usage(connection: &Connection) -> Result<Usage, SpoolError> {
    let pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let file_bytes: i64 = connection.query_row(pages, [], |row| row.get(0)).map_err(failed)?;
    connection
        .query_row(
            "SELECT live_bytes, shadow_documents, shadow_bytes, dead_letter_records FROM meta",
            [],
            |row| {
                let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
                Ok(Usage {
                    live_bytes: number(0)?,
                    file_bytes: file_bytes.cast_unsigned(),
                    shadow_documents: number(1)?,
                    shadow_bytes: number(2)?,
                    dead_records: number(3)?,
                })
            },
        )
        .map_err(failed)
}
