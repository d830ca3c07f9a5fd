//! The headers of the request for a batch.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::deliver::http::signature::signatures;
use crate::deliver::webhook::Webhook;
use crate::position::Position;
use crate::spool::Batch;
use crate::time::Timestamp;

/// The values of the headers.
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
        // Every value is visible ASCII by construction.
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
    set("sidecar-positions", &format!("{}..{}", context.first, context.last));
    if let Some(replay) = context.replay {
        set("sidecar-replay", &replay.to_string());
    }
    headers
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
            url: "http://localhost/".parse().unwrap(),
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
        assert_eq!(headers.len(), 11);
        let replayed = RequestContext { replay: Some(uuid::Uuid::nil()), ..context };
        assert_eq!(super::headers(&webhook, &replayed, b"{}")["sidecar-replay"], nil);
    }
}
