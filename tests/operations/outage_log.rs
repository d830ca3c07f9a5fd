//! A dead host is one line a minute, with what one needs to know, however many lanes it serves.

use crate::operations::fixture::{release, settings};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn many_lanes_behind_one_host_are_few_lines_and_each_change_of_class_is_one() {
    let database = Database::new(18, "operations_outage").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &settings(&receiver, "")).await;
    let lines = |log: &str, part: &str| log.lines().filter(|line| line.contains(part)).count();
    receiver.answers(|_| Answer::Status(500));
    let insert = "INSERT INTO documents (id, project_id) SELECT n, 'p' || n FROM generate_series(1, 100) n";
    database.run(insert).await;
    until("many attempts", async || (receiver.received().len() > 400).then_some(())).await;
    for status in [503, 404, 301] {
        receiver.answers(move |_| Answer::Status(status));
        let before = receiver.received().len();
        until("more attempts", async || (receiver.received().len() > before + 200).then_some(())).await;
    }
    let log = sidecar.log();
    assert_eq!(lines(&log, "a webhook fails"), 4, "one for each class: {log}");
    let host = receiver.url.trim_start_matches("http://");
    for (status, outcome) in [(500, "status"), (503, "status"), (404, "status"), (301, "redirect")] {
        let line = log.lines().find(|line| line.contains(&format!("status={status}"))).unwrap();
        for part in [host, outcome, "attempt=", "next_attempt_in=", "project=", "callback=", "lanes_failing="]
        {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
    receiver.answers(|_| Answer::Status(204));
    until("all to be taken", async || (receiver.records_taken() == 100).then_some(())).await;
    until("the end of it", async || sidecar.log().contains("lanes_failing=0").then_some(())).await;
    assert_eq!(lines(&sidecar.log(), "a webhook works again"), 2, "{}", sidecar.log());
    sidecar.stop().await;
    release(&database).await;
}
