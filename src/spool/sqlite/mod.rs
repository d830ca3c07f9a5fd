//! The engine of one machine: one SQLite file, `synchronous=FULL`, one connection that writes.

mod access;
mod attempts;
mod batch_queries;
mod batches;
mod checkpoint;
mod chunks;
mod cost;
mod cut;
mod dead_letter_queries;
mod dead_letters;
mod engine;
mod error;
mod facts;
mod lane_history;
mod lane_policy;
mod lane_states;
mod lanes;
mod meta;
mod migrations;
mod permissions;
mod reader;
mod record_queries;
mod replays;
mod retention;
mod row_bytes;
mod schema;
mod scratch;
mod search;
mod settle;
mod shadow;
mod statements;
mod store;
mod webhooks;

use std::path::Path;

use super::engine::{OpenEngine, Reader, Scratch};
use super::error::{OpenError, SpoolError};
use super::scratch::ScratchTable;
use crate::time::Timestamp;
use checkpoint::Checkpointer;
use error::{io_failed, location};
use reader::SqliteReader;
use schema::FileState;
use scratch::ScratchFile;
use store::Store;

/// What a spool in `folder` takes of its disk; 0 where there is none.
pub fn bytes_on_disk(folder: &Path) -> u64 {
    let bytes = |suffix: &str| {
        let file = folder.join(format!("{}{suffix}", schema::FILE_NAME));
        file.metadata().map_or(0, |file| file.len())
    };
    bytes("") + bytes("-wal")
}

/// What copies the log into the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Checkpoints {
    /// The writer, as part of a commit.
    OnCommit,
    /// A thread of its own.
    OnThread,
}

/// Opens or makes the file in `folder`, for this process alone.
pub(super) fn open(
    folder: &Path,
    bytes_max: u64,
    now: Timestamp,
    checkpoints: Checkpoints,
) -> Result<OpenEngine, OpenError> {
    let lock = schema::lock(folder)?;
    scratch::remove_leftovers(folder).map_err(io_failed(folder))?;
    let (mut store, found) = Store::open(folder, bytes_max, now)?;
    store.lock = Some(lock);
    let path = folder.join(schema::FILE_NAME);
    let damaged =
        |error: SpoolError| OpenError::Damaged { location: location(&path), what: error.to_string() };
    let contents = store.contents(found == FileState::Nothing).map_err(damaged)?;
    if found == FileState::Newest {
        migrations::remove_copy(&path)?;
    }
    if checkpoints == Checkpoints::OnThread {
        let started = Checkpointer::start(folder, &mut store.connection);
        store.checkpointer = Some(started.map_err(io_failed(&path))?);
    }
    let (readers, scratches) = (folder.to_owned(), folder.to_owned());
    let open_scratch = move |tables: &[ScratchTable]| {
        ScratchFile::create(&scratches, tables).map(|file| Box::new(file) as Scratch)
    };
    Ok(OpenEngine {
        engine: Box::new(store),
        open_reader: Box::new(move || Ok(Box::new(SqliteReader::open(&readers)?) as Reader)),
        open_scratch: Box::new(open_scratch),
        contents,
    })
}

#[cfg(test)]
mod tests;
