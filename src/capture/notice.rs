//! What the left loop tells whoever keeps the stream.

use super::halt::Halt;
use crate::spool::SpoolError;

/// What the left loop says of itself.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The connection of that number must be closed.
    Halted(u64, Halt),
    /// It was halted for want of room, and there is room now.
    Resumed,
    /// The spool can no longer be written. The process must end.
    SpoolFailed(SpoolError),
    /// To the connection of that number came a column of which it is not known what documents hold.
    Unlearned(u64),
}
