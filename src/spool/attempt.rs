//! Attempts, as they were logged.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch::BatchId;
use super::dead_letter::DeadReason;
use super::lane::LaneHealth;
use crate::outcome::OutcomeKind;
use crate::record::LaneNo;
use crate::time::Timestamp;

/// A request that was on the wire, as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedAttempt {
    /// 1, 2, …
    pub number: u32,
    /// When its first byte was due.
    pub started_at: Timestamp,
    /// From then to its end.
    pub took_micros: u64,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// The error's sentence, or the beginning of an unwelcome answer's body.
    pub detail: Option<String>,
    /// How far it came.
    pub exchange: Exchange,
    /// When the next one is due.
    pub next_at: Option<Timestamp>,
}

impl LoggedAttempt {
    /// An attempt of which nothing else is known.
    pub fn new(number: u32, started_at: Timestamp, outcome: OutcomeKind) -> Self {
        Self {
            number,
            started_at,
            took_micros: 0,
            status: None,
            outcome,
            detail: None,
            exchange: Exchange::default(),
            next_at: None,
        }
    }
}

/// How far a request came, and what was answered. Times are micros; a step without one was not needed, or
/// did not end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exchange {
    /// Resolving the host's name.
    pub dns_micros: Option<u64>,
    /// Connecting to the receiver, or to the proxy and through it.
    pub connect_micros: Option<u64>,
    /// The TLS handshake.
    pub tls_micros: Option<u64>,
    /// From the attempt's beginning to the first byte of the answer.
    pub first_byte_micros: Option<u64>,
    /// The peer of the connection: the receiver, or the proxy.
    pub peer: Option<SocketAddr>,
    /// The peer is a proxy: the receiver's address is not known.
    pub is_proxy: bool,
    /// The connection had served a request before.
    pub reused: bool,
    /// The step at which it failed.
    pub phase: Option<Phase>,
    /// Of an answer that is no success.
    pub answer: Option<LoggedAnswer>,
}

/// The beginning of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoggedAnswer {
    /// Harmless headers, a line each: `name: value`.
    pub headers: String,
    /// The beginning of its body.
    pub body: String,
}

impl LoggedAnswer {
    /// The part of a body that is the detail of its attempt.
    pub fn beginning(body: &str) -> &str {
        body.get(..body.floor_char_boundary(DETAIL_BYTES)).unwrap_or_default()
    }
}

impl Exchange {
    /// The step at which an attempt with this outcome failed; `None`: it did not fail. `https`: its request is
    /// sent after TLS.
    pub fn failed_at(&self, outcome: OutcomeKind, https: bool) -> Option<Phase> {
        let is_open =
            self.reused || if https { self.tls_micros.is_some() } else { self.connect_micros.is_some() };
        Some(match outcome {
            OutcomeKind::Delivered | OutcomeKind::Token => return None,
            OutcomeKind::Dns => Phase::Dns,
            OutcomeKind::Tls => Phase::Tls,
            OutcomeKind::Egress | OutcomeKind::Proxy | OutcomeKind::Refused | OutcomeKind::Unreachable => {
                Phase::Connect
            }
            _ if self.first_byte_micros.is_some() => Phase::Answer,
            _ if is_open => Phase::Request,
            _ if https && self.connect_micros.is_some() => Phase::Tls,
            _ => Phase::Connect,
        })
    }
}

/// A step of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Resolving the host's name.
    Dns,
    /// Connecting to the receiver or the proxy.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request and waiting for its answer.
    Request,
    /// Reading the answer.
    Answer,
}

impl Phase {
    /// Every step.
    pub const ALL: [Self; 5] = [Self::Dns, Self::Connect, Self::Tls, Self::Request, Self::Answer];

    /// Its name in the spool and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// An attempt that ended: what is logged, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// Its batch.
    pub batch: BatchId,
    /// Its lane.
    pub lane: LaneNo,
    /// What is logged.
    pub log: LoggedAttempt,
    /// What follows for the batch.
    pub fate: Fate,
    /// The lane's health after it.
    pub health: LaneHealth,
}

/// What follows for a batch from an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Settled: the receiver took it.
    Delivered,
    /// Settled: a dead letter.
    Dead(DeadReason),
    /// Not settled: the batch is sent again, or in halves. A dead letter stays one.
    Failed,
}

const DETAIL_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_fails_at_the_step_behind_the_last_that_ended() {
        let connected = Exchange { connect_micros: Some(1), ..Exchange::default() };
        let secured = Exchange { tls_micros: Some(1), ..connected.clone() };
        let reused = Exchange { reused: true, ..Exchange::default() };
        let answered = Exchange { first_byte_micros: Some(1), ..reused.clone() };
        for (exchange, outcome, https, phase) in [
            (Exchange::default(), OutcomeKind::Dns, true, Phase::Dns),
            (Exchange::default(), OutcomeKind::Egress, true, Phase::Connect),
            (Exchange::default(), OutcomeKind::Timeout, true, Phase::Connect),
            (connected.clone(), OutcomeKind::Timeout, true, Phase::Tls),
            (connected.clone(), OutcomeKind::Tls, true, Phase::Tls),
            (connected, OutcomeKind::Timeout, false, Phase::Request),
            (secured, OutcomeKind::Reset, true, Phase::Request),
            (reused, OutcomeKind::Timeout, true, Phase::Request),
            (answered, OutcomeKind::Status, true, Phase::Answer),
        ] {
            assert_eq!(exchange.failed_at(outcome, https), Some(phase), "{outcome} {exchange:?}");
        }
    }

    #[test]
    fn json_holds_the_name_of_a_step() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }

    #[test]
    fn the_beginning_of_a_body_ends_between_letters() {
        let body = format!("{}é", "x".repeat(511));
        assert_eq!(LoggedAnswer::beginning(&body), "x".repeat(511));
        assert_eq!(LoggedAnswer::beginning("é"), "é");
    }
}
