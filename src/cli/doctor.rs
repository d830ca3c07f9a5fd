//! `sidecar doctor`: connects, and checks everything that can be wrong before it is.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::client;
use super::exit::Exit;
use super::output::{print, print_error, size};
use super::runtime::block_on;
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
    let mut findings = examine(&client, &required(settings, &settings.routes)).await?;
    if let Err(error) = Connection::open(&settings.conninfo).await {
        findings.push(replication_refused(&error.to_string()));
    }
    findings.extend(disk(settings));
    findings.extend(webhooks(&settings.routes));
    findings.extend(dropped(settings).await);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

/// Whether the spool's disk has room for all that the spool may hold. `None`: nobody says.
fn disk(settings: &Settings) -> Option<Finding> {
    let folder = settings.spool_path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    let taken = bytes_on_disk(&settings.spool_path);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Some(room(folder, free.saturating_add(taken), settings.spool_bytes_max))
}

/// `there` is free or the spool's already.
fn room(folder: &Path, there: u64, bytes_max: u64) -> Finding {
    let required = bytes_max.saturating_add(LOG_BYTES);
    let (has, wants) = (size(there), size(required));
    let folder = folder.display();
    if there >= required {
        let title = format!("the disk of {folder} has {has} for a spool of up to {wants}");
        return Finding { severity: Severity::Ok, title, explanation: String::new(), fix_sql: None };
    }
    Finding {
        severity: Severity::Warning,
        title: format!("the disk of {folder} has {has} for a spool of up to {wants}"),
        explanation: "`spool.bytes_max`, and 64 MiB for SQLite's log; what is remembered of documents comes on top. Where the disk\n\
             fills, reading stops until it has room. Give it more, or lower `spool.bytes_max`."
            .to_owned(),
        fix_sql: None,
    }
}

/// Which records no webhook takes, as the settings have it.
fn webhooks(routes: &Routes) -> Vec<Finding> {
    if routes.all().next().is_none() {
        let why = "Records are made and dropped: `sidecar tail` shows them.";
        return vec![finding(Severity::Warning, "no [[webhook]] is set: every record is dropped", why)];
    }
    let unheard = |callback: Callback| {
        let takers = routes.all().filter(|webhook| webhook.callback.is_none_or(|takes| takes == callback));
        let projects: Option<BTreeSet<&str>> = takers.map(|webhook| webhook.project.as_deref()).collect();
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
        let title = format!("`{callback}` records{of} are dropped: no [[webhook]] takes them");
        Some(finding(Severity::Note, &title, "`sidecar status` counts them."))
    };
    let unheard: Vec<Finding> = Callback::ALL.into_iter().filter_map(unheard).collect();
    if unheard.is_empty() {
        return vec![finding(Severity::Ok, "every record has a [[webhook]] that takes it", "")];
    }
    unheard
}

/// What the running sidecar dropped. `None`: none runs, or nothing was.
async fn dropped(settings: &Settings) -> Option<Finding> {
    let (_, body) = client::fetch(&settings.spool_path, "/api/v1/status").await.ok()?;
    let status: Value = serde_json::from_slice(&body).ok()?;
    let records = status.pointer("/not_kept/records")?.as_u64().filter(|records| *records > 0)?;
    let title =
        format!("{records} records were dropped since the sidecar was started: no [[webhook]] takes them");
    Some(finding(Severity::Warning, &title, "`sidecar status` says of which projects and callbacks."))
}

fn finding(severity: Severity, title: &str, explanation: &str) -> Finding {
    Finding { severity, title: title.to_owned(), explanation: explanation.to_owned(), fix_sql: None }
}

const PROJECTS_NAMED: usize = 8;
/// What SQLite's log takes at most, beside its file.
const LOG_BYTES: u64 = 64 << 20;

fn show(finding: &Finding) {
    let mark = match finding.severity {
        Severity::Ok => "ok      ",
        Severity::Note => "note    ",
        Severity::Warning => "warning ",
        Severity::Problem => "PROBLEM ",
    };
    print(format_args!("{mark} {}\n", finding.title));
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
Nothing is written to the server. Each problem and warning comes with the SQL that fixes it.
Exit status: 0 where `sidecar run` would start; 78 where it would refuse; 69 where nobody answers.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_cannot_hold_what_the_spool_may_grow_to_is_warned_of() {
        let room = |there| room(Path::new("/spool"), there, 1 << 30);
        assert_eq!(room((1 << 30) + LOG_BYTES).severity, Severity::Ok);
        let short = room(1 << 30);
        assert_eq!(short.severity, Severity::Warning);
        assert!(short.title.contains("has 1.0 GiB for a spool of up to 1.0 GiB"), "{}", short.title);
    }
}
