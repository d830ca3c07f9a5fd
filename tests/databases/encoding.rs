//! Databases in other encodings than UTF-8, and texts that are valid in none.

use crate::databases::helpers::{close, delivered_before, ingested, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::{VERSIONS, until};

/// A text of these bytes, as SQL writes one that need not be valid.
fn bytes(hex: &str) -> String {
    format!("convert_from('\\x{hex}', 'SQL_ASCII')")
}

/// `é` in Latin-1, a cut sequence of UTF-8, a surrogate, a byte that UTF-8 never has, and the middle of
/// an invalid text that is long.
fn invalid() -> Vec<String> {
    let short = ["e9", "c3", "eda080", "ff", "61e962"].map(bytes).to_vec();
    let long = format!("repeat('x', 9000) || {}", bytes("e9"));
    short.into_iter().chain([long]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn content_may_hold_any_bytes_and_its_changes_are_seen() {
    for version in VERSIONS {
        let database = Database::encoded(version, "ascii", "SQL_ASCII").await;
        database.run(DOCUMENTS).await;
        for (id, text) in (1..).zip(invalid()) {
            database
                .run(&format!(
                    "INSERT INTO documents (id, project_id, title, body) VALUES ({id}, 'p', {text}, {text})"
                ))
                .await;
        }
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        assert_eq!(sidecar.source_state().as_deref(), Some("streaming"));
        // The same bytes again, then others that are no UTF-8 either.
        for (id, text) in (1..).zip(invalid()) {
            database
                .run(&format!("UPDATE documents SET title = {text}, body = {text} WHERE id = {id}"))
                .await;
        }
        assert_eq!(delivered_before(&database, &receiver, 90).await, ingested(&[]), "{version}");
        let all: Vec<String> = (1..=invalid().len()).map(|id| id.to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        database.run(&format!("UPDATE documents SET title = title || {} WHERE id < 90", bytes("e8"))).await;
        assert_eq!(delivered_before(&database, &receiver, 91).await, ingested(&all), "{version}");
        database.run(&format!("UPDATE documents SET body = body || {} WHERE id < 90", bytes("e8"))).await;
        assert_eq!(delivered_before(&database, &receiver, 92).await, ingested(&all), "{version}");

        // A column that came with a default, and the comparison.
        database.run(&format!("DO $$ BEGIN EXECUTE 'ALTER TABLE documents ADD more text DEFAULT ' || quote_literal({}); END $$", bytes("e9"))).await;
        database.run("UPDATE documents SET more = more").await;
        assert_eq!(delivered_before(&database, &receiver, 93).await, ingested(&[]), "{version}");
        assert!(sidecar.stop().await.success());
        database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
        database
            .run(&format!("UPDATE documents SET body = body || {} WHERE id IN (2, 6)", bytes("e8")))
            .await;
        sidecar.spawn();
        sidecar.ready().await;
        assert_eq!(delivered_before(&database, &receiver, 94).await, ingested(&["2", "6"]), "{version}");
        close(sidecar, &database).await;
    }
}

/// The columns that receivers get.
const DELIVERED: [(&str, &str); 4] =
    [("key", "{}"), ("project_id", "{}"), ("labels", "ARRAY[{}]"), ("id", "{}")];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_must_be_utf_8_and_the_halt_names_the_row_and_ends() {
    for version in VERSIONS {
        for (column, value) in DELIVERED {
            let database = Database::encoded(version, "told", "SQL_ASCII").await;
            database.run(&DOCUMENTS.replace("id bigint PRIMARY KEY", "id text PRIMARY KEY")).await;
            database
                .run("INSERT INTO documents (id, key, project_id) VALUES ('1', 'k', 'p'), ('2', 'k', 'p')")
                .await;
            let receiver = Receiver::start().await;
            let sidecar = Sidecar::start(&database, &to(&receiver)).await;
            let value = value.replace("{}", &bytes("61e962"));
            database.run(&format!("UPDATE documents SET {column} = {value} WHERE id = '1'")).await;
            let why = halted(&sidecar, column).await;
            assert!(why.starts_with("at 0/"), "{why}");
            assert!(why.contains("is not UTF-8: correct it"), "{why}");

            let doctor = sidecar.command("doctor").output().unwrap();
            let message = String::from_utf8_lossy(&doctor.stdout).into_owned();
            assert_eq!(
                doctor.status.code(),
                Some(if column == "labels" { 0 } else { 78 }),
                "{column}: {message}"
            );
            assert!(
                message.contains(&format!("{column} is not UTF-8 in 1 rows of public.documents")),
                "{message}"
            );

            // Corrected, the comparison goes past the log.
            database.run("DELETE FROM documents WHERE id <> '2'; UPDATE documents SET title = 't'").await;
            let mut resync = sidecar.command("resync");
            let resync = tokio::task::spawn_blocking(move || resync.output().unwrap()).await.unwrap();
            assert!(resync.status.success(), "{}", String::from_utf8_lossy(&resync.stderr));
            sidecar.ready().await;
            let expected = [("excluded".to_owned(), "1".to_owned()), ("ingested".to_owned(), "2".to_owned())];
            let mut delivered = delivered_before(&database, &receiver, 90).await;
            delivered.sort();
            assert_eq!(delivered, expected, "{column}, {version}");
            close(sidecar, &database).await;
        }
    }
}

async fn halted(sidecar: &Sidecar, column: &str) -> String {
    until("the halt", async || {
        let detail = sidecar.status()?["source"]["detail"].as_str()?.to_owned();
        detail.contains(&format!("`{column}`")).then_some(detail)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_meets_such_a_row_names_it_and_goes_on_when_it_is_corrected() {
    for version in VERSIONS {
        let database = Database::encoded(version, "first", "SQL_ASCII").await;
        database.run(DOCUMENTS).await;
        database
            .run(&format!(
                "INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p'), (7, {}, 'p')",
                bytes("e9")
            ))
            .await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, &to(&receiver));
        sidecar.spawn();
        let why = halted(&sidecar, "key").await;
        assert!(why.contains("the row with id 7: "), "{why}");
        database.run("UPDATE documents SET key = 'k' WHERE id = 7").await;
        sidecar.ready().await;
        assert!(
            sidecar.log().matches("the row with id 7").count() < 3,
            "one line a class: {}",
            sidecar.log()
        );
        close(sidecar, &database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_in_latin_1_are_sent_in_utf_8() {
    for version in VERSIONS {
        let database = Database::encoded(version, "latin", "LATIN1").await;
        database.run(DOCUMENTS).await;
        database.run("INSERT INTO documents (id, key, project_id, body) VALUES (1, 'é', 'p', repeat('é', 9000)), (2, 'é', 'p', repeat('é', 5000))").await;
        let receiver = Receiver::start().await;
        let sidecar =
            Sidecar::start(&database, &format!("{}[documents]\ninitial = \"ingested\"\n", to(&receiver)))
                .await;
        until("both", async || (receiver.records_taken() == 2).then_some(())).await;
        let keys: Vec<_> = receiver
            .received()
            .iter()
            .flat_map(Received::records)
            .map(|record| record["key"].clone())
            .collect();
        assert_eq!(keys, ["é", "é"]);
        receiver.forget();
        database.run("UPDATE documents SET body = repeat('é', 9000) WHERE id = 1; UPDATE documents SET body = repeat('é', 5000) WHERE id = 2").await;
        database.run("UPDATE documents SET body = repeat('é', 5001) WHERE id = 2").await;
        assert_eq!(delivered_before(&database, &receiver, 90).await, ingested(&["2"]), "{version}");
        close(sidecar, &database).await;
    }
}
