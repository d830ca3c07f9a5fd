//! Attempts as the page shows them: what came of each, and how long its steps took. Pure.

use super::parts::Pill;
use super::times::{Fact, Time};
use super::{show, texts as t};
use crate::admin::api::AttemptStatus;
use crate::admin::text;
use crate::outcome::OutcomeKind;

/// The attempts of a batch, the newest first.
pub(super) struct Attempts {
    pub(super) rows: Vec<Row>,
    /// Those before, which are not shown.
    pub(super) earlier: u64,
}

/// One attempt.
pub(super) struct Row {
    pub(super) number: u32,
    pub(super) started: Time,
    pub(super) pill: Pill,
    pub(super) outcome: String,
    pub(super) steps: Vec<Step>,
    pub(super) facts: Vec<(&'static str, Fact)>,
    pub(super) answer_headers: Option<String>,
    pub(super) answer_body: Option<String>,
}

/// A step of an attempt, as part of a bar of 100.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) took: String,
    pub(super) x: String,
    pub(super) width: String,
}

impl Attempts {
    pub(super) fn of(attempts: &[AttemptStatus]) -> Self {
        let rows: Vec<Row> = attempts.iter().rev().take(SHOWN).map(Row::of).collect();
        Self { earlier: (attempts.len() - rows.len()) as u64, rows }
    }
}

impl Row {
    fn of(attempt: &AttemptStatus) -> Self {
        let is_delivered = attempt.outcome == OutcomeKind::Delivered;
        Self {
            number: attempt.number,
            started: Time::of(&attempt.started_at),
            pill: if is_delivered { Pill::ok(t::attempts::DELIVERED) } else { Pill::bad(t::FAILED) },
            outcome: outcome(attempt.status, attempt.outcome),
            steps: steps(attempt),
            facts: facts(attempt),
            answer_headers: attempt.response_headers.as_deref().map(text::lines),
            answer_body: attempt.response_body.as_deref().map(text::lines),
        }
    }
}

/// `503`, or the word for a failure without an answer.
pub(super) fn outcome(status: Option<u16>, outcome: OutcomeKind) -> String {
    status.map_or_else(|| outcome.name().to_owned(), |status| format!("HTTP {status}"))
}

fn facts(attempt: &AttemptStatus) -> Vec<(&'static str, Fact)> {
    let reuse = if attempt.connection_reused { t::attempts::REUSED } else { t::attempts::NEW_CONNECTION };
    let optional = [
        (
            t::attempts::ANSWER,
            attempt.detail.as_deref().filter(|detail| !detail.is_empty()).map(show::plain).map(Fact::from),
        ),
        (t::attempts::FAILED_AT, attempt.phase.map(|phase| phase.name().to_owned().into())),
        (t::attempts::PEER, attempt.remote_address.as_ref().map(|peer| format!("{peer}, {reuse}").into())),
        (t::attempts::NEXT, attempt.next_attempt_at.as_deref().map(|at| Time::of(at).into())),
        (t::attempts::REQUEST_ID, attempt.request_id.clone().map(Fact::from)),
    ];
    let took = (t::attempts::DURATION, show::short(attempt.took_seconds).into());
    let known = optional.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
    std::iter::once(took).chain(known).collect()
}

/// The steps that took place. What is left after the last known one belongs to the one that it stopped in.
fn steps(attempt: &AttemptStatus) -> Vec<Step> {
    let known = attempt.steps;
    let total = attempt.took_seconds.max(f64::EPSILON);
    let before: f64 = [known.dns_seconds, known.connect_seconds, known.tls_seconds].iter().flatten().sum();
    let parts = [
        ("dns", t::attempts::DNS, known.dns_seconds),
        ("connect", t::attempts::CONNECT, known.connect_seconds),
        ("tls", t::attempts::TLS, known.tls_seconds),
        ("wait", t::attempts::WAIT, known.first_byte_seconds.map(|first| (first - before).max(0.0))),
        ("read", t::attempts::READ, known.first_byte_seconds.map(|first| (total - first).max(0.0))),
    ];
    let mut from = 0.0;
    let mut steps = Vec::new();
    for (class, word, took) in parts {
        let Some(took) = took else { continue };
        let share = (took / total * 100.0).min(100.0 - from);
        let (x, width) = (format!("{from:.2}"), format!("{share:.2}"));
        steps.push(Step { class, word, took: show::short(took), x, width });
        from += share;
    }
    steps
}

/// The attempts that are shown.
const SHOWN: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::AttemptSteps;

    #[test]
    fn the_steps_fill_the_bar() {
        let attempt = AttemptStatus {
            number: 1,
            started_at: "2026-11-28T17:46:01Z".to_owned(),
            took_seconds: 0.1,
            status: Some(204),
            outcome: OutcomeKind::Delivered,
            detail: None,
            request_id: None,
            phase: None,
            steps: AttemptSteps {
                dns_seconds: Some(0.01),
                connect_seconds: Some(0.02),
                tls_seconds: None,
                first_byte_seconds: Some(0.09),
            },
            remote_address: None,
            connection_reused: false,
            response_headers: None,
            response_body: None,
            next_attempt_at: None,
        };
        let shown = steps(&attempt);
        let parts: Vec<_> =
            shown.iter().map(|step| (step.class, step.x.as_str(), step.width.as_str())).collect();
        assert_eq!(
            parts,
            [
                ("dns", "0.00", "10.00"),
                ("connect", "10.00", "20.00"),
                ("wait", "30.00", "60.00"),
                ("read", "90.00", "10.00")
            ]
        );
    }
}
