//! The signing secrets of webhooks: shown for the receiver, and replaced by new ones while the old ones sign on.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::in_force::{InForce, SetWebhook};
use super::tenant::check_change;
use super::{Webhooks, not_set, shown};
use crate::admin::{
    Access, ReceiverSecret, RequestError, RotateRequest, RotateResult, SigningSecretList, WebhookKey,
    WebhookOrigin,
};
use crate::deliver::{SigningSecret, rotate};
use crate::secret::Secret;
use crate::settings::merged_settings;
use crate::time::Timestamp;

impl Webhooks {
    /// What the receiver of a webhook verifies with. That they were shown is logged.
    pub(in crate::service) fn signing_secrets(
        &self,
        key: &WebhookKey,
        access: &Access,
    ) -> Result<SigningSecretList, RequestError> {
        let webhook = self.find(key)?;
        let now = self.clock.wall();
        let origin = self.with(|in_force| in_force.origin(key));
        self.record(&access.caller, key, Some(&webhook), "signing secrets were shown");
        self.audit.flush();
        let secrets = webhook.secrets.iter().filter(|secret| secret.signs_at(now));
        Ok(SigningSecretList {
            project: key.project.clone(),
            callback: key.callback.clone(),
            origin,
            secrets: secrets
                .map(|secret| ReceiverSecret {
                    secret: secret.for_receiver(),
                    until: secret.end().map(Timestamp::to_rfc3339),
                })
                .collect(),
        })
    }

    /// Gives a webhook that was set a new secret. The old ones sign until the overlap has passed.
    pub(in crate::service) fn rotate(
        &self,
        request: &RotateRequest,
        access: &Access,
    ) -> Result<RotateResult, RequestError> {
        let RotateRequest { project, callback, .. } = request.clone();
        let key = WebhookKey { project, callback };
        if let Some(secret) = &request.secret {
            check_change(access, &json!({ "secret": secret }))?;
        }
        let overlap = overlap(request.overlap_seconds)?;
        let now = self.clock.wall();
        let mut in_force = self.unlocked()?;
        let Some(set) = in_force.set(&key) else {
            let origin = in_force.origin(&key);
            return Err(match self.find(&key) {
                Ok(_) if origin == WebhookOrigin::Query => of_query(&key),
                Ok(_) => of_file(&key, now.plus(overlap)),
                Err(_) => not_set(&key),
            });
        };
        let (new, source) = new_secret(&in_force, set, request.secret.as_ref())?;
        let for_receiver = new.for_receiver();
        let secrets = rotate(&set.webhook.secrets, new, overlap, now);
        let listed = listed(set, &secrets, &source, in_force.keys().can_seal());
        let settings = merged_settings(&set.settings, &json!({ "secret": listed }))?;
        let checked = in_force.check(&key, settings, set.webhook.set_by)?;
        check_same(&checked.webhook.secrets, &secrets)?;
        self.put(&mut in_force, checked, access)?;
        let revision = in_force.set(&key).map(|set| set.revision).unwrap_or_default();
        let old_secrets = u64::try_from(secrets.len().saturating_sub(1)).unwrap_or(u64::MAX);
        let old_until = secrets.iter().filter_map(SigningSecret::end).max().map(Timestamp::to_rfc3339);
        self.record(&access.caller, &key, None, "a signing secret was rotated");
        self.audit.flush();
        let WebhookKey { project, callback } = key;
        Ok(RotateResult { project, callback, revision, secret: for_receiver, old_secrets, old_until })
    }
}

fn overlap(seconds: Option<f64>) -> Result<Duration, RequestError> {
    let Some(seconds) = seconds else { return Ok(OVERLAP) };
    let overlap = Duration::try_from_secs_f64(seconds).ok().filter(|overlap| *overlap <= OVERLAP_MAX);
    overlap.ok_or_else(|| {
        let days = OVERLAP_MAX.as_secs() / 86_400;
        let why = format!("0 to {} ({days} days) is expected", OVERLAP_MAX.as_secs());
        RequestError::field("overlap_seconds", why)
    })
}

/// The new secret, and how the settings have it.
fn new_secret(
    in_force: &InForce,
    set: &SetWebhook,
    given: Option<&Value>,
) -> Result<(SigningSecret, Value), RequestError> {
    let one = || {
        let why = "one secret is expected: a text, {\"env\": \"NAME\"} or {\"file\": \"PATH\"}";
        RequestError::field("secret", why)
    };
    let source = match given {
        None => Value::from(drawn()?.expose().as_str()),
        Some(given) if given.is_string() || given.is_object() => given.clone(),
        Some(_) => return Err(one()),
    };
    let settings = merged_settings(&set.settings, &json!({ "secret": source }))?;
    let webhook = in_force.webhook(&set.key, &settings)?;
    let secret = webhook.secrets.into_iter().next().ok_or_else(one)?;
    Ok((secret, source))
}

/// A shared key of random bytes.
fn drawn() -> Result<Secret, RequestError> {
    let mut key = Zeroizing::new([0_u8; DRAWN_BYTES]);
    aws_lc_rs::rand::fill(key.as_mut_slice())
        .map_err(|_| RequestError::Internal("draw a secret: the system gives no random bytes".to_owned()))?;
    Ok(Secret::of_text(format!("whsec_{}", STANDARD.encode(key.as_slice()))))
}

/// The setting `secret`, the new one first. Where the spool can encrypt, it holds the old secrets themselves, so that
/// their variables and files may change or go; without a key they stay references.
fn listed(set: &SetWebhook, secrets: &[SigningSecret], new: &Value, can_seal: bool) -> Vec<Value> {
    let written = written(set.settings.get("secret"));
    let old: Vec<(Secret, Value)> =
        set.webhook.secrets.iter().map(SigningSecret::to_text).zip(written).collect();
    let old_value = |secret: &SigningSecret| {
        let text = secret.to_text();
        let reference = old.iter().find(|(old, _)| !can_seal && *old == text).map(|(_, value)| value.clone());
        let value = reference.unwrap_or_else(|| Value::from(text.expose().as_str()));
        match secret.end() {
            Some(end) => json!({ "value": value, "until": end.to_rfc3339() }),
            None => value,
        }
    };
    [new.clone()].into_iter().chain(secrets.iter().skip(1).map(old_value)).collect()
}

/// The secrets of a setting as they were given, without their ends.
fn written(secret: Option<&Value>) -> Vec<Value> {
    let value = |listed: &Value| listed.get("value").unwrap_or(listed).clone();
    match secret {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(listed)) => listed.iter().map(value).collect(),
        Some(one) => vec![one.clone()],
    }
}

/// What the references hold now may be another text than the one that signs.
fn check_same(read: &[SigningSecret], wanted: &[SigningSecret]) -> Result<(), RequestError> {
    let is_same = read.iter().map(SigningSecret::to_text).eq(wanted.iter().map(SigningSecret::to_text));
    if is_same {
        return Ok(());
    }
    Err(RequestError::Conflict(
        "`webhook.secret`: a file of an old secret holds another text now, so that the old secret would end to sign at once: \
         give the new secret in a file of its own, or set `spool.key`, with which old secrets are kept in the spool"
            .to_owned(),
    ))
}

fn of_query(key: &WebhookKey) -> RequestError {
    RequestError::Conflict(format!(
        "the webhook of {} is a row of `webhooks.query`, and is changed in that table: `secret` may be a JSON list, the \
         new secret first and the old one with its end, as in {{\"value\": \"whsec_…\", \"until\": \"2026-12-01T00:00:00Z\"}}",
        shown(key)
    ))
}

fn of_file(key: &WebhookKey, end: Timestamp) -> RequestError {
    RequestError::Conflict(format!(
        "the webhook of {} is in the settings file, and is changed there: list the new secret first and give the old one an \
         end, as in `secret = [{{ env = \"HOOK_SECRET\" }}, {{ value = {{ env = \"HOOK_SECRET_BEFORE\" }}, until = \"{}\" }}]` \
         in its [[webhook]] section of sidecar.toml, and send SIGHUP",
        shown(key),
        end.to_rfc3339()
    ))
}

const OVERLAP: Duration = Duration::from_hours(24);
const OVERLAP_MAX: Duration = Duration::from_hours(365 * 24);
/// The specification asks for 24 to 64 bytes.
const DRAWN_BYTES: usize = 32;
