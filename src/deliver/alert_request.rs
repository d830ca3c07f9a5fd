//! A request that posts an alert.

use bytes::Bytes;
use uuid::Uuid;

use super::http::client::OutgoingRequest;
use super::http::request::signed_headers;
use super::webhook::Webhook;
use crate::record::Callback;
use crate::time::Timestamp;

/// The request, with the webhook's headers, signed as webhooks are. All attempts at an alert have one `id`.
pub fn alert_request(webhook: &Webhook, id: Uuid, body: Bytes, now: Timestamp) -> OutgoingRequest {
    let headers = signed_headers(webhook, id, now, &body);
    OutgoingRequest::new(webhook, "", Callback::Modified, headers, body)
}
