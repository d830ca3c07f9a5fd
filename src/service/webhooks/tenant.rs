//! Webhooks that a tenant sets: what they may refer to, and how the spool tells them from the operator's.

use serde_json::{Value, json};

use crate::admin::{Access, RequestError};
use crate::deliver::SetBy;

/// Whose a webhook is after a change. A tenant's URL stays the tenant's when the operator changes something else, so that
/// it never leads to where the operator's webhooks may go.
pub(super) fn set_by(access: &Access, before: Option<(&Value, SetBy)>, settings: &Value) -> SetBy {
    let is_tenants_url = |(before, set_by): (&Value, SetBy)| {
        set_by == SetBy::Tenant && before.get("url") == settings.get("url")
    };
    if access.scope.project().is_some() || before.is_some_and(is_tenants_url) {
        return SetBy::Tenant;
    }
    SetBy::Operator
}

/// Refuses a tenant's change that would send variables or files of this machine.
pub(super) fn check_change(access: &Access, change: &Value) -> Result<(), RequestError> {
    if access.scope.project().is_none() {
        return Ok(());
    }
    match reference(change, "") {
        Some(path) => Err(RequestError::field(
            format!("webhook.{path}"),
            "variables and files of the sidecar's machine are the operator's: give the value itself",
        )),
        None => Ok(()),
    }
}

/// The path of the first variable or file.
fn reference(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(fields) => {
            // A header may be called `env`.
            let is_map = path.is_empty() || path == "headers";
            let names = |name: &str| fields.contains_key(name);
            if !is_map && fields.len() == 1 && (names("env") || names("file")) {
                return Some(path.to_owned());
            }
            let files =
                ["client_cert", "client_key", "ca_file"].iter().find(|name| path.is_empty() && names(name));
            let inner = || {
                fields.iter().find_map(|(name, value)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    reference(value, &format!("{path}{dot}{name}"))
                })
            };
            files.map(|name| (*name).to_owned()).or_else(inner)
        }
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(at, value)| reference(value, &format!("{path}.{at}")))
        }
        _ => None,
    }
}

/// The settings as the spool has them.
pub(super) fn marked(settings: &Value, set_by: SetBy) -> Value {
    let mut marked = settings.clone();
    if let (SetBy::Tenant, Some(fields)) = (set_by, marked.as_object_mut()) {
        fields.insert(MARK.to_owned(), json!(TENANT));
    }
    marked
}

/// Takes the mark off settings from the spool.
pub(super) fn take_mark(settings: &mut Value) -> SetBy {
    let mark = settings.as_object_mut().and_then(|fields| fields.remove(MARK));
    if mark.is_some_and(|mark| mark == TENANT) { SetBy::Tenant } else { SetBy::Operator }
}

const MARK: &str = "set_by";
const TENANT: &str = "tenant";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Caller, Scope};

    #[test]
    fn a_tenant_refers_to_nothing_of_this_machine() {
        let caller = Caller::Token { name: "t".into() };
        let operator = Access::full(caller);
        let tenant = Access { scope: Scope::Project("p".into()), ..operator.clone() };
        for (change, field) in [
            (json!({"url": {"env": "X"}}), "webhook.url"),
            (json!({"headers": {"authorization": {"file": "/etc/passwd"}}}), "webhook.headers.authorization"),
            (
                json!({"secret": ["a", {"value": {"env": "X"}, "until": "2999-01-01T00:00:00Z"}]}),
                "webhook.secret.1.value",
            ),
            (
                json!({"auth": {"basic": {"user": "u", "password": {"file": "F"}}}}),
                "webhook.auth.basic.password",
            ),
            (json!({"ca_file": "/etc/passwd"}), "webhook.ca_file"),
        ] {
            let refused = check_change(&tenant, &change).unwrap_err();
            assert!(
                matches!(&refused, RequestError::Fields(fields) if fields[0].field == field),
                "{refused:?}"
            );
            assert_eq!(check_change(&operator, &change), Ok(()));
        }
        let plain = json!({"url": "https://h/", "headers": {"env": "x"}, "secret": "file"});
        assert_eq!(check_change(&tenant, &plain), Ok(()));
    }

    #[test]
    fn the_mark_is_taken_off_again() {
        let settings = json!({"url": "https://h/"});
        for set_by in [SetBy::Operator, SetBy::Tenant] {
            let mut stored = marked(&settings, set_by);
            assert_eq!((take_mark(&mut stored), &stored), (set_by, &settings));
        }
    }
}
