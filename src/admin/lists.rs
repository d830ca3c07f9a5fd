//! Pages of lists, as JSON, NDJSON or CSV.
//!
//! The request chooses by `Accept`. NDJSON and CSV hold the items alone; the next page is in the header `link`,
//! as in JSON in `next`.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::control::Control;
use super::request_error::RequestError;
use super::respond::{AdminState, call};

/// A page of a list.
pub(super) trait ListPage: Serialize {
    /// The columns of the CSV: names of members, those of inner objects behind a dot.
    const COLUMNS: &'static [&'static str];

    /// Its items.
    fn items(&self) -> Vec<Value>;

    /// `after` of the next page.
    fn next(&self) -> Option<String>;
}

/// The size of a page: `default`, or what is asked for, at most `most`.
pub fn page_size(given: Option<u32>, default: u32, most: u32) -> Result<u32, RequestError> {
    let size = given.unwrap_or(default);
    if !(1..=most).contains(&size) {
        return Err(RequestError::field("limit", format!("{size} is not between 1 and {most}")));
    }
    Ok(size)
}

/// How a list is to be given, and its address.
pub(super) struct ListRequest {
    form: Form,
    uri: Uri,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Csv,
    Json,
    Ndjson,
}

impl ListRequest {
    /// Calls `control` on a thread where it may block, and gives the page in the form that was asked for.
    pub(super) async fn respond<T: ListPage + Send + 'static>(
        self,
        admin: Arc<AdminState>,
        call_control: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
    ) -> Response {
        call(admin, call_control).await.map_or_else(RequestError::into_response, |page| self.page(&page))
    }

    fn page<T: ListPage>(&self, page: &T) -> Response {
        let response = match self.form {
            Form::Json => Json(page).into_response(),
            Form::Ndjson => ([(header::CONTENT_TYPE, NDJSON)], ndjson(&page.items())).into_response(),
            Form::Csv => ([(header::CONTENT_TYPE, CSV)], csv(T::COLUMNS, &page.items())).into_response(),
        };
        let link = page.next().and_then(|next| next_link(&self.uri, &next).parse().ok());
        let mut response = response;
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for ListRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self { form: Form::wanted(&parts.headers), uri: parts.uri.clone() })
    }
}

impl Form {
    /// The first of the known forms that the request accepts; JSON where it names none.
    fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let forms = accepted.flat_map(|value| value.split(',')).filter_map(|part| {
            match part.split(';').next().unwrap_or_default().trim() {
                "text/csv" => Some(Self::Csv),
                "application/x-ndjson" | "application/ndjson" => Some(Self::Ndjson),
                "application/json" => Some(Self::Json),
                _ => None,
            }
        });
        forms.into_iter().next().unwrap_or(Self::Json)
    }
}

/// A reference relative to the page, so that it holds behind any proxy.
fn next_link(uri: &Uri, next: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("after"));
    let next =
        format!("after={}", percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC));
    let query: Vec<&str> = kept.chain([next.as_str()]).collect();
    format!("<?{}>; rel=\"next\"", query.join("&"))
}

fn ndjson(items: &[Value]) -> String {
    items.iter().fold(String::new(), |lines, item| lines + &item.to_string() + "\n")
}

/// <https://www.rfc-editor.org/rfc/rfc4180>
fn csv(columns: &[&str], items: &[Value]) -> String {
    let mut out = columns.join(",") + "\r\n";
    for item in items {
        let fields: Vec<String> = columns.iter().map(|column| field(item, column)).collect();
        out += &(fields.join(",") + "\r\n");
    }
    out
}

fn field(item: &Value, column: &str) -> String {
    let found = column.split('.').try_fold(item, |value, name| value.get(name));
    let text = match found {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv; charset=utf-8; header=present";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_quoted_where_it_has_to_be() {
        let items = [json!({"a": "x,\"y\"\n", "b": {"c": 5, "d": null}}), json!({"a": null, "b": null})];
        assert_eq!(csv(&["a", "b.c", "b.d"], &items), "a,b.c,b.d\r\n\"x,\"\"y\"\"\n\",5,\r\n,,\r\n");
        assert_eq!(ndjson(&items[1..]), "{\"a\":null,\"b\":null}\n");
    }

    #[test]
    fn the_next_page_keeps_the_filter() {
        let link = |uri: &str, next| next_link(&uri.parse().unwrap(), next);
        assert_eq!(
            link("/l?project=a%26b&after=1&limit=5", "é"),
            "<?project=a%26b&limit=5&after=%C3%A9>; rel=\"next\""
        );
        assert_eq!(link("/l", "2"), "<?after=2>; rel=\"next\"");
    }

    #[test]
    fn the_form_is_the_first_that_is_known() {
        for (accept, form) in [
            ("text/html, application/x-ndjson;q=0.5", Form::Ndjson),
            ("text/csv", Form::Csv),
            ("*/*", Form::Json),
            ("application/json, text/csv", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::wanted(&headers), form, "{accept}");
        }
    }
}
