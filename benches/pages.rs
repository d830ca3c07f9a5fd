//! How long pages and searches take beside 10,000 projects, 1,000,000 attempts and 1,000,000 pending records.
//!
//! Prints a table and fails on nothing. `SIDECAR_BENCH_PROJECTS` (default 10,000) is the number of projects, each
//! with 100 pending records and 100 attempts.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails loudly"
)]

#[path = "support/counter.rs"]
mod counter;
#[path = "support/process.rs"]
mod process;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use counter::Counter;
use process::resident_mib;
use sidecar::outcome::OutcomeKind;
use sidecar::spool::{Attempted, Fate, LoggedAttempt, Op, Options, Spool};
use sidecar::time::Timestamp;
use support::database::{DOCUMENTS, Database};
use support::process::Sidecar;
use support::server::Server;
use support::until_within;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let projects = std::env::var("SIDECAR_BENCH_PROJECTS").ok().and_then(|text| text.parse().ok());
    runtime.block_on(measure(projects.unwrap_or(10_000)));
}

async fn measure(projects: u64) {
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "pages").await;
    database.run(DOCUMENTS).await;
    let receiver = Counter::start().await;
    receiver.refuse(true);
    let settings = format!(
        "[delivery]\nretry_schedule = [\"1h\"]\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    );
    let mut sidecar = Sidecar::start(&database, &settings).await;
    database
        .run(&format!(
            "DO $$ BEGIN FOR t IN 0..99 LOOP
                INSERT INTO documents (id, key, project_id, title)
                    SELECT t * {projects} + g, 'key-' || t * {projects} + g, 'project-' || g, 'title'
                    FROM generate_series(1, {projects}) g;
                COMMIT;
            END LOOP; END $$"
        ))
        .await;
    let end = database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
    sidecar.reached(&end).await;
    let attempted = async || (receiver.refused() >= projects).then_some(());
    until_within(Duration::from_mins(10), "an attempt of each lane", attempted).await;
    sidecar.stop().await;
    log_attempts(&sidecar, 99);
    let began = Instant::now();
    sidecar.spawn();
    sidecar.ready().await;
    println!("ready after {:.2} s, {:.0} MiB", began.elapsed().as_secs_f64(), resident_mib(sidecar.pid()));
    println!("{:<70} {:>6} {:>9} {:>9} {:>9}", "GET", "status", "p50 ms", "max ms", "KiB");
    for path in PATHS {
        get(&sidecar, path);
    }
    let after = resident_mib(sidecar.pid());
    // The pace of giving memory back.
    tokio::time::sleep(Duration::from_secs(30)).await;
    println!(
        "{after:.0} MiB after them, {:.0} MiB half a minute later, {} MiB at most",
        resident_mib(sidecar.pid()),
        sidecar.peak_memory() >> 20
    );
}

/// Logs so many more failed attempts for each lane, in its spool.
fn log_attempts(sidecar: &Sidecar, attempts: u32) {
    let options = Options { bytes_max: 1 << 40, retain: Duration::from_hours(1_000) };
    let opened = Spool::open(&sidecar.spool(), options).unwrap();
    let now = Timestamp(jiff::Timestamp::now().as_microsecond());
    for number in 0..attempts {
        for lane in &opened.lanes {
            let Some(batch) = lane.batches.first() else { continue };
            let log = LoggedAttempt {
                status: Some(503),
                detail: Some("busy".to_owned()),
                ..LoggedAttempt::new(batch.attempts + number + 1, now, OutcomeKind::Status)
            };
            let attempted = Attempted {
                batch: batch.id,
                lane: lane.lane,
                log,
                fate: Fate::Failed,
                health: lane.health.clone(),
            };
            opened.spool.submit(Op::Attempted(attempted), |done| drop(done.unwrap()));
        }
    }
    opened.spool.close();
}

fn get(sidecar: &Sidecar, path: &str) {
    let (mut took, mut answer) = (Vec::new(), None);
    for _ in 0..20 {
        let began = Instant::now();
        answer = sidecar.get(path);
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let (status, body) = answer.unwrap_or_default();
    println!("{path:<70} {status:>6} {:>9.1} {:>9.1} {:>9}", took[10], took[19], body.len() >> 10);
}

const PATHS: &[&str] = &[
    "/",
    "/projects",
    "/projects?search=project-77",
    "/project?project=project-777",
    "/webhook?project=project-777&callback=ingested",
    "/document?project=project-777&id=777",
    "/api/v1/projects/project-777",
    "/deliveries",
    "/deliveries?project=project-777",
    "/deliveries?project=project-777&document=777",
    "/deliveries?project=project-777&key=key-777",
    "/dead-letters",
    "/replay",
    "/table",
    "/tail",
    "/audit",
    "/doctor",
    "/settings",
    "/api/v1/status",
    "/api/v1/webhooks",
    "/api/v1/deliveries",
    "/api/v1/deliveries?project=project-777",
    "/api/v1/deliveries?project=project-777&document=777",
    "/api/v1/projects/project-777/documents/777",
    "/api/v1/projects/project-777/records?callback=ingested",
    "/api/v1/dead-letters",
    "/metrics",
];
