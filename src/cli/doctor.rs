//! `sidecar doctor`: checks server, table, disk and webhooks before `sidecar run` does.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::client;
use super::doctor_query::of_query;
use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::amount::size;
use crate::deliver::Routes;
use crate::record::Callback;
use crate::service::required;
use crate::settings::Settings;
use crate::source::preflight::doctor::{doctor as examine, replication_refused};
use crate::source::preflight::{Finding, Severity};
use crate::source::{Connection, SourceError, connect_sql};
use crate::spool::bytes_on_disk;

pub(super) fn doctor(settings: &Settings) -> Exit {
    block_on(async {
        let findings = match findings(settings).await {
            Ok(findings) => findings,
            Err(error @ (SourceError::Refused(_) | SourceError::Unreadable { .. })) => {
                print_error(error);
                return Exit::Refused;
            }
            Err(error) => {
                print_error(error);
                return Exit::Unreachable;
            }
        };
        findings.iter().for_each(show);
        let problems = findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
        if problems > 0 {
            print(format_args!("\n{problems} to be fixed before `sidecar run`\n"));
            return Exit::Refused;
        }
        print(format_args!("\nready for `sidecar run`\n"));
        Exit::Done
    })
}

async fn findings(settings: &Settings) -> Result<Vec<Finding>, SourceError> {
    let client = connect_sql(&settings.conninfo).await?;
    let (of_query, routes) = of_query(settings).await;
    let mut findings = examine(&client, &required(settings, &routes)).await?;
    if let Err(error) = Connection::open(&settings.conninfo).await {
        findings.push(replication_refused(&error.to_string()));
    }
    findings.extend(disk(settings));
    findings.extend(of_query);
    findings.extend(webhooks(&routes));
    findings.extend(dropped(settings).await);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

/// Whether the disk has space for the largest spool. `None` if the file system does not report its space.
fn disk(settings: &Settings) -> Option<Finding> {
    let folder = settings.spool_path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    let taken = bytes_on_disk(&settings.spool_path);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Some(disk_space(folder, free.saturating_add(taken), settings.spool_bytes_max))
}

/// `available`: free bytes, and those that the spool already uses.
fn disk_space(folder: &Path, available: u64, bytes_max: u64) -> Finding {
    let required = bytes_max.saturating_add(SPOOL_LOG_BYTES);
    let title = format!(
        "the disk of {} has {} for a spool of up to {}",
        folder.display(),
        size(available),
        size(required)
    );
    if available >= required {
        return finding(Severity::Ok, &title, "");
    }
    let explanation = "The spool needs `spool.bytes_max`, 64 MiB for SQLite's log, and space for the shadow. When the disk is full,\n\
         reading stops until there is space again. Enlarge the disk or lower `spool.bytes_max`.";
    finding(Severity::Warning, &title, explanation)
}

/// Records that are dropped because no webhook is configured for them.
fn webhooks(routes: &Routes) -> Vec<Finding> {
    if routes.all().next().is_none() {
        let why = "`sidecar tail` shows the records.";
        return vec![finding(Severity::Warning, "no webhook is configured: every record is dropped", why)];
    }
    let uncovered = |callback: Callback| {
        let webhooks = routes.all().filter(|webhook| webhook.callback.is_none_or(|own| own == callback));
        let projects: Option<BTreeSet<&str>> = webhooks.map(|webhook| webhook.project.as_deref()).collect();
        let projects = projects?;
        let of = match projects.len() {
            0 => String::new(),
            1..=PROJECTS_NAMED => {
                let named: Vec<String> =
                    projects.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
                format!(" of other projects than {}", named.join(", "))
            }
            more => format!(" of other projects than the {more} that have one"),
        };
        let title = format!("`{callback}` records{of} are dropped: no [[webhook]] is configured for them");
        Some(finding(Severity::Note, &title, "`sidecar status` counts them."))
    };
    let uncovered: Vec<Finding> = Callback::ALL.into_iter().filter_map(uncovered).collect();
    if uncovered.is_empty() {
        return vec![finding(Severity::Ok, "every record has a [[webhook]]", "")];
    }
    uncovered
}

/// Records that the running sidecar dropped. `None` if no sidecar runs or nothing was dropped.
async fn dropped(settings: &Settings) -> Option<Finding> {
    let (_, body) = client::fetch(&settings.spool_path, "/api/v1/status").await.ok()?;
    let status: Value = serde_json::from_slice(&body).ok()?;
    let records = status.pointer("/not_kept/records")?.as_u64().filter(|records| *records > 0)?;
    let title = format!(
        "{records} records were dropped since the sidecar was started: no [[webhook]] is configured for them"
    );
    Some(finding(Severity::Warning, &title, "`sidecar status` lists them by project and callback."))
}

fn finding(severity: Severity, title: &str, explanation: &str) -> Finding {
    Finding { severity, title: title.to_owned(), explanation: explanation.to_owned(), fix_sql: None }
}

/// The most projects that a finding lists by name.
const PROJECTS_NAMED: usize = 8;
/// The largest size of the write-ahead log of the spool.
const SPOOL_LOG_BYTES: u64 = 64 << 20;

fn show(finding: &Finding) {
    let label = match finding.severity {
        Severity::Ok => "ok      ",
        Severity::Note => "note    ",
        Severity::Warning => "warning ",
        Severity::Problem => "PROBLEM ",
    };
    print(format_args!("{label} {}\n", finding.title));
    for line in finding.explanation.lines() {
        print(format_args!("         {line}\n"));
    }
    if let Some(sql) = &finding.fix_sql {
        for line in sql.lines() {
            print(format_args!("         fix: {line}\n"));
        }
    }
}

pub(super) const AFTER_HELP: &str = "\
Connects as `sidecar run` does and writes nothing to the server. A finding is
ok, a note, a warning or a PROBLEM; lines with `fix:` are the SQL that fixes
it.

  sidecar doctor
  sidecar doctor --config /etc/sidecar.toml | grep fix: | sed 's/.*fix: //'    only the SQL

Exit status: 0 if `sidecar run` would start; 78 if it would refuse; 69 if the
server does not respond.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_smaller_than_the_largest_spool_is_a_warning() {
        let found = |available| disk_space(Path::new("/spool"), available, 1 << 30);
        assert_eq!(found((1 << 30) + SPOOL_LOG_BYTES).severity, Severity::Ok);
        let short = found(1 << 30);
        assert_eq!(short.severity, Severity::Warning);
        assert!(short.title.contains("has 1.0 GiB for a spool of up to 1.0 GiB"), "{}", short.title);
    }
}
