//! What is asked of lanes: pause, resume, skip, recover, send what exists. Each question says what would happen,
//! and how much it is about, before anything does.

mod pause;
mod recover;
mod send_existing;
mod skip;

use std::sync::Arc;

use axum::Router;

use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::record::Callback;

type Posted = axum::Form<Vec<(String, String)>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .merge(pause::router())
        .merge(recover::router())
        .merge(send_existing::router())
        .merge(skip::router())
}

/// The callback that is asked for; `None`: all three.
fn callback(name: Option<&str>) -> Result<Option<Callback>, RequestError> {
    let name = name.filter(|name| !name.is_empty());
    name.map(str::parse).transpose().map_err(|_| {
        RequestError::field("callback", "one of `ingested`, `modified` and `excluded` is expected")
    })
}

/// The page of the project, which says what was done.
fn back(visit: &Visit, project: &str, done: &str, count: u64) -> String {
    visit.links.with("project", &[("project", project), ("done", done), ("count", &count.to_string())])
}
