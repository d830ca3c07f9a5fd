//! Copies the write-ahead log into the file, on a thread of its own.
//!
//! A checkpoint writes and syncs up to 32 MiB. On the writer's thread, it would delay whatever is committed
//! next. A passive checkpoint of another connection blocks nobody, but it does not end while commits go on,
//! and the log is only used again from its start once all of it is copied: in a log of [`LOG_PAGES_MAX`], the
//! writer copies the few pages that are left itself. <https://www.sqlite.org/wal.html#ckpt>

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;

use super::schema::FILE_NAME;

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The log, as the writer knows it.
struct Log {
    wake: SyncSender<()>,
    copied: Copied,
}

/// How many pages of the log are copied. Locked while more are.
type Copied = Arc<Mutex<u32>>;

impl Checkpointer {
    /// Replaces the automatic checkpoints of `writer`, whose file is in `folder`.
    pub(super) fn start(folder: &Path, writer: &mut Connection) -> Result<Self, std::io::Error> {
        let connection = Connection::open(folder.join(FILE_NAME)).map_err(std::io::Error::other)?;
        let (wake, woken) = sync_channel(1);
        let log = Log { wake: wake.clone(), copied: Arc::default() };
        let (copied, stop) = (Arc::clone(&log.copied), Arc::new(AtomicBool::new(false)));
        let hook = move |wal: &mut Wal, pages| {
            log.committed(wal, u32::try_from(pages).unwrap_or_default());
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(std::io::Error::other)?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("checkpoint".into());
        let thread = thread.spawn(move || copy_when_woken(&connection, &woken, &copied, &stopped))?;
        Ok(Self { wake, stop, thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Log {
    /// The log has so many pages after a commit.
    fn committed(&self, wal: &mut Wal, pages: u32) {
        let mut copied = match self.copied.try_lock() {
            Ok(copied) => copied,
            Err(TryLockError::WouldBlock) if pages < 2 * LOG_PAGES_MAX => return,
            Err(_) => lock(&self.copied),
        };
        if *copied > pages {
            // It began anew.
            *copied = 0;
        }
        let left = pages - *copied;
        if left >= COPY_AT_PAGES {
            // A full queue means that it will be woken.
            let _ = self.wake.try_send(());
        }
        let few_are_left = pages >= LOG_PAGES_MAX && left <= FEW_PAGES;
        if (few_are_left || pages >= 2 * LOG_PAGES_MAX)
            && let Ok((_, pages)) = wal.checkpoint_v2(CheckpointMode::PASSIVE)
        {
            *copied = u32::try_from(pages).unwrap_or_default();
        }
    }
}

fn lock(copied: &Copied) -> MutexGuard<'_, u32> {
    copied.lock().unwrap_or_else(PoisonError::into_inner)
}

fn copy_when_woken(connection: &Connection, woken: &Receiver<()>, copied: &Copied, stopped: &AtomicBool) {
    let mut has_failed = false;
    while let Ok(()) = woken.recv()
        && !stopped.load(Ordering::Acquire)
    {
        // What is committed during the first is much; during the second, a little.
        for _ in 0..2 {
            let mut copied = lock(copied);
            match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, u32>(2)) {
                Ok(pages) => {
                    *copied = pages;
                    has_failed = false;
                }
                // The records are safe in the log, and the next wake-up tries again.
                Err(error) if !has_failed => {
                    tracing::warn!("cannot copy the spool's log into its file, so the log grows: {error}");
                    has_failed = true;
                }
                Err(_) => {}
            }
        }
    }
}

/// Pages of the log that are copied together: 32 MiB, so that a page that changes often is seldom copied.
const COPY_AT_PAGES: u32 = 8_192;
/// From this size of the log on, the writer copies the rest where it is little, and from twice of it whatever
/// is left: 64 MiB, as much as the log keeps of the disk.
const LOG_PAGES_MAX: u32 = 16_384;
/// As many as a commit may wait for: 1 MiB.
const FEW_PAGES: u32 = 256;

#[cfg(test)]
mod tests {
    use super::super::schema::open;
    use super::*;

    /// Commits that never pause, as fast as they go: the log is copied, and used again from its start.
    #[test]
    fn the_log_stays_small_while_commits_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, _) = open(folder.path()).unwrap();
        writer
            .execute_batch("PRAGMA synchronous = OFF; CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)")
            .unwrap();
        let checkpointer = Checkpointer::start(folder.path(), &mut writer).unwrap();
        let (log, file) = (folder.path().join("spool.sqlite-wal"), folder.path().join(FILE_NAME));
        let insert = "INSERT INTO t (b) VALUES (zeroblob(65536))";
        let commits = 6_000;
        for _ in 0..commits {
            writer.execute(insert, []).unwrap();
        }
        let most = log.metadata().unwrap().len();
        assert!(file.metadata().unwrap().len() > 200 << 20, "the log is copied while commits go on");
        assert!(most < 192 << 20, "{most} bytes of log after {} MiB of commits", commits / 16);
        drop(writer);
        drop(checkpointer);
        assert!(!log.exists(), "the last connection that closes removes the log");
        let (writer, _) = open(folder.path()).unwrap();
        let count: u32 = writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, commits);
    }
}
