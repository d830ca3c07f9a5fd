//! The engine of one machine: one SQLite file, `synchronous=FULL`, one connection that writes.

mod attempts;
mod batches;
mod chunks;
mod cost;
mod cut;
mod dead_letters;
mod engine;
mod error;
mod facts;
mod lane_states;
mod lanes;
mod meta;
mod migrations;
mod permissions;
mod reader;
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

use std::path::Path;

use super::engine::{Contents, Engine, OpenReader, Reader};
use super::error::{OpenError, SpoolError};
use crate::time::Timestamp;
use reader::SqliteReader;
use schema::FileState;
use store::Store;

pub use scratch::{Scratch, ScratchError, Table};

/// What a spool in `folder` takes of its disk; 0 where there is none.
pub fn bytes_on_disk(folder: &Path) -> u64 {
    let bytes = |suffix: &str| {
        let file = folder.join(format!("{}{suffix}", schema::FILE_NAME));
        file.metadata().map_or(0, |file| file.len())
    };
    bytes("") + bytes("-wal")
}

/// Opens or makes the file in `folder`, for this process alone.
pub(super) fn open(
    folder: &Path,
    bytes_max: u64,
    now: Timestamp,
) -> Result<(Box<dyn Engine>, OpenReader, Contents), OpenError> {
    let lock = schema::lock(folder)?;
    scratch::remove_leftovers(folder).map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
    let (mut store, found) = Store::open(folder, bytes_max, now)?;
    store.lock = Some(lock);
    let path = folder.join(schema::FILE_NAME);
    let damaged = |error: SpoolError| OpenError::Damaged { path: path.clone(), what: error.to_string() };
    let contents = store.contents(found == FileState::Nothing).map_err(damaged)?;
    if found == FileState::Newest {
        migrations::remove_copy(&path)?;
    }
    let folder = folder.to_owned();
    let open_reader = move || Ok(Box::new(SqliteReader::open(&folder)?) as Reader);
    Ok((Box::new(store), Box::new(open_reader), contents))
}

#[cfg(test)]
mod tests;
