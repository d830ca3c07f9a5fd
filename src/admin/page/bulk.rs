//! What is done about those selected on a list, or about all that match its filter: a page says how many they are
//! and how long it takes, and asks; its form does it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::confirm::Confirm;
use super::frame::Nav;
use super::serve::{Answer, answer};
use super::times::{Fact, Time};
use super::visit::Visit;
use super::{show, texts as t};
use crate::admin::access::Capability;
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

/// What is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Discard,
    Redeliver,
    Replay,
}

impl Act {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discard => t::bulk::DISCARD,
            Self::Redeliver => t::bulk::REDELIVER,
            Self::Replay => t::bulk::REPLAY,
        }
    }

    /// What it takes.
    pub(super) fn needs(self) -> Capability {
        match self {
            Self::Discard => Capability::Manage,
            Self::Redeliver | Self::Replay => Capability::SendAgain,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Discard => t::bulk::DISCARD_WHAT,
            Self::Redeliver => t::bulk::REDELIVER_WHAT,
            Self::Replay => t::bulk::REPLAY_WHAT,
        }
    }
}

/// What was counted, or done.
pub(super) struct Counted {
    /// How many there are.
    pub(super) number: u64,
    /// Their records.
    pub(super) records: u64,
    /// The same as sentences, and what is left out.
    pub(super) sentences: Vec<String>,
    pub(super) estimated_seconds: Option<f64>,
    /// The job that does it.
    pub(super) job: Option<u64>,
}

/// A list.
pub(super) trait Bulk: 'static {
    /// Where its pages are.
    const NAV: Nav;
    /// What is said where there is nothing to do.
    const NOTHING: &str;

    /// Does it to those that the query selects; a dry run only counts them.
    fn act(act: Act, control: &dyn Control, visit: &Visit, dry_run: bool) -> Result<Counted, RequestError>;

    /// The filter, each part as its name and its value.
    fn filter(visit: &Visit) -> Vec<(&'static str, Option<Fact>)>;

    /// The list with its filter.
    fn back(visit: &Visit, more: &[(&str, &str)]) -> String;
}

/// The page that asks, and its form.
pub(super) fn asked<B: Bulk>(act: Act) -> MethodRouter<Arc<AdminState>> {
    let title = move || (B::NAV, act.name().to_owned());
    get(async move |State(admin): State<Arc<AdminState>>, visit: Visit| -> Response {
        let page = move |control: &dyn Control, visit: &Visit| {
            Ok(Answer::Page(StatusCode::OK, confirm::<B>(act, control, visit)?))
        };
        answer(admin, visit, title(), page).await
    })
    .post(async move |State(admin): State<Arc<AdminState>>, visit: Visit| -> Response {
        let page = move |control: &dyn Control, visit: &Visit| {
            Ok(Answer::<Confirm>::To(carry_out::<B>(act, control, visit)?))
        };
        answer(admin, visit, title(), page).await
    })
}

/// What a filter says of a time.
pub(super) fn time(given: Option<&String>) -> Option<Fact> {
    given.map(|given| Time::of(given).into())
}

/// What a filter says of something else.
pub(super) fn text(given: Option<&String>) -> Option<Fact> {
    given.map(|given| show::plain(given).into())
}

fn confirm<B: Bulk>(act: Act, control: &dyn Control, visit: &Visit) -> Result<Confirm, RequestError> {
    let counted = B::act(act, control, visit, true)?;
    let mut sentences = counted.sentences;
    if counted.number > 0 {
        sentences.push(act.what().to_owned());
        sentences.extend(counted.estimated_seconds.map(t::jobs::takes));
    } else {
        sentences.push(B::NOTHING.to_owned());
    }
    Ok(Confirm {
        title: act.name().to_owned(),
        sentences,
        facts: B::filter(visit).into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        button: act.name().to_owned(),
        is_danger: act == Act::Discard,
        is_allowed: visit.can(act.needs()),
        is_possible: counted.number > 0,
        back: B::back(visit, &[]),
    })
}

/// Returns the link to the page that says what was done, or to the job that does it.
fn carry_out<B: Bulk>(act: Act, control: &dyn Control, visit: &Visit) -> Result<String, RequestError> {
    let Counted { number, records, job, .. } = B::act(act, control, visit, false)?;
    if let Some(job) = job {
        return Ok(visit.links.with("job", &[("no", &job.to_string()), ("done", "job")]));
    }
    Ok(match act {
        Act::Discard => B::back(visit, &[("done", "discarded"), ("count", &number.to_string())]),
        Act::Redeliver => B::back(visit, &[("done", "redelivering"), ("count", &number.to_string())]),
        Act::Replay => visit.links.with("replay", &[("done", "replaying"), ("count", &records.to_string())]),
    })
}
