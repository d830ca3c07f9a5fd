//! The records that `sidecar tail` prints, as a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
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

/// Records from now on, of one project and callback where these are given. A subscriber that is too slow
/// misses records: a line says how many.
pub(super) fn lines(
    tail: &Tail,
    project: Option<String>,
    callback: Option<Callback>,
) -> impl Stream<Item = Bytes> + use<> {
    unfold((tail.subscribe(), project), move |(mut lines, project)| async move {
        loop {
            let line = match lines.recv().await {
                Ok(line) if project.as_ref().is_some_and(|project| *project != line.project) => continue,
                Ok(line) if callback.is_some_and(|callback| callback != line.callback) => continue,
                Ok(line) => line.json.clone(),
                Err(RecvError::Lagged(missed)) => format!("{{\"not_shown\":{missed}}}\n"),
                Err(RecvError::Closed) => return None,
            };
            return Some((Bytes::from(line), (lines, project)));
        }
    })
}
