//! Records without a webhook are dropped with a log line, and counted.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::operations::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

type Counts = BTreeMap<(String, String), u64>;

fn webhook(receiver: &Receiver, project: &str, callback: &str) -> String {
    format!(
        "[[webhook]]\nproject = \"{project}\"\ncallback = \"{callback}\"\nurl = \"{}/\"\nwait_max_ms = 0\n",
        receiver.url
    )
}

fn counts(sidecar: &Sidecar) -> Option<(u64, Counts)> {
    let status = sidecar.status()?;
    let text = |lane: &Value, name: &str| lane[name].as_str().unwrap().to_owned();
    let lanes = status["not_kept"]["lanes"].as_array()?.iter();
    let lanes = lanes
        .map(|lane| ((text(lane, "project"), text(lane, "callback")), lane["records"].as_u64().unwrap()));
    Some((status["not_kept"]["records"].as_u64()?, lanes.collect()))
}

fn required(lanes: &[(&str, &str, u64)]) -> Counts {
    lanes.iter().map(|(project, callback, n)| (((*project).into(), (*callback).into()), *n)).collect()
}

fn warnings(sidecar: &Sidecar, project: &str, callback: &str) -> usize {
    let log = sidecar.log();
    let of = log.lines().filter(|line| line.contains("records are dropped"));
    of.filter(|line| line.contains(&format!("project=\"{project}\" callback=\"{callback}\""))).count()
}

const CHANGES: &str = "
    INSERT INTO documents (id, project_id, labels) VALUES (1, 'p', '{a}'), (2, 'q', '{a}'), (3, 'q', '{a}');
    UPDATE documents SET labels = '{b}' WHERE id < 3;
    DELETE FROM documents WHERE id = 3;
    INSERT INTO documents (id, project_id) VALUES (9, 'heard')";

#[tokio::test(flavor = "multi_thread")]
async fn every_record_without_a_webhook_is_counted_and_warned_of_once() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let heard = webhook(&receiver, "heard", "*");
        let some = webhook(&receiver, "p", "ingested") + &webhook(&receiver, "*", "excluded");
        let all_three = "`ingested` records of other projects than `heard` are dropped";
        for (webhooks, lanes, doctor) in [
            (
                heard.clone(),
                vec![
                    ("p", "ingested", 1),
                    ("q", "ingested", 2),
                    ("p", "modified", 1),
                    ("q", "modified", 1),
                    ("q", "excluded", 1),
                ],
                all_three,
            ),
            (
                heard.clone() + &some,
                vec![("q", "ingested", 2), ("p", "modified", 1), ("q", "modified", 1)],
                "`modified` records of other projects than `heard` are dropped",
            ),
            (webhook(&receiver, "*", "*"), vec![], "every record has a [[webhook]]"),
        ] {
            let database = Database::new(version, "operations_not_kept").await;
            database.run(DOCUMENTS).await;
            let mut sidecar = Sidecar::start(&database, &webhooks).await;
            receiver.forget();

            database.run(CHANGES).await;
            until("the last record", async || {
                receiver.received().iter().any(|r| r.project() == "heard").then_some(())
            })
            .await;
            let (records, found) = counts(&sidecar).unwrap();
            assert_eq!(
                (records, &found),
                (lanes.iter().map(|lane| lane.2).sum(), &required(&lanes)),
                "{webhooks}"
            );
            for (project, callback, _) in &lanes {
                assert_eq!(warnings(&sidecar, project, callback), 1, "{project} {callback}");
            }
            let text = output_text(&run(&sidecar, &["status"]).await);
            assert_eq!(text.contains(&format!("DROPPED  {records} records")), records > 0, "{text}");
            let text = output_text(&run(&sidecar, &["doctor"]).await);
            assert!(text.contains(doctor), "{doctor}: {text}");
            assert_eq!(text.contains(&format!("{records} records were dropped")), records > 0, "{text}");
            sidecar.stop().await;
            release(&database).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_a_reload_and_many_projects_are_counted_too() {
    let receiver = Receiver::start().await;
    let database = Database::new(18, "operations_not_kept_more").await;
    database.run(DOCUMENTS).await;
    database
        .run("INSERT INTO documents (id, project_id) SELECT n, 'p' || n FROM generate_series(1, 130) n")
        .await;
    let settings = |webhooks: &str| format!("[documents]\ninitial = \"ingested\"\n{webhooks}");
    let mut sidecar = Sidecar::start(&database, &settings("")).await;
    until("all to be counted", async || counts(&sidecar).filter(|(records, _)| *records == 130)).await;
    let more = sidecar.status().unwrap()["not_kept"]["more_lanes"].clone();
    assert_eq!(more, 30);
    let lines = |sidecar: &Sidecar| sidecar.log().matches("records are dropped").count();
    assert_eq!(lines(&sidecar), 100, "the log stays readable");
    assert!(sidecar.log().contains("the next ones are only counted"));
    // A webhook that comes takes what follows; the loss of it is counted again.
    sidecar.reload(&database, &settings(&webhook(&receiver, "*", "*"))).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (500, 'p1')").await;
    until("a delivery", async || (receiver.records_taken() == 1).then_some(())).await;
    assert_eq!(counts(&sidecar).unwrap().0, 130);
    sidecar.reload(&database, &settings("")).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (501, 'p1')").await;
    until("one more", async || counts(&sidecar).filter(|(records, _)| *records == 131)).await;
    let text = output_text(&run(&sidecar, &["doctor"]).await);
    assert!(text.contains("no webhook is configured"), "{text}");
    sidecar.stop().await;
    release(&database).await;
}
