//! One webhook: its form, tests, rotation, removal, and the text for the receiver's owner.

mod asked;
mod change;
mod edit;
mod hand_over;
mod rotate;
mod test;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use self::asked::{Admin, Posted, back, key, stored};
use self::edit::{Edit, Remove};
pub(in crate::admin) use self::hand_over::hand_over;
use super::form::Form;
use super::frame::Nav;
use super::serve::{Answer, answer, show_page};
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/webhook", get(show).post(save))
        .route("/webhook/remove", get(ask_removal).post(remove))
        .merge(test::router())
        .merge(rotate::router())
        .merge(hand_over::router())
}

async fn show(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::webhook::TITLE.to_owned()), |control, visit| {
        let key = key(visit)?;
        let stored = stored(control, &key, &visit.access)?;
        Ok(Edit::of(key, stored.as_ref(), change::form_of(stored.as_ref()), visit))
    })
    .await
}

async fn save(State(admin): Admin, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::webhook::TITLE.to_owned()), move |control, visit| {
        let (key, form) = (key(visit)?, Form::new(fields));
        let stored = stored(control, &key, &visit.access)?;
        let settings = stored.as_ref().map(|stored| &stored.settings);
        let saved = change::change(&form, settings).and_then(|change| {
            let revision = form.value("revision").parse().ok();
            control.set_webhook(&key, &change, revision, &visit.access)
        });
        match saved {
            Ok(_) => Ok(Answer::To(back(&key, visit, "saved"))),
            Err(error) => {
                let form = form.refused(&error, change::field_of);
                Ok(Answer::Page(error.status(), Edit::of(key, stored.as_ref(), form, visit)))
            }
        }
    })
    .await
}

async fn ask_removal(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::webhook::REMOVE.to_owned()), |control, visit| {
        let key = key(visit)?;
        let stored = control.webhook(&key, &visit.access)?;
        Ok(Remove::of(key, &stored, None, visit))
    })
    .await
}

async fn remove(State(admin): Admin, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::webhook::REMOVE.to_owned()), move |control, visit| {
        let (key, form) = (key(visit)?, Form::new(fields));
        match control.remove_webhook(&key, form.value("revision").parse().ok(), &visit.access) {
            Ok(_) => Ok(Answer::To(back(&key, visit, "removed"))),
            Err(error) => {
                let stored = control.webhook(&key, &visit.access)?;
                Ok(Answer::Page(error.status(), Remove::of(key, &stored, Some(error.detail().into()), visit)))
            }
        }
    })
    .await
}
