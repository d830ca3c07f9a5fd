//! The status of every stage as JSON, metrics and readiness, and the requests of the commands.
//!
//! Served on `admin.listen` and on a socket in the spool's folder. Nothing here decides anything:
//! responses are functions of a [`Status`], and requests go to the [`Control`] of the running sidecar.
//!
//! ```text
//! server (port)                  ┐
//!                                ├─▶ access (who, what) ──▶ routes ──▶ control (the trait of the service) ──▶ api (JSON)
//! socket (in the spool's folder) ┘
//! ```

mod access;
mod access_control;
mod access_routes;
mod api;
mod base_path;
mod control;
mod delivery_act_routes;
mod extract;
mod headers;
mod list_columns;
mod listener;
mod lists;
mod misfit;
mod openapi;
mod operation_control;
mod operation_routes;
mod page;
mod problems;
mod project_routes;
mod record_control;
mod record_routes;
mod request_error;
mod resend_routes;
mod respond;
mod routes;
mod server;
mod session_routes;
mod socket;
mod status_routes;
mod tail;
mod text;
mod tls;
mod webhook_control;
mod webhook_routes;

pub use access::{Access, AccessOptions, Caller, Capability, ENDPOINTS, Endpoint, Reach, Scope};
pub use access_control::{AccessControl, Grant, NewSession};
pub use api::{
    Activity, ActivityBar, CallbackDetail, DocumentCount, Interval, LaneActivity, LaneFailure, ProjectDetail,
    ProjectPage, ProjectQuery, ProjectStatus, STATES_BY_WEIGHT,
};
pub use api::{
    ApplyRequest, ApplyResult, LaneName, OriginCounts, PauseRequest, PauseResult, PlannedAction,
    PlannedChange, ReceiverSecret, RefusedRowStatus, RevisionQuery, RotateRequest, RotateResult,
    SigningSecretList, SkipLane, SkipRequest, SkipResult, StillPaused, TestBody, TestRequest, TestResult,
    WebhookChange, WebhookDetail, WebhookKey, WebhookList, WebhookOrigin, WebhookQueryStatus,
    WebhookSourcesStatus, WebhookStatus,
};
pub use api::{
    AttemptStatus, AttemptSteps, DeadLetterCounts, DeadLetterDetail, DeadLetterFilter, DeadLetterPage,
    DeadLetterQuery, DeadLetterRecord, DeadLetterSelection, DeadLetterStatus, DroppedLane, DroppedStatus,
    LaneBacklog, LaneCount, LaneStatus, OpenTransactionStatus, Progress, Readiness, ReplayBacklog,
    ReplayList, ReplayStatus, ReplaySummary, ResyncAccepted, ResyncRequest, ResyncState, ResyncStatus,
    SourceState, SourceStatus, SpoolStatus, Status, WindowStatus,
};
pub use api::{
    AuditEntry, AuditPage, AuditQuery, LinkList, LinkRequest, LinkStatus, NewLink, NewToken, Revoked,
    TokenList, TokenRequest, TokenStatus,
};
pub use api::{DeliveryCounts, DeliverySelection};
pub use api::{
    DeliveryDetail, DeliveryFilter, DeliveryHeader, DeliveryPage, DeliveryQuery, DeliveryRequest,
    DeliveryState, DeliveryStatus, DocumentDetail, DocumentQuery, DocumentRecord, FoundRecordStatus,
    HandOver, HandOverQuery, JobList, JobState, JobStatus, LastAttempt, RecordBody, RecordQuery, RowStatus,
    ShadowStatus,
};
pub use api::{DoctorReport, EffectiveSetting, FindingStatus, SettingList};
pub use control::Control;
pub use listener::AdminListener;
pub use lists::page_size;
pub use openapi::{body_schema, openapi};
pub use operation_control::OperationControl;
pub use record_control::RecordControl;
pub use request_error::{FieldError, Problem, RequestError};
pub use respond::AdminState;
pub use server::{serve_socket, serve_tcp};
pub use socket::{SOCKET_NAME, bind as bind_socket, connect as connect_socket};
pub use tail::Tail;
pub use text::{json, lines, plain, pretty_json};
pub use webhook_control::WebhookControl;
