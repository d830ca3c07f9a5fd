//! No secret is printed: each setting that may hold one holds the same word, and everything that prints is read.

use std::process::Command;

use crate::operations::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

const SECRET: &str = "Geheim0123456789abcdefGeheim";
/// Base64 of 32 bytes.
const KEY: &str = "R2VoZWltR2VoZWltR2VoZWltR2VoZWltR2VoZWltMDA=";

fn leaks(text: &str) -> Vec<&str> {
    // The base64 of the word, as Basic and the form for receivers have it.
    let words = ["geheim", "Z2VoZWlt", "R2VoZWlt", "dlaGVpb", "HZWhlaW", "dTpHZWhlaW0"];
    let has =
        |line: &&str| words.iter().any(|word| line.contains(word)) || line.to_lowercase().contains("geheim");
    text.lines().filter(has).collect()
}

fn settings(receiver: &str) -> String {
    let hook = |project: &str, url: &str, auth: &str| {
        format!(
            "[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{url}\"\nauth = {auth}\n\
             headers = {{ x-token = \"{SECRET}\" }}\nsecret = [\"{SECRET}\", {{ value = \"{SECRET}2\", until = \"2999-01-01T00:00:00Z\" }}]\n\
             wait_max_ms = 5\n"
        )
    };
    let query = format!("{receiver}/?key={SECRET}");
    let path = format!("{receiver}/services/T00/{SECRET}");
    // Nobody listens there.
    let dead = format!("http://127.0.0.1:1/hook?key={SECRET}");
    format!(
        "key = \"{KEY}\"\n[delivery]\nretry_schedule = [\"20ms\"]\n\
         [egress]\nproxy = \"http://u:{SECRET}@127.0.0.1:1\"\nno_proxy = [\"127.0.0.1\"]\n{}{}{}{}",
        hook("a", &query, &format!("{{ basic = {{ user = \"u\", password = \"{SECRET}\" }} }}")),
        hook("b", &path, &format!("{{ bearer = \"{SECRET}\" }}")),
        hook("c", &dead, &format!("{{ api_key = {{ header = \"x-key\", value = \"{SECRET}\" }} }}")),
        hook("*", &query, &format!("{{ bearer = \"{SECRET}\" }}")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_sidecar_prints_no_secret() {
    let database = Database::new(18, "operations_secrets").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::prepare(&database, &settings(&receiver.url));
    let password = format!("{{ command = [\"echo\", \"{SECRET}\"] }}");
    sidecar.spawn_with(&[
        ("SIDECAR_LOG__LEVEL", "trace"),
        ("SIDECAR_ADMIN__TOKEN", SECRET),
        ("SIDECAR_POSTGRES__PASSWORD", &password),
    ]);
    sidecar.ready().await;
    database
        .run("INSERT INTO documents (id, project_id) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
        .await;
    until("three projects to have their record", async || (receiver.records_taken() == 3).then_some(()))
        .await;
    until("the fourth to fail", async || sidecar.log().contains("a webhook fails").then_some(())).await;
    // The settings are read again, right and wrong ones.
    sidecar.signal("HUP");
    sidecar.reloaded(true).await;
    let mut printed = Vec::new();
    for arguments in [
        &["config"][..],
        &["check-config"],
        &["doctor"],
        &["status"],
        &["status", "--json"],
        &["dead-letters", "list"],
        &["replay", "--since", "1h", "--dry-run"],
    ] {
        printed.push((arguments.join(" "), output_text(&run(&sidecar, arguments).await)));
    }
    for path in ["/api/v1/status", "/metrics", "/-/ready"] {
        printed.push((path.to_owned(), sidecar.get(path).unwrap().1));
    }
    sidecar.stop().await;
    printed.push(("the log".to_owned(), sidecar.log()));
    for (what, text) in printed {
        assert!(leaks(&text).is_empty(), "{what}: {:#?}", leaks(&text));
        assert!(text.len() > 5, "{what} prints something: {text}");
    }
    release(&database).await;
}

#[test]
fn a_wrong_secret_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sidecar.toml");
    let hook = |more: &str| {
        let url = if more.contains("url = ") { "" } else { "url = \"http://h/\"\n" };
        format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\n{url}{more}")
    };
    let section = |name: &str, more: &str| format!("[{name}]\n{more}");
    let wrong = [
        section("spool", "key = \"geheim\""),
        section("spool", "key = [\"geheim\", 7]"),
        section("spool", "key = { env = \"X\", file = \"geheim\" }"),
        section("spool", "key = { geheim = 7 }"),
        section("admin", "token = [\"geheim\"]"),
        section("admin", "token = { command = [\"geheim\"] }"),
        section("postgres", "password = { command = [\"geheim\", 7] }"),
        section("postgres", "password = { command = \"geheim\" }"),
        section("postgres", "password = [\"geheim\"]"),
        section("postgres", "password.command = []"),
        section("egress", "proxy = [\"geheim\"]"),
        hook("url = [\"geheim\"]"),
        hook("url = \"https://h:geheim/\""),
        hook("url = { file = [\"geheim\"] }"),
        hook("headers = { x-a = [\"geheim\"] }"),
        hook("headers = { x-a = \"ge\\nheim\\ngeheim\" }"),
        hook("headers = \"geheim\""),
        hook("auth = \"geheim\""),
        hook("auth = { bearer = [\"geheim\"] }"),
        hook("auth = { bearer = \"geheim\\n\" }"),
        hook("auth = { basic = { user = \"geheim:\", password = \"geheim\" } }"),
        hook("auth = { basic = { password = \"geheim\" } }"),
        hook("auth = { basic = \"geheim\" }"),
        hook("auth = { api_key = { header = \"geheim geheim\", value = \"geheim\" } }"),
        hook("auth = { bearer = \"geheim\" }\nheaders = { authorization = \"geheim\" }"),
        hook("secret = 7e300"),
        hook("secret = [\"geheim\", { value = \"geheim\" }]"),
        hook("secret = [\"geheim\", { value = \"geheim\", until = \"geheim\" }]"),
        hook("secret = [{ value = \"geheim\", until = \"2999-01-01T00:00:00Z\" }]"),
        hook("secret = \"whsec_geheim!\""),
        hook("secret = \"whsk_geheim\""),
        hook("secret = \"whpk_geheim\""),
        hook("secret = \"geheim\\u0000\""),
        hook("secret = { value = \"geheim\", until = \"2999-01-01T00:00:00Z\" }"),
    ];
    for text in wrong {
        std::fs::write(&file, &text).unwrap();
        for command in ["check-config", "config", "run"] {
            let output = Command::new(env!("CARGO_BIN_EXE_sidecar"))
                .arg(command)
                .arg("--config")
                .arg(&file)
                .output()
                .unwrap();
            let printed = output_text(&output);
            assert_eq!(output.status.code(), Some(78), "{command} of {text}: {printed}");
            assert!(leaks(&printed).is_empty(), "{command} of {text}: {printed}");
        }
    }
}
