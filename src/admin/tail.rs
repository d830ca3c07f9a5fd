//! The records that `sidecar tail` prints, as a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::record::Callback;

/// Records as they are classified. Without a subscriber nothing is sent.
pub type Tail = broadcast::Sender<Arc<TailLine>>;

/// One record, as `sidecar tail` prints it.
#[derive(Debug)]
pub struct TailLine {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// One line of JSON, with its newline.
    pub json: String,
}

/// What a subscriber gets.
#[derive(Clone, Debug)]
pub(super) enum Tailed {
    /// So many records came faster than they were taken.
    Missed(u64),
    Record(Arc<TailLine>),
}

/// Records from now on, of one project and callback where these are given. A subscriber that is too slow
/// misses records.
pub(super) fn tailed(
    tail: &Tail,
    project: Option<String>,
    callback: Option<Callback>,
) -> impl Stream<Item = Tailed> + use<> {
    unfold((tail.subscribe(), project), move |(mut lines, project)| async move {
        loop {
            let tailed = match lines.recv().await {
                Ok(line) if project.as_ref().is_some_and(|project| *project != line.project) => continue,
                Ok(line) if callback.is_some_and(|callback| callback != line.callback) => continue,
                Ok(line) => Tailed::Record(line),
                Err(RecvError::Lagged(missed)) => Tailed::Missed(missed),
                Err(RecvError::Closed) => return None,
            };
            return Some((tailed, (lines, project)));
        }
    })
}

/// The same as lines of JSON.
pub(super) fn lines(
    tail: &Tail,
    project: Option<String>,
    callback: Option<Callback>,
) -> impl Stream<Item = Bytes> + use<> {
    tailed(tail, project, callback).map(|tailed| match tailed {
        Tailed::Missed(missed) => Bytes::from(format!("{{\"not_shown\":{missed}}}\n")),
        Tailed::Record(line) => Bytes::from(line.json.clone()),
    })
}
