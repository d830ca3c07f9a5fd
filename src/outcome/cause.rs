//! Why attempts fail: one list of causes, each with its class and the sentence for the receiver's owner.
//!
//! Logs, status, commands and `docs/receivers.md` take both from here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OutcomeKind;

/// What an answer speaks of, which decides what follows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
pub enum Class {
    /// The records of the batch: after `delivery.refusals_max` refusals, the refused record is searched.
    #[serde(rename = "content")]
    Content,
    /// The endpoint: tried again by the schedule.
    #[serde(rename = "endpoint")]
    Endpoint,
    /// The webhook as such: paused.
    #[serde(rename = "gone")]
    Gone,
    /// How the endpoint is set up: tried again by the schedule, and shown as "needs owner".
    #[serde(rename = "set-up")]
    Setup,
    /// The size of the batch: sent again in smaller ones.
    #[serde(rename = "size")]
    Size,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Content, Self::Endpoint, Self::Gone, Self::Setup, Self::Size];

    /// Its name in logs, status and docs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Endpoint => "endpoint",
            Self::Gone => "gone",
            Self::Setup => "set-up",
            Self::Size => "size",
        }
    }
}

/// Why attempts fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cause {
    /// Its name.
    pub name: &'static str,
    /// What it speaks of.
    pub class: Class,
    /// The answers, or the failures, that it stands for.
    pub answers: &'static str,
    /// What the receiver's owner can do.
    pub remedy: &'static str,
}

impl Cause {
    /// The cause of an attempt's failure; `None`: it did not fail.
    pub fn of(kind: OutcomeKind, status: Option<u16>) -> Option<&'static Self> {
        Some(match (kind, status.unwrap_or_default()) {
            (OutcomeKind::Delivered, _) => return None,
            (OutcomeKind::Dns, _) => &DNS,
            (OutcomeKind::Egress, _) => &EGRESS,
            (OutcomeKind::Lost, _) => &LOST,
            (OutcomeKind::Protocol, _) => &PROTOCOL,
            (OutcomeKind::Proxy, _) => &PROXY,
            (OutcomeKind::Redirect, _) => &REDIRECT,
            (OutcomeKind::Refused, _) => &REFUSED,
            (OutcomeKind::Reset, _) => &RESET,
            (OutcomeKind::Timeout, _) => &TIMEOUT,
            (OutcomeKind::Tls, _) => &TLS,
            (OutcomeKind::Token, _) => &TOKEN,
            (OutcomeKind::Unreachable, _) => &UNREACHABLE,
            (OutcomeKind::Status, 400 | 409 | 415 | 422) => &CONTENT,
            (OutcomeKind::Status, 401 | 403) => &CREDENTIALS,
            (OutcomeKind::Status, 404) => &NOT_FOUND,
            (OutcomeKind::Status, 405) => &METHOD,
            (OutcomeKind::Status, 407) => &PROXY_CREDENTIALS,
            (OutcomeKind::Status, 408 | 425) => &NOT_READY,
            (OutcomeKind::Status, 410) => &GONE,
            (OutcomeKind::Status, 413) => &TOO_LARGE,
            (OutcomeKind::Status, 429) => &BUSY,
            (OutcomeKind::Status, 400..=499) => &REJECTED,
            (OutcomeKind::Status, _) => &SERVER_ERROR,
        })
    }

    /// Every cause, in the order of `docs/receivers.md`.
    pub const ALL: [&'static Self; 25] = [
        &SERVER_ERROR,
        &BUSY,
        &NOT_READY,
        &DNS,
        &REFUSED,
        &UNREACHABLE,
        &TIMEOUT,
        &RESET,
        &PROTOCOL,
        &TLS,
        &PROXY,
        &LOST,
        &CREDENTIALS,
        &TOKEN,
        &NOT_FOUND,
        &REDIRECT,
        &METHOD,
        &PROXY_CREDENTIALS,
        &REJECTED,
        &EGRESS,
        &REFUSES_ALL,
        &TOO_LARGE,
        &CONTENT,
        &GONE,
        &DISABLED,
    ];
}

/// Whether the receiver may have taken the batch although the attempt failed: nothing but a 4xx answer tells
/// that it did not.
pub fn may_be_taken(kind: OutcomeKind, status: Option<u16>) -> bool {
    let is_refusal = |status: u16| (400..500).contains(&status) && status != 408;
    kind.is_success() || !status.is_some_and(is_refusal)
}

const SERVER_ERROR: Cause = Cause {
    name: "server error",
    class: Class::Endpoint,
    answers: "5xx",
    remedy: "Look for the error in the receiver's log at the time of the attempt.",
};

const BUSY: Cause = Cause {
    name: "too many requests",
    class: Class::Endpoint,
    answers: "429",
    remedy: "Allow more requests, or answer with the `retry-after` that you want.",
};

const NOT_READY: Cause = Cause {
    name: "not ready",
    class: Class::Endpoint,
    answers: "408, 425",
    remedy: "Answer within the time that the receiver's server or proxy allows.",
};

const DNS: Cause = Cause {
    name: "no address",
    class: Class::Endpoint,
    answers: "the host's name is not resolved",
    remedy: "Check the host in the webhook's URL and its DNS record.",
};

const REFUSED: Cause = Cause {
    name: "connection refused",
    class: Class::Endpoint,
    answers: "the connection is refused",
    remedy: "Start the receiver, and check the port in the webhook's URL.",
};

const UNREACHABLE: Cause = Cause {
    name: "unreachable",
    class: Class::Endpoint,
    answers: "no route to the address",
    remedy: "Check the network and the firewalls between the sidecar and the receiver.",
};

const TIMEOUT: Cause = Cause {
    name: "timeout",
    class: Class::Endpoint,
    answers: "no whole answer within `delivery.timeout_ms`",
    remedy: "Answer before the work is done, or raise `timeout_ms` of the webhook.",
};

const RESET: Cause = Cause {
    name: "connection closed",
    class: Class::Endpoint,
    answers: "the connection is closed before an answer",
    remedy: "Check whether the receiver, or a proxy in front of it, restarts or closes connections early.",
};

const PROTOCOL: Cause = Cause {
    name: "no HTTP",
    class: Class::Endpoint,
    answers: "the answer is not HTTP, or has no final status",
    remedy: "Check that the port in the webhook's URL speaks HTTP.",
};

const TLS: Cause = Cause {
    name: "TLS",
    class: Class::Endpoint,
    answers: "the TLS handshake fails",
    remedy: "Check that the certificate is valid for the host and that its chain is complete.",
};

const PROXY: Cause = Cause {
    name: "proxy",
    class: Class::Endpoint,
    answers: "the proxy opens no tunnel",
    remedy: "Check `egress.proxy`, and that the proxy allows the webhook's host.",
};

const LOST: Cause = Cause {
    name: "lost",
    class: Class::Endpoint,
    answers: "the sidecar ended during the attempt",
    remedy: "Nothing is to be done: the batch is sent again.",
};

const CREDENTIALS: Cause = Cause {
    name: "credentials",
    class: Class::Setup,
    answers: "401, 403",
    remedy: "Check the webhook's credentials and secret, and that the receiver allows them.",
};

const TOKEN: Cause = Cause {
    name: "token",
    class: Class::Setup,
    answers: "the authorization server gives no OAuth2 token",
    remedy: "Check `auth.oauth2` of the webhook: the server's answer is in the attempt.",
};

const NOT_FOUND: Cause = Cause {
    name: "not found",
    class: Class::Setup,
    answers: "404",
    remedy: "Check the path of the webhook's URL.",
};

const REDIRECT: Cause = Cause {
    name: "redirect",
    class: Class::Setup,
    answers: "3xx",
    remedy: "Set the webhook's URL to the target: redirects are not followed.",
};

const METHOD: Cause =
    Cause { name: "method", class: Class::Setup, answers: "405", remedy: "Let the endpoint accept POST." };

const PROXY_CREDENTIALS: Cause = Cause {
    name: "proxy credentials",
    class: Class::Setup,
    answers: "407",
    remedy: "Set the credentials that the proxy requires in `egress.proxy`.",
};

const REJECTED: Cause = Cause {
    name: "rejected",
    class: Class::Setup,
    answers: "any other 4xx",
    remedy: "Look up the status in the receiver's documentation: it rejects the request as such.",
};

const EGRESS: Cause = Cause {
    name: "egress",
    class: Class::Setup,
    answers: "`egress` does not allow the address",
    remedy: "Allow the address in `egress.allow`, or use a public one.",
};

/// A receiver that refuses the content of each of several records.
pub const REFUSES_ALL: Cause = Cause {
    name: "refuses all",
    class: Class::Setup,
    answers: "400, 409, 415, 422 to every record",
    remedy: "Look for the error in the receiver's last deployment: it refuses every record.",
};

const TOO_LARGE: Cause = Cause {
    name: "too large",
    class: Class::Size,
    answers: "413",
    remedy: "Raise the receiver's limit of body size, or lower `bytes_max` of the webhook.",
};

const CONTENT: Cause = Cause {
    name: "content",
    class: Class::Content,
    answers: "400, 409, 415, 422",
    remedy: "Look up the refused record in `sidecar dead-letters show`, and let the receiver accept it.",
};

const GONE: Cause = Cause {
    name: "gone",
    class: Class::Gone,
    answers: "410",
    remedy: "Remove the webhook, or resume it when the endpoint is back.",
};

/// A receiver that asked for the end of delivery by the header `webhook-delivery`.
pub const DISABLED: Cause = Cause {
    name: "disabled",
    class: Class::Gone,
    answers: "any, with `webhook-delivery: disable`, `abort-message` or `abort`",
    remedy: "Resume the webhook when the receiver wants records again.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_one_cause_and_success_none() {
        for kind in OutcomeKind::ALL {
            for status in [None, Some(100), Some(200), Some(302), Some(404), Some(500), Some(999)] {
                let cause = Cause::of(kind, status);
                assert_eq!(cause.is_none(), kind.is_success(), "{kind} {status:?}");
                assert!(cause.is_none_or(|cause| Cause::ALL.contains(&cause)), "{kind} {status:?}");
            }
        }
    }

    #[test]
    fn the_status_tells_what_an_answer_speaks_of() {
        let class = |status| Cause::of(OutcomeKind::of_status(status), Some(status)).map(|cause| cause.class);
        for status in 100..=999 {
            let expected = match status {
                200..=299 => None,
                400 | 409 | 415 | 422 => Some(Class::Content),
                408 | 425 | 429 | 100..=199 | 500..=999 => Some(Class::Endpoint),
                410 => Some(Class::Gone),
                413 => Some(Class::Size),
                _ => Some(Class::Setup),
            };
            assert_eq!(class(status), expected, "{status}");
        }
    }

    #[test]
    fn the_documentation_lists_the_causes_and_nothing_else() {
        let docs = include_str!("../../docs/receivers.md");
        let row = |cause: &&Cause| {
            let Cause { name, class, answers, remedy } = **cause;
            format!("| {answers} | {} | {name} | {remedy} |", class.name())
        };
        let rows: Vec<String> = Cause::ALL.iter().map(row).collect();
        let (_, table) = docs.split_once("| answer | class | cause | remedy |\n|---|---|---|---|\n").unwrap();
        let listed: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
        assert_eq!(listed, rows);
    }

    #[test]
    fn json_holds_the_name() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
