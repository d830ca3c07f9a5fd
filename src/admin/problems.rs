//! Errors that no handler made, as problem details: of the router, and of axum's extractors.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::request_error::{PROBLEM_JSON, Problem};

/// Turns errors of the API that are plain text into problem details.
pub(super) async fn problems(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_api || !is_error || is_problem(&response) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, DETAIL_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim_end().to_owned();
    let detail = if text.is_empty() { status.canonical_reason().unwrap_or("Error").to_owned() } else { text };
    let mut problem = Problem::new(status, detail).into_response();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            problem.headers_mut().append(name, value.clone());
        }
    }
    problem
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON)
}

const DETAIL_MAX: usize = 64 << 10;
