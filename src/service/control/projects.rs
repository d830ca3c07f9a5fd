//! Projects on request: a page of them, and one with its callbacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Controller;
use super::test_requests::specimen;
use crate::admin::{
    Access, CallbackDetail, DeliveryHeader, DeliveryRequest, LaneStatus, ProjectDetail, ProjectPage,
    ProjectQuery, ProjectStatus, RequestError, STATES_BY_WEIGHT, WebhookDetail, page_size,
};
use crate::deliver::{Routes, Webhook, shown_specimen};
use crate::record::{Callback, LaneNo};
use crate::service::webhooks::key_of;
use crate::spool::SpoolError;

impl Controller {
    /// Projects that have lanes or webhooks of their own, in the order of their names.
    pub(super) fn project_page(
        &self,
        query: &ProjectQuery,
        access: &Access,
    ) -> Result<ProjectPage, RequestError> {
        let limit = page_size(query.limit, LIMIT, LIMIT_MAX)? as usize;
        let routes = self.webhooks.routes();
        let status = self.recent.status.get(self.clock, || self.current_status());
        let mut lanes: BTreeMap<&str, Vec<&LaneStatus>> = BTreeMap::new();
        for lane in &status.lanes {
            lanes.entry(&lane.project).or_default().push(lane);
        }
        for project in routes.all().filter_map(|webhook| webhook.project.as_deref()) {
            lanes.entry(project).or_default();
        }
        let after = query.after.as_deref();
        let wanted = lanes.iter().filter(|(project, lanes)| {
            after.is_none_or(|after| **project > after)
                && access.scope.holds(project)
                && query.state.is_none_or(|state| lanes.iter().any(|lane| lane.state == state))
        });
        let found = wanted.filter(|(project, _)| {
            query.search.as_deref().is_none_or(|search| is_found(&routes, project, search))
        });
        // One more says whether there is another page.
        let mut projects: Vec<ProjectStatus> =
            found.take(limit + 1).map(|(project, lanes)| project_status(&routes, project, lanes)).collect();
        let has_more = projects.len() > limit;
        projects.truncate(limit);
        let next = projects.last().filter(|_| has_more).map(|last| last.project.clone());
        Ok(ProjectPage { projects, next })
    }

    /// A project, whether or not it has had a record.
    pub(super) fn project_detail(
        &self,
        project: &str,
        access: &Access,
    ) -> Result<ProjectDetail, RequestError> {
        access.scope.require(project)?;
        let routes = self.webhooks.routes();
        let status = self.recent.status.get(self.clock, || self.current_status());
        let reader = self.reader()?;
        let no = reader.project(project)?;
        let in_order = [Callback::Ingested, Callback::Modified, Callback::Excluded];
        let callbacks = in_order.into_iter().map(|callback| {
            let is_it = |lane: &&LaneStatus| lane.callback == callback && lane.project == project;
            let found = routes.find(project, callback);
            let lane = status.lanes.iter().find(is_it).cloned();
            let records_max = found.map_or(1, |webhook| webhook.limits.records_max);
            let activity = no.zip(lane.as_ref()).map(|(no, lane)| {
                let backlog = (lane.pending.records, records_max);
                self.lane_activity(&reader, LaneNo::new(no, callback), backlog)
            });
            let webhook = found.map(|webhook| {
                let key = key_of(webhook);
                let detail = self.webhook_detail(&key, webhook, Vec::new());
                let is_own = access.scope.holds(&key.project);
                if is_own { detail } else { WebhookDetail { settings: serde_json::Value::Null, ..detail } }
            });
            let is_own =
                |webhook: &&Arc<Webhook>| access.scope.holds(webhook.project.as_deref().unwrap_or(DEFAULTS));
            let specimen = found.filter(is_own).map(|webhook| self.specimen_of(webhook, project, callback));
            Ok(CallbackDetail { callback, webhook, lane, activity: activity.transpose()?, specimen })
        });
        let callbacks = callbacks.collect::<Result<_, SpoolError>>()?;
        let is_default = project == DEFAULTS;
        let documents = if is_default { None } else { self.document_count(&reader, project)? };
        Ok(ProjectDetail { project: project.to_owned(), callbacks, documents })
    }

    /// A test request with a specimen, without secrets.
    fn specimen_of(&self, webhook: &Webhook, project: &str, callback: Callback) -> DeliveryRequest {
        let names = &self.settings.webhook_defaults.header_names;
        let shown = shown_specimen(webhook, names, (project, callback), self.clock.wall());
        let body = String::from_utf8_lossy(&specimen(callback)).into_owned();
        DeliveryRequest {
            curl: Some(shown.curl(&body)),
            url: Some(shown.url),
            headers: shown.headers.into_iter().map(|(name, value)| DeliveryHeader { name, value }).collect(),
            body: Some(body),
        }
    }
}

fn project_status(routes: &Routes, project: &str, lanes: &[&LaneStatus]) -> ProjectStatus {
    let webhooks = || Callback::ALL.into_iter().filter_map(|callback| routes.find(project, callback));
    let longest =
        |of: fn(&LaneStatus) -> Option<f64>| lanes.iter().filter_map(|lane| of(lane)).reduce(f64::max);
    ProjectStatus {
        project: project.to_owned(),
        state: STATES_BY_WEIGHT.into_iter().find(|state| lanes.iter().any(|lane| lane.state == *state)),
        hosts: distinct(webhooks().map(|webhook| webhook.host().to_string())),
        owners: distinct(webhooks().filter_map(|webhook| webhook.owner.clone())),
        pending: crate::admin::LaneBacklog {
            records: lanes.iter().map(|lane| lane.pending.records).sum(),
            bytes: lanes.iter().map(|lane| lane.pending.bytes).sum(),
            oldest_seconds: longest(|lane| lane.pending.oldest_seconds),
        },
        last_success_seconds: lanes.iter().filter_map(|lane| lane.last_success_seconds).reduce(f64::min),
    }
}

fn is_found(routes: &Routes, project: &str, search: &str) -> bool {
    let search = search.to_lowercase();
    let holds = |text: &str| text.to_lowercase().contains(&search);
    let webhooks = || Callback::ALL.into_iter().filter_map(|callback| routes.find(project, callback));
    holds(project)
        || webhooks().any(|webhook| holds(&webhook.host()) || webhook.owner.as_deref().is_some_and(holds))
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts.dedup();
    texts
}

/// The name for the webhooks of every project.
const DEFAULTS: &str = "*";
const LIMIT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_found_by_its_name_its_host_and_its_owner() {
        let webhook = Webhook {
            owner: Some("Team Search".to_owned()),
            ..Webhook::new(hyper::Uri::from_static("http://Hooks.example.com/x").into())
        };
        let routes = Routes::new(vec![webhook]).unwrap();
        for search in ["ALPHA", "hooks.example", "team s", ":80"] {
            assert!(is_found(&routes, "alpha-1", search), "{search}");
        }
        assert!(!is_found(&routes, "alpha-1", "/x"), "a path may be a secret");
    }
}
