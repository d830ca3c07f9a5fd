//! A request that posts an alert.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use uuid::Uuid;

use super::http::client::OutgoingRequest;
use super::signing::signatures;
use super::webhook::Webhook;
use crate::record::Callback;
use crate::time::Timestamp;

/// The request, with the webhook's headers, signed as webhooks are. All attempts at an alert have one `id`.
pub fn alert_request(webhook: &Webhook, id: Uuid, body: Bytes, now: Timestamp) -> OutgoingRequest {
    let mut headers: HeaderMap =
        webhook.headers.iter().map(|(name, value)| (name.clone(), value.expose().clone())).collect();
    let id = id.to_string();
    let mut set = |name: HeaderName, value: &str| {
        // Every value is visible ASCII by construction.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, "application/json");
    set(USER_AGENT, concat!("sidecar/", env!("CARGO_PKG_VERSION")));
    set(HeaderName::from_static("webhook-timestamp"), &now.unix_seconds().to_string());
    if let Some(signature) = signatures(&webhook.secrets, &id, now, &body) {
        set(HeaderName::from_static("webhook-signature"), &signature);
    }
    set(HeaderName::from_static("webhook-id"), &id);
    OutgoingRequest::new(webhook, "", Callback::Modified, headers, body)
}
