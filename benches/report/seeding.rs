//! The first start beside a table that has documents.

use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;

use super::process::{cpu_seconds, peak_mib};
use super::row::{Row, Run};
use super::support::database::{DOCUMENTS, Database};
use super::support::process::Sidecar;
use super::support::server::Server;
use super::support::until_within;

pub async fn measure(run: &Run) -> Vec<Row> {
    let documents = run.changes * 2;
    let work = format!("the first start beside {documents} documents");
    if !run.includes(&work) {
        return Vec::new();
    }
    let server = Server::start(15, "max_wal_size = '16GB'\nshared_buffers = '256MB'");
    let database = Database::on(&server, 15, "seeding").await;
    database.run(DOCUMENTS).await;
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id, title, body, labels)
             SELECT g, 'k' || g, 'p' || g % 20, 'title ' || g, repeat(md5(g::text), 30), ARRAY['a', 'b' || g % 7]
             FROM generate_series(1, {documents}) g; ANALYZE documents;"
        ))
        .await;
    let mut rounds = vec![Vec::new(); run.programs.len()];
    for _ in 0..run.rounds {
        let bare = copy(&database).await;
        for (program, rounds) in run.programs.iter().zip(&mut rounds) {
            let mut sidecar = Sidecar::prepare(
                &database,
                "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"http://127.0.0.1:9/\"\n",
            );
            sidecar.program.clone_from(&program.path);
            let began = Instant::now();
            sidecar.spawn();
            let is_done = async || {
                let status = sidecar.status()?;
                (status["source"]["state"] == "streaming").then_some(())
            };
            until_within(Duration::from_mins(10), "the first start", is_done).await;
            let took = began.elapsed().as_secs_f64();
            let each = 1e6 / documents as f64;
            let rate = documents as f64 / took;
            rounds.push(vec![rate, bare / took, cpu_seconds(sidecar.pid()) * each, peak_mib(sidecar.pid())]);
            sidecar.stop().await;
            database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
        }
    }
    let names = [("rate", " documents/s"), ("ratio", " of COPY"), ("CPU", " µs"), ("memory", " MiB")];
    let row = |(program, rounds)| {
        Row::of("starts", &work, program, &names, rounds)
            .reach("ratio ≥ 0.5 of COPY", |row| row.figure("ratio") >= 0.5)
    };
    run.programs.iter().zip(rounds).map(row).collect()
}

/// Seconds that a bare `COPY` of the same columns takes.
async fn copy(database: &Database) -> f64 {
    let began = Instant::now();
    let rows = database.client.copy_out(
        "COPY (SELECT id, key, project_id, title, body, labels, predicted_labels, similarity, deleted_at FROM documents) TO STDOUT",
    );
    let mut rows = std::pin::pin!(rows.await.unwrap());
    while rows.try_next().await.unwrap().is_some() {}
    began.elapsed().as_secs_f64()
}
