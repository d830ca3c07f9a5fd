//! Replays: the form, the count before the confirmation, those that run, and those that have ended.

mod check;
mod list;
mod range;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::check::Check;
use self::list::Replays;
use super::confirm::Confirm;
use super::frame::Nav;
use super::serve::{Answer, answer, show_page};
use super::texts as t;
use super::visit::Visit;
use crate::admin::access::Capability;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::clock::Clock;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/replay", get(list))
        .route("/replay/start", get(check).post(start))
        .route("/replay/cancel", get(confirm_cancel).post(cancel))
}

async fn list(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, title(), |control, visit| {
        Ok(Replays::of(&control.replays(&visit.access)?, visit, Clock::now()))
    })
    .await
}

/// A dry run: it says what would be sent, or what is wrong with the form.
async fn check(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        Ok(match control.replay(range::request(visit, true), &visit.access) {
            Ok(summary) => Answer::Page(StatusCode::OK, Check::counted(&summary, visit)),
            Err(error @ (RequestError::Fields(_) | RequestError::Invalid(_) | RequestError::Conflict(_))) => {
                Answer::Page(error.status(), Check::refused(&error, visit))
            }
            Err(error) => return Err(error),
        })
    })
    .await
}

async fn start(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        let summary = control.replay(range::request(visit, false), &visit.access)?;
        let records = summary.records.to_string();
        Ok(Answer::<Check>::To(visit.links.with("replay", &[("done", "replaying"), ("count", &records)])))
    })
    .await
}

async fn confirm_cancel(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        let no = visit.number("no").unwrap_or(0);
        let replays = control.replays(&visit.access)?.replays;
        let replay = replays.into_iter().find(|replay| replay.no == no);
        let replay = replay.ok_or_else(|| RequestError::NotFound(format!("there is no replay {no}")))?;
        let progress = t::replay::progress(replay.sent, replay.records);
        let confirm = Confirm {
            title: t::replay::cancel(no),
            sentences: vec![t::replay::CANCEL_WHAT.to_owned()],
            facts: vec![
                (t::replay::RANGE, range::shown(&replay.request).into()),
                (t::replay::PROGRESS, progress.into()),
            ],
            button: t::replay::CANCEL.to_owned(),
            is_danger: true,
            is_allowed: visit.can(Capability::SendAgain),
            is_possible: true,
            back: visit.links.to("replay"),
        };
        Ok(Answer::Page(StatusCode::OK, confirm))
    })
    .await
}

async fn cancel(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        control.cancel_replay(visit.number("no").unwrap_or(0), &visit.access)?;
        Ok(Answer::<Confirm>::To(visit.links.by("replay", "done", "replay-cancelled")))
    })
    .await
}

fn title() -> (Nav, String) {
    (Nav::Replay, t::nav::REPLAY.to_owned())
}
