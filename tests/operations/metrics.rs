//! The files for Prometheus and Grafana against `/metrics` of a running sidecar.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::fixture::{output_text, release};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").current_dir(deploy("")).args(arguments).output();
    let output = output.expect("promtool: run scripts/tools.sh test, or apt-get install prometheus");
    assert!(output.status.success(), "{arguments:?}: {}", output_text(&output));
}

/// The names of metrics in a text, without the suffixes of a histogram.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit();
    let words = text.split(|letter: char| !is_name(letter)).filter(|word| word.starts_with("sidecar_"));
    let base = |word: &str| {
        let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| word.strip_suffix(suffix));
        of_histogram.unwrap_or(word).to_owned()
    };
    words.map(base).collect()
}

fn exported(sidecar: &Sidecar) -> BTreeSet<String> {
    let (_, text) = sidecar.get("/metrics").unwrap();
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    named(&samples.iter().filter_map(|line| line.split(['{', ' ']).next()).collect::<Vec<_>>().join(" "))
}

/// Every expression of the dashboard, its variables replaced.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(expression) = fields.get("expr").and_then(Value::as_str) {
                found.push(expression.replace("$instance", ".*").replace("$__rate_interval", "5m"));
            }
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn the_alerts_are_rules_of_prometheus_each_with_its_cure() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts_test.yml"]);
    let alerts = std::fs::read_to_string(deploy("alerts.yml")).unwrap();
    let count = |word: &str| alerts.lines().filter(|line| line.trim_start().starts_with(word)).count();
    assert_eq!((count("cure: "), count("summary: ")), (count("- alert: "), count("- alert: ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_alerts_and_dashboard_is_exported_and_the_dashboard_has_all() {
    let database = Database::new(18, "metrics").await;
    database.run(&format!("{DOCUMENTS}; CREATE TABLE hooks (project text, callback text, url text)")).await;
    let receiver = Receiver::start().await;
    let settings = format!(
        "[metrics]\nproject_label = true\n[webhooks]\nquery = \"table public.hooks\"\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}\"\nwait_max_ms = 1\n",
        receiver.url
    );
    let mut sidecar = Sidecar::start(&database, &settings).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
    until("the record", async || (receiver.records_taken() == 1).then_some(())).await;
    let alerts = std::fs::read_to_string(deploy("alerts.yml")).unwrap();
    let dashboard = std::fs::read_to_string(deploy("grafana.json")).unwrap();
    let mut shown = Vec::new();
    expressions(&serde_json::from_str(&dashboard).unwrap(), &mut shown);
    let used: BTreeSet<String> =
        named(&shown.join(" ")).union(&named(&expressions_of_alerts(&alerts))).cloned().collect();
    // The server is asked about the slot after a while.
    until("every metric that is used", async || used.is_subset(&exported(&sidecar)).then_some(())).await;
    let exported = exported(&sidecar);
    let missing: Vec<_> = exported.difference(&named(&shown.join(" "))).cloned().collect();
    assert!(missing.is_empty(), "not in the dashboard: {missing:?}");
    for name in CONTRACT {
        assert!(exported.contains(*name), "{name}");
    }
    let (_, text) = sidecar.get("/metrics").unwrap();
    assert!(
        text.contains(
            "sidecar_project_attempts_total{project=\"p\",callback=\"ingested\",outcome=\"delivered\"} 1"
        ),
        "{text}"
    );
    assert!(text.contains("sidecar_attempts_total{callback=\"ingested\",outcome=\"timeout\"} 0"), "{text}");
    // As rules, their syntax is checked.
    let rules: Vec<Value> = shown
        .iter()
        .enumerate()
        .map(|(at, expr)| serde_json::json!({"record": format!("panel:{at}"), "expr": expr}))
        .collect();
    let file = sidecar.folder.path().join("panels.json");
    std::fs::write(&file, serde_json::json!({"groups": [{"name": "panels", "rules": rules}]}).to_string())
        .unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
    sidecar.stop().await;
    release(&database).await;
}

fn expressions_of_alerts(alerts: &str) -> String {
    let lines = alerts.lines().filter_map(|line| line.trim_start().strip_prefix("expr: "));
    lines.collect::<Vec<_>>().join(" ")
}

const CONTRACT: &[&str] = &[
    "sidecar_changes_total",
    "sidecar_records_total",
    "sidecar_batches_delivered_total",
    "sidecar_attempts_total",
    "sidecar_delivery_latency_seconds",
    "sidecar_attempt_duration_seconds",
    "sidecar_lanes",
    "sidecar_oldest_pending_seconds",
    "sidecar_spool_bytes",
    "sidecar_dead_letters_total",
    "sidecar_slot_retained_bytes",
    "sidecar_slot_confirmed_lag_bytes",
    "sidecar_http_connections_total",
    "sidecar_config_last_reload_successful",
    "sidecar_build_info",
];
