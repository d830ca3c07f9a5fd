//! The headers of the request for a batch.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::deliver::signing::signatures;
use crate::deliver::webhook::Webhook;
use crate::position::Position;
use crate::spool::Batch;
use crate::time::Timestamp;

/// The names of the headers that say what a batch is, such as `sidecar-project`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderNames {
    prefix: String,
    project: HeaderName,
    callback: HeaderName,
    attempt: HeaderName,
    epoch: HeaderName,
    pub(in crate::deliver) positions: HeaderName,
    replay: HeaderName,
    pub(in crate::deliver) test: HeaderName,
}

/// A text cannot begin the names of headers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a prefix of headers is 1 to 40 letters a-z, digits and hyphens, begins with a letter and ends with none: \"acme\" gives `acme-project`"
)]
pub struct BadPrefix;

impl HeaderNames {
    /// Names that begin with `prefix` and a hyphen.
    pub fn new(prefix: &str) -> Result<Self, BadPrefix> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = prefix.starts_with(|first: char| first.is_ascii_lowercase()) && !prefix.ends_with('-');
        if !is_name || prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(allowed) {
            return Err(BadPrefix);
        }
        let name = |rest: &str| format!("{prefix}-{rest}").parse().map_err(|_| BadPrefix);
        Ok(Self {
            prefix: format!("{prefix}-"),
            project: name("project")?,
            callback: name("callback")?,
            attempt: name("attempt")?,
            epoch: name("epoch")?,
            positions: name("positions")?,
            replay: name("replay")?,
            test: name("test")?,
        })
    }

    /// Whether a webhook's own headers may not have this name: it is one of these, or of the request's or
    /// the connection's.
    pub fn is_reserved(&self, name: &HeaderName) -> bool {
        name.as_str().starts_with(&self.prefix) || RESERVED.contains(&name.as_str())
    }
}

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

/// The headers of every signed request: the webhook's own, the body's type, and those of the signature.
pub(in crate::deliver) fn signed_headers(
    webhook: &Webhook,
    id: uuid::Uuid,
    now: Timestamp,
    body: &[u8],
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12 + webhook.headers.len());
    for (name, value) in &webhook.headers {
        headers.append(name.clone(), value.expose().clone());
    }
    let id = id.to_string();
    let mut set = |name: HeaderName, value: &str| set(&mut headers, name, value);
    set(CONTENT_TYPE, "application/json");
    set(USER_AGENT, AGENT);
    set(HeaderName::from_static("webhook-timestamp"), &now.unix_seconds().to_string());
    if let Some(signature) = signatures(&webhook.secrets, &id, now, body) {
        set(HeaderName::from_static("webhook-signature"), &signature);
    }
    set(HeaderName::from_static("webhook-id"), &id);
    headers
}

/// Every value is visible ASCII by construction.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// All headers of one attempt.
pub(in crate::deliver) fn headers(
    webhook: &Webhook,
    context: &RequestContext<'_>,
    names: &HeaderNames,
    body: &[u8],
) -> HeaderMap {
    let mut headers = signed_headers(webhook, context.batch.id, context.now, body);
    let mut set = |name: HeaderName, value: &str| set(&mut headers, name, value);
    set(HeaderName::from_static("traceparent"), &traceparent(context.batch.id, context.attempt));
    set(names.project.clone(), &visible(context.project));
    set(names.callback.clone(), context.batch.lane.callback().name());
    set(names.attempt.clone(), &context.attempt.to_string());
    set(names.epoch.clone(), &context.batch.epoch.to_string());
    set(names.positions.clone(), &format!("{}..{}", context.first, context.last));
    if let Some(replay) = context.replay {
        set(names.replay.clone(), &replay.to_string());
    }
    headers
}

/// The trace of the batch, and the span of this attempt in it, so that a receiver's traces can be found by
/// `webhook-id`, and all attempts of a batch are in one. Sampled, as every attempt is recorded.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn traceparent(batch: uuid::Uuid, attempt: u32) -> String {
    format!("00-{}-{}-01", batch.simple(), request_id(batch, attempt))
}

/// The id of one attempt's request: the span of its `traceparent`.
pub fn request_id(batch: uuid::Uuid, attempt: u32) -> String {
    // No attempt's span is 0, which the standard forbids.
    let span = xxh3_64_with_seed(batch.as_bytes(), u64::from(attempt)).max(1);
    format!("{span:016x}")
}

/// Everything but visible ASCII percent-encoded, and `%` itself, so that it can be read back.
fn visible(text: &str) -> String {
    const HIDDEN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(text, HIDDEN).to_string()
}

pub(in crate::deliver) const AGENT: &str = concat!("sidecar/", env!("CARGO_PKG_VERSION"));
const PREFIX_BYTES_MAX: usize = 40;
const RESERVED: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "traceparent",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_word() {
        let names = HeaderNames::new("x-acme2").unwrap();
        assert_eq!(names.positions.as_str(), "x-acme2-positions");
        let reserved = |name: &'static str| names.is_reserved(&HeaderName::from_static(name));
        assert!(reserved("x-acme2-anything") && reserved("webhook-signature") && reserved("host"));
        assert!(!reserved("x-acme2") && !reserved("sidecar-project") && !reserved("authorization"));
        let long = "a".repeat(41);
        for prefix in ["", "-a", "a-", "2a", "A", "a b", "a\nb", "é", "a:", long.as_str()] {
            assert_eq!(HeaderNames::new(prefix), Err(BadPrefix), "{prefix}");
        }
    }
    use crate::position::Lsn;
    use crate::record::{Callback, LaneNo, ProjectNo, Seq};
    use crate::secret::Secret;

    #[test]
    fn headers_bear_exactly_the_names_and_forms_that_receivers_rely_on() {
        let webhook = Webhook {
            headers: vec![(
                HeaderName::from_static("authorization"),
                Secret::of(HeaderValue::from_static("Basic x")),
            )],
            secrets: vec![crate::deliver::SigningSecret::parse("s").unwrap()],
            ..Webhook::new(hyper::Uri::from_static("http://localhost/").into())
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
        let names = HeaderNames::new("sidecar").unwrap();
        let headers = headers(&webhook, &context, &names, b"{}");
        let lines: Vec<String> =
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
            assert!(lines.contains(&line), "no `{line}` in {lines:#?}");
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
        assert_eq!(super::headers(&webhook, &replayed, &names, b"{}")["sidecar-replay"], nil);
    }
}
