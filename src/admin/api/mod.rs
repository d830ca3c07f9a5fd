//! The JSON of the API: bodies of requests and responses.
//!
//! Keys and words are a contract, whatever the types are called. LSNs are texts as Postgres writes them (`0/16B3748`),
//! times RFC 3339 in UTC, sizes bytes, durations seconds.

mod access;
mod activity;
mod dead_letters;
mod deliveries;
mod delivery_acts;
mod documents;
mod flattened;
mod hand_over;
mod jobs;
mod lane_activity;
mod operations;
mod projects;
mod records;
mod replays;
mod resync;
mod status;
mod webhook_change;
mod webhook_lanes;
mod webhook_requests;
mod webhook_secrets;
mod webhook_sources;
mod webhooks;

pub use access::{
    AuditEntry, AuditPage, AuditQuery, LinkList, LinkRequest, LinkStatus, NewLink, NewToken, Revoked,
    TokenList, TokenRequest, TokenStatus,
};
pub use activity::{Activity, Interval};
pub use dead_letters::{
    AttemptStatus, AttemptSteps, DeadLetterCounts, DeadLetterDetail, DeadLetterFilter, DeadLetterPage,
    DeadLetterQuery, DeadLetterRecord, DeadLetterSelection, DeadLetterStatus, LastAttempt,
};
pub use deliveries::{
    DeliveryDetail, DeliveryFilter, DeliveryHeader, DeliveryPage, DeliveryQuery, DeliveryRequest,
    DeliveryState, DeliveryStatus, FoundRecordStatus,
};
pub use delivery_acts::{DeliveryCounts, DeliverySelection};
pub use documents::{DocumentDetail, DocumentQuery, DocumentRecord, RowStatus, ShadowStatus};
pub use hand_over::{HandOver, HandOverQuery};
pub use jobs::{JobList, JobState, JobStatus};
pub use lane_activity::{ActivityBar, LaneActivity, LaneFailure};
pub use operations::{DoctorReport, EffectiveSetting, FindingStatus, SettingList};
pub use projects::{
    CallbackDetail, DocumentCount, ProjectDetail, ProjectPage, ProjectQuery, ProjectStatus, STATES_BY_WEIGHT,
};
pub use records::{RecordBody, RecordQuery};
pub use replays::{LaneCount, ReplayBacklog, ReplayList, ReplayStatus, ReplaySummary, WindowStatus};
pub use resync::{ResyncAccepted, ResyncRequest, ResyncState, ResyncStatus};
pub use status::{
    DroppedLane, DroppedStatus, LaneBacklog, LaneStatus, OpenTransactionStatus, Progress, Readiness,
    SourceState, SourceStatus, SpoolStatus, Status,
};
pub use webhook_change::WebhookChange;
pub use webhook_lanes::{
    LaneName, PauseRequest, PauseResult, SkipLane, SkipRequest, SkipResult, StillPaused,
};
pub use webhook_requests::{
    ApplyRequest, ApplyResult, PlannedAction, PlannedChange, TestBody, TestRequest, TestResult,
};
pub use webhook_secrets::{ReceiverSecret, RotateRequest, RotateResult, SigningSecretList};
pub use webhook_sources::{OriginCounts, RefusedRowStatus, WebhookQueryStatus, WebhookSourcesStatus};
pub use webhooks::{RevisionQuery, WebhookDetail, WebhookKey, WebhookList, WebhookOrigin, WebhookStatus};

#[cfg(test)]
mod tests;
