//! `sidecar doctor`: connects, and checks everything that can be wrong before it is.

use super::{Exit, block_on, say};
use crate::service::{document_key, wanted};
use crate::settings::Settings;
use crate::source::doctor::{Finding, Severity, doctor as examine, replication_refused};
use crate::source::{Connection, SourceError, connect_sql};

pub(super) fn doctor(settings: &Settings) -> Exit {
    block_on(async {
        let findings = match findings(settings).await {
            Ok(findings) => findings,
            Err(error @ SourceError::Refused(_)) => {
                eprintln!("{error}");
                return Exit::Refused;
            }
            Err(error) => {
                eprintln!("{error}");
                return Exit::Unreachable;
            }
        };
        findings.iter().for_each(show);
        let problems = findings.iter().filter(|finding| finding.severity == Severity::Problem).count();
        if problems > 0 {
            say(format_args!("\n{problems} to be cured before `sidecar run`\n"));
            return Exit::Refused;
        }
        say(format_args!("\nready for `sidecar run`\n"));
        Exit::Done
    })
}

async fn findings(settings: &Settings) -> Result<Vec<Finding>, SourceError> {
    let client = connect_sql(&settings.conninfo).await?;
    let mut findings = examine(&client, &wanted(settings), &document_key(&settings.mapping)).await?;
    if let Err(error) = Connection::open(&settings.conninfo).await {
        findings.push(replication_refused(&error.to_string()));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(findings)
}

fn show(finding: &Finding) {
    let mark = match finding.severity {
        Severity::Ok => "ok      ",
        Severity::Note => "note    ",
        Severity::Warning => "warning ",
        Severity::Problem => "PROBLEM ",
    };
    say(format_args!("{mark} {}\n", finding.title));
    for line in finding.explanation.lines() {
        say(format_args!("         {line}\n"));
    }
    if let Some(sql) = &finding.cure_sql {
        for line in sql.lines() {
            say(format_args!("         cure: {line}\n"));
        }
    }
}

pub(super) const AFTER_HELP: &str = "\
Nothing is written to the server. Each problem and warning comes with the SQL that cures it.
Exit status: 0 where `sidecar run` would start; 78 where it would refuse; 69 where nobody answers.";
