//! A resync of a project whose webhook SIGHUP added or removed.

use crate::resync::fixture::Fixture;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

/// A webhook for each of these projects, and no other.
fn webhooks(receiver: &Receiver, projects: &[&str]) -> String {
    let webhook = |project: &&str| {
        format!("[[webhook]]\nproject = \"{project}\"\ncallback = \"*\"\nurl = \"{}/\"\n", receiver.url)
    };
    "[batch]\nwait_max_ms = 5\n".to_owned() + &projects.iter().map(webhook).collect::<String>()
}

/// Capture, delivery, resync and status read the same webhooks.
#[tokio::test(flavor = "multi_thread")]
async fn as_ingested_follows_the_webhooks_that_sighup_applied() {
    let database = Database::new(15, "reloaded").await;
    database.run(DOCUMENTS).await;
    database
        .run("INSERT INTO documents (id, project_id) SELECT g, 'p' || g % 2 FROM generate_series(1, 20) g")
        .await;
    let receiver = Receiver::start().await;
    let sidecar = Sidecar::start(&database, &webhooks(&receiver, &["p0"])).await;
    let fixture = Fixture { database, receiver, sidecar };
    let of_p1 = ["--as-ingested", "--project", "p1"];
    let refused = fixture.resync(&of_p1).await;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("no webhook is configured"), "{why}");

    fixture.sidecar.configure(&fixture.database, &webhooks(&fixture.receiver, &["p0", "p1"]));
    fixture.sidecar.signal("HUP");
    until("the resync to be accepted", async || fixture.resync(&of_p1).await.status.success().then_some(()))
        .await;
    until("its records", async || (fixture.delivered().len() >= 10).then_some(())).await;
    let delivered = fixture.delivered();
    assert!(
        delivered.iter().all(|(project, callback, _)| project == "p1" && callback == "ingested"),
        "{delivered:?}"
    );

    fixture.sidecar.configure(&fixture.database, &webhooks(&fixture.receiver, &["p0"]));
    fixture.sidecar.signal("HUP");
    until("the resync to be refused", async || {
        (!fixture.resync(&of_p1).await.status.success()).then_some(())
    })
    .await;
}
