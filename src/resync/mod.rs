//! The table compared with the shadow; a first start is its simplest case.
//!
//! One snapshot, two passes. The first looks at identity, id, project and state alone, and makes all
//! `excluded` records; the second makes all others. Row by row, an id that changed its identity, or
//! two that were swapped, would end as excluded. Memory does not grow with the table.

mod error;
mod snapshot_index;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use self::snapshot_index::{Document, Sighting, SnapshotIndex};
use self::table::{layout, read_columns, value};

pub use self::error::ResyncError;
use crate::capture::{Documents, GroupWriter, NoRecords, PositionSource};
use crate::classify::{Entry, Identity, Layout, Row, Value};
use crate::position::{Lsn, Position};
use crate::record::{Callback, ProjectNo};
use crate::source::documents::ReadColumn;
use crate::source::snapshot::{Snapshot, SqlValue};
use crate::spool::{Fact, Room, SpoolError, StreamPosition};
use crate::time::Timestamp;

/// How far it is, for whoever looks.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Documents compared.
    pub done: Arc<AtomicU64>,
    /// It is to end before its end.
    ends: Arc<AtomicBool>,
}

impl Watched {
    /// The comparison ends with [`ResyncError::Stopped`] before it looks at another row.
    pub fn stop(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn row(&self) -> Result<(), ResyncError> {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.goes_on()
    }

    fn goes_on(&self) -> Result<(), ResyncError> {
        if self.ends.load(Ordering::Relaxed) { Err(ResyncError::Stopped) } else { Ok(()) }
    }
}

/// What a comparison makes of the differences that it finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Makes {
    /// Their records; where so many documents are gone that it cannot be right, none at all.
    Records {
        /// More gone documents than this share of the live ones, and than [`MISSING_ALWAYS`], are
        /// too many; `None`: never.
        missing_max: Option<f64>,
    },
    /// Nothing: they are taken over.
    Silence,
    /// Nothing, and nothing is remembered: they are counted.
    Counts,
    /// An `ingested` for every live document of this project, and nothing else.
    Ingested(ProjectNo),
}

/// The table, to be compared with what is remembered of it.
pub struct Comparison {
    /// The table as of a consistent point.
    pub snapshot: Snapshot,
    /// What the documents are.
    pub documents: Documents,
    /// Generated columns are in the stream, and so are read.
    pub generated: bool,
    /// What the differences make.
    pub makes: Makes,
    /// Where the stream stands in the same history; the position does not fall behind it.
    pub applied: Lsn,
    /// Facts that become true with its last commit.
    pub facts: Vec<(Fact, Option<Vec<u8>>)>,
    /// How far it is.
    pub watched: Watched,
}

impl Comparison {
    /// Compares every document. The position becomes the snapshot's with the last commit.
    ///
    /// Blocks on `runtime`: runs on the left loop's thread, while no stream does.
    pub fn run(
        self,
        group_writer: &mut GroupWriter,
        runtime: &Handle,
    ) -> Result<(StreamPosition, Differences), ResyncError> {
        // One that only counts remembers nothing.
        let layouts = (self.makes == Makes::Counts).then(|| group_writer.layouts.clone());
        let done = runtime.block_on(self.compare(group_writer));
        if let Some(layouts) = layouts {
            group_writer.layouts = layouts;
        }
        done
    }

    async fn compare(
        self,
        group_writer: &mut GroupWriter,
    ) -> Result<(StreamPosition, Differences), ResyncError> {
        let at = self.snapshot.at;
        let position = StreamPosition { resume_lsn: at.max(self.applied), last_end: at, open: None };
        let mut passes = Passes {
            layout: layout(&self, group_writer).await?,
            makes: self.makes,
            records: match self.makes {
                Makes::Records { .. } | Makes::Ingested(_) => Box::new(Numbers::of(&self.snapshot)),
                Makes::Silence | Makes::Counts => Box::new(NoRecords),
            },
            found: Differences::default(),
            watched: self.watched.clone(),
        };
        // Where nothing is remembered, nothing can be gone.
        let remembers = !group_writer.on_disk_after(None, 1)?.is_empty();
        let mut first_pass = None;
        if remembers && !matches!(self.makes, Makes::Ingested(_)) {
            let snapshot_index = passes.see_all(&self.snapshot, group_writer).await?;
            passes.judge_gone(&snapshot_index, group_writer)?;
            if self.makes != Makes::Counts {
                passes.exclude_gone(&snapshot_index, group_writer)?;
            }
            self.watched.done.store(0, Ordering::Relaxed);
            first_pass = Some(snapshot_index).filter(|_| self.makes == Makes::Counts);
        }
        passes.enter_rows(&self.snapshot, group_writer, first_pass.as_ref()).await?;
        if self.makes == Makes::Counts {
            return Ok((position, passes.found));
        }
        self.facts.into_iter().for_each(|(fact, value)| group_writer.set_fact(fact, value));
        group_writer.set_snapshot_time(self.snapshot.taken_at);
        submit_group(group_writer, Some(position))?;
        land_all(group_writer)?;
        Ok((position, passes.found))
    }
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Differences {
    /// Documents that the table holds.
    pub rows: u64,
    /// Live documents that it does not show any more.
    pub gone: u64,
    /// Records made, or that would be, by [`Callback::index`].
    pub records: [u64; 3],
}

struct Passes {
    layout: Layout,
    makes: Makes,
    /// Where records get their places from; none where nothing is told.
    records: Box<dyn PositionSource + Send>,
    found: Differences,
    watched: Watched,
}

impl Passes {
    /// The first pass: identity, document and state of every row.
    async fn see_all(
        &mut self,
        snapshot: &Snapshot,
        group_writer: &mut GroupWriter,
    ) -> Result<SnapshotIndex, ResyncError> {
        let snapshot_index = SnapshotIndex::create(group_writer.folder())?;
        let roles: Vec<bool> = self.layout.columns().iter().map(|column| !column.digestible).collect();
        let columns: Vec<ReadColumn> =
            read_columns(&self.layout).into_iter().filter(|c| c.digest_over.is_none()).collect();
        let look = |values: &[SqlValue<'_>]| -> Result<(), ResyncError> {
            let mut given = values.iter().map(value);
            let row = Row(roles
                .iter()
                .map(|role| role.then(|| given.next()).flatten().unwrap_or(Value::Unchanged))
                .collect());
            let of_row = |error| ResyncError::of_row(error, &self.layout, &row);
            let identity = self.layout.identity(&row).map_err(|error| of_row(error.into()))?;
            let sight = group_writer.document_ref(&self.layout, &row).map_err(of_row)?;
            let document = Document::of(sight.project, &sight.id);
            snapshot_index.note(&identity, Sighting { document, live: !sight.excluded })?;
            self.watched.row()
        };
        snapshot.rows(&columns, look).await?;
        Ok(snapshot_index)
    }

    /// Counts the live documents that no row shows, **before any record is made**: where that cannot be
    /// right, it ends here.
    fn judge_gone(
        &mut self,
        snapshot_index: &SnapshotIndex,
        group_writer: &GroupWriter,
    ) -> Result<(), ResyncError> {
        let (mut gone, mut live) = (0_u64, 0_u64);
        for_each_entry(group_writer, |identity, entry| {
            self.watched.goes_on()?;
            let document = Document::of(entry.project, &entry.id);
            let shown = snapshot_index.is_live(document)?;
            if !entry.excluded {
                live += 1;
                gone += u64::from(!shown);
            }
            // What a pass that makes records moves to another identity, one that counts finds there.
            if self.makes == Makes::Counts && shown && snapshot_index.row(identity)?.is_none() {
                snapshot_index.note_move(identity, document)?;
            }
            Ok(())
        })?;
        self.found.gone = gone;
        if self.makes == Makes::Counts {
            self.add(Callback::Excluded, gone);
        }
        let Makes::Records { missing_max: Some(share) } = self.makes else { return Ok(()) };
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let too_many = gone > MISSING_ALWAYS && gone as f64 > live as f64 * share;
        if too_many { Err(ResyncError::TooManyGone { gone, live }) } else { Ok(()) }
    }

    /// Makes every `excluded`, and leaves in the shadow as excluded what is still there but is another
    /// document now.
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
            self.watched.goes_on()?;
            for (identity, entry) in entries {
                let document = Document::of(entry.project, &entry.id);
                let shown = snapshot_index.is_live(document)?;
                let row = snapshot_index.row(&identity)?;
                let told = !entry.excluded && !shown;
                match row {
                    Some(row) if row.document == document && row.live => continue,
                    Some(_) if entry.excluded => continue,
                    Some(_) => group_writer.exclude(&identity, entry, told, &mut *self.records)?,
                    // Its identity changed: what is remembered of it is the same document's.
                    None if shown => match snapshot_index.identity_of(document)? {
                        Some(now) => group_writer.move_entry(&identity, now, &entry)?,
                        None => group_writer.remove(&identity, &mut NoRecords)?,
                    },
                    None => group_writer.remove(&identity, &mut *self.records)?,
                }
                self.add(Callback::Excluded, u64::from(told));
            }
            // What is left is read from the disk, so it must be there.
            submit_group(group_writer, None)?;
            land_all(group_writer)?;
        }
    }

    /// The second pass: every row against what is remembered of it.
    /// `first_pass` is of a comparison that only counts.
    async fn enter_rows(
        &mut self,
        snapshot: &Snapshot,
        group_writer: &mut GroupWriter,
        first_pass: Option<&SnapshotIndex>,
    ) -> Result<(), ResyncError> {
        let columns = read_columns(&self.layout);
        let Self { layout, makes, records, found, watched } = self;
        let enter = |values: &[SqlValue<'_>]| -> Result<(), ResyncError> {
            let row = Row(values.iter().map(value).collect());
            let of_row = |error| ResyncError::of_row(error, layout, &row);
            let identity = layout.identity(&row).map_err(|error| of_row(error.into()))?;
            found.rows += 1;
            watched.row()?;
            let made = match makes {
                Makes::Counts => {
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
                Makes::Ingested(project) => group_writer
                    .apply_as_new(layout, &identity, &row, *project, &mut **records)
                    .map_err(of_row)?,
                Makes::Records { .. } | Makes::Silence => {
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

/// Shows every entry of the shadow that is on the disk.
fn for_each_entry(
    group_writer: &GroupWriter,
    mut show: impl FnMut(&Identity, &Entry) -> Result<(), ResyncError>,
) -> Result<(), ResyncError> {
    let mut after: Option<Identity> = None;
    loop {
        let entries = group_writer.on_disk_after(after.as_ref(), STEP)?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        after = Some(last.clone());
        entries.iter().try_for_each(|(identity, entry)| show(identity, entry))?;
    }
}

/// Hands the group in once the one before has landed.
fn submit_group(group_writer: &mut GroupWriter, position: Option<StreamPosition>) -> Result<(), ResyncError> {
    land_all(group_writer)?;
    group_writer.submit(position);
    Ok(())
}

fn land_all(group_writer: &mut GroupWriter) -> Result<(), ResyncError> {
    while group_writer.in_flight() > 0 {
        match group_writer.committed(Duration::from_secs(1)) {
            Ok(Some(committed)) if committed.room == Room::Full => return Err(ResyncError::SpoolFull),
            Ok(_) | Err(SpoolError::DiskFull) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Places above every commit of the snapshot, and below one exactly at its point.
struct Numbers {
    commit: Lsn,
    number: u32,
    at: Timestamp,
}

impl Numbers {
    fn of(snapshot: &Snapshot) -> Self {
        Self { commit: Lsn(snapshot.at.0.saturating_sub(1)), number: 0, at: snapshot.taken_at }
    }
}

impl PositionSource for Numbers {
    fn next_position(&mut self) -> Result<Option<(Position, Timestamp)>, String> {
        self.number =
            self.number.checked_add(1).ok_or("more than 4,294,967,295 records in one comparison")?;
        Ok(Some((Position { commit: self.commit, number: self.number }, self.at)))
    }
}

/// So few may be gone whatever their share.
pub const MISSING_ALWAYS: u64 = 1_000;
/// Entries of the shadow that one group compares.
const STEP: u32 = 2_000;
