//! Comparisons under writers: what the stream has is sent once, and no other difference is found.

use crate::resync::fixture::settings;
use crate::support::check::check;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::model::Expected;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::workload::Writer;
use crate::support::{VERSIONS, until};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_busy_table_a_comparison_finds_nothing_that_the_stream_delivers() {
    for version in VERSIONS {
        let seed = u64::from(rand::random::<u32>());
        println!("seed {seed}");
        let database = Database::new(version, "busy").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &settings(&receiver)).await;
        let (finish, finished) = tokio::sync::watch::channel(false);
        let mut writers = Vec::new();
        for number in 1..=3 {
            let (client, finished) = (database.session().await, finished.clone());
            writers.push(tokio::spawn(async move {
                let mut writer = Writer::new(seed, number);
                while !*finished.borrow() {
                    writer.transaction(&client, 6).await;
                }
                writer.model
            }));
        }
        for _ in 0..12 {
            let mut command = sidecar.command("resync");
            let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(done.status.success(), "{done:?}");
            let message = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(message.contains("sends 0 ingested, 0 modified, 0 excluded"), "{message}");
        }
        finish.send(true).unwrap();
        let mut expected: Vec<Expected> = Vec::new();
        for writer in writers {
            expected.extend(writer.await.unwrap().records);
        }
        let report = until("every record", async || {
            let report = check(&expected, &receiver.received());
            (report.records >= expected.len()).then_some(report)
        })
        .await;
        println!("12 comparisons, {} records, {report:?}", expected.len());
        assert!(report.is_clean(), "PostgreSQL {version}: {report:?}");
    }
}
