//! Every button of the page has a command, and every command an endpoint.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use sidecar::admin::ENDPOINTS;

/// Buttons, each as its template and what it says there, and the commands that do the same.
const BUTTONS: &[(&str, &[&str], &[&str])] = &[
    ("audit", &["t::audit::OLDER", "t::choice::FILTER"], &["audit"]),
    (
        "confirm",
        &["button"],
        &["jobs cancel", "replay cancel", "resync", "deliveries discard", "dead-letters discard"],
    ),
    ("dead_letter", &["t::bulk::DISCARD"], &["dead-letters discard"]),
    ("dead_letter", &["t::bulk::REDELIVER"], &["dead-letters redeliver"]),
    ("dead_letter", &["t::deliveries::REQUEST"], &["deliveries show"]),
    ("dead_letters", &["t::NEXT_PAGE", "t::choice::FILTER"], &["dead-letters list"]),
    (
        "dead_letters",
        &["t::dead_letters::DISCARD_ALL", "t::dead_letters::DISCARD_SELECTED"],
        &["dead-letters discard"],
    ),
    (
        "dead_letters",
        &[
            "t::dead_letters::RECOVER_COUNT",
            "t::dead_letters::REDELIVER_ALL",
            "t::dead_letters::REDELIVER_SELECTED",
        ],
        &["dead-letters redeliver"],
    ),
    ("deliveries", &["act.name"], &["deliveries redeliver", "deliveries replay", "deliveries discard"]),
    ("deliveries", &["t::NEXT_PAGE", "t::choice::FILTER"], &["deliveries list"]),
    ("delivery", &["t::deliveries::ITS_DEAD_LETTER"], &["dead-letters show"]),
    ("delivery", &["t::deliveries::REPLAY"], &["deliveries replay"]),
    ("doctor", &["t::doctor::AGAIN", "t::doctor::RUN"], &["doctor"]),
    ("document", &["t::document::FIND", "t::document::OLDER"], &["why"]),
    ("job", &["t::jobs::CANCEL"], &["jobs cancel"]),
    ("job", &["t::jobs::RELOAD"], &["jobs list", "jobs follow"]),
    ("pause", &["t::project::PAUSE"], &["webhooks pause"]),
    ("pause", &["t::project::RESUME"], &["webhooks resume"]),
    ("project", &["t::project::EDIT", "t::project::SET"], &["webhooks set"]),
    ("project", &["t::project::HAND_OVER_BUTTON"], &["hand-over"]),
    ("project", &["t::project::PAUSE", "t::project::RESUME"], &["webhooks pause", "webhooks resume"]),
    ("project", &["t::project::RECOVER"], &["dead-letters redeliver", "replay"]),
    ("project", &["t::project::SKIP"], &["webhooks skip"]),
    ("project", &["t::project::TEST"], &["webhooks test"]),
    ("project", &["t::project::send_existing(*documents)"], &["resync"]),
    ("projects", &["t::NEXT_PAGE", "t::project::FIND"], &["webhooks list"]),
    ("projects", &["t::project::DEFAULTS", "t::project::OPEN_BUTTON"], &["webhooks show"]),
    ("projects", &["t::project::PAUSE_MANY"], &["webhooks pause"]),
    ("recover", &["t::recover::BUTTON", "t::recover::COUNT"], &["dead-letters redeliver", "replay"]),
    ("replay", &["t::replay::CANCEL"], &["replay cancel"]),
    ("replay_check", &["button"], &["replay"]),
    ("replay_form", &["t::replay::COUNT"], &["replay"]),
    ("send_existing", &["t::send_existing::BUTTON"], &["resync"]),
    ("settings", &["t::choice::FILTER"], &["config"]),
    ("skip", &["t::skip::button(*records)"], &["webhooks skip"]),
    ("table", &["t::resync::CANCEL", "t::table::GO_ON"], &["resync"]),
    ("tail", &["t::choice::FILTER", "t::tail::COLLECT"], &["tail"]),
    ("webhook", &["t::webhook::REMOVE"], &["webhooks remove"]),
    ("webhook", &["t::webhook::SAVE"], &["webhooks set"]),
    ("webhook_remove", &["t::webhook::REMOVE"], &["webhooks remove"]),
    ("webhook_rotate", &["t::webhook::ROTATE"], &["webhooks rotate"]),
    ("webhook_test", &["t::project::RESUME"], &["webhooks resume"]),
    ("webhook_test", &["t::test::SEND"], &["webhooks test"]),
];

/// Buttons that lead back, begin or end a session, or change only what the browser shows.
const OF_THE_BROWSER: &[&str] = &[
    "t::CANCEL",
    "t::SIGN_IN",
    "t::SIGN_OUT",
    "t::TIMES_IN_LOCAL",
    "t::confirm::BACK",
    "t::sign_in::OPEN",
    "t::tail::PAUSE",
    "t::webhook::ADD_HEADER",
];

/// Commands with the endpoints that they call. Without one: they need no running sidecar.
const COMMANDS: &[(&str, &[(&str, &str)])] = &[
    ("audit", &[("GET", "/api/v1/audit")]),
    ("check-config", &[]),
    ("completions", &[]),
    // The page and the API show the settings of the running sidecar, the command those of the file.
    ("config", &[("GET", "/api/v1/settings")]),
    ("dead-letters discard", &[("POST", "/api/v1/dead-letters/discard")]),
    ("dead-letters list", &[("GET", "/api/v1/dead-letters")]),
    ("dead-letters redeliver", &[("POST", "/api/v1/dead-letters/redeliver")]),
    ("dead-letters show", &[("GET", "/api/v1/dead-letters/{no}")]),
    ("deliveries discard", &[("POST", "/api/v1/deliveries/discard")]),
    ("deliveries list", &[("GET", "/api/v1/deliveries")]),
    ("deliveries redeliver", &[("POST", "/api/v1/deliveries/redeliver")]),
    ("deliveries replay", &[("POST", "/api/v1/deliveries/replay")]),
    ("deliveries show", &[("GET", "/api/v1/deliveries/{webhook_id}")]),
    ("demo", &[]),
    // The same checks by the command itself, which also runs before the sidecar does.
    ("doctor", &[("GET", "/api/v1/doctor")]),
    ("hand-over", &[("GET", "/api/v1/projects/{project}/hand-over")]),
    ("healthcheck", &[("GET", "/-/ready")]),
    ("jobs cancel", &[("DELETE", "/api/v1/jobs/{no}")]),
    ("jobs follow", &[("GET", "/api/v1/jobs/{no}")]),
    ("jobs list", &[("GET", "/api/v1/jobs")]),
    ("links create", &[("POST", "/api/v1/links")]),
    ("links list", &[("GET", "/api/v1/links")]),
    ("links revoke", &[("DELETE", "/api/v1/links/{id}")]),
    ("man", &[]),
    ("openapi", &[("GET", "/api/openapi.json"), ("GET", "/api/schemas/{file}")]),
    ("receive", &[]),
    ("records", &[("GET", "/api/v1/projects/{project}/records")]),
    ("replay", &[("POST", "/api/v1/replays")]),
    ("replay cancel", &[("DELETE", "/api/v1/replays/{no}")]),
    ("replay list", &[("GET", "/api/v1/replays")]),
    ("resync", &[("POST", "/api/v1/resync"), ("DELETE", "/api/v1/resync")]),
    ("run", &[]),
    ("setup", &[]),
    ("status", &[("GET", "/api/v1/status")]),
    ("tail", &[("GET", "/api/v1/tail")]),
    ("teardown", &[]),
    ("tokens create", &[("POST", "/api/v1/tokens")]),
    ("tokens list", &[("GET", "/api/v1/tokens")]),
    ("tokens revoke", &[("DELETE", "/api/v1/tokens/{name}")]),
    ("webhooks apply", &[("POST", "/api/v1/webhooks/apply")]),
    ("webhooks export", &[("GET", "/api/v1/webhooks/export")]),
    ("webhooks list", &[("GET", "/api/v1/webhooks")]),
    ("webhooks pause", &[("POST", "/api/v1/webhooks/pause")]),
    ("webhooks remove", &[("DELETE", "/api/v1/webhooks/{project}/{callback}")]),
    ("webhooks resume", &[("POST", "/api/v1/webhooks/resume")]),
    ("webhooks rotate", &[("POST", "/api/v1/webhooks/rotate")]),
    ("webhooks secret", &[("POST", "/api/v1/webhooks/secret")]),
    (
        "webhooks set",
        &[
            ("PATCH", "/api/v1/webhooks/{project}/{callback}"),
            ("PUT", "/api/v1/webhooks/{project}/{callback}"),
        ],
    ),
    ("webhooks show", &[("GET", "/api/v1/webhooks/{project}/{callback}")]),
    ("webhooks skip", &[("POST", "/api/v1/webhooks/skip")]),
    ("webhooks test", &[("POST", "/api/v1/webhooks/test")]),
    ("why", &[("GET", "/api/v1/projects/{project}/documents/{id}")]),
];

/// What the buttons of a template say: `t::webhook::SAVE`.
fn labels(template: &str) -> BTreeSet<String> {
    let begins = ["<button", "<a class=\"button"].iter().flat_map(|tag| template.match_indices(tag));
    let contents = begins.filter_map(|(at, _)| {
        let element = &template[at..];
        let end = ["</button>", "</a>"].iter().filter_map(|tag| element.find(tag)).min()?;
        Some(element[..end].split_once('>')?.1)
    });
    let texts = contents.flat_map(|content| content.split("{{ ").skip(1));
    texts.filter_map(|text| Some(text.split_once(" }}")?.0.to_owned())).collect()
}

/// The names of the manual pages: one for each command and each of its own, `webhooks-set`.
fn commands() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let written =
        Command::new(env!("CARGO_BIN_EXE_sidecar")).args(["man", "--dir"]).arg(folder.path()).status();
    assert!(written.unwrap().success());
    let pages = std::fs::read_dir(folder.path()).unwrap().map(|page| page.unwrap().file_name());
    let names = pages.filter_map(|page| {
        let name = page.to_str().unwrap().strip_prefix("sidecar-")?;
        Some(name.strip_suffix(".1")?.to_owned())
    });
    names.collect()
}

#[test]
fn every_button_has_a_command() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page/templates");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let template = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for label in labels(&std::fs::read_to_string(&path).unwrap()) {
            if !OF_THE_BROWSER.contains(&label.as_str()) {
                found.insert((template.clone(), label));
            }
        }
    }
    let listed = BUTTONS.iter().flat_map(|(template, labels, _)| {
        labels.iter().map(|label| ((*template).to_owned(), (*label).to_owned()))
    });
    assert_eq!(found, listed.collect(), "buttons of the templates, and those that have a command here");
    for (template, labels, commands) in BUTTONS {
        assert!(!commands.is_empty(), "{template} {labels:?}");
        for command in *commands {
            assert!(COMMANDS.iter().any(|(known, _)| known == command), "{template} {labels:?}: {command}");
        }
    }
}

#[test]
fn every_command_has_an_endpoint() {
    let listed: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| name.replace(' ', "-")).collect();
    let mut found = commands();
    // `webhooks` alone does nothing.
    let groups = ["dead-letters", "deliveries", "jobs", "links", "tokens", "webhooks"];
    groups.iter().for_each(|group| assert!(found.remove(*group), "{group}"));
    assert_eq!(found, listed, "commands of the program, and those with endpoints here");
    for (command, endpoints) in COMMANDS {
        for (method, path) in *endpoints {
            let is_served = ENDPOINTS.iter().any(|known| known.method == *method && known.path == *path);
            assert!(is_served, "{command}: {method} {path}");
        }
    }
}
