//! A webhook's signing secret is replaced while requests are made.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::port::port_for_later;
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::until;

const PLAIN: &str = "Geheim, known to the receiver alone";
const OF_FILE: &str = "Geheim of the settings file, of 24 bytes and more";
const WEBHOOK: &str = "/api/v1/webhooks/p/*";

/// The form that libraries read of a text whose bytes are the key.
fn whsec(text: &str) -> String {
    use base64::Engine as _;
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(text))
}

fn verifies(request: &Received, secret: &str) -> bool {
    let headers = request.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    verifier.verify(&request.body, &headers.collect::<hyper::HeaderMap>()).is_ok()
}

fn set(sidecar: &Sidecar, url: &str, secret: &Value) -> (u16, String) {
    let change = json!({ "url": url, "secret": secret, "wait_max_ms": 1 }).to_string();
    sidecar.request("PATCH", WEBHOOK, &change).unwrap()
}

async fn printed(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let output = run(sidecar, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", output_text(&output));
    String::from_utf8(output.stdout).unwrap()
}

async fn refused(sidecar: &Sidecar, arguments: &[&str], status: i32) -> String {
    let output: Output = run(sidecar, arguments).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0), "{}", output_text(&output));
    output_text(&output)
}

async fn rotate(sidecar: &Sidecar, overlap: &str) -> String {
    let text = printed(sidecar, &["webhooks", "rotate", "--project", "p", "--overlap", overlap]).await;
    let secret = text.trim_end().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{text}");
    secret
}

/// Sends one record, and returns its request.
async fn next(database: &Database, receiver: &Receiver) -> Received {
    let before = receiver.received().len();
    let id = "SELECT coalesce(max(id), 0) + 1, 'p' FROM documents";
    database.run(&format!("INSERT INTO documents (id, project_id) {id}")).await;
    until("the request", async || receiver.received().get(before).cloned()).await
}

/// The status and the text of what the admin port answers.
fn on_port(port: u16, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = body.to_string();
    let head = format!("host: localhost\r\nconnection: close\r\ncontent-length: {}", body.len());
    write!(stream, "POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn under_traffic_each_request_verifies_and_the_old_secret_ends() {
    let database = Database::new(18, "rotation").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &format!("key = \"{}\"\n", "1".repeat(64))).await;
    assert_eq!(set(&sidecar, &receiver.url, &json!(PLAIN)).0, 200);
    let old = whsec(PLAIN);
    let secret = ["webhooks", "secret", "--project", "p"];
    assert_eq!(printed(&sidecar, &secret).await, format!("{old}\n"));
    let is_over = AtomicBool::new(false);
    let traffic = async {
        let mut ids = 0;
        while !is_over.load(Ordering::Relaxed) {
            ids += 1;
            database.run(&format!("INSERT INTO documents (id, project_id) VALUES ({ids}, 'p')")).await;
        }
        ids
    };
    let rotation = async {
        until("the first requests", async || (receiver.received().len() > 5).then_some(())).await;
        let new = rotate(&sidecar, "5s").await;
        let both = printed(&sidecar, &secret).await;
        assert!(both.starts_with(&format!("{new}\n{old} until ")), "{both}");
        until("the old secret to end", async || {
            receiver.received().last().is_some_and(|last| !verifies(last, &old)).then_some(())
        })
        .await;
        is_over.store(true, Ordering::Relaxed);
        new
    };
    let (sent, new) = tokio::join!(traffic, rotation);
    until("all records", async || (receiver.records_taken() >= sent).then_some(())).await;
    assert_eq!(receiver.records_taken(), sent);
    let verified =
        receiver.received().into_iter().map(|request| (verifies(&request, &old), verifies(&request, &new)));
    let mut phases: Vec<(bool, bool)> = verified.collect();
    phases.dedup();
    assert_eq!(phases, [(true, false), (true, true), (false, true)], "with the old and the new secret");
    assert_eq!(printed(&sidecar, &secret).await, format!("{new}\n"), "one that has ended is not listed");
    // A restart keeps both secrets of a rotation.
    let newest = rotate(&sidecar, "1h").await;
    sidecar.stop().await;
    sidecar.spawn();
    sidecar.ready().await;
    let request = next(&database, &receiver).await;
    assert!(verifies(&request, &new) && verifies(&request, &newest) && !verifies(&request, &old));
    let leaked = rotate(&sidecar, "0s").await;
    let request = next(&database, &receiver).await;
    assert!(
        verifies(&request, &leaked) && !verifies(&request, &newest),
        "without an overlap it ends at once"
    );
    let log = sidecar.log();
    assert!(log.contains("signing secrets were shown") && log.contains("a signing secret was rotated"));
    assert!(!log.contains("whsec_") && !log.contains("Geheim"), "{log}");
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rotated_is_refused_with_what_to_do() {
    let database = Database::new(18, "rotation_refused").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let of_file = format!(
        "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\nsecret = \"{OF_FILE}\"\n",
        receiver.url
    );
    let mut sidecar = Sidecar::prepare(&database, &of_file);
    let port = port_for_later();
    sidecar.spawn_with(&[("SIDECAR_ADMIN__LISTEN", &format!("127.0.0.1:{port}"))]);
    sidecar.ready().await;
    assert_eq!(printed(&sidecar, &["webhooks", "secret", "--project", "*"]).await, whsec(OF_FILE) + "\n");
    let why = refused(&sidecar, &["webhooks", "rotate", "--project", "*"], 1).await;
    assert!(why.contains("until = \"2") && why.contains("sidecar.toml") && !why.contains("Geheim"), "{why}");
    for command in ["secret", "rotate"] {
        let why = refused(&sidecar, &["webhooks", command, "--project", "nobody"], 1).await;
        assert!(why.contains("`nobody`"), "{why}");
        let answer =
            on_port(port, &format!("/api/v1/webhooks/{command}"), &json!({"project": "*", "callback": "*"}));
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("whsec_"), "{answer}");
    }
    // Without `spool.key`, secrets are in files of their own.
    let files = ["a", "b"].map(|name| sidecar.folder.path().join(name));
    for (file, text) in files.iter().zip(["Geheim, the first one of two", "Geheim, the second one of two"]) {
        std::fs::write(file, text).unwrap();
    }
    let [first, second] = &files;
    assert_eq!(set(&sidecar, &receiver.url, &json!({ "file": first })).0, 200);
    let rotate = ["webhooks", "rotate", "--project", "p"];
    let why = refused(&sidecar, &rotate, 64).await;
    assert!(why.contains("`spool.key`"), "{why}");
    for (more, part) in
        [(["--overlap", "9999d"], "`overlap_seconds`"), (["--secret", "env:MISSING"], "`MISSING`")]
    {
        let why = refused(&sidecar, &[&rotate[..], &more].concat(), 64).await;
        assert!(why.contains(part), "{why}");
    }
    let file = format!("file:{}", second.display());
    let new = printed(&sidecar, &[&rotate[..], &["--secret", &file]].concat()).await;
    assert_eq!(new, whsec("Geheim, the second one of two") + "\n");
    let shown = sidecar.get(WEBHOOK).unwrap().1;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let listed = &shown["settings"]["secret"];
    assert_eq!((&listed[0], &listed[1]["value"]), (&json!({ "file": second }), &json!({ "file": first })));
    let request = next(&database, &receiver).await;
    assert!(verifies(&request, new.trim()) && verifies(&request, &whsec("Geheim, the first one of two")));
    // The file has been overwritten: the secret that signs would be lost.
    std::fs::write(second, "Geheim, which came too late").unwrap();
    let why = refused(&sidecar, &[&rotate[..], &["--secret", &file]].concat(), 1).await;
    assert!(why.contains("a file of its own") && !why.contains("Geheim"), "{why}");
    sidecar.stop().await;
    release(&database).await;
}
