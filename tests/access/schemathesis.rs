//! The running sidecar does what its description says, to whatever schemathesis sends. <https://schemathesis.io>

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::operations::fixture::{output_text, release};
use crate::support::receiver::Answer as Reply;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_does_what_its_description_says() {
    let admin = [("TOKEN", "operator")];
    let mut fixture = Fixture::new("access_schemathesis", &admin).await;
    fixture.receiver.answers(|request| Reply::Status(if request.project() == "bravo" { 413 } else { 200 }));
    for (id, project) in [(1, "alpha"), (2, "bravo")] {
        fixture.webhook(project);
        fixture.insert(project, id).await;
    }
    until("a dead letter", async || {
        let letters = fixture.socket("GET", "/api/v1/dead-letters", &Value::Null).json();
        (letters["dead_letters"].as_array()?.len() == 1).then_some(())
    })
    .await;
    fixture.sidecar.settled().await;
    fixture.token("kept", &["view"], Some("alpha"));
    fixture.link(&json!({"project": "alpha", "can": ["view"]}));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join(".local/schemathesis/bin/schemathesis");
    assert!(program.exists(), "no {}: run `scripts/tools.sh test`, which installs it", program.display());
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .arg("--config-file")
        .arg(root.join("tests/access/schemathesis.toml"))
        .args(["run", "--seed", "1", "--max-examples", "4", "--phases", "examples,coverage,fuzzing"])
        .args(["--continue-on-failure", "--no-shrink", "--generation-database", "none"])
        .args(["--suppress-health-check", "all", "--request-timeout", "30", "--max-redirects", "0"])
        .args([
            "--workers",
            "1",
            "--warnings",
            "off",
            "--no-color",
            "--header",
            "Authorization: Bearer operator",
        ])
        .arg(format!("http://127.0.0.1:{}/api/openapi.json", fixture.port));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", output_text(&output));
    assert!(fixture.sidecar.is_running());
    assert!(!fixture.sidecar.log().contains("panicked"), "{}", fixture.sidecar.log());
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
