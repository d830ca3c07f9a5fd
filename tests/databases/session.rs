//! Ordinary sessions that the server ends, while the stream goes on.

use serde_json::Value;

use crate::databases::helpers::{close, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

/// When the slot was last read from the server.
fn queried_at(sidecar: &Sidecar) -> Option<Value> {
    Some(sidecar.status()?["source"]["slot_asked_at"].clone()).filter(Value::is_string)
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_sessions_that_were_ended_are_made_again_and_figures_stay_current() {
    for version in VERSIONS {
        let database = Database::new(version, "session").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &to(&receiver)).await;
        let streams = "SELECT count(*)::text FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'walsender'";
        let connections = || sidecar.metric("sidecar_replication_connections_total");
        until("the first figures", async || queried_at(&sidecar)).await;
        let before = (database.text(streams).await, connections());
        for round in 0..2 {
            // Its own session aside, what is no walsender is the sidecar's.
            let ended = until("sessions to end", async || {
                database
                    .text(
                        "SELECT nullif(count(pg_terminate_backend(pid)), 0)::text FROM pg_stat_activity
                         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                    )
                    .await
            })
            .await;
            assert!(!ended.is_empty());
            let at_the_end = queried_at(&sidecar);
            until("figures that are newer", async || {
                queried_at(&sidecar).filter(|now| Some(now) != at_the_end.as_ref())
            })
            .await;
            let status = sidecar.status().unwrap();
            assert!(status["source"]["retained_bytes"].is_u64(), "{round}: {status}");
            assert_eq!(status["source"]["state"], "streaming", "{round}");
        }
        assert_eq!((database.text(streams).await, connections()), before, "the stream went on");
        let (_, metrics) = sidecar.get("/metrics").unwrap();
        let shown = |line: &&str| line.starts_with("sidecar_slot_retained_bytes");
        let line = metrics.lines().find(shown).unwrap();
        assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
        assert!(!line.contains('{'), "its name is what it was: {line}");
        close(sidecar, &database).await;
    }
}
