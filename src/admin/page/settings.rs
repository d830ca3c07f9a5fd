//! The settings in force, each with what set it. Pure, but for the call.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::frame::Nav;
use super::serve::show_page;
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::api::{EffectiveSetting, SettingList};
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/settings", get(settings))
}

async fn settings(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Settings, t::nav::SETTINGS.to_owned()), |control, visit| {
        Ok(Settings::of(&control.settings(&visit.access)?, visit))
    })
    .await
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    links: Links,
    search: String,
    is_changed_only: bool,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    value: String,
    at_start: Option<String>,
    source: String,
}

impl Settings {
    fn of(list: &SettingList, visit: &Visit) -> Self {
        let search = visit.query("search").unwrap_or_default().trim();
        let is_changed_only = visit.query("changed").is_some();
        let matches = |setting: &&EffectiveSetting| {
            setting.name.contains(search) && (!is_changed_only || setting.source != DEFAULTS)
        };
        let rows = list.settings.iter().filter(matches).map(|setting| Row {
            name: show::plain(&setting.name),
            value: show::plain(&setting.value),
            at_start: setting.at_start.as_deref().map(show::plain).map(|value| t::settings::at_start(&value)),
            source: show::plain(&setting.source),
        });
        Self { rows: rows.collect(), links: visit.links.clone(), search: search.to_owned(), is_changed_only }
    }
}

/// The source of what nobody has set.
const DEFAULTS: &str = "defaults";
