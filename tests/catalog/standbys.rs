//! Failover slots: made, printed, refused where there are none; and what the doctor sees of standbys.

use sidecar::source::Connection;
use sidecar::source::Required;
use sidecar::source::catalog::slot::{BlockingTransaction, slot};
use sidecar::source::preflight::doctor::doctor;
use sidecar::source::preflight::setup::{StartMode, print, setup};
use sidecar::source::preflight::standbys::{Standby, evaluate};
use sidecar::source::preflight::{Finding, Severity};

use crate::catalog::fixture::{Fixture, VERSIONS};
use crate::support::server::Server;

async fn examine(fixture: &Fixture, required: &Required) -> Vec<Finding> {
    doctor(&fixture.client, required).await.expect("findings")
}

fn find<'a>(findings: &'a [Finding], title: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.title.contains(title));
    found.unwrap_or_else(|| panic!("{title}: {findings:#?}"))
}

/// Each has a server of its own, whose settings it changes.
async fn fixture(version: u32) -> (Server, Fixture) {
    let server = tokio::task::spawn_blocking(move || Server::start(version, "")).await.expect("a server");
    let fixture = Fixture::on(&server, version, "t").await;
    fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY)").await;
    (server, fixture)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_slot_is_made_printed_and_checked_or_refused_where_there_are_none() {
    for version in VERSIONS {
        let (_server, fixture) = fixture(version).await;
        let plain = fixture.required(&["id"]);
        let required = Required { failover: true, ..plain.clone() };
        let watcher = fixture.session().await;
        let made = setup(
            &fixture.client,
            &watcher,
            &required,
            StartMode::FirstStart,
            &mut |_: &[BlockingTransaction]| (),
        )
        .await;
        if version < 17 {
            let refusal = made.expect_err("refused").to_string();
            assert!(refusal.contains("postgres.failover_slot: the server is PostgreSQL 15"), "{refusal}");
            assert!(fixture.server_state(&required).await.slot.is_none(), "nothing was made");
            assert_eq!(
                find(&examine(&fixture, &required).await, "failover_slot").severity,
                Severity::Problem
            );
            continue;
        }
        made.expect("made");
        let marked =
            async || slot(&fixture.client, &required.slot).await.expect("asked").expect("a slot").failover;
        assert!(marked().await);
        fixture.run(&format!("SELECT pg_drop_replication_slot('{}')", required.slot)).await;
        let printed = print(&fixture.server_state(&required).await, &required);
        let create = printed.lines().find(|line| line.contains("create_logical")).expect(&printed);
        fixture.run(create).await;
        assert!(marked().await, "{printed}");

        // One that was made without can be marked later.
        fixture.run(&format!("SELECT pg_drop_replication_slot('{}')", required.slot)).await;
        setup(&fixture.client, &watcher, &plain, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ())
            .await
            .expect("made");
        assert!(!marked().await);
        let findings = examine(&fixture, &required).await;
        let cure = find(&findings, "is not a failover slot").fix_sql.clone().expect("a cure");
        let mut walsender = Connection::open(&fixture.conninfo).await.expect("a replication connection");
        walsender.simple(&cure).await.expect(&cure);
        assert!(marked().await);
        assert!(
            examine(&fixture, &plain).await.iter().all(|finding| !finding.title.contains("standby")),
            "not asked"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_primary_sees_of_its_standbys_is_evaluated() {
    let (_server, fixture) = fixture(18).await;
    let required = Required { failover: true, ..fixture.required(&["id"]) };
    let watcher = fixture.session().await;
    setup(&fixture.client, &watcher, &required, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ())
        .await
        .expect("made");
    find(&examine(&fixture, &required).await, "not synchronised to any");
    fixture.run("SELECT pg_create_physical_replication_slot('standby')").await;
    let findings = examine(&fixture, &required).await;
    let cure = find(&findings, "may get ahead of the standbys").fix_sql.clone().expect("a cure");
    // ALTER SYSTEM runs in no transaction, so each by itself.
    let (set, reload) = cure.split_once("; ").expect("two statements");
    fixture.run(set).await;
    fixture.run(reload).await;
    crate::catalog::fixture::until(
        &fixture.client,
        "SELECT current_setting('synchronized_standby_slots') = 'standby'",
    )
    .await;
    find(&examine(&fixture, &required).await, "names standby, which is not being read");

    let found = fixture.server_state(&required).await;
    let healthy =
        Standby { slot: "standby".to_owned(), active: true, feedback: true, sync_sessions: Some(1) };
    let evaluated = |standby: Standby| evaluate(&found, &required, &[standby]);
    assert_eq!(
        evaluated(healthy.clone()).iter().map(|finding| finding.severity).collect::<Vec<_>>(),
        [Severity::Ok]
    );
    find(&evaluated(Standby { feedback: false, ..healthy.clone() }), "no hot_standby_feedback");
    find(&evaluated(Standby { sync_sessions: Some(0), ..healthy.clone() }), "no standby synchronises");
    let unseen = evaluated(Standby { sync_sessions: None, ..healthy });
    assert_eq!(unseen.len(), 1, "what our role may not see is not judged: {unseen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_may_be_swapped_are_a_warning_and_its_cure_ends_it() {
    for version in VERSIONS {
        let fixture = Fixture::new(version, "t").await;
        fixture
            .run(
                "CREATE TABLE public.documents (path text PRIMARY KEY, id int NOT NULL, project_id text,
             CONSTRAINT \"one id\" UNIQUE (project_id, id) DEFERRABLE INITIALLY DEFERRED)",
            )
            .await;
        let required = Required { project: Some("project_id".to_owned()), ..fixture.required(&["id"]) };
        let findings = examine(&fixture, &required).await;
        let finding = find(&findings, "may swap their ids");
        assert_eq!(finding.severity, Severity::Warning);
        fixture.run(finding.fix_sql.as_ref().expect("a cure")).await;
        assert!(examine(&fixture, &required).await.iter().all(|finding| !finding.title.contains("swap")));
        fixture.close().await;
    }
}
