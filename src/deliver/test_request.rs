//! A request that is no attempt of a batch: it shows whether a webhook works.

use bytes::Bytes;
use hyper::header::HeaderValue;
use uuid::Uuid;

use super::http::client::OutgoingRequest;
use super::http::request::{HeaderNames, RequestContext, headers};
use super::webhook::Webhook;
use crate::position::Position;
use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::Batch;
use crate::time::Timestamp;

/// What a test is of.
#[derive(Clone, Debug)]
pub struct TestRequest<'a> {
    /// The project, as the header has it.
    pub project: &'a str,
    /// The callback.
    pub callback: Callback,
    /// The body.
    pub body: Bytes,
    /// The first and the last position, where the body is that of a batch.
    pub positions: Option<(Position, Position)>,
    /// The current epoch.
    pub epoch: Uuid,
    /// Its `webhook-id`.
    pub id: Uuid,
    /// The time.
    pub now: Timestamp,
}

impl TestRequest<'_> {
    /// The request, with the webhook's headers, signed, and with the header `sidecar-test`.
    pub fn to_webhook(&self, webhook: &Webhook, names: &HeaderNames) -> OutgoingRequest {
        let (first, last) = self.positions.unwrap_or_default();
        let context = RequestContext {
            batch: &self.batch(),
            project: self.project,
            first,
            last,
            attempt: 1,
            replay: None,
            now: self.now,
        };
        let mut headers = headers(webhook, &context, names, &self.body);
        if self.positions.is_none() {
            headers.remove(&names.positions);
        }
        headers.insert(names.test.clone(), HeaderValue::from_static("1"));
        OutgoingRequest::new(webhook, self.project, self.callback, headers, self.body.clone())
    }

    fn batch(&self) -> Batch {
        Batch {
            id: self.id,
            // Of the lane, headers have the callback.
            lane: LaneNo::new(ProjectNo(0), self.callback),
            first: Seq(0),
            last: Seq(0),
            records: 0,
            body_bytes: self.body.len() as u64,
            body_sum: 0,
            cut_at: self.now,
            epoch: self.epoch,
            attempts: 0,
            replay: None,
        }
    }
}
