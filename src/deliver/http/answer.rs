//! The outcome of an attempt, with a sentence: from a response, also an incomplete one, or from the error
//! that prevented one.

use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::deliver::http::connector::ConnectError;
use crate::deliver::http::logged_headers::{location, logged_headers};
use crate::deliver::http::wire::causes;
use crate::deliver::scheduler::retry::Outcome;
use crate::outcome::{Directive, OutcomeKind};
use crate::spool::LoggedAnswer;
use crate::time::Timestamp;

/// A response with a status, which decides the outcome; the rest may be broken.
pub(in crate::deliver) struct Answer {
    status: u16,
    /// The target of a redirect, to be shown.
    location: Option<String>,
    /// The headers of an answer that is no success, for the log of attempts.
    headers: String,
    retry_after: Option<Duration>,
    directive: Option<Directive>,
    /// For how long the receiver keeps the connection when it is idle.
    keep_alive: Option<Duration>,
    body: Option<Incoming>,
    /// The beginning of the body.
    kept: BytesMut,
    /// The error after the status.
    fault: Option<String>,
}

impl Answer {
    /// A response with a complete head.
    pub(in crate::deliver) fn new(answer: Response<Incoming>) -> Self {
        let value = answer.headers().get(RETRY_AFTER);
        let status = answer.status().as_u16();
        let is_success = OutcomeKind::of_status(status).is_success();
        Self {
            status,
            headers: if is_success { String::new() } else { logged_headers(answer.headers()) },
            location: location(answer.headers()),
            retry_after: value.and_then(|value| retry_after(value.to_str().ok()?, Clock::now())),
            directive: answer
                .headers()
                .get("webhook-delivery")
                .and_then(|value| Directive::of(value.to_str().ok()?)),
            keep_alive: answer.headers().get("keep-alive").and_then(|value| keep_alive(value.to_str().ok()?)),
            body: Some(answer.into_body()),
            kept: BytesMut::new(),
            fault: None,
        }
    }

    /// A response of which only the status was read.
    pub(in crate::deliver) fn broken(status: u16, why: &str) -> Self {
        Self {
            status,
            headers: String::new(),
            location: None,
            retry_after: None,
            directive: None,
            keep_alive: None,
            body: None,
            kept: BytesMut::new(),
            fault: Some(why.to_owned()),
        }
    }

    /// Reads the body, up to its limit.
    pub(in crate::deliver) async fn read(&mut self, bytes_max: u64, deadline: Instant) {
        let mut read = 0_u64;
        while let Some(body) = &mut self.body {
            match timeout_at(deadline, body.frame()).await {
                Ok(None) => return,
                Ok(Some(Ok(frame))) => {
                    let Some(data) = frame.data_ref() else { continue };
                    read += data.len() as u64;
                    let room = BODY_BYTES.saturating_sub(self.kept.len());
                    self.kept.extend_from_slice(data.get(..data.len().min(room)).unwrap_or_default());
                    if read >= bytes_max {
                        self.fault =
                            Some(format!("its body is longer than the {bytes_max} bytes that are read"));
                    }
                }
                Ok(Some(Err(error))) => {
                    self.fault = Some(format!("its body broke off: {}", error_chain(&error)));
                }
                Err(_) => self.fault = Some("its body did not end in time".into()),
            }
            if self.fault.is_some() {
                self.body = None;
            }
        }
    }

    /// Whether it was read to its end.
    pub(in crate::deliver) fn is_whole(&self) -> bool {
        self.fault.is_none()
    }

    /// For how long the receiver keeps the connection when it is idle, where it says so.
    pub(in crate::deliver) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// What the log of attempts keeps of an answer that is no success.
    pub(in crate::deliver) fn to_log(&self) -> Option<LoggedAnswer> {
        let is_success = OutcomeKind::of_status(self.status).is_success();
        (!is_success).then(|| LoggedAnswer { headers: self.headers.clone(), body: text(&self.kept) })
    }

    pub(in crate::deliver) fn outcome(self) -> Outcome {
        let Self { status, location, retry_after, directive, kept, fault, .. } = self;
        let kind = OutcomeKind::of_status(status);
        let kept = match location {
            Some(place) if kind == OutcomeKind::Redirect => {
                Some(format!("redirects to {place}, and is not followed"))
            }
            _ => (!kind.is_success()).then(|| LoggedAnswer::beginning(&text(&kept)).to_owned()),
        };
        let fault = fault.map(|fault| format!("the answer has a fault: {fault}"));
        let detail = match (kept, fault) {
            (Some(kept), Some(fault)) if kept.is_empty() => Some(fault),
            (Some(kept), Some(fault)) => Some(format!("{kept} ({fault})")),
            (kept, fault) => kept.or(fault),
        };
        Outcome { status: Some(status), kind, detail, retry_after, directive }
    }
}

/// Why there is no connection.
pub(in crate::deliver) fn connect_failed(error: &ConnectError) -> Outcome {
    let kind = match error {
        ConnectError::Denied(_) => OutcomeKind::Egress,
        ConnectError::Dns(..) => OutcomeKind::Dns,
        ConnectError::Io(_, error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            OutcomeKind::Refused
        }
        ConnectError::Io(..) => OutcomeKind::Unreachable,
        ConnectError::Proxy(_) => OutcomeKind::Proxy,
        ConnectError::Timeout(_) => OutcomeKind::Timeout,
        ConnectError::Tls(_) | ConnectError::TlsFile(_) => OutcomeKind::Tls,
    };
    unsent(kind, error.to_string())
}

/// Why there is no response.
pub(in crate::deliver) fn failed(error: &hyper::Error) -> Outcome {
    let broke_off = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    let kind = if causes(error).any(is_tls) {
        OutcomeKind::Tls
    } else if broke_off || causes(error).any(is_reset) {
        OutcomeKind::Reset
    } else {
        OutcomeKind::Protocol
    };
    unsent(kind, error_chain(error))
}

pub(in crate::deliver) fn unsent(kind: OutcomeKind, detail: String) -> Outcome {
    Outcome { status: None, kind, detail: Some(detail), retry_after: None, directive: None }
}

/// A receiver that takes no client certificate, or not this one, says so only behind the handshake of TLS 1.3.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_h2 = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io);
    // The kind of an error of TLS, and of nothing else on a socket.
    let is_tls = |error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidData;
    error.downcast_ref::<std::io::Error>().or(of_h2).is_some_and(is_tls)
}

/// Bytes as text, of at most as many bytes.
fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    text.truncate(text.floor_char_boundary(BODY_BYTES));
    text
}

fn is_reset(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind;
    let resets = [
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionAborted,
    ];
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return error.get_io().map_or(error.is_remote(), |error| resets.contains(&error.kind()));
    }
    error.downcast_ref::<std::io::Error>().is_some_and(|error| resets.contains(&error.kind()))
}

/// An error with its sources.
pub(in crate::deliver) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error_chain: Vec<String> = causes(error).map(ToString::to_string).collect();
    error_chain.dedup();
    error_chain.join(": ")
}

/// The seconds of a `Keep-Alive: timeout=5, max=100`.
/// <https://www.rfc-editor.org/rfc/rfc2068#section-19.7.1.1>
pub fn keep_alive(value: &str) -> Option<Duration> {
    value.split(',').find_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        let seconds = seconds.trim().trim_matches('"');
        is_timeout.then(|| seconds.parse().ok().map(Duration::from_secs))?
    })
}

/// Seconds, perhaps with a fraction, or a date in any of HTTP's three forms.
/// <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if value.starts_with(|first: char| first.is_ascii_digit())
        && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        // A number that overflows is longer than any wait.
        let seconds: f64 = value.parse().ok()?;
        return Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    if let Ok(date) = httpdate::parse_http_date(value) {
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return Some(Timestamp(i64::try_from(since_epoch.as_micros()).ok()?).since(now));
    }
    // With a time zone other than GMT, as in mail.
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Timestamp(date.as_microsecond()).since(now))
}

/// The part of an error response that the log of attempts keeps.
const BODY_BYTES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keep_alive_is_the_timeout_among_its_parameters() {
        for value in ["timeout=5", "timeout=5, max=100", "max=100,Timeout = 5", "timeout=\"5\""] {
            assert_eq!(keep_alive(value), Some(Duration::from_secs(5)), "{value}");
        }
        for value in ["", "max=5", "timeout", "timeout=", "timeout=-1", "timeout=5s"] {
            assert_eq!(keep_alive(value), None, "{value}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp(1_700_000_000_000_000);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("007", now), Some(Duration::from_secs(7)));
        assert!(retry_after("99999999999999999999", now) > Some(Duration::from_hours(24)));
        for (date, seconds) in [
            ("Tue, 14 Nov 2023 22:13:30 GMT", 10),
            ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
            ("Tuesday, 14-Nov-23 22:13:30 GMT", 10),
            ("Tue Nov 14 22:13:30 2023", 10),
            ("Fri Dec  1 00:00:00 2023", 1_388_800),
            ("Friday, 01-Dec-23 00:00:00 GMT", 1_388_800),
            ("Tue, 14 Nov 2023 23:13:30 +0100", 10),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ] {
            assert_eq!(retry_after(date, now), Some(Duration::from_secs(seconds)), "{date}");
        }
        assert_eq!(retry_after("1.5", now), Some(Duration::from_millis(1_500)));
        assert_eq!(retry_after("2.", now), Some(Duration::from_secs(2)));
        for text in ["soon", "", "-1", ".5", "1.5.2", "1e3", "inf", "NaN", "7s", "14 Nov"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn any_value_is_read_or_not_and_a_wait_is_never_negative(value in "\\PC{0,40}", at: i64) {
            let _ = (retry_after(&value, Timestamp(at)), keep_alive(&value));
        }

        #[test]
        fn anything_like_a_number_or_a_date_is_read_or_not(
            value in "[ 0-9.,:+-]{0,12}(Mon|Sunday|)[, ]{0,2}[0-9]{0,3}[ -](Jan|Feb|Dec)[ -][0-9]{0,6}[ 0-9:]{0,10}( GMT| [+-][0-9]{4})?",
            at: i64,
        ) {
            let _ = retry_after(&value, Timestamp(at));
        }

        #[test]
        fn a_number_of_seconds_is_waited_for(seconds in 0_u32.., fraction in 0_u32..1_000) {
            let wait = Duration::from_secs(seconds.into()) + Duration::from_millis(fraction.into());
            let read = retry_after(&format!("{seconds}.{fraction:03}"), Timestamp(0)).unwrap();
            prop_assert!(read.abs_diff(wait) < Duration::from_micros(2), "{:?} for {:?}", read, wait);
        }
    }
}
