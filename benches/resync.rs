//! What a comparison of the whole table takes, side by side with a bare `COPY` of the same columns.
//!
//! Prints figures and fails only where other documents go out than those that differ.
//! `SIDECAR_BENCH_DOCUMENTS` (default 1,000,000) makes it shorter.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails loudly"
)]

#[path = "support/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use process::peak_mib;
use support::database::{DOCUMENTS, Database};
use support::process::Sidecar;
use support::receiver::Receiver;
use support::server::Server;
use support::{until, until_within};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let documents = std::env::var("SIDECAR_BENCH_DOCUMENTS").ok().and_then(|text| text.parse().ok());
    runtime.block_on(compare(documents.unwrap_or(1_000_000)));
}

async fn compare(documents: u64) {
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "compare").await;
    database.run(DOCUMENTS).await;
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id, title, body, labels)
             SELECT g, 'k' || g, 'p' || g % 20, 'title ' || g, repeat(md5(g::text), 30), ARRAY['a', 'b' || g % 7]
             FROM generate_series(1, {documents}) g; ANALYZE documents;"
        ))
        .await;
    let receiver = Receiver::start().await;
    let settings = format!(
        "[batch]\nwait_max_ms = 5\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    );
    let mut sidecar = Sidecar::prepare(&database, &settings);
    let began = Instant::now();
    sidecar.spawn();
    state(&sidecar, "done", |status| status["source"]["state"] == "streaming").await;
    println!("first start of {documents} documents    {:>8.1} s", began.elapsed().as_secs_f64());
    sidecar.stop().await;
    database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
    let step = (documents / 1_000).max(1);
    database.run(&format!("UPDATE documents SET labels = '{{new}}' WHERE id % {step} = 0")).await;
    let bare = copy(&database).await;
    let began = Instant::now();
    sidecar.spawn();
    state(&sidecar, "a resync", |status| status["source"]["resync"]["state"] == "done").await;
    let took = began.elapsed().as_secs_f64();
    let differing: BTreeSet<String> =
        (1..=documents).filter(|id| id % step == 0).map(|id| id.to_string()).collect();
    until("every difference", async || (receiver.records_taken() >= differing.len()).then_some(())).await;
    let delivered: Vec<String> = receiver
        .received()
        .iter()
        .flat_map(support::receiver::Received::records)
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(delivered.len(), differing.len(), "each once");
    assert_eq!(delivered.into_iter().collect::<BTreeSet<_>>(), differing, "exactly these documents");
    println!("COPY of the same columns to nowhere        {bare:>8.1} s");
    println!(
        "start and resync, {} differences        {took:>8.1} s    ratio {:.1}",
        differing.len(),
        took / bare
    );
    println!("peak memory of the sidecar                 {:>8.1} MiB", peak_mib(sidecar.pid()));
}

async fn copy(database: &Database) -> f64 {
    let began = Instant::now();
    let rows = database.client.copy_out("COPY (SELECT id, key, project_id, title, body, labels, predicted_labels, similarity, deleted_at FROM documents) TO STDOUT");
    let mut rows = std::pin::pin!(rows.await.unwrap());
    while rows.try_next().await.unwrap().is_some() {}
    began.elapsed().as_secs_f64()
}

async fn state(sidecar: &Sidecar, what: &str, met: impl Fn(&serde_json::Value) -> bool) {
    until_within(Duration::from_mins(10), what, async || sidecar.status().filter(|status| met(status))).await;
}
