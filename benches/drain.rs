//! What the sidecar costs and how fast it is, on this machine, side by side with `pg_recvlogical`.
//!
//! Prints a table and fails on nothing: figures from one run, of which the ratios are to be quoted.
//! `SIDECAR_BENCH_CHANGES` (default 1,000,000) makes it shorter.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails loudly, and its figures are no money"
)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use counter::Counter;
use process::{cpu_seconds, peak_mib};
use support::database::{DOCUMENTS, Database};
use support::process::Sidecar;
use support::server::Server;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let changes = std::env::var("SIDECAR_BENCH_CHANGES")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(1_000_000);
        drain(changes).await;
        latency().await;
        large_transaction(changes).await;
    });
}

/// (a) A backlog of half inserts, half label updates, in transactions of 100 rows over 20 projects.
async fn drain(changes: u64) {
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "drain").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let mut sidecar = Sidecar::start(&database, &settings(&counter.url, 500)).await;
    sidecar.stop().await;
    println!("making a backlog of {changes} changes ...");
    database.run(&backlog(changes)).await;
    let copy = format!("c_{}", database.name);
    database.run(&format!("SELECT pg_copy_logical_replication_slot('s_{}', '{copy}')", database.name)).await;
    let end = database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
    let bare = recvlogical(&server, &database, &copy, &end).await;
    let began = Instant::now();
    sidecar.spawn();
    let walsender = walsender_of(&database, &format!("s_{}", database.name)).await;
    counter.until(changes).await;
    let took = began.elapsed().as_secs_f64();
    let (sender, own) = (cpu_seconds(walsender), cpu_seconds(sidecar.pid()));
    let rate = changes as f64 / took;
    println!(
        "\n(a) drain of {changes} changes, PostgreSQL 15, default identity, 20 projects, batches of 100"
    );
    println!("    pg_recvlogical to /dev/null      {bare:>10.0} changes/s");
    println!("    sidecar, delivered               {rate:>10.0} changes/s    ratio {:.2}", rate / bare);
    println!(
        "    CPU: sidecar {own:.1} s, walsender {sender:.1} s                 ratio {:.2}",
        own / sender
    );
    let peak = peak_mib(sidecar.pid());
    println!("    peak memory of the sidecar       {peak:>10.1} MiB");
    replay(&sidecar, &counter, changes, rate, peak).await;
}

/// (d) All of it once more, in the same run.
async fn replay(sidecar: &Sidecar, counter: &Counter, changes: u64, live: f64, peak: f64) {
    // The last answers are heard, and may not be written down.
    sidecar.settled().await;
    let window = sidecar.status().unwrap()["spool"]["window"]["from_lsn"].as_str().unwrap().to_owned();
    let requested = format!(r#"{{"from_lsn":"{window}"}}"#);
    let began = Instant::now();
    let (status, answer) = sidecar.request("POST", "/api/v1/replays", &requested).unwrap();
    assert_eq!(status, 200, "{answer}");
    let entered = began.elapsed();
    counter.until(changes * 2).await;
    let rate = changes as f64 / began.elapsed().as_secs_f64();
    println!("\n(d) replay of these {changes} records from {window}, entered in {entered:.0?}");
    println!(
        "    sidecar, delivered again         {rate:>10.0} records/s    ratio to the live drain {:.2}",
        rate / live
    );
    println!(
        "    peak memory of the sidecar       {:>10.1} MiB     before it {peak:.1} MiB",
        peak_mib(sidecar.pid())
    );
}

/// (b) From a statement's sending to its record's arrival, at 200 changes a second.
async fn latency() {
    let server = Server::start(15, "");
    let database = Database::on(&server, 15, "latency").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let _sidecar = Sidecar::start(&database, &settings(&counter.url, 0)).await;
    let insert = database
        .client
        .prepare("INSERT INTO documents (id, key, project_id, title) VALUES ($1::int8, 'k', 'p' || $1::int8 % 20, 't')")
        .await
        .unwrap();
    let count = 2_000_usize;
    let mut sent = Vec::with_capacity(count);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    for id in 0..count {
        tick.tick().await;
        sent.push(Instant::now());
        database.client.execute(&insert, &[&(id as i64)]).await.unwrap();
    }
    counter.until(count as u64).await;
    let arrived = counter.arrived();
    let mut took: Vec<f64> =
        arrived.iter().map(|(id, at)| (*at - sent[*id as usize]).as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "\n(b) latency from a statement's sending to its record's arrival, 200 changes/s, wait_max_ms = 0"
    );
    println!(
        "    p50 {:.2} ms   p95 {:.2} ms   p99 {:.2} ms   max {:.2} ms   ({} records)",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0),
        took.len()
    );
}

/// (c) One transaction.
async fn large_transaction(rows: u64) {
    let server = Server::start(15, "max_wal_size = '16GB'");
    let database = Database::on(&server, 15, "large").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let sidecar = Sidecar::start(&database, &settings(&counter.url, 500)).await;
    let began = Instant::now();
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id, title, body, labels)
             SELECT g, 'k' || g, 'p' || g % 20, 't', repeat('x', 1000), '{{a,b}}' FROM generate_series(1, {rows}) g"
        ))
        .await;
    counter.until(rows).await;
    println!(
        "\n(c) one transaction of {rows} rows, from its beginning to the last delivery: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    println!("    peak memory of the sidecar       {:>10.1} MiB", peak_mib(sidecar.pid()));
}

fn settings(url: &str, wait_max_ms: u64) -> String {
    format!(
        "[batch]\nwait_max_ms = {wait_max_ms}\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{url}/\"\n"
    )
}

fn backlog(changes: u64) -> String {
    let last = changes / 200;
    format!(
        "DO $$ BEGIN FOR t IN 1..{last} LOOP
            INSERT INTO documents (id, key, project_id, title, body, labels)
                SELECT (t - 1) * 100 + g, 'key-' || g, 'project-' || g % 20, 'title ' || t, repeat(md5(t::text), 32), '{{a}}'
                FROM generate_series(1, 100) g;
            COMMIT;
            UPDATE documents SET labels = ARRAY['b', 'l' || t] WHERE id > (t - 1) * 100 AND id <= t * 100;
            COMMIT;
        END LOOP; END $$"
    )
}

/// Changes a second that the server's own client gets, which throws them away.
async fn recvlogical(server: &Server, database: &Database, slot: &str, end: &str) -> f64 {
    let (bin, url, name) = (server.bin.clone(), database.url.clone(), database.name.clone());
    let (slot, end) = (slot.to_owned(), end.to_owned());
    let took = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        let done = Command::new(bin.join("pg_recvlogical"))
            .args(["-d", &url, "-S", &slot, "--start", "-f", "/dev/null", "-E", &end, "-F", "0", "-s", "1"])
            .args(["-o", "proto_version=1", "-o", &format!("publication_names=p_{name}")])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        began.elapsed()
    });
    let took = took.await.unwrap();
    let changes: i64 =
        database.client.query_one("SELECT count(*) * 2 FROM documents", &[]).await.unwrap().get(0);
    changes as f64 / took.as_secs_f64()
}

async fn walsender_of(database: &Database, slot: &str) -> u32 {
    let sql = format!("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}'");
    support::until("the walsender", async || {
        let row = database.client.query_one(&sql, &[]).await.unwrap();
        row.get::<_, Option<i32>>(0).map(i32::unsigned_abs)
    })
    .await
}
