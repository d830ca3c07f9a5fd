//! Warnings at a start: the true cause of a gap, and none where nothing is wrong.

use crate::operations::fixture::{output_text, release, run, settings};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

fn warnings(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_and_then_run_warns_of_nothing_and_a_lost_spool_is_warned_of_once() {
    for version in VERSIONS {
        let database = Database::new(version, "operations_setup").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, &settings(&receiver, ""));
        let made = run(&sidecar, &["setup"]).await;
        assert!(made.status.success(), "{}", output_text(&made));
        database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
        sidecar.spawn();
        sidecar.ready().await;
        assert_eq!(warnings(&sidecar.log()), Vec::<&str>::new());
        database.run("INSERT INTO documents (id, project_id) VALUES (2, 'p')").await;
        until("a delivery", async || (receiver.records_taken() > 0).then_some(())).await;
        assert!(sidecar.stop().await.success());
        // Again, with all that is there.
        sidecar.spawn();
        sidecar.ready().await;
        assert!(sidecar.stop().await.success());
        assert_eq!(warnings(&sidecar.log()), Vec::<&str>::new());
        // The slot was read from, and the spool is gone: what it held is worth a warning.
        std::fs::remove_dir_all(sidecar.spool()).unwrap();
        sidecar.spawn();
        sidecar.ready().await;
        let log = sidecar.log();
        let message = warnings(&log);
        assert!(message.len() == 1 && message[0].contains("what an earlier spool held"), "{message:?}");
        assert!(sidecar.stop().await.success());
        release(&database).await;
        sidecar.spawn();
        sidecar.ready().await;
        let last = sidecar.resync_status().unwrap();
        assert!(last["why"].as_str().unwrap().contains("is missing (it was dropped"), "{last}");
        sidecar.stop().await;
        release(&database).await;
    }
}
