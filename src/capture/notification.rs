//! What capture notifies the supervisor of.

use super::apply_error::ApplyError;
use crate::spool::SpoolError;

/// An event in capture that the supervisor acts on.
#[derive(Clone, Debug)]
pub enum Notification {
    /// The stream of this connection cannot be applied further: the connection must be closed.
    ApplyFailed(u64, ApplyError),
    /// The stream of this connection has a new column whose values in existing documents are unknown.
    BackfillRequired(u64),
    /// The stream ended because the spool or its disk was full, and there is room now.
    RoomAvailable,
    /// The spool can no longer be written. The process must end.
    SpoolFailed(SpoolError),
}
