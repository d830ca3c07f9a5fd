//! The status of every stage as JSON, metrics and readiness, and the requests of the commands.
//!
//! Served on `admin.listen` and on a socket in the spool's folder. Nothing here decides anything:
//! responses are functions of a [`Status`], and requests go to the [`Control`] of the running sidecar.

mod control;
mod dead_letters;
mod replays;
mod resync;
mod server;
mod socket;
mod status;
mod text;

pub use control::{Control, RequestError};
pub use dead_letters::{
    AttemptStatus, DeadLetterCounts, DeadLetterDetail, DeadLetterPage, DeadLetterQuery, DeadLetterRecord,
    DeadLetterSelection, DeadLetterStatus,
};
pub use replays::{LaneCount, ReplayBacklog, ReplayList, ReplayStatus, ReplaySummary, WindowStatus};
pub use resync::{ResyncAccepted, ResyncRequest, ResyncState, ResyncStatus};
pub use server::{Admin, Tail, TailLine, serve_socket, serve_tcp};
pub use socket::{SOCKET_NAME, bind as bind_socket, connect as connect_socket};
pub use status::{
    LaneStatus, NotKeptLane, NotKeptStatus, OpenTransactionStatus, Pending, Progress, Readiness, SourceState,
    SourceStatus, SpoolStatus, Status,
};
pub use text::{json, lines, plain, pretty_json};

#[cfg(test)]
mod tests;
