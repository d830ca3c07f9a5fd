//! What a tenant sees of a failed attempt: no address, no setting, and no answer from inside a network.

use serde::Serialize;

use crate::deliver::http::egress::addresses::is_public;
use crate::outcome::{Cause, Class};
use crate::spool::{LoggedAttempt, Phase};

/// A failed attempt at a tenant's webhook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TenantFailure {
    /// What the failure speaks of.
    pub class: Class,
    /// Its cause, of the list in [`Cause::ALL`].
    pub cause: &'static str,
    /// The step that failed.
    pub phase: Option<Phase>,
    /// The host as the tenant wrote it.
    pub host: String,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The beginning of the answer's body, where a public address answered.
    pub body: Option<String>,
}

impl TenantFailure {
    /// `None`: the attempt did not fail.
    pub fn of(attempt: &LoggedAttempt, host: &str) -> Option<Self> {
        let cause = Cause::of(attempt.outcome, attempt.status)?;
        let exchange = &attempt.exchange;
        let is_public = !exchange.is_proxy && exchange.peer.is_some_and(|peer| is_public(peer.ip()));
        let answer = exchange.answer.as_ref().filter(|_| is_public);
        Some(Self {
            class: cause.class,
            cause: cause.name,
            phase: exchange.phase,
            host: host.to_owned(),
            status: attempt.status,
            body: answer.map(|answer| answer.body.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::OutcomeKind;
    use crate::spool::{Exchange, LoggedAnswer};
    use crate::time::Timestamp;

    fn attempt(peer: &str, is_proxy: bool) -> LoggedAttempt {
        LoggedAttempt {
            status: Some(500),
            detail: Some("geheim".into()),
            exchange: Exchange {
                peer: peer.parse().ok(),
                is_proxy,
                phase: Some(Phase::Answer),
                answer: Some(LoggedAnswer { headers: "server: geheim\n".into(), body: "no".into() }),
                ..Exchange::default()
            },
            ..LoggedAttempt::new(1, Timestamp(0), OutcomeKind::Status)
        }
    }

    #[test]
    fn a_body_is_shown_where_a_public_address_answered() {
        for (peer, is_proxy, body) in [
            ("1.1.1.1:443", false, Some("no")),
            ("1.1.1.1:3128", true, None),
            ("10.0.0.1:443", false, None),
            ("[::ffff:127.0.0.1]:443", false, None),
            ("none", false, None),
        ] {
            let seen = TenantFailure::of(&attempt(peer, is_proxy), "h.example").unwrap();
            assert_eq!(seen.body.as_deref(), body, "{peer}");
            assert_eq!(
                (seen.class, seen.status, seen.phase),
                (Class::Endpoint, Some(500), Some(Phase::Answer))
            );
            assert!(!serde_json::to_string(&seen).unwrap().contains("geheim"));
        }
    }

    #[test]
    fn a_refused_address_is_not_told() {
        let denied = LoggedAttempt {
            detail: Some("10.1.2.3 is refused by `egress.deny`".into()),
            exchange: Exchange { phase: Some(Phase::Connect), ..Exchange::default() },
            ..LoggedAttempt::new(1, Timestamp(0), OutcomeKind::Egress)
        };
        let seen = serde_json::to_value(TenantFailure::of(&denied, "h.example").unwrap()).unwrap();
        let expected = serde_json::json!({
            "class": "set-up", "cause": "egress", "phase": "connect", "host": "h.example", "status": null, "body": null
        });
        assert_eq!(seen, expected);
        let delivered = LoggedAttempt::new(1, Timestamp(0), OutcomeKind::Delivered);
        assert_eq!(TenantFailure::of(&delivered, "h.example"), None);
    }
}
