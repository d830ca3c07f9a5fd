//! The settings of a webhook → a validated webhook.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::error::SettingErrors;
use super::limits::own_limits;
use super::raw::{self, ListedSecret, OneOrManySecrets};
use super::tls_files::tls_files;
use super::url::url;
use crate::deliver::{
    ClientCredentials, HeaderNames, Limits, SetBy, SigningSecret, TokenRequest, UrlTemplate, Webhook,
};
use crate::record::{Callback, Property, PropertySet};
use crate::secret::Secret;
use crate::time::Timestamp;

type Header = (HeaderName, Secret<HeaderValue>);

pub(super) fn webhook(
    at: usize,
    raw: &raw::Webhook,
    (default, header_names): (&Limits, Option<&HeaderNames>),
    errors: &mut SettingErrors,
) -> Option<Webhook> {
    let field = |name: &str| format!("webhook[{at}].{name}");
    let callback = match raw.callback.as_str() {
        "*" => None,
        name => Some(errors.or(&field("callback"), name.parse::<Callback>())?),
    };
    let project = Some(raw.project.clone()).filter(|project| project != "*");
    if project.as_deref() == Some("") {
        errors.note(&field("project"), "a project's name or \"*\" is expected");
    }
    let text = errors.or(&field("url"), raw.url.value());
    let template = text.and_then(|text| errors.or(&field("url"), UrlTemplate::parse(text.expose(), url)));
    let headers = headers(raw, header_names, &field, errors);
    let credentials = client_credentials(raw, &headers, &field, errors);
    let secrets = secrets(raw.secret.as_ref(), &field("secret"), errors);
    let properties = properties(&field("properties"), raw, callback, errors);
    let limits = own_limits(&format!("webhook[{at}]"), raw, default, errors);
    if raw.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        errors.note(&field("note"), format!("it is longer than {NOTE_BYTES_MAX} bytes: shorten it"));
    }
    if raw.note.as_ref().is_some_and(|note| note.contains(|c: char| c.is_control() && !c.is_whitespace())) {
        errors.note(&field("note"), "it has control characters: remove them");
    }
    let is_line = |owner: &String| owner.len() <= OWNER_BYTES_MAX && !owner.contains(char::is_control);
    if !raw.owner.as_ref().is_none_or(is_line) {
        errors.note(&field("owner"), format!("one line of at most {OWNER_BYTES_MAX} bytes is expected"));
    }
    let tls = tls_files(&field, raw, template.as_ref(), errors);
    Some(Webhook {
        project,
        callback,
        properties: properties?,
        url: template?,
        headers,
        secrets,
        owner: raw.owner.clone().filter(|owner| !owner.is_empty()),
        credentials: credentials.map(Arc::new),
        tls: tls.map(Arc::new),
        limits,
        set_by: SetBy::Operator,
    })
}

/// Signing secrets, the newest first.
pub(super) fn secrets(
    raw: Option<&OneOrManySecrets>,
    field: &str,
    errors: &mut SettingErrors,
) -> Vec<SigningSecret> {
    let listed = match raw {
        None => return Vec::new(),
        Some(OneOrManySecrets::One(one)) => vec![ListedSecret::Endless(one.clone())],
        Some(OneOrManySecrets::Many(many)) => many.clone(),
    };
    let secrets: Vec<Option<SigningSecret>> =
        listed.iter().map(|listed| errors.or(field, secret(listed))).collect();
    let has_end =
        |secret: &Option<SigningSecret>| secret.as_ref().is_some_and(|secret| secret.end().is_some());
    if !secrets.is_empty() && secrets.iter().all(has_end) {
        errors.note(
            field,
            "each secret has an end, after which requests would go unsigned: one without `until` is needed",
        );
    }
    secrets.into_iter().flatten().collect()
}

fn secret(raw: &ListedSecret) -> Result<SigningSecret, String> {
    let (source, until) = match raw {
        ListedSecret::Endless(source) => (source, None),
        ListedSecret::Ending(ending) => (&ending.value, Some(&ending.until)),
    };
    let secret = SigningSecret::parse(source.value()?.expose()).map_err(|error| error.to_string())?;
    let Some(until) = until else { return Ok(secret) };
    let end = Timestamp::from_rfc3339(until);
    let end = end.ok_or("`until` is a time with its offset, like \"2026-12-01T00:00:00Z\"")?;
    Ok(secret.until(end))
}

/// The headers that are set, and that of `auth`.
fn headers(
    raw: &raw::Webhook,
    names: Option<&HeaderNames>,
    field: &dyn Fn(&str) -> String,
    errors: &mut SettingErrors,
) -> Vec<Header> {
    let mut headers = Vec::new();
    for (name, value) in &raw.headers {
        let checked = value.value().and_then(|value| header(name, &value, names));
        headers.extend(errors.or(&field(&format!("headers.{name}")), checked));
    }
    if let Some(auth) = &raw.auth
        && let Some((setting, checked)) = auth_header(auth, names, &field("auth"), errors)
        && let Some((name, value)) = errors.or(&field(&setting), checked)
    {
        if headers.iter().any(|(other, _)| *other == name) {
            let why =
                format!("`{setting}` and `headers.{name}` both set the header `{name}`: remove one of them");
            errors.note(&field(&setting), why);
        }
        headers.push((name, value));
    }
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.expose().len());
    if bytes.sum::<usize>() > HEADER_BYTES_MAX {
        errors.note(
            &field("headers"),
            format!("names and values take more than {HEADER_BYTES_MAX} bytes, which receivers refuse"),
        );
    }
    headers
}

/// The setting within `auth`, and the header that it makes.
fn auth_header(
    auth: &raw::Auth,
    names: Option<&HeaderNames>,
    field: &str,
    errors: &mut SettingErrors,
) -> Option<(String, Result<Header, String>)> {
    let set = [auth.basic.is_some(), auth.bearer.is_some(), auth.api_key.is_some(), auth.oauth2.is_some()];
    if set.iter().filter(|is_set| **is_set).count() != 1 {
        errors.note(field, "exactly one of `basic`, `bearer`, `api_key` and `oauth2` is expected");
        return None;
    }
    let authorization =
        |value: Result<Secret, String>| value.and_then(|value| header(AUTHORIZATION.as_str(), &value, names));
    if let Some(basic) = &auth.basic {
        return Some(("auth.basic".into(), authorization(basic_value(basic))));
    }
    if let Some(bearer) = &auth.bearer {
        let value = bearer.value().and_then(not_empty);
        let value = value.map(|token| Secret::of_text(format!("Bearer {}", token.expose().as_str())));
        return Some(("auth.bearer".into(), authorization(value)));
    }
    let key = auth.api_key.as_ref()?;
    let value = key.value.value().and_then(not_empty);
    Some(("auth.api_key".into(), value.and_then(|value| header(&key.header, &value, names))))
}

/// The client credentials, whose token is the `authorization` of requests.
fn client_credentials(
    raw: &raw::Webhook,
    headers: &[Header],
    field: &dyn Fn(&str) -> String,
    errors: &mut SettingErrors,
) -> Option<ClientCredentials> {
    let oauth2 = raw.auth.as_ref()?.oauth2.as_ref()?;
    if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
        let why = "`auth.oauth2` and `headers.authorization` both set the header `authorization`: remove one of them";
        errors.note(&field("auth.oauth2"), why);
    }
    if oauth2.client_id.is_empty() {
        errors.note(
            &field("auth.oauth2.client_id"),
            "the name that the authorization server knows is expected",
        );
    }
    let token_url = errors.or(&field("auth.oauth2.token_url"), url(&oauth2.token_url));
    let secret = oauth2.client_secret.value().and_then(not_empty);
    let client_secret = errors.or(&field("auth.oauth2.client_secret"), secret);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Some(ClientCredentials::new(TokenRequest {
        token_url: token_url?,
        client_id: oauth2.client_id.clone(),
        client_secret: client_secret?,
        scope: given(&oauth2.scope),
        audience: given(&oauth2.audience),
    }))
}

/// <https://www.rfc-editor.org/rfc/rfc7617#section-2>
fn basic_value(basic: &raw::Basic) -> Result<Secret, String> {
    if basic.user.contains(':') || basic.user.chars().any(char::is_control) {
        return Err("`user` may hold no colon and no control character".into());
    }
    let password = basic.password.value()?;
    let login = Zeroizing::new(format!("{}:{}", basic.user, password.expose().as_str()));
    Ok(Secret::of_text(format!("Basic {}", STANDARD.encode(login.as_bytes()))))
}

fn not_empty(secret: Secret) -> Result<Secret, String> {
    if secret.expose().is_empty() { Err("the secret is empty".into()) } else { Ok(secret) }
}

pub(super) fn header(name: &str, value: &Secret, names: Option<&HeaderNames>) -> Result<Header, String> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        "the name of a header has only letters, digits and hyphens, and is not empty".to_owned()
    })?;
    if names.is_some_and(|names| names.is_reserved(&name)) {
        return Err("this header is reserved: the sidecar sets it itself".into());
    }
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| "the value of a header has no line break and no other control character".to_owned())?;
    value.set_sensitive(true);
    Ok((name, Secret::of(value)))
}

/// The properties that it takes, all where it names none. Only records of `modified` have one.
fn properties(
    field: &str,
    raw: &raw::Webhook,
    callback: Option<Callback>,
    errors: &mut SettingErrors,
) -> Option<PropertySet> {
    let Some(names) = &raw.properties else { return Some(PropertySet::ALL) };
    if names.is_empty() {
        errors.note(field, "at least one property is needed; without the setting, the webhook takes all");
    }
    if callback.is_some_and(|callback| callback != Callback::Modified) {
        errors.note(field, "only a webhook whose callback is \"modified\" or \"*\" can have it: other records are about no property");
    }
    let parsed = names.iter().map(|name| errors.or(field, name.parse::<Property>()));
    parsed.collect()
}

/// A note is for people, not a store.
const NOTE_BYTES_MAX: usize = 2_000;
const OWNER_BYTES_MAX: usize = 500;
const HEADER_BYTES_MAX: usize = 64 * 1024;
