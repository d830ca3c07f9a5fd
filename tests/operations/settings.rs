//! The settings that the file has, and those that the process uses meanwhile.

use serde_json::Value;

use crate::operations::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;

/// The value of a setting in the file, and the one that is in use where that is another.
fn shown(sidecar: &Sidecar, name: &str) -> (String, Option<String>) {
    let (status, body) = sidecar.get("/api/v1/settings").unwrap();
    assert_eq!(status, 200, "{body}");
    let list: Value = serde_json::from_str(&body).unwrap();
    let settings = list["settings"].as_array().unwrap();
    let setting = settings.iter().find(|setting| setting["name"] == name).unwrap();
    (setting["value"].as_str().unwrap().to_owned(), setting["at_start"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sighup_applied_is_in_use_and_all_else_waits_for_a_restart() {
    let database = Database::new(15, "settings_in_use").await;
    database.run(DOCUMENTS).await;
    // `[spool]` comes before.
    let settings =
        |retain: &str, records: u32| format!("retain = \"{retain}\"\n[batch]\nrecords_max = {records}\n");
    let mut sidecar = Sidecar::start(&database, &settings("2h", 7)).await;
    assert_eq!(shown(&sidecar, "batch.records_max"), ("7".to_owned(), None));
    sidecar.configure(&database, &settings("3h", 8));
    assert_eq!(shown(&sidecar, "batch.records_max"), ("8".to_owned(), Some("7".to_owned())));
    let other = ("\"3h\"".to_owned(), Some("\"2h\"".to_owned()));
    assert_eq!(shown(&sidecar, "spool.retain"), other);
    let page = sidecar.get("/settings?search=records_max").unwrap().1;
    assert!(page.contains("in use: 7"), "{page}");
    sidecar.reload(&database, &settings("3h", 8)).await;
    assert_eq!(shown(&sidecar, "batch.records_max"), ("8".to_owned(), None));
    assert_eq!(shown(&sidecar, "spool.retain"), other);
    sidecar.stop().await;
    sidecar.spawn();
    sidecar.ready().await;
    assert_eq!(shown(&sidecar, "spool.retain"), ("\"3h\"".to_owned(), None));
    sidecar.stop().await;
    release(&database).await;
}
