//! Rows of `webhooks.query` → webhooks. They are tenants': a row refers to no variable and no file of the sidecar,
//! is for one project, and its requests go where those of tenants may go. Pure.

use serde_json::{Map, Value};

use super::values::WebhookDefaults;
use super::webhook::secrets;
use crate::deliver::Webhook;
use crate::source::catalog::nearest;

/// A webhook of a row.
pub struct RowWebhook {
    /// The project.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// With the keys of a `[[webhook]]` section, but for project and callback. It may hold secrets.
    pub settings: Value,
    /// The webhook.
    pub webhook: Webhook,
}

/// A row that is no webhook.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RefusedRow {
    /// Its project; `None` where it names none.
    pub project: Option<String>,
    /// Its callback.
    pub callback: Option<String>,
    /// Why, one sentence for each column. No value is repeated.
    pub why: String,
}

/// Refuses a query without a required column, with an unknown one, or with two of the same name.
pub fn check_columns(names: &[String]) -> Result<(), String> {
    if let Some(missing) = REQUIRED.iter().find(|required| !names.iter().any(|name| name == *required)) {
        return Err(format!("it has no column `{missing}`: select one, or give one this name with AS"));
    }
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|other| other == name) {
            return Err(format!("it has two columns `{name}`: keep one"));
        }
        if !REQUIRED.contains(&name.as_str()) && !OPTIONAL.contains(&name.as_str()) {
            let near = nearest(name, REQUIRED.iter().chain(OPTIONAL).copied());
            let near = near.first().map(|near| format!("did you mean `{near}`? Or ")).unwrap_or_default();
            return Err(format!(
                "it has the unknown column `{name}`: {near}leave it out: known are {} and {}",
                REQUIRED.join(", "),
                OPTIONAL.join(", ")
            ));
        }
    }
    Ok(())
}

impl WebhookDefaults {
    /// Reads a row, a JSON object by column. `None`: it has no URL, and is no webhook.
    pub fn row(&self, row: Value) -> Option<Result<RowWebhook, RefusedRow>> {
        let Value::Object(mut fields) = row else { return None };
        fields.retain(|_, value| !value.is_null());
        if fields.get("url").is_none_or(|url| url == "") {
            return None;
        }
        let project = take_text(&mut fields, "project");
        let callback = take_text(&mut fields, "callback");
        let refused = |why: String| RefusedRow { project: project.clone(), callback: callback.clone(), why };
        let (Some(project), Some(callback)) = (&project, &callback) else {
            return Some(Err(refused(
                "`webhook.project`, `webhook.callback`: a text is expected".to_owned(),
            )));
        };
        if project == "*" {
            let why = "`webhook.project`: a row is for one project: `*` is for the settings file and `sidecar webhooks`";
            return Some(Err(refused(why.to_owned())));
        }
        let settings = Value::Object(fields);
        if let Some(path) = reference(&settings) {
            let why = format!(
                "`webhook.{path}`: a text is expected: a row does not refer to variables and files of the sidecar"
            );
            return Some(Err(refused(why)));
        }
        Some(self.checked(project, callback, settings).map_err(refused))
    }

    fn checked(&self, project: &str, callback: &str, settings: Value) -> Result<RowWebhook, String> {
        let mut section = settings.clone();
        if let Some(fields) = section.as_object_mut() {
            fields.insert("project".to_owned(), Value::from(project));
            fields.insert("callback".to_owned(), Value::from(callback));
        }
        let webhook = self.check(&section).map_err(|invalid| invalid.0.join("; "))?;
        let webhook = webhook.of_tenant(&self.limits);
        Ok(RowWebhook { project: project.to_owned(), callback: callback.to_owned(), settings, webhook })
    }
}

/// The path of a value that refers to a secret of the operator's.
fn reference(settings: &Value) -> Option<String> {
    if !settings.get("url").is_some_and(Value::is_string) {
        return Some("url".to_owned());
    }
    secrets(settings).into_iter().find(|(_, value)| value.is_object()).map(|(path, _)| path)
}

/// A name may be a number in the table.
fn take_text(fields: &mut Map<String, Value>, column: &str) -> Option<String> {
    match fields.remove(column)? {
        Value::String(text) => Some(text).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

const REQUIRED: &[&str] = &["project", "callback", "url"];
/// Those of a `[[webhook]]` section, but for the files of TLS.
const OPTIONAL: &[&str] = &[
    "headers",
    "secret",
    "auth",
    "properties",
    "owner",
    "note",
    "records_max",
    "bytes_max",
    "wait_max_ms",
    "timeout_ms",
    "connect_timeout_ms",
    "retry_schedule",
    "refusals_max",
    "give_up_after",
    "order_wait",
    "response_bytes_max",
    "connection_age_max",
    "gzip",
    "in_flight_max",
    "requests_per_second",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deliver::{HeaderNames, Limits, SetBy};

    fn read(row: Value) -> Option<Result<RowWebhook, RefusedRow>> {
        let header_names = HeaderNames::new("sidecar").unwrap();
        WebhookDefaults { limits: Limits::default(), header_names }.row(row)
    }

    fn refusal(row: Value) -> String {
        read(row).unwrap().err().unwrap().why
    }

    #[test]
    fn columns_are_known_by_their_names() {
        let check =
            |names: &[&str]| check_columns(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(check(&["url", "callback", "project"]), Ok(()));
        assert_eq!(check(&[REQUIRED, OPTIONAL].concat()), Ok(()));
        for (names, why) in [
            (&["project", "url"][..], "no column `callback`"),
            (&["project", "callback", "url", "header"], "`header`: did you mean `headers`?"),
            (&["project", "callback", "url", "url"], "two columns `url`"),
            (&["project", "callback", "url", "ca_file"], "`ca_file`"),
            (&["project", "callback", "url", "?column?"], "unknown column `?column?`"),
        ] {
            let refused = check(names).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn a_row_is_a_tenants_webhook() {
        let row = json!({
            "project": 7, "callback": "modified", "url": "https://h/", "headers": {"x": "1", "env": "2"},
            "secret": null, "properties": ["labels"], "wait_max_ms": 5, "owner": null
        });
        let found = read(row).unwrap().ok().unwrap();
        assert_eq!((found.project.as_str(), found.callback.as_str()), ("7", "modified"));
        assert_eq!(found.webhook.set_by, SetBy::Tenant);
        assert_eq!((found.webhook.headers.len(), found.webhook.limits.wait_max.as_millis()), (2, 5));
        for no_url in [json!(null), json!("")] {
            assert!(read(json!({"project": "p", "callback": "*", "url": no_url})).is_none());
        }
    }

    #[test]
    fn a_tenants_limits_are_at_most_the_operators() {
        let of = |records: u32, bytes: u64, response: u64| {
            let row = json!({
                "project": "p", "callback": "*", "url": "https://h/", "records_max": records, "bytes_max": bytes,
                "response_bytes_max": response
            });
            let limits = read(row).unwrap().ok().unwrap().webhook.limits;
            (limits.records_max, limits.bytes_max, limits.response_bytes_max)
        };
        let most = Limits::default();
        let most = (most.records_max, most.bytes_max, most.response_bytes_max);
        assert_eq!(of(10_000, 1 << 30, 1 << 30), most);
        let lower = of(7, 70_000, 700);
        assert!(lower.0 < most.0 && lower.1 < most.1 && lower.2 < most.2, "{lower:?} {most:?}");
    }

    #[test]
    fn a_wrong_row_is_refused_with_its_column_and_without_its_values() {
        let row = |more: Value| {
            let mut row = json!({"project": "p", "callback": "*", "url": "https://h/"});
            row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            row
        };
        for (more, why) in [
            (json!({"url": "ftp://geheim/"}), "`webhook.url`"),
            (json!({"url": {"env": "GEHEIM"}}), "`webhook.url`: a text is expected"),
            (json!({"project": "*"}), "`webhook.project`: a row is for one project"),
            (json!({"project": ""}), "`webhook.project`"),
            (json!({"callback": "all"}), "`webhook.callback`"),
            (json!({"headers": {"host": "geheim"}}), "`webhook.headers.host`"),
            (json!({"headers": "geheim"}), "`webhook.headers`"),
            (json!({"headers": {"x": {"env": "GEHEIM"}}}), "`webhook.headers.x`: a text is expected"),
            (json!({"headers": {"x": {"file": "/etc/passwd"}}}), "`webhook.headers.x`: a text is expected"),
            (json!({"secret": {"file": "/etc/geheim"}}), "`webhook.secret`: a text is expected"),
            (
                json!({"secret": ["x", {"value": {"env": "GEHEIM"}, "until": "2999-01-01T00:00:00Z"}]}),
                "`webhook.secret.1.value`",
            ),
            (json!({"auth": {"bearer": {"env": "GEHEIM"}}}), "`webhook.auth.bearer`: a text is expected"),
        ] {
            let refused = refusal(row(more));
            assert!(refused.contains(why) && !refused.to_lowercase().contains("geheim"), "{refused}");
        }
    }
}
