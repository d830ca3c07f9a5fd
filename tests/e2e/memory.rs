//! Memory has limits that no transaction, backlog or number of documents moves.

use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

/// Every document's labels are changed in one transaction. Its groups, the records that wait for a receiver that
/// is down, and the documents of the shadow are all many times what may be held of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_takes_no_more_memory_than_its_buffers() {
    let [small, large] = [1_000, 80_000].map(peak_memory);
    let (small, large) = (small.await, large.await);
    println!("peak memory: {small} MiB for 1,000 documents, {large} MiB for 80,000");
    assert!(large <= small + BUFFERS_MIB, "{small} MiB grew to {large} MiB");
}

/// The peak in MiB of a sidecar that reads a transaction which changes so many documents.
async fn peak_memory(documents: usize) -> u64 {
    let database = Database::new(15, "memory").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Answer::Status(503));
    let webhook = format!(
        "[delivery]\nretry_schedule = [\"1h\"]\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    );
    let sidecar = Sidecar::start(&database, &webhook).await;
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id, labels)
             SELECT g, 'k' || g, 'p' || g % 7, ARRAY[repeat('x', {LABEL_BYTES}) || g] FROM generate_series(1, {documents}) g"
        ))
        .await;
    database.run("UPDATE documents SET labels = ARRAY[labels[1], 'new']").await;
    let all = u64::try_from(2 * documents).unwrap();
    until("every record in the spool", async || {
        let status = sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        let pending = |lane: &serde_json::Value| lane["pending"]["records"].as_u64();
        (lanes.iter().filter_map(pending).sum::<u64>() == all).then_some(())
    })
    .await;
    sidecar.peak_memory() >> 20
}

const LABEL_BYTES: usize = 1_500;
/// All limits together: the blocks that were read (8 MiB), the group that is filled and two that wait for the
/// disk (4 MiB each), the shadow's cache (24 MiB), the lanes' chunks (16 MiB), and the index of documents.
/// 80,000 documents and their changes are 360 MB.
const BUFFERS_MIB: u64 = 96;
