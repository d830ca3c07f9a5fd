//! The audit log: what was changed by whom, in the log and in the spool. Of a URL it has the host and a fingerprint.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admin::{Access, AuditEntry, AuditPage, AuditQuery, RequestError, page_size};
use crate::clock::Clock;
use crate::spool::{AuditLimit, Op, Spool, StoredAudit};
use crate::time::Timestamp;

/// Writes the audit log.
pub(super) struct Audit {
    spool: Spool,
    clock: Clock,
}

/// What was changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry<'a> {
    pub(super) what: &'static str,
    pub(super) project: Option<&'a str>,
    pub(super) callback: Option<&'a str>,
    /// The host and port of a webhook's URL.
    pub(super) host: Option<&'a str>,
    /// A fingerprint of the URL.
    pub(super) url: Option<&'a str>,
    pub(super) detail: Option<String>,
}

/// An entry as the spool has it, but for its time and project.
#[derive(Debug, Deserialize, Serialize)]
struct Content {
    by: String,
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl<'a> Entry<'a> {
    /// Without particulars.
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, ..Entry::default() }
    }

    /// About a project.
    pub(super) fn about(what: &'static str, project: Option<&'a str>) -> Self {
        Self { project, ..Self::of(what) }
    }
}

impl Audit {
    pub(super) fn new(spool: &Spool, clock: Clock) -> Self {
        Self { spool: spool.clone(), clock }
    }

    /// Adds an entry, and waits until it is durable.
    pub(super) fn record(&self, access: &Access, entry: Entry<'_>) {
        self.submit(&access.caller, entry);
        self.flush();
    }

    /// Waits until all entries are durable: the spool applies operations in their order.
    pub(super) fn flush(&self) {
        let _ = self.spool.apply(Op::Tick(self.clock.uptime()));
    }

    /// Adds an entry. The change stands where it cannot be stored: the log has it.
    pub(super) fn submit(&self, by: &dyn fmt::Display, entry: Entry<'_>) {
        let Entry { what, project, callback, host, url, detail } = entry;
        let by = by.to_string();
        tracing::info!(target: "sidecar::audit", project, callback, host, url, detail, by, "{what}");
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let content = Content {
            by,
            what: what.to_owned(),
            callback: owned(callback),
            host: owned(host),
            url: owned(url),
            detail,
        };
        let content = serde_json::to_string(&content).unwrap_or_default();
        let at = self.clock.wall();
        let entry = StoredAudit { no: 0, at, project: owned(project), content };
        let since = Timestamp(at.0.saturating_sub(i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX)));
        let limit = AuditLimit { entries: ENTRIES_MAX, since };
        self.spool.submit(Op::Audit { entry, limit }, |stored| {
            if let Err(error) = stored {
                tracing::error!("the audit log was not written: {error}");
            }
        });
    }

    /// A page, the newest first.
    pub(super) fn page(&self, query: &AuditQuery, access: &Access) -> Result<AuditPage, RequestError> {
        let project = access.scope.narrowed(query.project.as_deref())?;
        let limit = page_size(query.limit, PAGE, PAGE_MAX)?;
        let before = query.after.unwrap_or(u64::MAX);
        let mut found = self.spool.reader()?.audit(before, project.as_deref(), limit + 1)?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().map(|entry| entry.no).filter(|_| more);
        let entries = found.into_iter().map(shown).collect::<Result<_, _>>()?;
        Ok(AuditPage { entries, next })
    }
}

fn shown(stored: StoredAudit) -> Result<AuditEntry, RequestError> {
    let StoredAudit { no, at, project, content } = stored;
    let content = serde_json::from_str(&content);
    let Content { by, what, callback, host, url, detail } =
        content.map_err(|error| RequestError::Internal(format!("read the audit log: {error}")))?;
    Ok(AuditEntry { no, at: at.to_rfc3339(), by, what, project, callback, host, url, detail })
}

const ENTRIES_MAX: u64 = 10_000;
const KEPT_FOR: Duration = Duration::from_hours(365 * 24);
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
