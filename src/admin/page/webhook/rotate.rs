//! A new signing secret, shown once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use super::asked::{Admin, Posted, key};
use crate::admin::api::{RotateRequest, WebhookKey};
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

#[derive(Template)]
#[template(path = "webhook_rotate.html")]
struct Rotate {
    links: Links,
    key: WebhookKey,
    form: Form,
    /// The new secret, and until when the old ones sign.
    rotated: Option<(String, String)>,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/webhook/rotate", get(ask).post(rotate))
}

async fn ask(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::webhook::ROTATE.to_owned()), |_, visit| {
        let form = Form::new(vec![("overlap_hours".to_owned(), "24".to_owned())]);
        Ok(Rotate { links: visit.links.clone(), key: key(visit)?, form, rotated: None })
    })
    .await
}

async fn rotate(State(admin): Admin, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::webhook::ROTATE.to_owned()), move |control, visit| {
        let (key, form, links) = (key(visit)?, Form::new(fields), visit.links.clone());
        let rotated = visit.access.require_secret().and_then(|()| {
            let hours = form.value("overlap_hours").parse::<f64>();
            let hours =
                hours.map_err(|_| RequestError::field("overlap_hours", t::webhook::NUMBER_EXPECTED))?;
            let request = RotateRequest {
                project: key.project.clone(),
                callback: key.callback.clone(),
                overlap_seconds: Some(hours * 3_600.0),
                secret: None,
            };
            control.rotate_secret(&request, &visit.access)
        });
        Ok(match rotated {
            Ok(result) => {
                let until =
                    result.old_until.as_deref().map_or_else(|| t::rotate::NONE_SIGNS.to_owned(), show::time);
                let rotated = Some((result.secret.expose().as_str().to_owned(), until));
                Answer::Page(StatusCode::OK, Rotate { links, key, form, rotated })
            }
            Err(error) => {
                let form = form.refused(&error, |field| {
                    Some(field.to_owned())
                        .filter(|field| field.starts_with("overlap"))
                        .map(|_| "overlap_hours".to_owned())
                });
                Answer::Page(error.status(), Rotate { links, key, form, rotated: None })
            }
        })
    })
    .await
}
