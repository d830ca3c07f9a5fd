//! What `apply` changes: the webhooks that are wanted against those that were set. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::in_force::InForce;
use crate::admin::{ApplyResult, PlannedAction, PlannedChange, RequestError, WebhookKey};

/// The sections by project and callback, without these.
pub(super) fn wanted(sections: &[Value]) -> Result<BTreeMap<WebhookKey, Value>, RequestError> {
    let mut wanted = BTreeMap::new();
    for section in sections {
        let mut section = section.clone();
        let mut take = |field: &str| {
            let why = || RequestError::field(format!("webhook.{field}"), "this setting is required, a text");
            take_text(&mut section, field).ok_or_else(why)
        };
        let key = WebhookKey { project: take("project")?, callback: take("callback")? };
        if wanted.insert(key.clone(), section).is_some() {
            let WebhookKey { project, callback } = key;
            return Err(RequestError::Invalid(format!(
                "two webhooks are for project `{project}` and callback `{callback}`: keep one, or name others"
            )));
        }
    }
    Ok(wanted)
}

pub(super) fn plan(in_force: &InForce, wanted: &BTreeMap<WebhookKey, Value>) -> ApplyResult {
    let set = in_force.all_set();
    let mut changes: Vec<PlannedChange> = Vec::new();
    let mut change = |action, key: &WebhookKey, fields| {
        let WebhookKey { project, callback } = key.clone();
        changes.push(PlannedChange { action, project, callback, fields, over: in_force.place_below(key) });
    };
    let mut unchanged = 0;
    for (key, settings) in wanted {
        match in_force.set(key) {
            None => change(PlannedAction::Add, key, Vec::new()),
            Some(old) if old.settings == *settings => unchanged += 1,
            Some(old) => change(PlannedAction::Change, key, differing(&old.settings, settings)),
        }
    }
    for old in set.iter().filter(|old| !wanted.contains_key(&old.key)) {
        change(PlannedAction::Remove, &old.key, Vec::new());
    }
    changes.sort_by_key(PlannedChange::key);
    ApplyResult { changes, unchanged }
}

fn take_text(section: &mut Value, field: &str) -> Option<String> {
    match section.as_object_mut()?.remove(field)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The names of the fields that differ.
fn differing(old: &Value, new: &Value) -> Vec<String> {
    let nothing = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&nothing), new.as_object().unwrap_or(&nothing));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}
