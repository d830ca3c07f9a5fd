//! How long a lone record of one project takes beside the backlog of another, against alone.
//!
//! Prints a table and fails on nothing: figures from one run, of which the ratios are to be quoted.
//! `SIDECAR_BENCH_BACKLOG` (default 1,000,000) is the number of records of the backlog, `SIDECAR_BENCH_WAIT_MS`
//! (default 0) the `wait_max_ms` of both projects.

#![allow(
    clippy::cast_possible_truncation,
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
#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use counter::Counter;
use support::database::{DOCUMENTS, Database};
use support::process::Sidecar;
use support::server::Server;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let backlog = number("SIDECAR_BENCH_BACKLOG", 1_000_000);
    runtime.block_on(async {
        let mut bench = Bench::start(number("SIDECAR_BENCH_WAIT_MS", 0)).await;
        println!("\na lone record, from its commit to its arrival, of {SAMPLES} records at most");
        let alone = bench.lone("alone", None).await;
        bench.spool(backlog, &["bulk"]).await;
        let failing = bench.lone("beside a backlog whose receiver refuses it", None).await;
        bench.bulk.refuse(false);
        let beside = bench.lone("beside the backlog of one project", Some(backlog)).await;
        bench.drained(backlog).await;
        let many: Vec<String> = (0..40).map(|number| format!("bulk-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        bench.spool(backlog, &many).await;
        bench.bulk.refuse(false);
        let among = bench.lone("beside the backlogs of 40 projects", Some(backlog * 2)).await;
        println!(
            "ratio of the p99 to alone: refused {:.2}, one project {:.2}, 40 projects {:.2}",
            failing / alone,
            beside / alone,
            among / alone
        );
    });
}

struct Bench {
    _server: Server,
    database: Database,
    sidecar: Sidecar,
    lone: Counter,
    bulk: Counter,
    last_id: i64,
}

impl Bench {
    async fn start(wait_max_ms: u64) -> Self {
        let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
        let database = Database::on(&server, 15, "fairness").await;
        database.run(DOCUMENTS).await;
        let (lone, bulk) = (Counter::start().await, Counter::start().await);
        let webhook = |project: &str, url: &str| {
            format!("[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{url}/\"\n")
        };
        let settings = format!(
            "[batch]\nwait_max_ms = {wait_max_ms}\n[delivery]\nretry_schedule = [\"200ms\"]\n{}{}",
            webhook("lone", &lone.url),
            webhook("*", &bulk.url)
        );
        let sidecar = Sidecar::start(&database, &settings).await;
        Self { _server: server, database, sidecar, lone, bulk, last_id: 0 }
    }

    /// So many records of these projects are spooled, and none is delivered.
    async fn spool(&mut self, records: u64, projects: &[&str]) {
        self.bulk.refuse(true);
        let (first, count) = (self.last_id + 1, projects.len());
        self.last_id += records.cast_signed();
        let names = projects.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",");
        let insert = format!(
            "DO $$ BEGIN FOR t IN 0..{} LOOP
                INSERT INTO documents (id, key, project_id, title)
                    SELECT g, 'key-' || g, (ARRAY[{names}])[1 + g % {count}], 'title'
                    FROM generate_series({first} + t * 1000, least({first} + t * 1000 + 999, {})) g;
                COMMIT;
            END LOOP; END $$",
            (records - 1) / 1000,
            self.last_id
        );
        self.database.run(&insert).await;
        let end = self.database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
        self.sidecar.reached(&end).await;
    }

    async fn drained(&self, records: u64) {
        self.bulk.until(records).await;
    }

    /// The p99 in milliseconds. `backlog`: how many records of others have come when their backlog is at its
    /// end, and with it the measurement.
    async fn lone(&mut self, what: &str, backlog: Option<u64>) -> f64 {
        let insert = "INSERT INTO documents (id, key, project_id, title) VALUES ($1::int8, 'k', 'lone', 't')";
        let insert = self.database.client.prepare(insert).await.unwrap();
        let (known, bulk_before) = (self.lone.records(), self.bulk.records());
        let (began, mut committed) = (Instant::now(), HashMap::new());
        while committed.len() < SAMPLES && backlog.is_none_or(|end| self.bulk.records() < end) {
            self.last_id += 1;
            self.database.client.execute(&insert, &[&self.last_id]).await.unwrap();
            committed.insert(self.last_id as u64, Instant::now());
            // A lone record: the one before has come.
            self.lone.until(known + committed.len() as u64).await;
            // The pace of the project.
            tokio::time::sleep(Duration::from_micros(7_300)).await;
        }
        let rate = (self.bulk.records() - bulk_before) as f64 / began.elapsed().as_secs_f64();
        let arrived = self.lone.arrived();
        let took =
            arrived.iter().filter_map(|(id, at)| Some(at.saturating_duration_since(*committed.get(id)?)));
        let mut took: Vec<f64> = took.map(|took| took.as_secs_f64() * 1e3).collect();
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        println!(
            "{what:<44} p50 {:>7.2} ms  p95 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms  {:>5} records, {rate:>8.0} others/s",
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0),
            took.len()
        );
        at(0.99)
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

const SAMPLES: usize = 1_000;
