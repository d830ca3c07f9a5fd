//! What an idle sidecar takes: new, after work, and with 30,000 lanes.

use std::time::{Duration, Instant};

use super::counter::Counter;
use super::process::{resident_mib, run_seconds};
use super::row::{Program, Row, Run};
use super::support::database::{DOCUMENTS, Database};
use super::support::process::Sidecar;
use super::support::server::Server;
use super::support::until_within;

const PART: &str = "at rest";
/// How long an idle process is watched.
const WATCHED: Duration = Duration::from_secs(10);

pub async fn measure(run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for program in &run.programs {
        if run.includes("idle, 20 projects") {
            rows.push(small(run, program).await);
        }
        if run.includes("idle, 30,000 lanes") {
            rows.extend(large(program).await);
        }
    }
    rows
}

/// Starts empty, drains a backlog, and rests.
async fn small(run: &Run, program: &Program) -> Row {
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "idle").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let mut sidecar = prepare(&database, program, &counter);
    sidecar.spawn();
    sidecar.ready().await;
    sidecar.stop().await;
    let began = Instant::now();
    sidecar.spawn();
    while sidecar.get("/-/ready").is_none_or(|(status, _)| status != 200) {
        // The pace of looking, and so the resolution of the measured time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ready = began.elapsed().as_secs_f64() * 1e3;
    let new = resident_mib(sidecar.pid());
    database.run(&insert(run.changes / 20, 20)).await;
    counter.until(run.changes / 20 * 20).await;
    let (cpu, after) = rest(&sidecar).await;
    let names =
        [("ready", " ms"), ("memory, new", " MiB"), ("memory after work", " MiB"), ("CPU", " % of a core")];
    Row::of(PART, "idle, 20 projects", program, &names, vec![vec![ready, new, after, cpu]])
        .reach("memory after work ≤ 15 MiB, CPU ≤ 0.05 %", |row| {
            row.figure("memory after work") <= 15.0 && row.figure("CPU") <= 0.05
        })
}

async fn large(program: &Program) -> Vec<Row> {
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "lanes").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    let mut sidecar = prepare(&database, program, &counter);
    sidecar.spawn();
    sidecar.ready().await;
    database.run(&insert(1, 10_000)).await;
    database.run("UPDATE documents SET labels = '{b}'").await;
    database.run("DELETE FROM documents").await;
    counter.until(30_000).await;
    sidecar.stop().await;
    sidecar.spawn();
    sidecar.ready().await;
    let (cpu, memory) = rest(&sidecar).await;
    let metrics = took(&sidecar, "/metrics");
    let names = [("memory", " MiB"), ("CPU", " % of a core"), ("/metrics", " ms")];
    let row = Row::of(PART, "idle, 30,000 lanes", program, &names, vec![vec![memory, cpu, metrics]])
        .reach("memory ≤ 64 MiB, CPU ≤ 0.1 %, /metrics ≤ 10 ms", |row| {
            row.figure("memory") <= 64.0 && row.figure("CPU") <= 0.1 && row.figure("/metrics") <= 10.0
        });
    // The same while changes are drained.
    let documents = 40 * 10_000;
    database.run(&insert(40, 10_000)).await;
    let mut pages = [("/metrics", Vec::new()), ("/", Vec::new()), ("/deliveries", Vec::new())];
    while counter.records() < 30_000 + documents {
        for (path, taken) in &mut pages {
            taken.push(took(&sidecar, path));
        }
        // The pace of readers of pages.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let figures = pages.iter_mut().map(|(_, taken)| {
        taken.sort_by(f64::total_cmp);
        taken.get(taken.len() / 2).copied().unwrap_or(f64::NAN)
    });
    let names = [("/metrics", " ms"), ("/", " ms"), ("/deliveries", " ms")];
    vec![row, Row::of(PART, "pages while 30,000 lanes are drained", program, &names, vec![figures.collect()])]
}

fn prepare(database: &Database, program: &Program, counter: &Counter) -> Sidecar {
    let webhook = format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n", counter.url);
    let mut sidecar = Sidecar::prepare(database, &webhook);
    sidecar.program.clone_from(&program.path);
    sidecar
}

/// Transactions of one document of each project, after those that there are.
fn insert(transactions: u64, projects: u64) -> String {
    format!(
        "DO $$ DECLARE first bigint := coalesce((SELECT max(id) FROM documents), 0); BEGIN FOR t IN 0..{transactions} - 1 LOOP
            INSERT INTO documents (id, key, project_id, title)
                SELECT first + t * {projects} + g, 'key', 'project-' || g, 'title' FROM generate_series(1, {projects}) g;
            COMMIT;
        END LOOP; END $$"
    )
}

/// Per cent of a core, and MiB, of a process that has nothing to do any more.
async fn rest(sidecar: &Sidecar) -> (f64, f64) {
    until_within(Duration::from_mins(2), "the end of its work", async || {
        let before = run_seconds(sidecar.pid());
        // The pace of looking.
        tokio::time::sleep(Duration::from_secs(2)).await;
        (run_seconds(sidecar.pid()) - before < 0.1).then_some(())
    })
    .await;
    // The pace of an idle process: its caches are given back meanwhile.
    tokio::time::sleep(WATCHED).await;
    let before = run_seconds(sidecar.pid());
    // The pace of an idle process, watched.
    tokio::time::sleep(WATCHED).await;
    let cpu = (run_seconds(sidecar.pid()) - before) / WATCHED.as_secs_f64() * 100.0;
    (cpu, resident_mib(sidecar.pid()))
}

/// The median time of a request, in milliseconds.
fn took(sidecar: &Sidecar, path: &str) -> f64 {
    let mut taken: Vec<f64> = (0..5)
        .map(|_| {
            let began = Instant::now();
            sidecar.get(path);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[2]
}
