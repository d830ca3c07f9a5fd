//! The comparison of the table with the shadow. A first start compares with an empty one.
//!
//! One snapshot, two passes. The first reads identity, id, project and state alone, and makes all
//! `excluded` records; the second makes all others. Row by row, an id that changed its identity, or
//! two that were swapped, would end as excluded. Memory does not grow with the table.

mod error;
mod snapshot_index;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use self::snapshot_index::{Document, IndexedRow, SnapshotIndex};
use self::table::{layout, read_columns, value};

pub use self::error::ResyncError;
use crate::capture::{Documents, GroupWriter, NoRecords, PositionSource};
use crate::classify::{Entry, Identity, Layout, Row, Value};
use crate::position::{Lsn, Position};
use crate::record::{Callback, ProjectNo};
use crate::source::documents::select::ReadColumn;
use crate::source::documents::snapshot::{Snapshot, SqlValue};
use crate::spool::{Fact, Room, SpoolError, StreamPosition};
use crate::time::Timestamp;

/// The progress of a comparison, and the way to stop it.
#[derive(Clone, Debug, Default)]
pub struct ComparisonProgress {
    /// Documents compared.
    pub done: Arc<AtomicU64>,
    /// The comparison is to stop.
    stops: Arc<AtomicBool>,
}

impl ComparisonProgress {
    /// Ends the comparison with [`ResyncError::Stopped`] before its next row.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    fn row(&self) -> Result<(), ResyncError> {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.check_stop()
    }

    fn check_stop(&self) -> Result<(), ResyncError> {
        if self.stops.load(Ordering::Relaxed) { Err(ResyncError::Stopped) } else { Ok(()) }
    }
}

/// What a comparison does with the differences that it finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ComparisonMode {
    /// Makes their records; none where too many documents are gone.
    Records {
        /// Too many are more than [`MISSING_ALWAYS`] and more than this share of the live documents; `None`: no
        /// limit.
        missing_max: Option<f64>,
    },
    /// No records: the shadow is updated.
    Learn,
    /// No records, and no change of the shadow: they are counted.
    Count,
    /// Only an `ingested` record for every live document of this project.
    AsIngested(ProjectNo),
}

/// The input of a comparison.
pub struct Comparison {
    /// The table as of a consistent point.
    pub snapshot: Snapshot,
    /// How rows are read as documents.
    pub documents: Documents,
    /// The publication publishes generated columns, so they are read.
    pub generated: bool,
    /// What to do with the differences.
    pub mode: ComparisonMode,
    /// The LSN up to which the stream is applied in the same history: the position does not fall behind it.
    pub applied: Lsn,
    /// Facts to keep with its last commit.
    pub facts: Vec<(Fact, Option<Vec<u8>>)>,
    /// Its progress.
    pub progress: ComparisonProgress,
}

impl Comparison {
    /// Compares every document. The position becomes the snapshot's with the last commit.
    ///
    /// Blocks on `runtime`: runs on the thread of capture, while no stream does.
    pub fn run(
        mut self,
        group_writer: &mut GroupWriter,
        runtime: &Handle,
    ) -> Result<(StreamPosition, Differences), ResyncError> {
        // A dry run keeps nothing.
        let layouts = (self.mode == ComparisonMode::Count).then(|| group_writer.layouts.clone());
        let done = runtime.block_on(async {
            let done = self.compare(group_writer).await;
            self.snapshot.close().await;
            done
        });
        if let Some(layouts) = layouts {
            group_writer.layouts = layouts;
        }
        done
    }

    async fn compare(
        &mut self,
        group_writer: &mut GroupWriter,
    ) -> Result<(StreamPosition, Differences), ResyncError> {
        let at = self.snapshot.at;
        let position = StreamPosition { resume_lsn: at.max(self.applied), last_end: at, open: None };
        let layout = layout(&self.snapshot, &self.documents, self.generated, group_writer).await?;
        if self.mode != ComparisonMode::Count {
            group_writer.layouts.mark_backfilled();
            group_writer.set_fact(Fact::Layouts, serde_json::to_vec(&group_writer.layouts).ok());
        }
        let mut comparer = Comparer {
            layout,
            mode: self.mode,
            records: match self.mode {
                ComparisonMode::Records { .. } | ComparisonMode::AsIngested(_) => {
                    Box::new(SnapshotPositions::of(&self.snapshot))
                }
                ComparisonMode::Learn | ComparisonMode::Count => Box::new(NoRecords),
            },
            found: Differences::default(),
            progress: self.progress.clone(),
        };
        // With an empty shadow, no document can be gone.
        let has_shadow = !group_writer.on_disk_after(None, 1)?.is_empty();
        let mut first_pass = None;
        if has_shadow && !matches!(self.mode, ComparisonMode::AsIngested(_)) {
            let snapshot_index = comparer.index_rows(&mut self.snapshot, group_writer).await?;
            comparer.count_gone(&snapshot_index, group_writer)?;
            if self.mode != ComparisonMode::Count {
                comparer.exclude_gone(&snapshot_index, group_writer)?;
            }
            self.progress.done.store(0, Ordering::Relaxed);
            first_pass = Some(snapshot_index).filter(|_| self.mode == ComparisonMode::Count);
        }
        comparer.enter_rows(&mut self.snapshot, group_writer, first_pass.as_ref()).await?;
        if self.mode == ComparisonMode::Count {
            return Ok((position, comparer.found));
        }
        self.facts.drain(..).for_each(|(fact, value)| group_writer.set_fact(fact, value));
        group_writer.set_snapshot_time(self.snapshot.taken_at);
        submit_group(group_writer, Some(position))?;
        wait_for_commits(group_writer)?;
        Ok((position, comparer.found))
    }
}

/// The differences that a comparison found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// Documents in the table.
    pub rows: u64,
    /// Live documents that are no longer in the table.
    pub gone: u64,
    /// Records made, or counted, by [`Callback::index`].
    pub records: [u64; 3],
}

struct Comparer {
    layout: Layout,
    mode: ComparisonMode,
    /// Gives records their positions; [`NoRecords`] where none are made.
    records: Box<dyn PositionSource + Send>,
    found: Differences,
    progress: ComparisonProgress,
}

impl Comparer {
    /// The first pass: identity, document and state of every row.
    async fn index_rows(
        &mut self,
        snapshot: &mut Snapshot,
        group_writer: &mut GroupWriter,
    ) -> Result<SnapshotIndex, ResyncError> {
        let snapshot_index = SnapshotIndex::create(group_writer.spool())?;
        let roles: Vec<bool> = self.layout.columns().iter().map(|column| !column.digestible).collect();
        let columns: Vec<ReadColumn> =
            read_columns(&self.layout).into_iter().filter(|c| c.digest_over.is_none()).collect();
        let index = |values: &[SqlValue<'_>]| -> Result<(), ResyncError> {
            let mut given = values.iter().map(value);
            let row = Row(roles
                .iter()
                .map(|role| role.then(|| given.next()).flatten().unwrap_or(Value::Unchanged))
                .collect());
            let of_row = |error| ResyncError::of_row(error, &self.layout, &row);
            let identity = self.layout.identity(&row).map_err(|error| of_row(error.into()))?;
            let document_ref = group_writer.document_ref(&self.layout, &row).map_err(of_row)?;
            let document = Document::of(document_ref.project, &document_ref.id);
            snapshot_index.note(&identity, IndexedRow { document, live: !document_ref.excluded })?;
            self.progress.row()
        };
        snapshot.rows(&columns, index).await?;
        Ok(snapshot_index)
    }

    /// Counts the live documents that no row shows, **before any record is made**, and fails where they are too
    /// many.
    fn count_gone(
        &mut self,
        snapshot_index: &SnapshotIndex,
        group_writer: &mut GroupWriter,
    ) -> Result<(), ResyncError> {
        let (mut gone, mut live) = (0_u64, 0_u64);
        for_each_entry(group_writer, |identity, entry| {
            self.progress.check_stop()?;
            let document = Document::of(entry.project, &entry.id);
            let shown = snapshot_index.is_live(document)?;
            if !entry.excluded {
                live += 1;
                gone += u64::from(!shown);
            }
            // A pass that makes records moves the entry to the new identity; a dry run notes the move instead.
            if self.mode == ComparisonMode::Count && shown && snapshot_index.row(identity)?.is_none() {
                snapshot_index.note_move(identity, document)?;
            }
            Ok(())
        })?;
        self.found.gone = gone;
        if self.mode == ComparisonMode::Count {
            self.add(Callback::Excluded, gone);
        }
        let ComparisonMode::Records { missing_max: Some(share) } = self.mode else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let too_many = gone > MISSING_ALWAYS && gone as f64 > live as f64 * share;
        if too_many { Err(ResyncError::TooManyGone { gone, live }) } else { Ok(()) }
    }

    /// Makes every `excluded` record. A row that is another document now stays in the shadow as excluded.
    fn exclude_gone(
        &mut self,
        snapshot_index: &SnapshotIndex,
        group_writer: &mut GroupWriter,
    ) -> Result<(), ResyncError> {
        let mut after: Option<Identity> = None;
        loop {
            let entries = group_writer.on_disk_after(after.as_ref(), STEP)?;
            let Some((last, _)) = entries.last() else { return Ok(()) };
            after = Some(last.clone());
            self.progress.check_stop()?;
            for (identity, entry) in entries {
                let document = Document::of(entry.project, &entry.id);
                let shown = snapshot_index.is_live(document)?;
                let row = snapshot_index.row(&identity)?;
                let makes_record = !entry.excluded && !shown;
                match row {
                    Some(row) if row.document == document && row.live => continue,
                    Some(_) if entry.excluded => continue,
                    Some(_) => group_writer.exclude(&identity, entry, makes_record, &mut *self.records)?,
                    // Its identity changed: the entry is of the same document.
                    None if shown => match snapshot_index.identity_of(document)? {
                        Some(now) => group_writer.move_entry(&identity, now, &entry)?,
                        None => group_writer.remove(&identity, &mut NoRecords)?,
                    },
                    None => group_writer.remove(&identity, &mut *self.records)?,
                }
                self.add(Callback::Excluded, u64::from(makes_record));
            }
            // The second pass reads the shadow from disk, so everything is committed first.
            submit_group(group_writer, None)?;
            wait_for_commits(group_writer)?;
        }
    }

    /// The second pass: compares every row with its entry. A dry run passes the index of its first pass.
    async fn enter_rows(
        &mut self,
        snapshot: &mut Snapshot,
        group_writer: &mut GroupWriter,
        first_pass: Option<&SnapshotIndex>,
    ) -> Result<(), ResyncError> {
        let columns = read_columns(&self.layout);
        let Self { layout, mode, records, found, progress } = self;
        let enter = |values: &[SqlValue<'_>]| -> Result<(), ResyncError> {
            let row = Row(values.iter().map(value).collect());
            let of_row = |error| ResyncError::of_row(error, layout, &row);
            let identity = layout.identity(&row).map_err(|error| of_row(error.into()))?;
            found.rows += 1;
            progress.row()?;
            let made = match mode {
                ComparisonMode::Count => {
                    // The first pass counted every `excluded`.
                    let moved = first_pass
                        .map(|snapshot_index| snapshot_index.moved_from(&identity))
                        .transpose()?
                        .flatten();
                    let mut made = group_writer
                        .count_records(layout, moved.as_ref().unwrap_or(&identity), &row)
                        .map_err(of_row)?;
                    made.get_mut(Callback::Excluded.index()).into_iter().for_each(|made| *made = 0);
                    made
                }
                ComparisonMode::AsIngested(project) => group_writer
                    .apply_as_new(layout, &identity, &row, *project, &mut **records)
                    .map_err(of_row)?,
                ComparisonMode::Records { .. } | ComparisonMode::Learn => {
                    group_writer.apply_row(layout, &identity, &row, &mut **records).map_err(of_row)?
                }
            };
            found.records.iter_mut().zip(made).for_each(|(sum, made)| *sum += made);
            if group_writer.is_full() {
                submit_group(group_writer, None)?;
            }
            Ok(())
        };
        snapshot.rows(&columns, enter).await?;
        Ok(())
    }

    fn add(&mut self, callback: Callback, records: u64) {
        if let Some(sum) = self.found.records.get_mut(callback.index()) {
            *sum += records;
        }
    }
}

/// Calls `visit` with every committed entry of the shadow.
fn for_each_entry(
    group_writer: &mut GroupWriter,
    mut visit: impl FnMut(&Identity, &Entry) -> Result<(), ResyncError>,
) -> Result<(), ResyncError> {
    let mut after: Option<Identity> = None;
    loop {
        let entries = group_writer.on_disk_after(after.as_ref(), STEP)?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        after = Some(last.clone());
        entries.iter().try_for_each(|(identity, entry)| visit(identity, entry))?;
    }
}

/// Submits the group once the group before is committed.
fn submit_group(group_writer: &mut GroupWriter, position: Option<StreamPosition>) -> Result<(), ResyncError> {
    wait_for_commits(group_writer)?;
    group_writer.submit(position);
    Ok(())
}

fn wait_for_commits(group_writer: &mut GroupWriter) -> Result<(), ResyncError> {
    while group_writer.in_flight() > 0 {
        match group_writer.committed(Duration::from_secs(1)) {
            Ok(Some(committed)) if committed.room == Room::Full => return Err(ResyncError::SpoolFull),
            Ok(_) | Err(SpoolError::DiskFull) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Positions after every commit in the snapshot, and before a commit exactly at its LSN.
struct SnapshotPositions {
    commit: Lsn,
    number: u32,
    at: Timestamp,
}

impl SnapshotPositions {
    fn of(snapshot: &Snapshot) -> Self {
        Self { commit: Lsn(snapshot.at.0.saturating_sub(1)), number: 0, at: snapshot.taken_at }
    }
}

impl PositionSource for SnapshotPositions {
    fn next_position(&mut self) -> Result<Option<(Position, Timestamp)>, String> {
        self.number =
            self.number.checked_add(1).ok_or("more than 4,294,967,295 records in one comparison")?;
        Ok(Some((Position { commit: self.commit, number: self.number }, self.at)))
    }
}

/// This number of documents may be gone whatever their share.
pub const MISSING_ALWAYS: u64 = 1_000;
/// Entries of the shadow read at a time.
const STEP: u32 = 2_000;
