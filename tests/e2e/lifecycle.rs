//! Signals: an orderly end, and settings read again.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use crate::e2e::changes::to;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_the_request_in_flight_and_its_outcome_is_kept() {
    let database = Database::new(15, "term").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    receiver.answers(move |_| {
        let _ = begun.send(());
        Answer::Slow(200, Duration::from_millis(700))
    });
    let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
    has_begun.recv().await.unwrap();
    let status = sidecar.stop().await;
    assert!(status.success(), "{status:?}");
    assert_eq!(receiver.records_taken(), 1, "it was let finish");

    sidecar.spawn();
    sidecar.ready().await;
    database.run("INSERT INTO documents (id, project_id) VALUES (2, 'p')").await;
    until("the second record", async || (receiver.records_taken() >= 2).then_some(())).await;
    assert_eq!(receiver.received().len(), 2, "the first is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_applies_webhooks_and_keeps_the_old_where_the_new_are_wrong() {
    let database = Database::new(15, "hup").await;
    database.run(DOCUMENTS).await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let sidecar = Sidecar::start(&database, &to(&first)).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
    until("the first record", async || (first.records_taken() >= 1).then_some(())).await;

    let complaint = "`batch.records_maxx`: unknown setting; did you mean `records_max`?";
    assert!(!sidecar.log().contains(complaint));
    sidecar.configure(&database, "[batch]\nrecords_maxx = 1\n");
    sidecar.signal("HUP");
    sidecar.reloaded(false).await;
    until("the complaint", async || sidecar.log().contains(complaint).then_some(())).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (2, 'p')").await;
    until("the second record", async || (first.records_taken() >= 2).then_some(())).await;

    sidecar.configure(&database, &to(&second));
    sidecar.signal("HUP");
    sidecar.reloaded(true).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (3, 'p')").await;
    until("the third record", async || (second.records_taken() >= 1).then_some(())).await;
    assert_eq!(first.records_taken(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_waited_for() {
    let server = tokio::task::spawn_blocking(|| crate::support::server::Server::start(15, "")).await.unwrap();
    let database = Database::on(&server, 15, "restart").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let sidecar = Sidecar::start(&database, &to(&receiver)).await;
    // All sessions are ended, ours too, as by a failing network.
    let maintenance = database.session().await;
    maintenance
        .batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sidecar' AND pid <> pg_backend_pid()")
        .await
        .unwrap();
    maintenance.batch_execute("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await.unwrap();
    until("the record", async || (receiver.records_taken() >= 1).then_some(())).await;
    sidecar.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sidecar_on_the_same_spool_refuses_and_the_first_goes_on() {
    let database = Database::new(15, "twice").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let sidecar = Sidecar::start(&database, &to(&receiver)).await;
    let mut second = sidecar.command("run");
    let second = tokio::task::spawn_blocking(move || second.output().unwrap()).await.unwrap();
    let message =
        String::from_utf8_lossy(&second.stdout).into_owned() + &String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{message}");
    let why =
        format!("another sidecar (pid {}) runs on the spool {}", sidecar.pid(), sidecar.spool().display());
    assert!(message.contains(&why), "{message}");
    database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
    until("the record", async || (receiver.records_taken() >= 1).then_some(())).await;
    sidecar.ready().await;
}

/// Stopped, the server neither answers nor closes anything: longer than a session waits to be made, and
/// then as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_dead_is_waited_for_and_nothing_is_lost() {
    let server = tokio::task::spawn_blocking(|| crate::support::server::Server::start(15, "")).await.unwrap();
    let database = Database::on(&server, 15, "stopped").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let sidecar = Sidecar::start(&database, &to(&receiver)).await;
    let pids = database.client.query("SELECT pid FROM pg_stat_activity", &[]).await.unwrap();
    let mut pids: Vec<String> = pids.iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
    pids.push(
        database.text("SELECT (regexp_match(pg_read_file('postmaster.pid'), '^\\d+'))[1]").await.unwrap(),
    );
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").arg(name).args(&pids).status().unwrap().success());
    };
    for round in 0..3 {
        let insert = format!(
            "INSERT INTO documents (id, project_id) SELECT {round} * 1000 + g, 'p' FROM generate_series(1, 500) g"
        );
        database.run(&insert).await;
        signal("-STOP");
        let began = std::time::Instant::now();
        until("five seconds of silence, with answers to whoever asks us", async || {
            assert!(sidecar.status().is_some());
            (began.elapsed() >= Duration::from_secs(5)).then_some(())
        })
        .await;
        signal("-CONT");
    }
    until("every record", async || (receiver.records_taken() >= 1_500).then_some(())).await;
    sidecar.idle().await;
    let ids: std::collections::BTreeSet<String> = receiver
        .received()
        .iter()
        .flat_map(crate::support::receiver::Received::records)
        .map(|record| record["id"].to_string())
        .collect();
    assert_eq!((ids.len(), receiver.records_taken()), (1_500, 1_500), "each once");
}

/// What the database holds besides the documents: tables with their replica identity, triggers, rules,
/// columns, and the documents themselves.
const HELD: &str = "
    SELECT concat_ws('; ',
        (SELECT string_agg(concat_ws(' ', oid, relname, relkind, relreplident, relhastriggers, relhasrules), ',' ORDER BY oid)
         FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT string_agg(nspname, ',' ORDER BY oid) FROM pg_namespace),
        (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_event_trigger),
        (SELECT string_agg(concat_ws(' ', attname, atttypid, attnotnull, atthasdef), ',' ORDER BY attnum)
         FROM pg_attribute WHERE attrelid = 'documents'::regclass),
        (SELECT md5(string_agg(d.xmin::text || d::text, ',' ORDER BY id)) FROM documents d))";

#[tokio::test(flavor = "multi_thread")]
async fn the_database_gets_one_publication_and_one_slot_and_nothing_else() {
    let database = Database::new(15, "notouch").await;
    database.run(DOCUMENTS).await;
    database.run("INSERT INTO documents (id, project_id) SELECT g, 'p' FROM generate_series(1, 50) g").await;
    let made = format!(
        "SELECT concat_ws(' ', (SELECT string_agg(pubname, ',') FROM pg_publication),
             (SELECT string_agg(slot_name, ',') FROM pg_replication_slots WHERE database = '{}'))",
        database.name
    );
    let before = database.text(HELD).await;
    let receiver = Receiver::start().await;
    let settings = format!(
        "[documents]\ninitial = \"ingested\"\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\nwait_max_ms = 5\n",
        receiver.url
    );
    let mut sidecar = Sidecar::start(&database, &settings).await;
    until("every document", async || (receiver.records_taken() >= 50).then_some(())).await;
    assert!(sidecar.command("resync").output().unwrap().status.success());
    sidecar.ready().await;
    assert_eq!(database.text(HELD).await, before);
    let name = &database.name;
    assert_eq!(database.text(&made).await, Some(format!("p_{name} s_{name}")));
    assert!(sidecar.stop().await.success());
    assert!(sidecar.command("teardown").output().unwrap().status.success());
    assert_eq!(database.text(&made).await.as_deref(), Some(""));
    assert_eq!(database.text(HELD).await, before);
}

/// How `sidecar status` exits, repeated until the sidecar answers.
async fn status_answers(sidecar: &Sidecar) {
    until("an answer to `sidecar status`", async || {
        let mut command = sidecar.command("status");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        output.status.success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_a_sidecar_whatever_the_length_of_its_spools_path() {
    let database = Database::new(15, "long").await;
    database.run(DOCUMENTS).await;
    let folder = tempfile::tempdir().unwrap();
    for length in [70, 100, 200] {
        let spool = folder.path().join("x".repeat(length));
        let mut sidecar = Sidecar::prepare_with_spool(&database, "", spool);
        sidecar.spawn();
        status_answers(&sidecar).await;
        assert!(sidecar.stop().await.success());
        // It may have ended before it made its slot.
        let slots = format!("FROM pg_replication_slots WHERE slot_name = 's_{}'", database.name);
        let drop = format!("SELECT pg_drop_replication_slot(slot_name) {slots}");
        until("the slot to be free", async || database.client.batch_execute(&drop).await.ok()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_its_group_writes_will_do_and_one_that_everybody_enters_will_not() {
    // Another owner than the sidecar's user takes root to make.
    let root = tempfile::tempdir().unwrap();
    if std::os::unix::fs::chown(root.path(), None, Some(NOBODY)).is_err() {
        return;
    }
    let database = Database::new(15, "group").await;
    database.run(DOCUMENTS).await;
    open_to_all(root.path(), 0o755);
    let folder = root.path().join("spool");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, None, Some(NOBODY)).unwrap();
    let binary = root.path().join("sidecar");
    std::fs::copy(env!("CARGO_BIN_EXE_sidecar"), &binary).unwrap();
    let settings = Sidecar::prepare_with_spool(&database, "", folder.clone());
    open_to_all(settings.folder.path(), 0o755);
    let run = |mode| {
        open_to_all(&folder, mode);
        std::process::Command::new(&binary)
            .args(["run", "--config"])
            .arg(settings.settings())
            .uid(NOBODY)
            .gid(NOBODY)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let refused = run(0o2777).wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && message.contains("chmod o-rwx"), "{message}");
    let mut taken = run(0o2770);
    status_answers(&settings).await;
    taken.kill().unwrap();
    taken.wait().unwrap();
}

fn open_to_all(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const NOBODY: u32 = 65_534;
