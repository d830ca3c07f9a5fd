//! Outcomes of delivery attempts: the names of the kinds, which of them is a success, and what the others
//! speak of.

mod cause;

use std::fmt;
use std::str::FromStr;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

pub use cause::{Cause, Class, DISABLED, REFUSES_ALL, may_be_taken};

/// How an attempt ended, with the name that metrics, logs, the spool and the admin API use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// The receiver answered 2xx.
    Delivered,
    /// The host's name could not be resolved.
    Dns,
    /// `egress` does not allow the address.
    Egress,
    /// The process ended while the request was on the wire.
    Lost,
    /// The answer is not HTTP.
    Protocol,
    /// The proxy did not open a tunnel.
    Proxy,
    /// A 3xx answer, which is not followed.
    Redirect,
    /// The connection was refused.
    Refused,
    /// The connection was closed before an answer.
    Reset,
    /// An answer that is neither 2xx nor 3xx.
    Status,
    /// No answer in time.
    Timeout,
    /// The TLS handshake failed.
    Tls,
    /// The authorization server gave no token.
    Token,
    /// No route to the address.
    Unreachable,
}

impl OutcomeKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Delivered,
        Self::Dns,
        Self::Egress,
        Self::Lost,
        Self::Protocol,
        Self::Proxy,
        Self::Redirect,
        Self::Refused,
        Self::Reset,
        Self::Status,
        Self::Timeout,
        Self::Tls,
        Self::Token,
        Self::Unreachable,
    ];

    /// The kind of an answer with this status: the status alone decides.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            300..=399 => Self::Redirect,
            _ => Self::Status,
        }
    }

    /// Whether the receiver accepted the batch.
    pub fn is_success(self) -> bool {
        self == Self::Delivered
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dns => "dns",
            Self::Egress => "egress",
            Self::Lost => "lost",
            Self::Protocol => "protocol",
            Self::Proxy => "proxy",
            Self::Redirect => "redirect",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Token => "token",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What the receiver asks for with the header `webhook-delivery`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Directive {
    /// `abort` or `abort-message`: neither this batch nor a later one.
    Abort,
    /// `disable`: no later batch.
    Disable,
}

impl Directive {
    /// `None`: the value is unknown.
    pub fn of(value: &str) -> Option<Self> {
        let value = value.trim();
        let is = |name: &str| value.eq_ignore_ascii_case(name);
        match () {
            () if is("abort") || is("abort-message") => Some(Self::Abort),
            () if is("disable") => Some(Self::Disable),
            () => None,
        }
    }
}

/// The text is not the name of an outcome.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not an outcome of an attempt")]
pub struct NotAnOutcome(String);

impl FromStr for OutcomeKind {
    type Err = NotAnOutcome;

    fn from_str(text: &str) -> Result<Self, NotAnOutcome> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| NotAnOutcome(text.to_owned()))
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl EncodeLabelValue for OutcomeKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl Serialize for OutcomeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for OutcomeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name_and_only_one_is_a_success() {
        for kind in OutcomeKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(kind.is_success(), kind.name() == "delivered");
        }
        assert!("taken".parse::<OutcomeKind>().is_err());
    }

    #[test]
    fn a_directive_is_one_of_three_words_in_any_case() {
        assert_eq!(Directive::of(" Disable "), Some(Directive::Disable));
        assert_eq!(["abort", "ABORT-message"].map(Directive::of), [Some(Directive::Abort); 2]);
        assert_eq!(["", "enable", "disabled", "abort message"].map(Directive::of), [None; 4]);
    }

    #[test]
    fn only_2xx_is_a_success() {
        for status in 100..=999 {
            assert_eq!(OutcomeKind::of_status(status).is_success(), (200..300).contains(&status), "{status}");
        }
    }
}
