//! The doctor's findings, one by one.

use sidecar::relation::ExcludedWhen;
use sidecar::source::catalog::slot::{BlockingTransaction, slot};
use sidecar::source::preflight::doctor::{doctor, evaluate, replication_refused};
use sidecar::source::preflight::server_state::ServerState;
use sidecar::source::preflight::setup::{StartMode, setup};
use sidecar::source::preflight::{Finding, Severity};
use sidecar::source::{Required, RequiredColumn};

use crate::catalog::fixture::{Fixture, VERSIONS, on_all_versions};
use crate::support::server::Server;

const DOCUMENTS: &str = "CREATE TABLE public.documents (id int PRIMARY KEY, labels text[], body text)";

async fn examine(fixture: &Fixture, required: &Required) -> Vec<Finding> {
    doctor(&fixture.client, required).await.expect("findings")
}

fn find<'a>(findings: &'a [Finding], title: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.title.contains(title))
        .unwrap_or_else(|| panic!("{title}: {findings:#?}"))
}

fn problems(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Problem).count()
}

on_all_versions! {
    async fn a_healthy_database_has_no_problem_and_nothing_is_written_to_it(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id", "labels"]);
        let before = examine(&fixture, &required).await;
        assert_eq!(problems(&before), 0, "{before:#?}");
        assert!(find(&before, "create the publication").fix_sql.as_ref().is_some_and(|sql| sql.starts_with("CREATE PUBLICATION")));
        let found = fixture.server_state(&required).await;
        assert!(found.publication.is_none() && found.slot.is_none(), "it only looked");

        let watcher = fixture.session().await;
        setup(&fixture.client, &watcher, &required, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ()).await.expect("made");
        let after = examine(&fixture, &required).await;
        assert_eq!(problems(&after), 0, "{after:#?}");
        for title in ["PostgreSQL", "are identified by (id)", "replication slots", "walsenders", "no two documents", "max_slot_wal_keep_size is not set", "logical_decoding_work_mem"] {
            find(&after, title);
        }
        assert_eq!(after.iter().any(|finding| finding.title.contains("not synchronised to standbys")), fixture.version >= 17);
        fixture.close().await;
    }

    async fn what_is_wrong_with_the_table_is_a_problem_with_its_cure(fixture: Fixture) {
        let required = fixture.required(&["id"]);
        let cases = [
            ("CREATE VIEW public.documents AS SELECT 1 AS id; CREATE TABLE public.x ()", "is not a table", false),
            ("DROP VIEW public.documents; CREATE UNLOGGED TABLE public.documents (id int PRIMARY KEY)", "is unlogged", true),
            ("DROP TABLE public.documents; CREATE TABLE public.documents (id int NOT NULL)", "no primary key", true),
            ("ALTER TABLE public.documents REPLICA IDENTITY NOTHING", "NOTHING", true),
            ("DROP TABLE public.documents; CREATE TABLE public.documents (k int PRIMARY KEY, id int)", "may hold NULL", true),
            ("DROP TABLE public.documents", "there is no table", false),
        ];
        for (ddl, title, curable) in cases {
            fixture.run(ddl).await;
            let findings = examine(&fixture, &required).await;
            let finding = find(&findings, title);
            assert_eq!((finding.severity, finding.fix_sql.is_some()), (Severity::Problem, curable), "{findings:#?}");
            if let Some(cure) = &finding.fix_sql {
                fixture.run(cure).await;
                let cured = examine(&fixture, &required).await;
                assert_eq!(problems(&cured), 0, "{cured:#?}");
            }
        }
        fixture.close().await;
    }

    async fn what_may_go_wrong_later_is_a_warning_or_a_note(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (k int PRIMARY KEY, id int NOT NULL, g int GENERATED ALWAYS AS (k + 1) STORED); CREATE TABLE public.child () INHERITS (public.documents);
                 INSERT INTO public.documents VALUES (1, 1), (2, 1), (3, 2); ANALYZE public.documents").await;
        let findings = examine(&fixture, &fixture.required(&["id"])).await;
        assert_eq!(find(&findings, "1 ids are shared by 2 live documents").severity, Severity::Warning);
        assert_eq!(find(&findings, "other tables inherit").severity, Severity::Warning);
        assert_eq!(find(&findings, "holds about 3 documents").severity, Severity::Note);
        assert_eq!(findings.iter().any(|finding| finding.title == "generated columns: g"), fixture.version < 18);
        let generated = examine(&fixture, &fixture.required(&["id", "g"])).await;
        assert_eq!(problems(&generated), usize::from(fixture.version < 18), "{generated:#?}");
        fixture.run("DROP TABLE public.child; DROP TABLE public.documents; CREATE TABLE public.documents (id int NOT NULL, g int GENERATED ALWAYS AS (id + 1) STORED PRIMARY KEY); CREATE TABLE public.child ()").await;
        let identity = examine(&fixture, &fixture.required(&["id"])).await;
        assert_eq!(problems(&identity), usize::from(fixture.version < 18), "{identity:#?}");
        assert_eq!(identity.iter().any(|finding| finding.title.contains("the identity: g is a generated column")), fixture.version < 18);

        fixture.run("DROP TABLE public.child; DROP TABLE public.documents; CREATE TABLE public.documents (id int PRIMARY KEY) PARTITION BY RANGE (id)").await;
        assert!(find(&examine(&fixture, &fixture.required(&["id"])).await, "is partitioned").explanation.contains("truncated, attached or detached"));
        fixture.close().await;
    }

    async fn what_each_column_is_taken_for_is_printed_and_what_is_seldom_meant_is_warned_of(fixture: Fixture) {
        fixture.run("CREATE EXTENSION citext SCHEMA public;
                 CREATE TABLE public.documents (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, project_id char(8), tenant public.citext, labels text[], deleted_at timestamptz,
                 gone boolean DEFAULT true, title text, body text, view_count int NOT NULL DEFAULT 0, \"hitCounter\" bigint, country text, counted_by text,
                 touched timestamptz, inserted_at timestamptz DEFAULT now(), day date DEFAULT CURRENT_DATE, due timestamptz, who text DEFAULT current_user, updated_on timestamptz, createdat timestamptz);
                 INSERT INTO public.documents (project_id, tenant, deleted_at) VALUES ('Acme', 'a', now()), ('other', 'a', now()), (NULL, 'a', now())").await;
        let named = |setting: &str, name: &str| RequiredColumn { setting: format!("documents.{setting}"), name: name.to_owned() };
        let required = Required {
            project: Some("project_id".to_owned()),
            columns: vec![named("id", "id"), named("project", "project_id"), named("labels", "labels"), named("excluded", "deleted_at")],
            ignore: ["created_at", "updated_at", "tenant", "nothing_like_it"].map(str::to_owned).to_vec(),
            webhooks: vec![Some("acme".to_owned())],
            ..fixture.required(&[])
        };
        let findings = examine(&fixture, &required).await;
        assert_eq!(problems(&findings), 0, "{findings:#?}");
        let taken = &find(&findings, "the role of each column of documents").explanation;
        for line in [
            "id: id (bigint)",
            "key: none, the id is used",
            "project: project_id (character(8))",
            "excluded: deleted_at (timestamp with time zone): excluded where it is not NULL",
            "labels: labels (text[])",
            "content: a change of these sends the document again: gone, title, body, view_count, hitCounter, country, counted_by, touched, \
             inserted_at, day, due, who, updated_on, createdat",
            "ignored: tenant",
        ] {
            assert!(taken.lines().any(|shown| shown == line), "{line}: {taken}");
        }
        for (title, explanation) in [
            ("columns that look like counters: view_count, hitCounter", "documents.ignore = [\"created_at\", \"updated_at\", \"tenant\", \"nothing_like_it\", \"view_count\", \"hitCounter\"]"),
            ("columns that look like the time of a change: touched, inserted_at, day, updated_on", "sends the document again"),
            ("documents.ignore names created_at, which documents does not have; it has createdat", "is content"),
            ("documents.ignore names updated_at, which documents does not have; it has updated_on", "is content"),
            ("of all 3 documents none is live", "By deleted_at: excluded where it is not NULL"),
            ("the project \"Acme\" is not the webhook's \"acme\"", "exactly"),
            ("projects without a webhook: \"default\", \"other\"", "No webhook receives"),
        ] {
            let finding = find(&findings, title);
            assert!(finding.severity == Severity::Warning && finding.explanation.contains(explanation), "{finding:#?}");
        }
        assert_eq!(findings.iter().filter(|finding| finding.title.contains("documents.ignore names")).count(), 2);

        // By another column there is nothing to warn of.
        fixture.run("UPDATE public.documents SET deleted_at = NULL, project_id = 'acme'").await;
        let listed = Required { content: Some(vec!["title".to_owned(), "view_count".to_owned()]), ..required.clone() };
        let findings = examine(&fixture, &listed).await;
        assert_eq!(findings.iter().filter(|finding| finding.severity == Severity::Warning).count(), 0, "{findings:#?}");

        let mut odd = required.clone();
        (odd.project, odd.excluded_when) = (Some("tenant".to_owned()), ExcludedWhen::NotNull);
        (odd.columns[1], odd.columns[3]) = (named("project", "tenant"), named("excluded", "gone"));
        let findings = examine(&fixture, &odd).await;
        assert_eq!(find(&findings, "false excludes, too").severity, Severity::Warning);
        assert_eq!(find(&findings, "documents.project: tenant holds texts that the server treats as equal").severity, Severity::Warning);
        odd.excluded_when = ExcludedWhen::ByType;
        assert_eq!(find(&examine(&fixture, &odd).await, "of all 3 documents none is live").severity, Severity::Warning);
        fixture.close().await;
    }

    /// What no test server can report, set by hand.
    async fn the_servers_settings_are_evaluated(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        let watcher = fixture.session().await;
        setup(&fixture.client, &watcher, &required, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ()).await.expect("made");
        let healthy = fixture.server_state(&required).await;
        let evaluated = |change: &dyn Fn(&mut ServerState)| {
            let mut server_state = healthy.clone();
            change(&mut server_state);
            evaluate(&server_state, &required)
        };
        let problem = |title: &str, change: &dyn Fn(&mut ServerState)| {
            let findings = evaluated(change);
            assert!(problems(&findings) == 1 && find(&findings, title).severity == Severity::Problem, "{title}: {findings:#?}");
        };
        problem("13 or later", &|server_state| server_state.server.version = 120_022);
        problem("standby", &|server_state| server_state.server.in_recovery = true);
        problem("may not replicate", &|server_state| server_state.server.may_replicate = false);
        problem("replication slots: 1000 of 1000 are in use", &|server_state| server_state.server.slots = 1000);
        problem("walsenders: 199 of 200 are in use", &|server_state| server_state.server.senders = 199);
        problem("belongs to the database", &|server_state| server_state.slot.as_mut().expect("a slot").here = false);
        problem("wal_level is replica", &|server_state| server_state.settings.set("wal_level", "replica"));
        assert_eq!(problems(&evaluated(&|server_state| { server_state.settings.set("wal_level", "replica"); server_state.server.version = 190_000; })), 0);
        let warned = |title: &str, change: &dyn Fn(&mut ServerState)| {
            assert_eq!(find(&evaluated(change), title).severity, Severity::Warning);
        };
        warned("is lost (lost)", &|server_state| server_state.slot.as_mut().expect("a slot").wal_status = Some("lost".to_owned()));
        warned("is lost (idle_timeout)", &|server_state| server_state.slot.as_mut().expect("a slot").invalidation_reason = Some("idle_timeout".to_owned()));
        warned("about to be lost", &|server_state| server_state.slot.as_mut().expect("a slot").wal_status = Some("unreserved".to_owned()));
        warned("retains 3.0 GiB of WAL", &|server_state| server_state.slot.as_mut().expect("a slot").retained_bytes = Some(3 << 30));
        warned("idle_replication_slot_timeout is", &|server_state| server_state.settings.set("idle_replication_slot_timeout", "60"));
        warned("wal_sender_timeout is", &|server_state| server_state.settings.set("wal_sender_timeout", "2000"));
        fixture.close().await;
    }
}

/// A slot that the server has really lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_slot_says_from_where_on_nothing_can_be_known() {
    for version in VERSIONS {
        let settings = "max_slot_wal_keep_size = '1MB'\nmin_wal_size = '32MB'\nmax_wal_size = '32MB'";
        let server =
            tokio::task::spawn_blocking(move || Server::start(version, settings)).await.expect("a server");
        let fixture = Fixture::on(&server, version, "t").await;
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        let watcher = fixture.session().await;
        setup(
            &fixture.client,
            &watcher,
            &required,
            StartMode::FirstStart,
            &mut |_: &[BlockingTransaction]| (),
        )
        .await
        .expect("made");
        let before = slot(&fixture.client, &required.slot).await.expect("asked").expect("a slot");
        assert!(!before.lost() && before.safe_wal_size.is_some());
        for _ in 0..4 {
            fixture.run("CREATE TABLE public.t (); DROP TABLE public.t; SELECT pg_switch_wal()").await;
        }
        fixture.run("CHECKPOINT").await;
        let lost = slot(&fixture.client, &required.slot).await.expect("asked").expect("a slot");
        assert!(lost.lost(), "{version}: {lost:?}");
        assert_eq!((lost.confirmed, lost.restart), (before.confirmed, None));
        let findings = examine(&fixture, &required).await;
        let from = before.confirmed.expect("an LSN").to_string();
        assert!(find(&findings, "is lost").explanation.contains(&from), "{findings:#?}");
    }
}

#[test]
fn a_pooler_is_distinguished_from_a_server_that_refuses() {
    assert!(
        replication_refused("FATAL: unsupported startup parameter: replication")
            .explanation
            .contains("pooler")
    );
    assert!(
        replication_refused("FATAL: no pg_hba.conf entry for replication")
            .explanation
            .contains("pg_hba.conf")
    );
}
