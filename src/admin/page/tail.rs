//! Records as they are classified: a stream for the script, and a collection of a few seconds for those without it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::choice::{Choice, callbacks};
use super::frame::Nav;
use super::render::rendered;
use super::serve::show_page;
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::admin::tail::{Pace, Tailed};
use crate::admin::text;
use crate::record::Callback;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/tail", get(tail))
}

async fn tail(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    let (project, callback) = match filter(&visit) {
        Ok(filter) => filter,
        Err(error) => return error.into_response(),
    };
    let records = admin.tail.watch(project, callback, Pace::Read);
    if visit.is_live {
        let events = records.map(|tailed| Ok::<_, Infallible>(event(&tailed)));
        return Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    }
    let rows = if visit.query("collect").is_some() { collected(records).await } else { Vec::new() };
    let title = (Nav::Tail, t::nav::TAIL.to_owned());
    show_page(admin, visit, title, move |_, visit| Ok(Tail::of(visit, &rows))).await
}

fn filter(visit: &Visit) -> Result<(Option<String>, Option<Callback>), RequestError> {
    let callback = visit.query("callback").map(str::parse::<Callback>).transpose();
    let callback = callback.map_err(|error| RequestError::field("callback", error.to_string()))?;
    Ok((visit.access.scope.narrowed(visit.query("project"))?, callback))
}

/// A record as a row of the table, or a note on those that were missed.
fn event(tailed: &Tailed) -> Event {
    match tailed {
        Tailed::Missed(records) => Event::default().event("missed").data(t::tail::missed(*records)),
        Tailed::Record(line) => {
            let row = TailRow { row: Row::of(line) };
            Event::default()
                .event("record")
                .data(rendered(&row).unwrap_or_default().replace(['\r', '\n'], " "))
        }
    }
}

/// The records of a few seconds, the newest first.
async fn collected(records: impl futures_util::Stream<Item = Tailed>) -> Vec<Row> {
    let only_records = records.filter_map(async |tailed| match tailed {
        Tailed::Record(line) => Some(Row::of(&line)),
        Tailed::Missed(_) => None,
    });
    let mut rows: Vec<Row> =
        only_records.take_until(tokio::time::sleep(COLLECTED_FOR)).take(ROWS).collect().await;
    rows.reverse();
    rows
}

#[derive(Template)]
#[template(path = "tail.html")]
struct Tail {
    links: Links,
    project: String,
    callbacks: Vec<Choice>,
    is_filtered: bool,
    rows: Vec<Row>,
    collect: String,
    command: String,
}

/// A row by itself, for the script.
#[derive(Template)]
#[template(path = "tail_row.html")]
struct TailRow {
    row: Row,
}

#[derive(Clone, Debug)]
struct Row {
    position: String,
    project: String,
    callback: String,
    record: String,
}

impl Tail {
    fn of(visit: &Visit, rows: &[Row]) -> Self {
        let text = |name| visit.query(name).unwrap_or_default();
        let filter = [("project", text("project")), ("callback", text("callback"))];
        let options = filter.iter().filter(|(_, value)| !value.is_empty());
        let command = options.fold("sidecar tail".to_owned(), |command, (name, value)| {
            format!("{command} --{name} '{}'", show::plain(value).replace('\'', r"'\''"))
        });
        Self {
            links: visit.links.clone(),
            project: text("project").to_owned(),
            callbacks: callbacks(visit.query("callback")),
            is_filtered: filter.iter().any(|(_, value)| !value.is_empty()),
            rows: rows.to_vec(),
            collect: visit.links.with("tail", &[&filter[..], &[("collect", "1")]].concat()),
            command,
        }
    }
}

impl Row {
    fn of(json: &str) -> Self {
        let line: Line<'_> = serde_json::from_str(json).unwrap_or_default();
        Self {
            position: line.position.to_owned(),
            project: show::plain(&line.project),
            callback: line.callback.to_owned(),
            record: text::json(line.record.map_or("", RawValue::get)),
        }
    }
}

/// What `sidecar tail` prints.
#[derive(Default, Deserialize)]
struct Line<'a> {
    position: &'a str,
    project: String,
    callback: &'a str,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

const COLLECTED_FOR: Duration = Duration::from_secs(10);
/// The rows that the page holds at most.
const ROWS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_no_markup_and_no_hidden_character_of_a_record() {
        let json =
            r#"{"position":"0-1/1","project":"<p>","callback":"ingested","record":{"id":"<script>\u202e&"}}"#;
        let row = rendered(&TailRow { row: Row::of(&(json.replace("\\u202e", "\u{202e}") + "\n")) }).unwrap();
        assert!(!row.contains("<script>") && !row.contains("<p>") && !row.contains('\u{202e}'), "{row}");
        assert!(row.contains("&#60;script&#62;\\u202e&#38;"), "{row}");
    }
}
