//! The web page: what the API gives, as HTML that is complete without a script.
//!
//! A page is a function from what [`Control`] returns to a view, which is a template. A page knows no more than an
//! endpoint of the API: it calls the same methods.
//!
//! ```text
//! request ──▶ visit (links, theme, live?) ──▶ page (Control ──▶ view ──▶ template) ──▶ frame (navigation, title)
//!                                                                                      │
//!                                                    live: the same page again, whenever it differs
//! ```
//!
//! Links are relative, so that the page works under any path. Elements with `data-live` are replaced by the script
//! as the page changes; without the script the page is what it was when it was loaded.

mod assets;
mod attempts;
mod audit;
mod bulk;
mod chart;
mod choice;
mod confirm;
mod dead_letters;
mod deliveries;
mod doctor;
mod document;
mod form;
mod frame;
mod jobs;
mod lanes;
mod live;
mod overview;
mod parts;
mod projects;
mod render;
mod replay;
mod serve;
mod settings;
mod show;
mod sign_in;
mod spark;
mod table;
mod tail;
mod texts;
mod times;
mod utc;
mod visit;
mod webhook;

use std::sync::Arc;

use axum::Router;

use super::respond::AdminState;

pub(super) use self::sign_in::{LinkPage, SignInPage, link_page, sign_in_page};
pub(super) use self::webhook::hand_over;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .merge(assets::router())
        .merge(overview::router())
        .merge(projects::router())
        .merge(webhook::router())
        .merge(lanes::router())
        .merge(dead_letters::router())
        .merge(replay::router())
        .merge(audit::router())
        .merge(doctor::router())
        .merge(settings::router())
        .merge(deliveries::router())
        .merge(jobs::router())
        .merge(document::router())
        .merge(table::router())
        .merge(tail::router())
}
