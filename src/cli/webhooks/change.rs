//! `sidecar webhooks show`, `set`, `remove`, `export` and `apply`.

use std::path::{Path, PathBuf};

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::admin::{ApplyRequest, ApplyResult, PlannedAction, WebhookKey, plain, pretty_json};
use crate::cli::client;
use crate::cli::exit::Exit;
use crate::cli::output::{print, print_error};

#[derive(clap::Args, Debug)]
pub(super) struct KeyArgs {
    /// The project, or * for every project
    #[arg(long)]
    project: String,

    /// The callback: ingested, modified, excluded, or * for all three
    #[arg(long, default_value = "*")]
    callback: String,
}

#[derive(clap::Args, Debug)]
pub(super) struct SetArgs {
    #[command(flatten)]
    key: KeyArgs,

    /// The URL of requests
    #[arg(long)]
    url: Option<String>,

    /// A header, as in `--header authorization=file:/run/token`; without a value it is removed; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,

    /// What requests are signed with: env:NAME or file:PATH; empty to remove it
    #[arg(long)]
    secret: Option<String>,

    /// A file of JSON with these and other settings, by the keys of a [[webhook]] section
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,

    /// Replace the whole webhook: what is not given has its default, and secrets are not kept
    #[arg(long)]
    replace: bool,

    /// Refuse where the webhook has another revision by now; 0: where there is one
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(clap::Args, Debug)]
pub(super) struct ApplyArgs {
    /// A TOML file with [[webhook]] sections, as `export` prints it
    file: PathBuf,

    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
}

impl KeyArgs {
    pub(super) fn key(&self) -> WebhookKey {
        WebhookKey { project: self.project.clone(), callback: self.callback.clone() }
    }

    fn path(&self) -> String {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!("/api/v1/webhooks/{}/{}", encoded(&self.project), encoded(&self.callback))
    }
}

impl SetArgs {
    /// What the arguments change. The file comes first.
    fn change(&self) -> Result<Value, String> {
        let mut change = match &self.from_file {
            None => Map::new(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|error| format!("read {}: {error}", file.display()))?;
                serde_json::from_str(&text).map_err(|error| {
                    format!("{}: line {}: an object of JSON is expected", file.display(), error.line())
                })?
            }
        };
        change.extend(self.url.as_ref().map(|url| ("url".to_owned(), json!(url))));
        change.extend(self.secret.as_ref().map(|secret| ("secret".to_owned(), secret_value(secret))));
        if !self.header.is_empty() {
            let headers = change.entry("headers").or_insert_with(|| json!({}));
            let headers = headers.as_object_mut().ok_or("`webhook.headers`: an object is expected")?;
            for header in &self.header {
                let (name, value) = header.split_once('=').unwrap_or((header, ""));
                headers.insert(name.trim().to_ascii_lowercase(), secret_value(value));
            }
        }
        Ok(Value::Object(change))
    }
}

/// `env:NAME` and `file:PATH` refer to a secret; an empty text removes it.
pub(super) fn secret_value(text: &str) -> Value {
    let reference = |kind: &str| Some(json!({ kind: text.strip_prefix(kind)?.strip_prefix(':')? }));
    match reference("env").or_else(|| reference("file")) {
        Some(reference) => reference,
        None if text.is_empty() => Value::Null,
        None => json!(text),
    }
}

pub(super) async fn show(spool: &Path, key: &KeyArgs) -> Result<Exit, Exit> {
    let response = client::text(spool, Method::GET, &key.path(), &json!({}), client::TIMEOUT).await?;
    print(format_args!("{}\n", pretty_json(&response)));
    Ok(Exit::Done)
}

pub(super) async fn set(spool: &Path, args: &SetArgs) -> Result<Exit, Exit> {
    let change = args.change().map_err(|why| {
        print_error(why);
        Exit::Usage
    })?;
    let query = args.revision.map(|revision| format!("?revision={revision}")).unwrap_or_default();
    let path = args.key.path() + &query;
    let method = if args.replace { Method::PUT } else { Method::PATCH };
    let response = client::text(spool, method, &path, &change, client::TIMEOUT).await?;
    print(format_args!("{}\n", pretty_json(&response)));
    Ok(Exit::Done)
}

pub(super) async fn remove(spool: &Path, key: &KeyArgs) -> Result<Exit, Exit> {
    client::text(spool, Method::DELETE, &key.path(), &json!({}), client::TIMEOUT).await?;
    let (project, callback) = (plain(&key.project), plain(&key.callback));
    print(format_args!("the webhook of project {project}, callback {callback} was removed\n"));
    Ok(Exit::Done)
}

pub(super) async fn export(spool: &Path) -> Result<Exit, Exit> {
    let path = "/api/v1/webhooks/export";
    print(client::text(spool, Method::GET, path, &json!({}), client::TIMEOUT).await?);
    Ok(Exit::Done)
}

pub(super) async fn apply(spool: &Path, args: &ApplyArgs) -> Result<Exit, Exit> {
    let webhooks = sections(&args.file).map_err(|why| {
        print_error(why);
        Exit::Usage
    })?;
    let request = ApplyRequest { webhooks, dry_run: args.dry_run };
    let path = "/api/v1/webhooks/apply";
    let result: ApplyResult = client::json(spool, Method::POST, path, &request, client::TIMEOUT).await?;
    for change in &result.changes {
        let sign = match change.action {
            PlannedAction::Add => '+',
            PlannedAction::Change => '~',
            PlannedAction::Remove => '-',
        };
        let fields = change.fields.join(", ");
        let over = match (&change.over, change.action) {
            (Some(place), PlannedAction::Remove) => format!("(that of {} is in force then)", plain(place)),
            (Some(place), _) => format!("(comes before that of {})", plain(place)),
            (None, _) => String::new(),
        };
        let (project, callback) = (plain(&change.project), plain(&change.callback));
        let line = format!("{sign} {project} {callback} {fields} {over}");
        print(format_args!("{}\n", line.trim_end()));
    }
    let done = if args.dry_run { "would change" } else { "changed" };
    print(format_args!("{} {done}, {} stay as they are\n", result.changes.len(), result.unchanged));
    Ok(Exit::Done)
}

/// The `[[webhook]]` sections of a file that has nothing else.
fn sections(file: &Path) -> Result<Vec<Value>, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("read {name}: {error}"))?;
    // The error does not repeat the text, which may hold a secret.
    let table: toml::Table = toml::from_str(&text).map_err(|error| format!("{name}: {}", error.message()))?;
    if let Some(other) = table.keys().find(|key| *key != "webhook") {
        return Err(format!(
            "{name}: `{other}`: only [[webhook]] sections are applied: keep other settings in the settings file"
        ));
    }
    let sections = table.get("webhook").map(serde_json::to_value).transpose();
    match sections.map_err(|error| format!("{name}: {error}"))? {
        None => Ok(Vec::new()),
        Some(Value::Array(sections)) => Ok(sections),
        Some(_) => Err(format!("{name}: `webhook`: sections like [[webhook]] are expected")),
    }
}

pub(super) const SET_AFTER_HELP: &str = "\
  sidecar webhooks set --project acme --url https://acme.example/hook \\
      --secret env:ACME_SECRET --header authorization=file:/run/acme-token
  sidecar webhooks set --project acme --header authorization=      remove a header
  echo '{\"records_max\": 500, \"gzip\": null}' > change.json
  sidecar webhooks set --project acme --from-file change.json      null: the default
  sidecar webhooks set --project acme --from-file whole.json --replace     nothing else

env:NAME and file:PATH are of the running sidecar. Where the scheme, host or port
of the URL changes, secrets and headers must be given again.";

pub(super) const APPLY_AFTER_HELP: &str = "\
  sidecar webhooks export > hooks.toml
  sidecar webhooks apply hooks.toml --dry-run

Each line is a webhook that is added (+), changed (~) with the fields that differ,
or removed (-), and the place of the one that it comes before. All changes are made together or, where one is refused, none.";
