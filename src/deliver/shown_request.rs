//! The request for a batch as people are shown it: the body as it is, secrets replaced.

use std::fmt::Write as _;

use uuid::Uuid;

use super::http::request::{HeaderNames, RequestContext, headers};
use super::shown_url::shown_url;
use super::webhook::Webhook;
use crate::position::Position;
use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::Batch;
use crate::time::Timestamp;

/// The request of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct BatchRequest<'a> {
    /// Its batch.
    pub batch: &'a Batch,
    /// The name of its project.
    pub project: &'a str,
    /// The first and the last position.
    pub positions: (Position, Position),
    /// The number of the attempt.
    pub attempt: u32,
    /// The replay or redelivery that it is of.
    pub replay: Option<Uuid>,
    /// When the attempt began.
    pub at: Timestamp,
}

/// What is shown of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShownRequest {
    /// The URL; where it holds a secret, its host and a fingerprint.
    pub url: String,
    /// Names and values. Values that the webhook's owner set, and signatures, are replaced.
    pub headers: Vec<(String, String)>,
}

impl BatchRequest<'_> {
    /// The request as this webhook makes it.
    pub fn shown(&self, webhook: &Webhook, names: &HeaderNames) -> ShownRequest {
        let (first, last) = self.positions;
        let Self { batch, project, attempt, replay, at, .. } = *self;
        let context = RequestContext { batch, project, first, last, attempt, replay, now: at };
        let is_own = |name: &str| webhook.headers.iter().any(|(own, _)| own.as_str() == name);
        let mut shown = vec![("host".to_owned(), webhook.host().to_string())];
        for (name, value) in &headers(webhook, &context, names, &[]) {
            let value = match name.as_str() {
                own if is_own(own) => REDACTED,
                "webhook-signature" => SIGNATURE,
                _ => value.to_str().unwrap_or_default(),
            };
            shown.push((name.to_string(), value.to_owned()));
        }
        if webhook.credentials.is_some() {
            shown.push(("authorization".to_owned(), format!("Bearer {REDACTED}")));
        }
        let url = webhook.url.fill(project, batch.lane.callback());
        ShownRequest { url: shown_url(&url.to_string()), headers: shown }
    }
}

/// A test request of one callback, as this webhook makes it.
pub fn shown_specimen(
    webhook: &Webhook,
    names: &HeaderNames,
    (project, callback): (&str, Callback),
    at: Timestamp,
) -> ShownRequest {
    let batch = Batch {
        id: Uuid::nil(),
        lane: LaneNo::new(ProjectNo(0), callback),
        first: Seq(1),
        last: Seq(1),
        records: 1,
        body_bytes: 0,
        body_sum: 0,
        cut_at: at,
        epoch: Uuid::nil(),
        attempts: 0,
        replay: None,
    };
    let (positions, replay) = (Default::default(), None);
    let request = BatchRequest { batch: &batch, project, positions, attempt: 1, replay, at };
    let mut shown = request.shown(webhook, names);
    shown.headers.push((names.test.to_string(), "1".to_owned()));
    shown
}

impl ShownRequest {
    /// The request as a command. What is replaced has to be put in.
    pub fn curl(&self, body: &str) -> String {
        let mut out = format!("curl --request POST {}", shell_quoted(&self.url));
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "host") {
            let _ = write!(out, " \\\n  --header {}", shell_quoted(&format!("{name}: {value}")));
        }
        if body.len() > ARGUMENT_BYTES_MAX {
            out.push_str(" \\\n  --data-binary @body.json");
        } else {
            let _ = write!(out, " \\\n  --data-raw {}", shell_quoted(body));
        }
        out
    }
}

/// One argument of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

const REDACTED: &str = "<redacted>";
const SIGNATURE: &str = "<signature>";
/// Linux takes no longer argument than 128 KiB.
const ARGUMENT_BYTES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::deliver::SigningSecret;
    use crate::secret::Secret;

    #[test]
    fn a_quote_ends_no_argument_of_the_shell() {
        assert_eq!(shell_quoted("a'; rm -rf b"), r"'a'\''; rm -rf b'");
    }

    #[test]
    fn a_request_is_shown_without_its_secrets_and_can_be_pasted() {
        let webhook = Webhook {
            headers: vec![(
                HeaderName::from_static("x-token"),
                Secret::of(HeaderValue::from_static("geheim")),
            )],
            secrets: vec![SigningSecret::parse("geheim").unwrap()],
            ..Webhook::new(hyper::Uri::from_static("http://localhost:1/in?key=geheim").into())
        };
        let batch = Batch {
            id: Uuid::from_u128(7),
            lane: LaneNo::new(ProjectNo(0), Callback::Ingested),
            first: Seq(1),
            last: Seq(2),
            records: 2,
            body_bytes: 2,
            body_sum: 0,
            cut_at: Timestamp(0),
            epoch: Uuid::nil(),
            attempts: 1,
            replay: None,
        };
        let (positions, at) = (Default::default(), Timestamp(0));
        let request = BatchRequest { batch: &batch, project: "a", positions, attempt: 1, replay: None, at };
        let shown = request.shown(&webhook, &HeaderNames::new("sidecar").unwrap());
        let curl = shown.curl("{\"docs\":[{\"id\":\"it's\",\"key\":null}]}");
        assert!(!curl.contains("geheim") && !format!("{shown:?}").contains("geheim"), "{curl}");
        assert!(curl.starts_with("curl --request POST 'http://localhost:1/… (sha256 "), "{curl}");
        for part in [
            "'x-token: <redacted>'",
            "'webhook-signature: <signature>'",
            "'webhook-id: 00000000-0000-0000-0000-000000000007'",
            "--data-raw '{\"docs\":[{\"id\":\"it'\\''s\",\"key\":null}]}'",
        ] {
            assert!(curl.contains(part), "no {part} in {curl}");
        }
        assert!(shown.curl(&"x".repeat(200_000)).ends_with("--data-binary @body.json"));
    }
}
