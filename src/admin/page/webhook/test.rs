//! A test request on demand, and what became of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use super::asked::{Admin, Posted, key};
use crate::admin::api::{TestBody, TestRequest, TestResult, WebhookKey};
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::parts::Pill;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::record::Callback;

#[derive(Template)]
#[template(path = "webhook_test.html")]
struct Test {
    links: Links,
    key: WebhookKey,
    form: Form,
    result: Option<Shown>,
}

/// The result of a test.
struct Shown {
    pill: Pill,
    facts: Vec<(&'static str, String)>,
    detail: Option<String>,
    is_paused: bool,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/webhook/test", get(show_form).post(send))
}

async fn show_form(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::test::TITLE.to_owned()), |_, visit| {
        let key = key(visit)?;
        let values =
            vec![("body".to_owned(), "specimen".to_owned()), ("text".to_owned(), example(&key).to_owned())];
        Ok(Test { links: visit.links.clone(), key, form: Form::new(values), result: None })
    })
    .await
}

async fn send(State(admin): Admin, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::test::TITLE.to_owned()), move |control, visit| {
        let (key, form) = (key(visit)?, Form::new(fields));
        let tested = request(&key, &form).and_then(|request| control.test_webhook(&request, &visit.access));
        let links = visit.links.clone();
        Ok(match tested {
            Ok(result) => {
                Answer::Page(StatusCode::OK, Test { links, key, form, result: Some(Shown::of(result)) })
            }
            Err(error) => {
                let form =
                    form.refused(&error, |field| Some(field.to_owned()).filter(|field| field == "text"));
                Answer::Page(error.status(), Test { links, key, form, result: None })
            }
        })
    })
    .await
}

fn request(key: &WebhookKey, form: &Form) -> Result<TestRequest, RequestError> {
    let callback: Callback =
        key.callback.parse().map_err(|_| RequestError::field("callback", t::test::ONE_CALLBACK))?;
    let body = match form.value("body") {
        "last" => TestBody::Last,
        "specimen" => TestBody::Specimen,
        "text" => {
            let text = form.value("text");
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| RequestError::field("text", t::test::no_json(&error.to_string())))?;
            TestBody::Text(text.to_owned())
        }
        _ => TestBody::Empty,
    };
    Ok(TestRequest { project: key.project.clone(), callback, body })
}

impl Shown {
    fn of(result: TestResult) -> Self {
        let mut facts = vec![
            (t::test::HOST, result.host),
            (t::test::ID, result.id),
            (t::test::BYTES, show::size(result.bytes)),
            (t::test::TOOK, t::test::milliseconds(result.took_seconds)),
        ];
        facts.extend(result.status.map(|status| (t::test::STATUS, status.to_string())));
        let steps = [
            (t::test::DNS, result.steps.dns_seconds),
            (t::test::CONNECT, result.steps.connect_seconds),
            (t::test::TLS, result.steps.tls_seconds),
            (t::test::FIRST_BYTE, result.steps.first_byte_seconds),
        ];
        let steps = steps.into_iter().filter_map(|(name, took)| Some((name, t::test::milliseconds(took?))));
        facts.extend(steps);
        let pill =
            if result.delivered { Pill::ok(t::test::DELIVERED) } else { Pill::bad(t::test::NOT_DELIVERED) };
        let detail = result.detail.filter(|detail| !detail.is_empty());
        Self { pill, facts, detail, is_paused: result.paused }
    }
}

/// A body to begin with.
fn example(key: &WebhookKey) -> &'static str {
    if key.callback == "modified" { t::test::MODIFIED_EXAMPLE } else { t::test::DOCS_EXAMPLE }
}
