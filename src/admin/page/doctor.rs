//! What the checks of `sidecar doctor` find, each finding with its cure. Pure, but for the call.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::frame::Nav;
use super::parts::Pill;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::api::{DoctorReport, FindingStatus};
use crate::admin::respond::AdminState;
use crate::admin::text;
use crate::source::preflight::Severity;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/doctor", get(doctor))
}

async fn doctor(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Doctor, t::nav::DOCTOR.to_owned()), |control, visit| {
        let report = visit.query("run").map(|_| control.doctor(&visit.access)).transpose()?;
        Ok(Doctor { run: visit.links.by("doctor", "run", "1"), found: report.as_ref().map(Found::of) })
    })
    .await
}

#[derive(Template)]
#[template(path = "doctor.html")]
struct Doctor {
    run: String,
    found: Option<Found>,
}

struct Found {
    tone: &'static str,
    verdict: String,
    findings: Vec<Finding>,
}

struct Finding {
    pill: Pill,
    title: String,
    explanation: String,
    cure: Option<String>,
}

impl Found {
    fn of(report: &DoctorReport) -> Self {
        let count =
            |severity| report.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        let (problems, warnings) = (count(Severity::Problem), count(Severity::Warning));
        Self {
            tone: match (problems, warnings) {
                (0, 0) => "ok",
                (0, _) => "warn",
                _ => "bad",
            },
            verdict: t::doctor::verdict(problems, warnings),
            findings: report.findings.iter().map(Finding::of).collect(),
        }
    }
}

impl Finding {
    fn of(finding: &FindingStatus) -> Self {
        Self {
            pill: match finding.severity {
                Severity::Ok => Pill::ok(t::doctor::OK),
                Severity::Note => Pill::quiet(t::doctor::NOTE),
                Severity::Warning => Pill { tone: "warn", icon: "!", word: t::doctor::WARNING },
                Severity::Problem => Pill::bad(t::doctor::PROBLEM),
            },
            title: text::plain(&finding.title),
            explanation: text::lines(&finding.explanation),
            cure: finding.fix_sql.as_deref().map(text::lines),
        }
    }
}
