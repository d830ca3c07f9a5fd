//! `sidecar doctor`: checks server, table, disk and webhooks before `sidecar run` does.

use serde_json::Value;

use super::client;
use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::service::{findings, of_query};
use crate::settings::Settings;
use crate::source::SourceError;
use crate::source::preflight::{Finding, Severity};

pub(super) fn doctor(settings: &Settings) -> Exit {
    block_on(async {
        let (of_query, routes) = of_query(settings).await;
        let mut findings = match findings(settings, &routes, dropped(settings).await).await {
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
        findings.extend(of_query);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
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

/// Records that the running sidecar dropped. `None` if no sidecar runs.
async fn dropped(settings: &Settings) -> Option<u64> {
    let (_, body) = client::fetch(&settings.spool_path, "/api/v1/status").await.ok()?;
    let status: Value = serde_json::from_slice(&body).ok()?;
    status.pointer("/not_kept/records")?.as_u64()
}

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
