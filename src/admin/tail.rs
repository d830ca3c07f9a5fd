//! The records that `sidecar tail` and the page's Tail show, as they are classified.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::record::Callback;

/// Passes records to those who watch. Without one, a record costs a single comparison.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    watchers: Mutex<Vec<Watcher>>,
}

/// One who watches.
#[derive(Debug)]
struct Watcher {
    project: Option<String>,
    callback: Option<Callback>,
    lines: mpsc::Sender<Arc<str>>,
    /// Records that were not passed on, until the watcher is told.
    missed: Arc<AtomicU64>,
    /// What a page is given of a busy stream: so many records in a window. `None`: all.
    limit: Option<usize>,
    window: u64,
    in_window: usize,
}

/// What a watcher gets.
#[derive(Clone, Debug)]
pub(super) enum Tailed {
    /// So many records were not passed on: there were more than are taken.
    Missed(u64),
    /// One line of JSON, with its newline.
    Record(Arc<str>),
}

/// How many records a watcher takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// As many as it reads.
    All,
    /// No more than a person can read. The rest is counted, and costs nothing.
    Read,
}

impl Tail {
    /// Passes a record to those who watch its project and callback. `line` makes what they get, and is called only
    /// where one takes it.
    pub fn observe(&self, project: &str, callback: Callback, clock: Clock, line: impl Fn() -> String) {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let window = clock.uptime().0 / WINDOW_MS;
        let mut made: Option<Arc<str>> = None;
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        for watcher in watchers.iter_mut().filter(|watcher| watcher.shows(project, callback)) {
            let takes = watcher.takes(window);
            let line = takes.then(|| Arc::clone(made.get_or_insert_with(|| line().into())));
            if line.is_none_or(|line| watcher.lines.try_send(line).is_err()) {
                watcher.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Records from now on, of one project and callback where these are given. A watcher that is too slow misses
    /// records, and is told how many.
    pub(super) fn watch(
        &self,
        project: Option<String>,
        callback: Option<Callback>,
        pace: Pace,
    ) -> impl Stream<Item = Tailed> + use<> {
        let (lines, received) = mpsc::channel(QUEUED_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let limit = match pace {
            Pace::All => None,
            Pace::Read => Some(IN_WINDOW_MAX),
        };
        let told = Arc::clone(&missed);
        let watcher = Watcher { project, callback, lines, missed, limit, window: 0, in_window: 0 };
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(watcher);
        self.0.count.store(watchers.len(), Ordering::Relaxed);
        let state = Watched { received, missed: told, shared: Arc::downgrade(&self.0) };
        unfold(state, |mut watched| async move { Some((watched.next().await?, watched)) })
    }

    /// The same as lines of JSON, all of them.
    pub(super) fn lines(
        &self,
        project: Option<String>,
        callback: Option<Callback>,
    ) -> impl Stream<Item = Bytes> + use<> {
        self.watch(project, callback, Pace::All).map(|tailed| match tailed {
            Tailed::Missed(missed) => Bytes::from(format!("{{\"not_shown\":{missed}}}\n")),
            Tailed::Record(line) => Bytes::copy_from_slice(line.as_bytes()),
        })
    }
}

impl Watcher {
    fn shows(&self, project: &str, callback: Callback) -> bool {
        self.project.as_ref().is_none_or(|shown| shown == project)
            && self.callback.is_none_or(|shown| shown == callback)
    }

    /// Whether it takes one more in this window.
    fn takes(&mut self, window: u64) -> bool {
        let Some(limit) = self.limit else { return true };
        if self.window != window {
            (self.window, self.in_window) = (window, 0);
        }
        self.in_window += 1;
        self.in_window <= limit
    }
}

/// The watcher's end. Dropped, it is no longer watched for.
struct Watched {
    received: mpsc::Receiver<Arc<str>>,
    missed: Arc<AtomicU64>,
    shared: Weak<Shared>,
}

impl Watched {
    async fn next(&mut self) -> Option<Tailed> {
        loop {
            // What is in the queue comes first: it came before what found the queue full.
            if let Ok(line) = self.received.try_recv() {
                return Some(Tailed::Record(line));
            }
            match self.missed.swap(0, Ordering::Relaxed) {
                0 => {}
                missed => return Some(Tailed::Missed(missed)),
            }
            if let Ok(line) = tokio::time::timeout(TOLD_WITHIN, self.received.recv()).await {
                return line.map(Tailed::Record);
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.received.close();
        let Some(shared) = self.shared.upgrade() else { return };
        let mut watchers = shared.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !watcher.lines.is_closed());
        shared.count.store(watchers.len(), Ordering::Relaxed);
    }
}

/// The most records that a watcher may be behind.
const QUEUED_MAX: usize = 4_096;
/// A page gets so many records of its filter in each window: it puts them on top four times a second.
const IN_WINDOW_MAX: usize = 50;
const WINDOW_MS: u64 = 250;
/// How soon a watcher is told of what it missed, where nothing comes after.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::ManualClock;

    fn next(stream: &mut (impl Stream<Item = Tailed> + Unpin)) -> Option<Tailed> {
        stream.next().now_or_never().flatten()
    }

    #[tokio::test]
    async fn a_page_takes_what_a_person_reads_of_its_filter() {
        let (tail, clock) = (Tail::default(), Clock::manual(Box::leak(Box::new(ManualClock::default()))));
        let made = AtomicUsize::new(0);
        let observe = |project: &str| {
            tail.observe(project, Callback::Ingested, clock, || {
                made.fetch_add(1, Ordering::Relaxed);
                project.to_owned()
            });
        };
        let mut page = std::pin::pin!(tail.watch(None, None, Pace::Read));
        let mut filtered = std::pin::pin!(tail.watch(Some("rare".to_owned()), None, Pace::Read));
        (0..1_000).for_each(|_| observe("busy"));
        observe("rare");
        assert!(matches!(next(&mut filtered), Some(Tailed::Record(line)) if &*line == "rare"));
        for _ in 0..IN_WINDOW_MAX {
            assert!(matches!(next(&mut page), Some(Tailed::Record(_))));
        }
        assert!(
            matches!(next(&mut page), Some(Tailed::Missed(missed)) if missed == 1_001 - IN_WINDOW_MAX as u64)
        );
        assert_eq!(made.load(Ordering::Relaxed), IN_WINDOW_MAX + 1, "what nobody takes is not made");
    }

    #[tokio::test]
    async fn a_stream_without_a_limit_misses_only_what_its_queue_has_no_room_for() {
        let (tail, clock) = (Tail::default(), Clock::manual(Box::leak(Box::new(ManualClock::default()))));
        let mut all = Box::pin(tail.watch(None, Some(Callback::Modified), Pace::All));
        for callback in [Callback::Modified, Callback::Ingested] {
            (0..=QUEUED_MAX).for_each(|_| tail.observe("p", callback, clock, String::new));
        }
        for _ in 0..QUEUED_MAX {
            assert!(matches!(next(&mut all), Some(Tailed::Record(_))));
        }
        assert!(matches!(next(&mut all), Some(Tailed::Missed(1))));
        drop(all);
        tail.observe("p", Callback::Modified, clock, || unreachable!("nobody watches"));
    }
}
