//! Memory has limits that no transaction, backlog or number of documents moves.

use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

/// Every document's labels are changed in one transaction. Its groups, the records that wait for a receiver that
/// is down, and the documents of the shadow are all many times what may be held of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_takes_no_more_memory_than_its_buffers() {
    let wide = Documents { count: 80_000, label_bytes: 1_500, key_bytes: 1 };
    peaks_alike(wide).await;
}

/// The shadow keeps each document's key. The keys together are many times its cache.
#[tokio::test(flavor = "multi_thread")]
async fn large_entries_of_the_shadow_take_no_more_memory_than_its_cache() {
    let long_keys = Documents { count: 40_000, label_bytes: 1, key_bytes: 6_000 };
    peaks_alike(long_keys).await;
}

/// A silent first start makes no record: only the entries tell how large a group is.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_beside_large_entries_takes_no_more_memory_than_its_buffers() {
    let long_keys = Documents { count: 40_000, label_bytes: 1, key_bytes: 6_000 };
    let few = Documents { count: 1_000, ..long_keys };
    let (small, large) = (peak_of_first_start(few).await, peak_of_first_start(long_keys).await);
    println!("peak memory of a first start: {small} MiB for {few:?}, {large} MiB for {long_keys:?}");
    assert!(large <= small + FIRST_START_MIB, "{small} MiB grew to {large} MiB");
}

#[derive(Clone, Copy, Debug)]
struct Documents {
    count: usize,
    label_bytes: usize,
    key_bytes: usize,
}

/// The peak over all of these documents is the peak over a few of them.
async fn peaks_alike(documents: Documents) {
    let few = Documents { count: 1_000, ..documents };
    let (small, large) = (peak_memory(few).await, peak_memory(documents).await);
    println!("peak memory: {small} MiB for {few:?}, {large} MiB for {documents:?}");
    assert!(large <= small + BUFFERS_MIB, "{small} MiB grew to {large} MiB");
}

/// The peak in MiB of a sidecar that reads one transaction which inserts these documents, and one which changes
/// them all.
async fn peak_memory(documents: Documents) -> u64 {
    let database = Database::new(15, "memory").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Answer::Status(503));
    let webhook = format!(
        "[delivery]\nretry_schedule = [\"1h\"]\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    );
    let sidecar = Sidecar::start(&database, &webhook).await;
    database.run(&documents.insert()).await;
    database.run("UPDATE documents SET labels = ARRAY[labels[1], 'new']").await;
    let all = u64::try_from(2 * documents.count).unwrap();
    until("every record in the spool", async || {
        let status = sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        let pending = |lane: &serde_json::Value| lane["pending"]["records"].as_u64();
        (lanes.iter().filter_map(pending).sum::<u64>() == all).then_some(())
    })
    .await;
    sidecar.peak_memory() >> 20
}

/// The peak in MiB of a sidecar that starts beside these documents.
async fn peak_of_first_start(documents: Documents) -> u64 {
    let database = Database::new(15, "memory_start").await;
    database.run(DOCUMENTS).await;
    database.run(&documents.insert()).await;
    Sidecar::start(&database, "").await.peak_memory() >> 20
}

impl Documents {
    fn insert(self) -> String {
        let Self { count, label_bytes, key_bytes } = self;
        format!(
            "INSERT INTO documents (id, key, project_id, labels)
             SELECT g, repeat('k', {key_bytes}) || g, 'p' || g % 7, ARRAY[repeat('x', {label_bytes}) || g]
             FROM generate_series(1, {count}) g"
        )
    }
}

/// Of a first start: the shadow's cache (24 MiB), the entries of two groups (8 MiB each), and `SQLite`'s page caches.
const FIRST_START_MIB: u64 = 80;
/// All limits together: the blocks that were read (8 MiB), the group that is filled and two that wait for the
/// disk (4 MiB of records and 8 MiB of entries each), the shadow's cache (24 MiB), the lanes' chunks (16 MiB), the page
/// caches of `SQLite` (24 MiB), and the index of documents. 80,000 documents and their changes are 360 MB; the entries
/// of 40,000 long keys 240 MB.
const BUFFERS_MIB: u64 = 112;
