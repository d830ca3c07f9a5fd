//! A start after a kill, with many records pending.

use std::time::{Duration, Instant};

use super::counter::Counter;
use super::process::cpu_seconds;
use super::row::{Program, Row, Run};
use super::support::database::{DOCUMENTS, Database};
use super::support::process::Sidecar;
use super::support::server::Server;
use super::support::until_within;

pub async fn measure(run: &Run) -> Vec<Row> {
    let pending = run.changes * 5;
    let work = format!("a start after a kill, {pending} records pending");
    if !run.includes(&work) {
        return Vec::new();
    }
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let mut rows = Vec::new();
    for program in &run.programs {
        let rounds = of(run, program, &server, pending).await;
        let names = [("ready", " s"), ("first request", " s"), ("CPU", " s")];
        let row = Row::of("starts", &work, program, &names, rounds);
        rows.push(row.reach("first request ≤ 0.5 s", |row| row.figure("first request") <= 0.5));
    }
    rows
}

async fn of(run: &Run, program: &Program, server: &Server, pending: u64) -> Vec<Vec<f64>> {
    let database = Database::on(server, 15, "start").await;
    database.run(DOCUMENTS).await;
    let counter = Counter::start().await;
    // Every lane has a request under way when the process is killed, which the next one makes again at once: a lane that
    // was refused would wait for its retry.
    counter.delay(Duration::from_hours(1));
    let webhook = format!(
        "[delivery]\ntimeout_ms = 3_600_000\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        counter.url
    );
    let mut sidecar = Sidecar::prepare(&database, &webhook);
    sidecar.program.clone_from(&program.path);
    sidecar.spawn();
    sidecar.ready().await;
    let sql = format!(
        "DO $$ BEGIN FOR t IN 1..{} LOOP
            INSERT INTO documents (id, key, project_id, title)
                SELECT (t - 1) * 1000 + g, 'key', 'project-' || g % 20, 'title' FROM generate_series(1, 1000) g;
            COMMIT;
        END LOOP; END $$",
        pending / 1_000
    );
    database.run(&sql).await;
    let end = database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
    let reached = async || {
        let status = sidecar.status()?;
        let position: sidecar::position::Lsn = status["source"]["whole_lsn"].as_str()?.parse().ok()?;
        (position >= end.parse().unwrap()).then_some(())
    };
    until_within(Duration::from_mins(10), "the records to be pending", reached).await;
    let mut rounds = Vec::new();
    for _ in 0..run.rounds {
        sidecar.kill();
        let received = counter.quiet().await;
        let began = Instant::now();
        sidecar.spawn();
        let (mut ready, mut requested) = (None, None);
        while ready.is_none() || requested.is_none() {
            let took = began.elapsed().as_secs_f64();
            assert!(took < 600.0, "ready {ready:?}, first request {requested:?}");
            if ready.is_none() && sidecar.get("/-/ready").is_some_and(|(status, _)| status == 200) {
                ready = Some(took);
            }
            if requested.is_none() && counter.received() > received {
                requested = Some(took);
            }
            // The pace of looking, and so the resolution of the measured time.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rounds.push(vec![ready.unwrap(), requested.unwrap(), cpu_seconds(sidecar.pid())]);
    }
    rounds
}
