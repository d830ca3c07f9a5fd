//! The versions of a page, as server-sent events: the whole page again whenever it differs. The script takes the
//! elements with `data-live` from it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::visit::Visit;
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::{AdminState, call};

type Render = dyn Fn(&dyn Control, &Visit) -> Result<String, RequestError> + Send + Sync;

pub(super) fn stream(
    admin: Arc<AdminState>,
    visit: Visit,
    render: impl Fn(&dyn Control, &Visit) -> Result<String, RequestError> + Send + Sync + 'static,
) -> Response {
    let versions = versions(admin, Arc::new(visit), Arc::new(render));
    Sse::new(versions).keep_alive(KeepAlive::default()).into_response()
}

/// Ends with the first version that cannot be made: the script then connects again.
fn versions(
    admin: Arc<AdminState>,
    visit: Arc<Visit>,
    render: Arc<Render>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(String::new(), move |before| {
        let (admin, visit, render) = (Arc::clone(&admin), Arc::clone(&visit), Arc::clone(&render));
        async move {
            loop {
                if !before.is_empty() {
                    tokio::time::sleep(EVERY).await;
                }
                let (visit, render) = (Arc::clone(&visit), Arc::clone(&render));
                let html = call(Arc::clone(&admin), move |control| render(control, &visit)).await.ok()?;
                if html != before {
                    // A carriage return would end a line of the event.
                    let event = Event::default().event("page").data(html.replace('\r', ""));
                    return Some((Ok(event), html));
                }
            }
        }
    })
}

/// How often a page that is open is made again.
const EVERY: Duration = Duration::from_secs(1);
