//! Commands that speak to the running sidecar need its spool's path, and nothing else of its settings.

use std::path::Path;
use std::process::{Command, Output};

use crate::operations::fixture::{Fixture, output_text};
use crate::support::receiver::Answer;
use crate::support::until;

/// Every command that speaks to the running sidecar, and how it ends where all is well.
const CLIENTS: &[(&[&str], i32)] = &[
    (&["status"], 0),
    (&["status", "--json"], 0),
    (&["healthcheck"], 0),
    (&["replay", "list"], 0),
    (&["replay", "list", "--json"], 0),
    // Its only record is refused again as too large.
    (&["replay", "--since", "1h"], 1),
    (&["replay", "--since", "1h", "--dry-run"], 0),
    (&["replay", "cancel", "999999"], 1),
    (&["dead-letters", "list"], 0),
    (&["dead-letters", "list", "--json"], 0),
    (&["dead-letters", "show", "1"], 0),
    (&["dead-letters", "redeliver", "1"], 0),
    (&["dead-letters", "discard", "999999", "--yes"], 1),
    (&["webhooks", "list"], 0),
    (&["webhooks", "list", "--json"], 0),
    (&["webhooks", "show", "--project", "*"], 0),
    (&["webhooks", "export"], 0),
    (&["resync", "--dry-run"], 0),
    (&["resync"], 0),
];

/// What may be wrong with the settings of the command; `{folder}` is a folder.
const BROKEN: &[&str] = &[
    "[postgres]\nurl = { file = \"{folder}/unreadable\" }",
    "[postgres]\nurl = { env = \"SIDECAR_TEST_NOT_SET\" }",
    "[postgres]\npassword = { file = \"{folder}/missing\" }",
    "[postgres]\nurl = \"postgresql://h:not-a-port/\"",
    "[postgres]\nno_such_setting = 1",
    "[no_such_section]\nx = 1",
    "[admin]\ntoken = { file = \"{folder}/unreadable\" }",
    "[admin]\nlisten = \"nowhere\"",
    "[egress]\nca_file = \"{folder}/missing\"",
    "[egress]\nproxy = \"nonsense\"",
    "[documents]\nexcluded_when = \"nonsense\"",
    "[log]\nlevel = 7",
    "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"nonsense\"",
    "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\nsecret = { env = \"SIDECAR_TEST_NOT_SET\" }",
    "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://h/\"\nheaders = { a = { file = \"{folder}/unreadable\" } }",
    "[[webhook]]\nproject = 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn they_work_whatever_else_is_wrong_with_the_settings() {
    let fixture = Fixture::new(18, "operations_commands", "").await;
    fixture.receiver.answers(|request| Answer::Status(if request.project() == "big" { 413 } else { 204 }));
    fixture.database.run("INSERT INTO documents (id, project_id) VALUES (1, 'big')").await;
    until("a dead letter", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 1).then_some(())
    })
    .await;
    let folder = fixture.sidecar.folder.path();
    // Unreadable also for root: a folder.
    std::fs::create_dir(folder.join("unreadable")).unwrap();
    let settings = folder.join("client.toml");
    let spool = format!("[spool]\npath = \"{}\"\n", fixture.sidecar.spool().display());
    for broken in BROKEN {
        let broken = broken.replace("{folder}", &folder.display().to_string());
        std::fs::write(&settings, format!("{spool}{broken}\n")).unwrap();
        let refused = run(&settings, &["check-config"], &[]).await;
        assert_eq!(refused.status.code(), Some(78), "{broken}: {}", output_text(&refused));
        for (arguments, status) in CLIENTS {
            let output = run(&settings, arguments, &[]).await;
            assert_eq!(
                output.status.code(),
                Some(*status),
                "{broken} {arguments:?}: {}",
                output_text(&output)
            );
        }
        assert!(tails(&settings, &fixture).await.contains("\"record\""), "{broken}");
    }
    // The path alone, by flag or environment: the file may be whatever it is.
    std::fs::write(&settings, "this is no TOML").unwrap();
    let path = fixture.sidecar.spool().display().to_string();
    let flag = format!("--set=spool.path={path}");
    for (arguments, status) in CLIENTS {
        let by_flag = run(&settings, &[&[&*flag], *arguments].concat(), &[]).await;
        assert_eq!(by_flag.status.code(), Some(*status), "{arguments:?}: {}", output_text(&by_flag));
        let by_env = run(&settings, arguments, &[("SIDECAR_SPOOL__PATH", &path)]).await;
        assert_eq!(by_env.status.code(), Some(*status), "{arguments:?}: {}", output_text(&by_env));
    }
    // Where the path itself is wrong, the error says it.
    std::fs::write(&settings, "[spool]\npath = 5\n").unwrap();
    let refused = run(&settings, &["status"], &[]).await;
    assert_eq!(refused.status.code(), Some(78), "{}", output_text(&refused));
    let mut sidecar = fixture.sidecar;
    sidecar.stop().await;
    crate::operations::fixture::release(&fixture.database).await;
}

fn command(settings: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidecar"));
    command.args(arguments).arg("--config").arg(settings);
    command
}

async fn run(settings: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = command(settings, arguments);
    command.envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The first line that `tail` prints.
async fn tails(settings: &Path, fixture: &Fixture) -> String {
    use std::io::BufRead as _;
    let mut child =
        command(settings, &["tail"]).stdout(std::process::Stdio::piped()).spawn().expect("a command");
    let out = child.stdout.take().unwrap();
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        std::io::BufReader::new(out).read_line(&mut line).unwrap();
        line
    });
    let mut changes = 0_u32;
    until("a line of tail", async || {
        changes += 1;
        fixture.database.run(&format!("UPDATE documents SET title = '{changes}' WHERE id = 1")).await;
        line.is_finished().then_some(())
    })
    .await;
    let _ = child.kill();
    let _ = child.wait();
    line.await.unwrap()
}
