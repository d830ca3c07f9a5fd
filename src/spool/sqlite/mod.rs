//! The engine of one machine: one SQLite file, `synchronous=FULL`, one connection that writes.

mod attempts;
mod chunks;
mod cut;
mod dead_letters;
mod facts;
mod lanes;
mod meta;
mod reader;
mod replays;
mod retention;
mod row_bytes;
mod schema;
mod search;
mod settle;
mod shadow;
mod store;

use std::path::Path;

use super::engine::{Contents, Engine, OpenReader, Reader};
use super::error::OpenError;
use crate::time::Timestamp;
use reader::SqliteReader;
use store::Store;

pub(super) use store::failed;

/// Opens or makes the file in `folder`, for this process alone.
pub(super) fn open(
    folder: &Path,
    bytes_max: u64,
    now: Timestamp,
) -> Result<(Box<dyn Engine>, OpenReader, Contents), OpenError> {
    let lock = schema::lock(folder)?;
    let (mut store, is_new) = Store::open(folder, bytes_max, now)?;
    store.lock = Some(lock);
    let contents = store.contents(is_new).map_err(|error| OpenError::Damaged {
        path: folder.join(schema::FILE_NAME),
        what: error.to_string(),
    })?;
    let folder = folder.to_owned();
    let open_reader = move || Ok(Box::new(SqliteReader::open(&folder)?) as Reader);
    Ok((Box::new(store), Box::new(open_reader), contents))
}

#[cfg(test)]
mod tests;
