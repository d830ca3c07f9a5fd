//! Records are sent again: those that were given up, or all since a time. They are counted first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use super::asked::{Posted, back, callback};
use crate::admin::api::{DeadLetterFilter, DeadLetterSelection};
use crate::admin::control::Control;
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::times::Fact;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::clock::Clock;
use crate::replay::ReplayRequest;
use crate::time::Timestamp;

#[derive(Template)]
#[template(path = "recover.html")]
struct Recover {
    links: Links,
    project: String,
    callback: String,
    since: String,
    what: String,
    /// How much would be sent again.
    counted: Option<Result<String, String>>,
}

impl Recover {
    /// Why nothing was counted.
    fn error(&self) -> Option<Fact> {
        Some(self.counted.as_ref()?.as_ref().err()?.clone().into())
    }
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/lanes/recover", get(ask).post(recover))
}

async fn ask(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::recover::TITLE.to_owned()), |control, visit| {
        let project = visit.required("project")?.to_owned();
        let callback = callback(visit.query("callback"))?;
        let what = visit.query("what").unwrap_or("failed").to_owned();
        let hour_ago = Timestamp(Clock::now().0.saturating_sub(HOUR_MICROS)).to_rfc3339();
        let since = visit.query("since").map_or_else(|| hour_ago.chars().take(16).collect(), str::to_owned);
        let counted = visit.query("what").map(|what| {
            let asked = (project.as_str(), callback.map(|callback| callback.to_string()), since.as_str());
            count(control, visit, what, asked).map_err(|error| error.detail())
        });
        let callback = callback.map_or_else(String::new, |callback| callback.to_string());
        Ok(Recover { links: visit.links.clone(), project, callback, since, what, counted })
    })
    .await
}

async fn recover(State(admin): State<Arc<AdminState>>, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::recover::TITLE.to_owned()), move |control, visit| {
        let form = Form::new(fields);
        let project = form.value("project").to_owned();
        let callback = form.given("callback").map(str::to_owned);
        if form.has("what", "failed") {
            let selection =
                DeadLetterSelection { filter: failed(&project, callback), ..DeadLetterSelection::default() };
            let counts = control.redeliver(&selection, &visit.access)?;
            return Ok(Answer::<Recover>::To(back(visit, &project, "redelivered", counts.dead_letters)));
        }
        let asked = replay(&project, callback, form.value("since"), false)?;
        let summary = control.replay(asked, &visit.access)?;
        Ok(Answer::To(back(visit, &project, "replaying", summary.records)))
    })
    .await
}

fn count(
    control: &dyn Control,
    visit: &Visit,
    what: &str,
    (project, callback, since): (&str, Option<String>, &str),
) -> Result<String, RequestError> {
    if what == "failed" {
        let selection = DeadLetterSelection {
            filter: failed(project, callback),
            dry_run: true,
            ..DeadLetterSelection::default()
        };
        let counts = control.redeliver(&selection, &visit.access)?;
        return Ok(t::recover::dead_letters(counts.dead_letters, counts.records));
    }
    let summary = control.replay(replay(project, callback, since, true)?, &visit.access)?;
    Ok(t::recover::replay(summary.records, &show::size(summary.bytes)))
}

fn failed(project: &str, callback: Option<String>) -> DeadLetterFilter {
    DeadLetterFilter { project: Some(project.to_owned()), callback, ..DeadLetterFilter::default() }
}

fn replay(
    project: &str,
    callback: Option<String>,
    since: &str,
    dry_run: bool,
) -> Result<ReplayRequest, RequestError> {
    // As a browser gives it, without seconds and zone; the page says that it is UTC.
    let since = if since.len() == 16 { format!("{since}:00Z") } else { since.to_owned() };
    let since = Timestamp::from_rfc3339(&since)
        .ok_or_else(|| RequestError::field("since", t::recover::TIME_EXPECTED))?
        .to_rfc3339();
    let project = Some(project.to_owned());
    Ok(ReplayRequest {
        from_lsn: None,
        since: Some(since),
        to_lsn: None,
        project,
        callback,
        rate: None,
        deliveries: None,
        dry_run,
    })
}

const HOUR_MICROS: i64 = 3_600_000_000;
