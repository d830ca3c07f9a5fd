//! Collects changes in groups and submits them to the spool, for the stream and for a resync.

mod rows;

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::dependency_index::{DependencyIndex, IndexLimits};
use super::dropped_records::DropCounter;
use super::record_filter::{RecordFilter, RouteFilter};
use super::shadow_cache::ShadowCache;
use crate::classify::{
    Damaged, DocumentRef, Draft, Drafts, Entry, Identity, Layout, Layouts, Projects, Row, Unreadable,
};
use crate::clock::Clock;
use crate::metrics::{CallbackLabel, Metrics};
use crate::position::Position;
use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::{Done, Fact, Group, GroupBuilder, Op, Opened, Room, Spool, SpoolError, StreamPosition};
use crate::time::{Timestamp, Uptime};

/// Called with every record as it is made, also with those that are dropped.
pub type RecordObserver = Arc<dyn Fn(&str, Callback, Position, &[u8]) + Send + Sync>;

/// The callbacks of capture.
#[derive(Clone)]
pub struct Listeners {
    /// Decides which records are kept.
    pub route_filter: RouteFilter,
    /// Observes records.
    pub record_observer: RecordObserver,
}

/// Why a change cannot be applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupError {
    /// The shadow's entry cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The messages are out of order.
    #[error("{0}")]
    Order(String),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The row cannot be read as a document.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Fills a group of changes, on top of all groups before it.
pub struct GroupWriter {
    spool: Spool,
    clock: Clock,
    metrics: Metrics,
    listeners: Listeners,
    record_filter: RecordFilter,
    projects: Projects,
    /// The content columns that entries were written under.
    pub(crate) layouts: Layouts,
    shadow: ShadowCache,
    dependency_index: DependencyIndex,
    builder: GroupBuilder,
    drafts: Drafts,
    facts: Vec<(Fact, Option<Vec<u8>>)>,
    taken_at: Option<Timestamp>,
    changes: usize,
    /// The last submit of changes; `None`: the memory of what they cached was given back.
    changed_at: Option<Uptime>,
    record_counts: [u64; 3],
    results: (mpsc::Sender<Result<Done, SpoolError>>, mpsc::Receiver<Result<Done, SpoolError>>),
    /// Called when a group was committed or failed.
    notify: Arc<dyn Fn() + Send + Sync>,
    /// Groups that are not durable yet, in order. **Only the first is submitted**: were the disk full
    /// for it and not for the next, the next one's position would confirm changes that are lost.
    uncommitted: VecDeque<Arc<Group>>,
    /// The disk was full for the first: when it is submitted again.
    retry_at: Option<Uptime>,
}

/// A group that was committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurableGroup {
    /// How far the stream is durably applied; `None` where the group did not move it.
    pub(crate) position: Option<StreamPosition>,
    /// Whether the spool has room for more.
    pub(crate) room: Room,
}

impl GroupWriter {
    /// Continues from the spool's state.
    pub fn open(
        opened: &Opened,
        clock: Clock,
        metrics: Metrics,
        (listeners, index_limits): (Listeners, IndexLimits),
        notify: Arc<dyn Fn() + Send + Sync>,
    ) -> anyhow::Result<Self> {
        let spool = opened.spool.clone();
        let layouts = match opened.facts.get(&Fact::Layouts) {
            Some(bytes) => serde_json::from_slice(bytes)?,
            None => Layouts::default(),
        };
        let dependency_index =
            DependencyIndex::rebuild(&spool, &opened.lanes, spool.cursors(), index_limits)?;
        Ok(Self {
            shadow: ShadowCache::new(spool.reader()?, SHADOW_BYTES_MAX),
            projects: Projects::from_names(opened.projects.iter().cloned()),
            builder: GroupBuilder::new(opened.last_seq),
            layouts,
            dependency_index,
            spool,
            clock,
            metrics,
            record_filter: RecordFilter::new(Arc::clone(&listeners.route_filter)),
            listeners,
            drafts: Drafts::default(),
            facts: Vec::new(),
            taken_at: None,
            changes: 0,
            changed_at: None,
            record_counts: [0; 3],
            results: mpsc::channel(),
            notify,
            uncommitted: VecDeque::new(),
            retry_at: None,
        })
    }

    /// Up to `limit` committed entries of the shadow after `after`.
    pub(crate) fn on_disk_after(
        &mut self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Entry)>, GroupError> {
        let found = self.shadow.on_disk_after(after, limit)?;
        let decoded = found.into_iter().map(|(identity, bytes)| {
            let entry = Entry::decode(&identity, &bytes)?;
            Ok((identity, entry))
        });
        decoded.collect()
    }

    /// The document that a row shows.
    pub(crate) fn document_ref(&mut self, layout: &Layout, row: &Row<'_>) -> Result<DocumentRef, GroupError> {
        Ok(layout.document_ref(row, &mut self.projects)?)
    }

    /// The number of a project. A new project gets one.
    pub(crate) fn project(&mut self, name: &str) -> ProjectNo {
        self.projects.number(name)
    }

    /// The sequence number of the last record.
    pub(crate) fn last_seq(&self) -> Seq {
        self.builder.last()
    }

    /// The spool that groups are written to.
    pub(crate) fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Sets or removes a fact with the next group.
    pub(crate) fn set_fact(&mut self, fact: Fact, value: Option<Vec<u8>>) {
        self.facts.push((fact, value));
    }

    /// The next position that is submitted is that of a snapshot taken at this time.
    pub(crate) fn set_snapshot_time(&mut self, taken_at: Timestamp) {
        self.taken_at = Some(taken_at);
    }

    /// The webhooks changed.
    pub(crate) fn routes_changed(&mut self) {
        self.record_filter.webhooks_changed();
    }

    /// The counter of dropped records.
    pub(super) fn drop_counter(&self) -> DropCounter {
        self.record_filter.counter()
    }

    /// Whether changes are not yet submitted.
    pub(crate) fn has_changes(&self) -> bool {
        self.changes > 0 || !self.facts.is_empty()
    }

    /// Changes that are not yet submitted.
    pub(crate) fn changes(&self) -> usize {
        self.changes
    }

    /// Nothing is read for a while. After a longer one, the memory of what is cached is given back.
    pub(crate) fn rest(&mut self) {
        self.shadow.end_view();
        if self.in_flight() == 0
            && self.changed_at.take_if(|at| self.clock.uptime().since(*at) >= RELEASE_AFTER).is_some()
        {
            self.shadow.release_memory();
            self.dependency_index.release_memory();
        }
    }

    /// Whether the group has reached its limit.
    pub(crate) fn is_full(&self) -> bool {
        self.changes >= GROUP_CHANGES_MAX
            || self.builder.bytes() >= GROUP_BYTES_MAX
            || self.shadow.open_bytes() >= GROUP_ENTRIES_BYTES_MAX
    }

    /// Groups that are not durable yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.uncommitted.len()
    }

    /// The contents of memory: what, how much, and the limit.
    pub(crate) fn memory(&self) -> Vec<(&'static str, usize, usize)> {
        vec![
            ("groups that are not durable", self.in_flight(), GROUPS_WAITING_MAX),
            ("changes of the open group", self.changes, GROUP_CHANGES_MAX),
            ("bytes of the open group", self.builder.bytes(), GROUP_BYTES_MAX),
            ("entry bytes of the open group", self.shadow.open_bytes(), GROUP_ENTRIES_BYTES_MAX),
            ("cached bytes of the shadow", self.shadow.cached_bytes(), SHADOW_BYTES_MAX),
            (
                "documents of the dependency index",
                self.dependency_index.documents(),
                self.dependency_index.documents_max(),
            ),
        ]
    }

    /// The disk is full, and the group in flight is submitted again later.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Submits the group, with the stream's position after it.
    pub(crate) fn submit(&mut self, position: Option<StreamPosition>) {
        let (shadow, growth) = self.shadow.take();
        let group = Group {
            chunks: self.builder.finish(self.clock.wall(), self.clock.uptime()),
            shadow,
            growth,
            position,
            projects: self.projects.take_new(),
            facts: std::mem::take(&mut self.facts),
            taken_at: self.taken_at.take(),
        };
        if std::mem::take(&mut self.changes) > 0 {
            self.changed_at = Some(self.clock.uptime());
        }
        self.count();
        self.uncommitted.push_back(Arc::new(group));
        // Groups wait for each other, so that memory does not grow with a transaction.
        debug_assert!(self.uncommitted.len() <= GROUPS_WAITING_MAX, "{} groups wait", self.uncommitted.len());
        if self.uncommitted.len() == 1 {
            self.submit_group();
        }
    }

    fn submit_group(&self) {
        let Some(group) = self.uncommitted.front() else { return };
        let (sender, notify) = (self.results.0.clone(), Arc::clone(&self.notify));
        self.spool.submit(Op::Commit(Arc::clone(group)), move |done| {
            let _ = sender.send(done);
            notify();
        });
    }

    /// The next group that was committed, if any; waits up to `patience` for it.
    pub(crate) fn committed(&mut self, patience: Duration) -> Result<Option<DurableGroup>, SpoolError> {
        if self.retry_at.take_if(|again| self.clock.uptime() >= *again).is_some() {
            self.submit_group();
        }
        if !patience.is_zero() {
            self.spool.run_submitted();
        }
        let result = self.results.1.try_recv().ok();
        let result = result.or_else(|| self.results.1.recv_timeout(self.clock.advance(patience)).ok());
        let Some(done) = result else { return Ok(None) };
        let room = match done {
            Ok(Done::Committed(room)) => room,
            Ok(_) => Room::Open,
            Err(SpoolError::DiskFull) => {
                self.retry_at = Some(self.clock.uptime().plus(RETRY_AFTER));
                return Err(SpoolError::DiskFull);
            }
            Err(error) => return Err(error),
        };
        let Some(group) = self.uncommitted.pop_front() else { return Ok(None) };
        self.submit_group();
        self.shadow.synced();
        Ok(Some(DurableGroup { position: group.position, room }))
    }

    /// Appends the drafted records to the group.
    fn append_drafts(&mut self, positions: &mut dyn PositionSource) -> Result<(), GroupError> {
        self.metrics.similarities_skipped.inc_by(std::mem::take(&mut self.drafts.similarities_skipped));
        let mut drafts = std::mem::take(&mut self.drafts);
        let appended = drafts
            .list
            .iter()
            .try_for_each(|draft| self.append_draft(draft, drafts.fragment(draft), positions));
        drafts.clear();
        self.drafts = drafts;
        appended
    }

    fn append_draft(
        &mut self,
        draft: &Draft,
        fragment: &[u8],
        positions: &mut dyn PositionSource,
    ) -> Result<(), GroupError> {
        let Some((position, committed_at)) = positions.next_position().map_err(GroupError::Order)? else {
            return Ok(());
        };
        let lane = LaneNo::new(draft.project, draft.callback);
        let at = draft.callback.index();
        let name = self.projects.name(draft.project);
        (self.listeners.record_observer)(name, draft.callback, position, fragment);
        if let Some(count) = self.record_counts.get_mut(at) {
            *count += 1;
        }
        if !self.record_filter.keeps(lane, name, draft.property) {
            return Ok(());
        }
        let mut waits_for = self.dependency_index.waits_for(draft.project, draft.callback, draft.document);
        if let Some(earlier) = draft.earlier {
            let of_earlier =
                self.dependency_index.last_in(LaneNo::new(draft.project, Callback::Excluded), earlier);
            if let Some(slot) = waits_for.0.get_mut(Callback::Excluded.index()) {
                *slot = (*slot).max(of_earlier);
            }
        }
        let seq = self.builder.push(lane, position, committed_at, waits_for, draft.document, fragment);
        self.dependency_index.insert(lane, draft.document, seq);
        Ok(())
    }

    /// The result. The drafts of an unreadable row are discarded.
    fn or_discard_drafts<T>(&mut self, read: Result<T, Unreadable>) -> Result<T, GroupError> {
        if read.is_err() {
            self.drafts.clear();
        }
        Ok(read?)
    }

    fn count(&mut self) {
        for callback in Callback::ALL {
            let label = CallbackLabel { callback };
            let count = self.record_counts.get_mut(callback.index()).map_or(0, std::mem::take);
            self.metrics.records.get_or_create(&label).inc_by(count);
        }
        self.record_filter.count(&self.metrics, &self.projects);
    }
}

/// Gives records their positions. `None`: no record is made.
pub(crate) trait PositionSource {
    /// The next record's position and commit time.
    fn next_position(&mut self) -> Result<Option<(Position, Timestamp)>, String>;
}

/// No record is made.
pub(crate) struct NoRecords;

impl PositionSource for NoRecords {
    fn next_position(&mut self) -> Result<Option<(Position, Timestamp)>, String> {
        Ok(None)
    }
}

/// A group ends when the one before is synced, or with this number of changes. The more it has, the fewer pages of the
/// spool are written for each: a page holds entries of many documents, and a lane's row is written once for a group.
const GROUP_CHANGES_MAX: usize = 40_000;
/// One that is being written, and one with the rest when the stream or the process ends.
const GROUPS_WAITING_MAX: usize = 2;
/// Of its records.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Of the shadow's entries that it changes.
const GROUP_ENTRIES_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Limit of the shadow cache.
const SHADOW_BYTES_MAX: usize = 24 * 1024 * 1024;
/// A stream without changes for so long is at rest.
const RELEASE_AFTER: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(1);
