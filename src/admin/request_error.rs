//! How requests fail, and the responses to it: problem details. <https://www.rfc-editor.org/rfc/rfc9457>

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestError {
    /// The request is invalid.
    Invalid(String),
    /// Fields of the request are invalid, each for a reason of its own.
    Fields(Vec<FieldError>),
    /// What it names does not exist.
    NotFound(String),
    /// Another change came first.
    Changed(String),
    /// The state of the sidecar does not allow it.
    Conflict(String),
    /// Another change came first than the one that `if-match` names.
    PreconditionFailed(String),
    /// It takes a token.
    Unauthenticated(String),
    /// The caller may not do it.
    Forbidden(String),
    /// The request names another host.
    Misdirected(String),
    /// Too many of them: again after this many seconds.
    TooMany(String, u64),
    /// The spool cannot be read or written.
    Internal(String),
}

/// A field that is at fault.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct FieldError {
    /// Its path: `webhook.headers.x-source`.
    pub field: String,
    /// A sentence: what is wrong, and what is expected.
    pub detail: String,
}

/// The body of every response that is an error.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status says which kind it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the status.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong, and what to do about it.
    pub detail: String,
    /// The field that is at fault, where one is; the first of `errors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Every field that is at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl FieldError {
    /// A sentence that repeats a long value loses the middle of it.
    fn new(field: String, why: String) -> Self {
        let letters = why.chars().count();
        if letters <= DETAIL_MAX {
            return Self { field, detail: why };
        }
        let begin: String = why.chars().take(DETAIL_MAX / 2).collect();
        let end: String = why.chars().skip(letters - DETAIL_MAX / 2).collect();
        Self { field, detail: format!("{begin} … {end}") }
    }
}

impl RequestError {
    /// A field is invalid.
    pub fn field(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Fields(vec![FieldError::new(field.into(), why.into())])
    }

    /// The same with every sentence that names its field first, as in "`batch.wait_max_ms`: a number is expected".
    pub fn of_sentences(sentences: &[String]) -> Self {
        let fields = sentences.iter().map(|sentence| {
            let (field, why) = sentence.strip_prefix('`')?.split_once("`: ")?;
            Some(FieldError::new(field.to_owned(), why.to_owned()))
        });
        fields.collect::<Option<Vec<_>>>().map_or_else(|| Self::Invalid(sentences.join("\n")), Self::Fields)
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Fields(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Changed(_) | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::TooMany(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is wrong, and what to do about it.
    pub fn detail(&self) -> String {
        match self {
            Self::Fields(fields) => {
                let sentences =
                    fields.iter().map(|FieldError { field, detail }| format!("`{field}`: {detail}"));
                sentences.collect::<Vec<_>>().join("\n")
            }
            Self::Invalid(why)
            | Self::NotFound(why)
            | Self::Changed(why)
            | Self::Conflict(why)
            | Self::PreconditionFailed(why)
            | Self::Unauthenticated(why)
            | Self::Forbidden(why)
            | Self::Misdirected(why)
            | Self::TooMany(why, _)
            | Self::Internal(why) => why.clone(),
        }
    }
}

impl Problem {
    /// Of a response that no handler made.
    pub(super) fn new(status: StatusCode, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        let kind = "about:blank".to_owned();
        Self { kind, title, status: status.as_u16(), detail, field: None, errors: Vec::new() }
    }
}

impl From<&RequestError> for Problem {
    fn from(error: &RequestError) -> Self {
        let mut problem = Self::new(error.status(), error.detail());
        if let RequestError::Fields(fields) = error {
            problem.field = fields.first().map(|first| first.field.clone());
            problem.errors.clone_from(fields);
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], Json(self)).into_response()
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let mut response = Problem::from(&self).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooMany(_, seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            _ => {}
        }
        response
    }
}

/// Letters of a sentence about a field.
const DETAIL_MAX: usize = 600;
/// The media type of a [`Problem`].
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_that_name_their_fields_become_fields() {
        let sentences = ["`a.b`: is wrong".to_owned(), "`c`: `x` is wrong: use `y`".to_owned()];
        let error = RequestError::of_sentences(&sentences);
        let problem = Problem::from(&error);
        assert_eq!((problem.field.as_deref(), problem.errors.len()), (Some("a.b"), 2));
        assert_eq!(problem.detail, sentences.join("\n"));
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "about:blank");
        assert_eq!(json["errors"][1], serde_json::json!({"field": "c", "detail": "`x` is wrong: use `y`"}));
        let long = RequestError::field("x", format!("`{}` is no number", "9".repeat(5_000))).detail();
        assert!(
            long.len() < 700 && long.starts_with("`x`: `999") && long.ends_with("9` is no number"),
            "{long}"
        );
        let plain = RequestError::of_sentences(&["it is wrong".to_owned()]);
        assert_eq!(plain, RequestError::Invalid("it is wrong".to_owned()));
    }
}
