//! Which engine a spool has. Nothing else chooses one.

use std::path::Path;

use super::error::OpenError;
use super::sqlite::{self, Checkpoints};
use super::writer::{Opened, Options, Spool};
use crate::clock::Clock;

impl Spool {
    /// Opens or makes the spool in `folder`, for this process alone, and starts its writer.
    pub fn open(folder: &Path, options: Options) -> Result<Opened, OpenError> {
        let engine = sqlite::open(folder, options.bytes_max, Clock::now(), Checkpoints::OnThread)?;
        let clock = Clock::start(engine.contents.uptime);
        Self::start(engine, options, clock)
            .map_err(|source| OpenError::Io { location: folder.display().to_string(), source })
    }

    /// The same without a thread: operations are applied by [`Spool::run_submitted`], or by the caller that
    /// waits for a result.
    pub fn open_without_thread(folder: &Path, options: Options, clock: Clock) -> Result<Opened, OpenError> {
        let engine = sqlite::open(folder, options.bytes_max, clock.wall(), Checkpoints::OnCommit)?;
        Ok(Self::start_without_thread(engine, options, clock))
    }
}
