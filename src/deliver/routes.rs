//! Which webhook answers for a lane: an exact project before `*`, then an exact callback before `*`.

use std::collections::HashMap;
use std::sync::Arc;

use super::webhook::Webhook;
use crate::record::{Callback, PropertySet};

/// Two webhooks for the same records.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("two webhooks are for project `{project}` and callback `{callback}`: keep one, or name others")]
pub struct DuplicateWebhook {
    /// The project of both.
    pub project: String,
    /// The callback of both.
    pub callback: String,
}

/// All webhooks. Capture asks for every record, so that a lookup does not depend on their number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    webhooks: Vec<Arc<Webhook>>,
    by_project: HashMap<String, OfProject>,
    of_any_project: OfProject,
}

/// The webhooks of one project, or those of every project.
#[derive(Clone, Debug, Default, PartialEq)]
struct OfProject {
    any: Option<Arc<Webhook>>,
    ingested: Option<Arc<Webhook>>,
    modified: Option<Arc<Webhook>>,
    excluded: Option<Arc<Webhook>>,
}

impl OfProject {
    fn slot(&mut self, callback: Option<Callback>) -> &mut Option<Arc<Webhook>> {
        match callback {
            None => &mut self.any,
            Some(Callback::Ingested) => &mut self.ingested,
            Some(Callback::Modified) => &mut self.modified,
            Some(Callback::Excluded) => &mut self.excluded,
        }
    }

    fn exact(&self, callback: Option<Callback>) -> Option<&Arc<Webhook>> {
        match callback {
            None => self.any.as_ref(),
            Some(Callback::Ingested) => self.ingested.as_ref(),
            Some(Callback::Modified) => self.modified.as_ref(),
            Some(Callback::Excluded) => self.excluded.as_ref(),
        }
    }

    fn find(&self, callback: Callback) -> Option<&Arc<Webhook>> {
        self.exact(Some(callback)).or(self.any.as_ref())
    }
}

impl Routes {
    /// Refuses two for the same.
    pub fn new(webhooks: Vec<Webhook>) -> Result<Self, DuplicateWebhook> {
        let mut routes = Self::default();
        for webhook in webhooks {
            if routes.exact(webhook.project.as_deref(), webhook.callback).is_some() {
                return Err(DuplicateWebhook {
                    project: webhook.project.unwrap_or_else(|| "*".into()),
                    callback: webhook.callback.map_or("*", Callback::name).to_owned(),
                });
            }
            routes.add(Arc::new(webhook));
        }
        Ok(routes)
    }

    /// These webhooks, and those of `fallback` for other projects and callbacks. Each of both is there once.
    pub fn over(webhooks: Vec<Arc<Webhook>>, fallback: &Self) -> Self {
        let mut routes = Self::default();
        for webhook in webhooks.into_iter().chain(fallback.webhooks.iter().cloned()) {
            if routes.exact(webhook.project.as_deref(), webhook.callback).is_none() {
                routes.add(webhook);
            }
        }
        routes
    }

    fn add(&mut self, webhook: Arc<Webhook>) {
        let of_project = match &webhook.project {
            None => &mut self.of_any_project,
            Some(project) => self.by_project.entry(project.clone()).or_default(),
        };
        *of_project.slot(webhook.callback) = Some(Arc::clone(&webhook));
        self.webhooks.push(webhook);
    }

    /// The webhook for exactly this project and callback; `None` is `*`.
    pub fn exact(&self, project: Option<&str>, callback: Option<Callback>) -> Option<&Arc<Webhook>> {
        match project {
            None => self.of_any_project.exact(callback),
            Some(project) => self.by_project.get(project)?.exact(callback),
        }
    }

    /// The webhook of a lane.
    pub fn find(&self, project: &str, callback: Callback) -> Option<&Arc<Webhook>> {
        let of_project = self.by_project.get(project).and_then(|of_project| of_project.find(callback));
        of_project.or_else(|| self.of_any_project.find(callback))
    }

    /// Which properties the records of a lane that are kept are about; `None`: it has no webhook.
    pub fn properties(&self, project: &str, callback: Callback) -> Option<PropertySet> {
        self.find(project, callback).map(|webhook| webhook.properties)
    }

    /// All webhooks.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.webhooks.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(project: Option<&str>, callback: Option<Callback>) -> Webhook {
        Webhook {
            project: project.map(Into::into),
            callback,
            ..Webhook::new(hyper::Uri::from_static("http://localhost/").into())
        }
    }

    #[test]
    fn an_exact_project_comes_before_any_then_an_exact_callback() {
        let ingested = Callback::Ingested;
        let all = [
            webhook(None, None),
            webhook(None, Some(ingested)),
            webhook(Some("a"), None),
            webhook(Some("a"), Some(ingested)),
        ];
        let routes = Routes::new(all.to_vec()).unwrap();
        let found = |project, callback| routes.find(project, callback).map(|found| (**found).clone());
        assert_eq!(found("a", ingested), Some(all[3].clone()));
        assert_eq!(found("a", Callback::Modified), Some(all[2].clone()));
        assert_eq!(found("b", ingested), Some(all[1].clone()));
        assert_eq!(found("b", Callback::Modified), Some(all[0].clone()));
        let some = Routes::new(vec![all[3].clone()]).unwrap();
        assert_eq!(some.find("a", Callback::Excluded), None);
    }

    #[test]
    fn a_webhook_comes_before_the_fallback_for_exactly_the_same_records() {
        let url = |url: &'static str, webhook: Webhook| Webhook {
            url: hyper::Uri::from_static(url).into(),
            ..webhook
        };
        let all = url("http://all/", webhook(None, None));
        let of_a = url("http://a/", webhook(Some("a"), None));
        let fallback = Routes::new(vec![all.clone(), of_a]).unwrap();
        let own = url("http://own/", webhook(Some("a"), None));
        let routes = Routes::over(vec![Arc::new(own.clone())], &fallback);
        assert_eq!(routes.all().map(|found| (**found).clone()).collect::<Vec<_>>(), [own, all]);
    }

    #[test]
    fn two_webhooks_for_the_same_records_are_refused() {
        let twice = Routes::new(vec![webhook(None, None), webhook(Some("a"), None), webhook(None, None)]);
        assert_eq!(twice, Err(DuplicateWebhook { project: "*".into(), callback: "*".into() }));
    }
}
