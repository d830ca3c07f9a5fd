//! SIGKILL at random moments of a random workload: nothing lost, nothing changed, nothing out of order.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::support::check::check;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::model::{Expected, Model};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::workload::Writer;
use crate::support::{VERSIONS, until};

fn settings(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 5\nrecords_max = 20\n[delivery]\nretry_schedule = [\"20ms\", \"50ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

fn seed() -> u64 {
    let seed = std::env::var("SIDECAR_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(rand::random::<u32>()));
    println!("seed {seed} (SIDECAR_TEST_SEED={seed} runs it again)");
    seed
}

/// Every record of the writers, each project's in commit order.
fn expected(models: &[Model]) -> Vec<Expected> {
    models.iter().flat_map(|model| model.records.clone()).collect()
}

async fn write(database: &Database, seed: u64, writers: i64, transactions: usize) -> Vec<Model> {
    let mut tasks = Vec::new();
    for number in 1..=writers {
        let client = database.session().await;
        tasks.push(tokio::spawn(async move {
            let mut writer = Writer::new(seed, number);
            for _ in 0..transactions {
                writer.transaction(&client, 6).await;
            }
            writer.model
        }));
    }
    let mut models = Vec::new();
    for task in tasks {
        models.push(task.await.unwrap());
    }
    models
}

async fn all_arrive(receiver: &Receiver, expected: &[Expected], what: &str) {
    let checked = async || {
        let report = check(expected, &receiver.received());
        assert_eq!(report.changed_batches + report.wrong_project, 0, "{what}: {report:?}");
        (report.records >= expected.len()).then_some(report)
    };
    let report = until(&format!("{} records ({what})", expected.len()), checked).await;
    println!("{what}: {} records, {report:?}", expected.len());
    assert!(report.is_clean(), "{what}: {report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_what_the_model_says() {
    for version in VERSIONS {
        let seed = seed();
        let database = Database::new(version, "model").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let unlucky: u64 = rng.random_range(3..9);
        // Some requests are refused: what follows waits, and overtakes nothing.
        receiver.answers(move |request| {
            let digit = request.header("webhook-id").bytes().last().map_or(0, u64::from);
            let first = request.header("sidecar-attempt") == "1";
            Answer::Status(if first && digit % unlucky == 0 { 503 } else { 204 })
        });
        let _sidecar = Sidecar::start(&database, &settings(&receiver)).await;
        let models = write(&database, seed, 3, 150).await;
        all_arrive(&receiver, &expected(&models), &format!("model, PostgreSQL {version}, seed {seed}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_and_change_nothing() {
    let seed = seed();
    let database = Database::new(15, "kills").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &settings(&receiver)).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let url = database.url.clone();
    let writing = tokio::spawn(async move {
        let database = database;
        let models = write(&database, seed, 3, 700).await;
        (database, models)
    });
    for _ in 0..50 {
        // The pace of the kills is drawn.
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..250))).await;
        sidecar.kill();
        sidecar.spawn();
    }
    let (_database, models) = writing.await.unwrap();
    sidecar.ready().await;
    all_arrive(&receiver, &expected(&models), &format!("50 kills, {url}, seed {seed}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_inside_a_large_transaction_lose_nothing() {
    let seed = seed();
    let database = Database::new(18, "large").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let settings = settings(&receiver).replace("records_max = 20", "records_max = 500");
    let mut sidecar = Sidecar::start(&database, &settings).await;
    let rows = 60_000;
    database
        .run(&format!(
            "BEGIN; INSERT INTO documents (id, key, project_id) SELECT g, 'k', 'p' || g % 4 FROM generate_series(1, {rows}) g; \
             UPDATE documents SET labels = '{{x}}' WHERE id <= {rows} / 2; COMMIT"
        ))
        .await;
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..10 {
        // The pace of the kills is drawn.
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..400))).await;
        sidecar.kill();
        sidecar.spawn();
    }
    sidecar.ready().await;
    let mut model = Vec::new();
    let record = |callback, id: i64, json| Expected {
        project: format!("p{}", id % 4),
        callback,
        id: id.to_string(),
        json,
    };
    for id in 1..=rows {
        model.push(record("ingested", id, serde_json::json!({"id": id.to_string(), "key": "k"})));
    }
    for id in 1..=rows / 2 {
        let json = serde_json::json!({"id": id.to_string(), "key": "k", "labels": ["x"]});
        model.push(record("modified", id, json));
    }
    all_arrive(&receiver, &model, &format!("kills inside a transaction of 90,000 changes, seed {seed}"))
        .await;
}
