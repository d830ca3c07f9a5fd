//! Attempts, as they were logged.

use crate::outcome::OutcomeKind;
use crate::time::Timestamp;

/// A request that was on the wire, as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedAttempt {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took_micros: u64,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// The error's sentence, or the beginning of the answer.
    pub detail: Option<String>,
}
