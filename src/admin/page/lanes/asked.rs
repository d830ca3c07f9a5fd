//! What the forms of lanes have in common. Pure.

use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;
use crate::record::Callback;

/// A form as it was sent.
pub(super) type Posted = axum::Form<Vec<(String, String)>>;

/// The callback that is asked for; `None`: all three.
pub(super) fn callback(name: Option<&str>) -> Result<Option<Callback>, RequestError> {
    let name = name.filter(|name| !name.is_empty());
    name.map(str::parse).transpose().map_err(|_| {
        RequestError::field("callback", "one of `ingested`, `modified` and `excluded` is expected")
    })
}

/// The page of the project, which says what was done.
pub(super) fn back(visit: &Visit, project: &str, done: &str, count: u64) -> String {
    visit.links.with("project", &[("project", project), ("done", done), ("count", &count.to_string())])
}
