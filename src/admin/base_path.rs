//! `admin.base_path`: the path under which a proxy shows us, as a prefix of every path.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};

/// Serves `router` under the path, and without it too: probes and scrapers do not come through the proxy.
pub(super) fn under(base_path: &str, router: Router) -> Router {
    if base_path.is_empty() {
        return router;
    }
    let base_path: Arc<str> = base_path.into();
    // A layer of `router` itself would run after it has chosen a route.
    Router::new().fallback_service(router).layer(middleware::from_fn_with_state(base_path, strip))
}

async fn strip(State(base_path): State<Arc<str>>, mut request: Request, next: Next) -> Response {
    let asked = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Some(rest) = asked.strip_prefix(&*base_path) else { return next.run(request).await };
    let rest = if rest.is_empty() || rest.starts_with('?') {
        return Redirect::permanent(&format!("{base_path}/{rest}")).into_response();
    } else {
        rest
    };
    if rest.starts_with('/') {
        let mut parts = request.uri().clone().into_parts();
        if let Ok(stripped) = rest.parse::<PathAndQuery>() {
            parts.path_and_query = Some(stripped);
        }
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    next.run(request).await
}
