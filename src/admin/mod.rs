//! What every stage says of itself → JSON, metrics, readiness, and the running sidecar's own words
//! to its commands.
//!
//! Served on `admin.listen` and on a socket in the spool's folder. Nothing here decides
//! anything: answers are functions of a [`Status`], and what is asked for goes to the supervisor.

mod replays;
mod resync;
mod server;
mod socket;
mod status;
mod text;

pub use replays::{
    Again, DeadLetterShown, DeadLetterStatus, DeadLettersAsked, DeadLettersDone, DeadLettersPage,
    DeadLettersPicked, LaneCount, Refusal, ReplayAnswer, ReplayStatus, ReplaysStatus, ShownAttempt,
    ShownRecord, WaitingLane, WindowStatus,
};
pub use resync::{ResyncAsked, ResyncStatus};
pub use server::{Admin, Tail, TailLine, serve_socket, serve_tcp};
pub use socket::{SOCKET_NAME, bind as bind_socket, connect as connect_socket};
pub use status::{
    LaneStatus, NotKeptLane, NotKeptStatus, OpenTransactionStatus, Pending, Progress, Readiness,
    SourceStatus, SpoolStatus, Status,
};
pub use text::{json, lines, plain, pretty_json};
