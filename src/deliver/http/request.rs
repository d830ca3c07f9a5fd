//! A batch as a request: its headers. Receivers were written for the body; all else is here.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::deliver::http::signature::signatures;
use crate::deliver::webhook::Webhook;
use crate::position::Position;
use crate::spool::Batch;
use crate::time::Timestamp;

/// What the headers state besides the webhook's own.
#[derive(Clone, Copy, Debug)]
pub(in crate::deliver) struct RequestContext<'a> {
    pub(in crate::deliver) batch: &'a Batch,
    pub(in crate::deliver) project: &'a str,
    pub(in crate::deliver) first: Position,
    pub(in crate::deliver) last: Position,
    /// 1, 2, …
    pub(in crate::deliver) attempt: u32,
    /// The replay or redelivery that it is of.
    pub(in crate::deliver) replay: Option<uuid::Uuid>,
    pub(in crate::deliver) now: Timestamp,
}

/// All headers of one attempt.
pub(in crate::deliver) fn headers(webhook: &Webhook, context: &RequestContext<'_>, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12 + webhook.headers.len());
    for (name, value) in &webhook.headers {
        headers.append(name.clone(), value.0.clone());
    }
    let id = context.batch.id.to_string();
    let timestamp = context.now.unix_seconds();
    let mut set = |name: &'static str, value: &str| {
        // Every value is visible ASCII by its making.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("user-agent", concat!("sidecar/", env!("CARGO_PKG_VERSION")));
    set("webhook-timestamp", &timestamp.to_string());
    if let Some(signature) = signatures(&webhook.secrets, &id, timestamp, body) {
        set("webhook-signature", &signature);
    }
    set("webhook-id", &id);
    set("sidecar-project", &visible(context.project));
    set("sidecar-callback", context.batch.lane.callback().name());
    set("sidecar-attempt", &context.attempt.to_string());
    set("sidecar-epoch", &context.batch.epoch.to_string());
    set("traceparent", &traceparent(context.batch.id, context.attempt));
    set("sidecar-positions", &format!("{}..{}", context.first, context.last));
    if let Some(replay) = context.replay {
        set("sidecar-replay", &replay.to_string());
    }
    headers
}

/// The trace of the batch, and the span of this attempt in it, so that a receiver's traces can be found by
/// `webhook-id`, and all attempts of a batch are in one. Sampled, as every attempt is recorded.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn traceparent(batch: uuid::Uuid, attempt: u32) -> String {
    // No attempt's span is 0, which the standard forbids.
    let span = xxh3_64_with_seed(batch.as_bytes(), u64::from(attempt)).max(1);
    format!("00-{}-{span:016x}-01", batch.simple())
}

/// Everything but visible ASCII percent-encoded, and `%` itself, so that it can be read back.
fn visible(text: &str) -> String {
    const HIDDEN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(text, HIDDEN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::webhook::{Limits, Redacted};
    use crate::position::Lsn;
    use crate::record::{Callback, LaneNo, ProjectNo, Seq};

    #[test]
    fn headers_bear_exactly_the_names_and_forms_that_receivers_rely_on() {
        let webhook = Webhook {
            project: None,
            callback: None,
            url: hyper::Uri::from_static("http://localhost/").into(),
            headers: vec![(
                HeaderName::from_static("authorization"),
                Redacted(HeaderValue::from_static("Basic x")),
            )],
            secrets: vec![crate::deliver::Secret::parse("s").unwrap()],
            limits: Limits::default(),
        };
        let batch = Batch {
            id: uuid::Uuid::nil(),
            lane: LaneNo::new(ProjectNo(0), Callback::Modified),
            first: Seq(1),
            last: Seq(2),
            records: 2,
            body_bytes: 2,
            body_sum: 0,
            cut_at: Timestamp(0),
            epoch: uuid::Uuid::nil(),
            attempts: 2,
            replay: None,
        };
        let position = |number| Position { commit: Lsn(0x16B_3748), number };
        let (first, last) = (position(1), position(3));
        let context = RequestContext {
            batch: &batch,
            project: "Großes Haus 5%\n",
            first,
            last,
            attempt: 3,
            replay: None,
            now: Timestamp(1_999_999),
        };
        let headers = headers(&webhook, &context, b"{}");
        let error_chain: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        let nil = "00000000-0000-0000-0000-000000000000";
        for line in [
            "authorization: Basic x".to_owned(),
            "content-type: application/json".to_owned(),
            format!("user-agent: sidecar/{}", env!("CARGO_PKG_VERSION")),
            format!("webhook-id: {nil}"),
            "webhook-timestamp: 1".to_owned(),
            "sidecar-project: Gro%C3%9Fes%20Haus%205%25%0A".to_owned(),
            "sidecar-callback: modified".to_owned(),
            "sidecar-attempt: 3".to_owned(),
            format!("sidecar-epoch: {nil}"),
            "sidecar-positions: 0-16B3748/1..0-16B3748/3".to_owned(),
        ] {
            assert!(error_chain.contains(&line), "no `{line}` in {error_chain:#?}");
        }
        assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
        assert_eq!(headers.len(), 12);
        let (one, two) = (traceparent(context.batch.id, 1), traceparent(context.batch.id, 2));
        assert_ne!(one, two);
        for trace in [one, two] {
            let parts: Vec<&str> = trace.split('-').collect();
            let is_hex =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            assert!(
                matches!(parts[..], ["00", id, span, "01"] if id.len() == 32 && span.len() == 16 && is_hex(id) && is_hex(span)),
                "{trace}"
            );
        }
        let replayed = RequestContext { replay: Some(uuid::Uuid::nil()), ..context };
        assert_eq!(super::headers(&webhook, &replayed, b"{}")["sidecar-replay"], nil);
    }
}
