//! `sidecar webhooks secret` and `rotate`.

use std::path::Path;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use hyper::Method;

use super::change::{KeyArgs, secret_value};
use crate::admin::{RotateRequest, RotateResult, SigningSecretList, WebhookKey, plain};
use crate::cli::client;
use crate::cli::exit::Exit;
use crate::cli::output::{print, print_error};
use crate::settings::span;

#[derive(clap::Args, Debug)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    key: KeyArgs,

    /// How long the old secrets sign beside the new one: 90m, 24h, 7d; 0s ends them at once
    #[arg(long, default_value = "24h", value_parser = overlap)]
    overlap: Duration,

    /// The new secret: env:NAME or file:PATH, or a text [default: 32 random bytes]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    secret: Option<String>,
}

pub(super) async fn secret(spool: &Path, key: &KeyArgs) -> Result<Exit, Exit> {
    let (path, key) = ("/api/v1/webhooks/secret", key.key());
    let list: SigningSecretList = client::json(spool, Method::POST, path, &key, client::TIMEOUT).await?;
    for secret in &list.secrets {
        let until = secret.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        print(format_args!("{}{until}\n", secret.secret.expose().as_str()));
    }
    if list.secrets.is_empty() {
        print_error("the webhook has no secret: its requests are not signed");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// Standard output has the secret alone, so that it can be handed on.
pub(super) async fn rotate(spool: &Path, args: &RotateArgs) -> Result<Exit, Exit> {
    let WebhookKey { project, callback } = args.key.key();
    let request = RotateRequest {
        project,
        callback,
        overlap_seconds: Some(args.overlap.as_secs_f64()),
        secret: args.secret.as_deref().map(secret_value),
    };
    let path = "/api/v1/webhooks/rotate";
    let result: RotateResult = client::json(spool, Method::POST, path, &request, client::TIMEOUT).await?;
    let (project, callback) = (plain(&result.project), plain(&result.callback));
    eprintln!("the new secret of project {project}, callback {callback}, for its receiver:");
    print(format_args!("{}\n", result.secret.expose().as_str()));
    match &result.old_until {
        Some(until) => eprintln!(
            "old secrets that still sign: {}, until {}; give the receiver the new one before",
            result.old_secrets,
            plain(until)
        ),
        None => eprintln!("no old secret signs any more"),
    }
    Ok(Exit::Done)
}

fn overlap(text: &str) -> Result<Duration, String> {
    span(text).ok_or_else(|| "a number with a unit is expected, like 90m, 24h or 7d".to_owned())
}

pub(super) const SECRET_AFTER_HELP: &str = "\
  sidecar webhooks secret --project acme
  sidecar webhooks secret --project '*' --callback modified

Each line is a secret that signs now, the newest first, in the form that the
receiver's Standard Webhooks library reads: whsec_…, or the public key whpk_….
A secret that ends has `until` and the time behind it. The call is logged.";

pub(super) const ROTATE_AFTER_HELP: &str = "\
  sidecar webhooks rotate --project acme                 draws a secret
  sidecar webhooks rotate --project acme --overlap 7d    more time for the receiver
  sidecar webhooks rotate --project acme --secret file:/run/acme-secret-2
  sidecar webhooks rotate --project acme --overlap 0s    the old one has leaked

Requests are signed with the new secret and the old ones until the overlap ends:
replace the secret at the receiver within that time. Standard output has the new
secret alone. A drawn one needs `spool.key`, with which the spool encrypts it. A
webhook of the settings file is rotated there: list both, the old one with `until`.";
