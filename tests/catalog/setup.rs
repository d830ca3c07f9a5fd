//! Making, refusing, curing, removing.

use std::sync::{Arc, Mutex};

use sidecar::source::Required;
use sidecar::source::SourceError;
use sidecar::source::catalog::slot::{BlockingTransaction, slot};
use sidecar::source::catalog::violation::CatalogError;
use sidecar::source::preflight::setup::{self, StartMode, plan, print, setup, teardown};
use tokio_postgres::Client;

use crate::catalog::fixture::{Fixture, on_all_versions, run, until};

const DOCUMENTS: &str = "CREATE TABLE public.documents (id int PRIMARY KEY, labels text[], body text)";

async fn make(
    fixture: &Fixture,
    required: &Required,
    stage: StartMode,
) -> Result<Vec<setup::SetupStep>, CatalogError> {
    let watcher = fixture.session().await;
    setup(&fixture.client, &watcher, required, stage, &mut |_: &[BlockingTransaction]| ()).await
}

/// (what somebody did, a part of the refusal)
const SPOILED: &[(&str, &str)] = &[
    ("ALTER PUBLICATION p SET (publish = 'insert, update')", "lacks insert, update, delete or truncate"),
    ("ALTER PUBLICATION p DROP TABLE public.documents", "does not contain the table"),
    ("ALTER PUBLICATION p SET TABLE public.documents (id, body)", "column list"),
    ("ALTER PUBLICATION p SET TABLE public.documents WHERE (id > 5)", "row filter"),
    (
        "SELECT pg_drop_replication_slot('s'); SELECT pg_create_logical_replication_slot('s', 'test_decoding')",
        "plugin test_decoding",
    ),
    ("SELECT pg_drop_replication_slot('s'); SELECT pg_create_physical_replication_slot('s')", "physical"),
    (
        "SELECT pg_drop_replication_slot('s'); SELECT pg_create_logical_replication_slot('s', 'pgoutput', true)",
        "temporary",
    ),
    (
        "SELECT pg_drop_replication_slot('s'); SELECT pg_create_logical_replication_slot('s', 'pgoutput', false, true)",
        "two-phase",
    ),
    ("ALTER TABLE public.documents REPLICA IDENTITY NOTHING", "NOTHING"),
];

on_all_versions! {
    async fn setup_makes_publication_then_slot_once_and_teardown_removes_them_once(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id", "labels"]);
        let steps = make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        assert!(steps[0].sql.starts_with("CREATE PUBLICATION") && steps[1].sql.contains("pg_create_logical_replication_slot"));
        assert_eq!(make(&fixture, &required, StartMode::Resume).await.expect("made"), []);
        let found = fixture.server_state(&required).await;
        assert!(found.violations(&required).is_empty(), "{:?}", found.violations(&required));
        assert!(found.slot.is_some_and(|slot| slot.confirmed.is_some() && !slot.lost() && slot.active_pid.is_none()));

        assert_eq!(teardown(&fixture.client, &required).await.expect("removed").steps.len(), 2);
        assert_eq!(teardown(&fixture.client, &required).await.expect("removed").steps.len(), 0);
        let gone = fixture.server_state(&required).await;
        assert!(gone.slot.is_none() && gone.publication.is_none());
        fixture.close().await;
    }

    async fn the_sql_that_is_printed_makes_what_setup_would(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        fixture.run("ALTER TABLE public.documents REPLICA IDENTITY NOTHING").await;
        let required = fixture.required(&["id"]);
        let printed = print(&fixture.server_state(&required).await, &required);
        for statement in printed.lines().filter(|line| !line.starts_with("--")) {
            fixture.run(statement).await;
        }
        assert_eq!(make(&fixture, &required, StartMode::Resume).await.expect("nothing to do"), []);
        fixture.close().await;
    }

    async fn every_spoiled_thing_is_refused_with_the_sql_that_cures_it(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        let named = |sql: &str| {
            sql.replace("PUBLICATION p ", &format!("PUBLICATION {} ", required.publication)).replace("'s'", &format!("'{}'", required.slot))
        };
        for (spoil, what) in SPOILED {
            fixture.run(&named(spoil)).await;
            let refused = make(&fixture, &required, StartMode::Resume).await.expect_err(spoil);
            let CatalogError::Refused(refusals) = refused else { panic!("{spoil}: {refused:?}") };
            assert!(refusals.len() == 1 && refusals[0].what.contains(what), "{spoil}: {refusals:?}");
            fixture.run(refusals[0].fix_sql.as_ref().expect("a cure")).await;
            make(&fixture, &required, StartMode::FirstStart).await.unwrap_or_else(|error| panic!("{spoil}, cured: {error}"));
        }
        fixture.close().await;
    }

    async fn a_partitioned_table_is_published_under_its_own_name(fixture: Fixture) {
        fixture.run(
            "CREATE TABLE public.documents (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE public.d1 PARTITION OF public.documents FOR VALUES FROM (0) TO (9)",
        ).await;
        let required = fixture.required(&["id"]);
        make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        fixture.run(&format!("ALTER PUBLICATION {} SET (publish_via_partition_root = false)", required.publication)).await;
        let CatalogError::Refused(refusals) = make(&fixture, &required, StartMode::Resume).await.expect_err("refused") else { panic!() };
        assert!(refusals.len() == 1 && refusals[0].what.contains("under the names of the partitions"), "{refusals:?}");
        fixture.run(refusals[0].fix_sql.as_ref().expect("a cure")).await;
        assert_eq!(make(&fixture, &required, StartMode::Resume).await.expect("cured"), []);
        fixture.close().await;
    }

    async fn a_wrong_column_is_answered_with_the_columns_there_are(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id", "label"]);
        let refused = make(&fixture, &required, StartMode::FirstStart).await.expect_err("refused").to_string();
        assert!(refused.contains("documents.label: public.documents has no column label (perhaps labels?); it has id, labels, body"), "{refused}");
        assert!(fixture.server_state(&required).await.publication.is_none(), "refused before anything is made");
        fixture.close().await;
    }

    async fn a_role_without_the_privileges_gets_the_sql_for_another_to_run(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let role = format!("r_{}", fixture.name);
        fixture.run(&format!("CREATE ROLE {role} LOGIN; ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY; REVOKE USAGE ON SCHEMA public FROM public")).await;
        let (client, watcher) = (fixture.session_as(&role).await, fixture.session().await);
        let required = fixture.required(&["id"]);
        let attempt = async || setup(&client, &watcher, &required, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ()).await;
        let CatalogError::Refused(refusals) = attempt().await.expect_err("refused") else { panic!() };
        let all = refusals.iter().map(ToString::to_string).collect::<String>();
        for cure in ["REPLICATION", "BYPASSRLS", "GRANT SELECT", "GRANT USAGE ON SCHEMA"] {
            assert!(all.contains(cure), "{cure}: {all}");
        }
        for refusal in refusals {
            fixture.run(&refusal.fix_sql.expect("a cure")).await;
        }
        let CatalogError::Refused(refusals) = attempt().await.expect_err("not the owner") else { panic!() };
        assert!(refusals.len() == 1 && refusals[0].what.contains("CREATE on the database"), "{refusals:?}");
        fixture.run(refusals[0].fix_sql.as_ref().expect("a cure")).await;
        assert_eq!(attempt().await.expect("the slot alone").len(), 1);
        fixture.close().await;
    }

    async fn teardown_leaves_a_slot_that_is_read_and_a_publication_of_others(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        fixture.run(&format!("CREATE TABLE public.other (id int PRIMARY KEY); ALTER PUBLICATION {} ADD TABLE public.other", required.publication)).await;
        let reader = fixture.read_slot(&required.slot, &required.publication).await;
        let refused = teardown(&fixture.client, &required).await.expect_err("refused").to_string();
        assert!(refused.contains(&format!("read by the process {}", reader.pid)), "{refused}");
        drop(reader);
        until(&fixture.client, &format!("SELECT active_pid IS NULL FROM pg_replication_slots WHERE slot_name = '{}'", required.slot)).await;
        let gone = teardown(&fixture.client, &required).await.expect("removed");
        assert_eq!((gone.steps.len(), gone.left.len()), (1, 1), "the slot goes, whatever becomes of the publication");
        assert!(gone.left[0].what.contains("other tables too"), "{}", gone.left[0]);
        fixture.close().await;
    }

    async fn teardown_by_a_role_that_owns_nothing_drops_the_slot_and_says_who_drops_the_publication(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        let role = format!("leaver_{}", required.slot);
        fixture.run(&format!("CREATE ROLE {role} REPLICATION; GRANT SELECT ON public.documents TO {role}")).await;
        fixture.run(&format!("SET ROLE {role}")).await;
        let gone = teardown(&fixture.client, &required).await.expect("removed");
        fixture.run("RESET ROLE").await;
        assert_eq!(gone.steps.len(), 1);
        assert!(gone.left[0].fix_sql.as_ref().is_some_and(|sql| sql.starts_with("DROP PUBLICATION")), "{}", gone.left[0]);
        assert!(slot(&fixture.client, &required.slot).await.expect("asked").is_none());
        fixture.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        fixture.close().await;
    }

    async fn a_publication_made_after_its_slot_is_refused_unless_a_first_start_follows(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        make(&fixture, &required, StartMode::FirstStart).await.expect("made");
        fixture.run(&format!("DROP PUBLICATION {}", required.publication)).await;
        let CatalogError::Refused(refusals) = make(&fixture, &required, StartMode::Resume).await.expect_err("refused") else { panic!() };
        for statement in refusals[0].fix_sql.as_ref().expect("a cure").split_inclusive(';') {
            fixture.run(statement).await;
        }
        assert_eq!(make(&fixture, &required, StartMode::Resume).await.expect("cured").len(), 1, "the slot");
        fixture.run(&format!("DROP PUBLICATION {}", required.publication)).await;
        assert_eq!(make(&fixture, &required, StartMode::FirstStart).await.expect("made").len(), 1, "the publication");
        fixture.close().await;
    }

    async fn while_a_slot_waits_the_transactions_it_waits_for_are_named(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        let (holder, preparer) = (fixture.session().await, fixture.session().await);
        run(&holder, "BEGIN; INSERT INTO public.documents VALUES (1)").await;
        let gid = format!("gid_{}", fixture.name);
        run(&preparer, &format!("BEGIN; INSERT INTO public.documents VALUES (2); PREPARE TRANSACTION '{gid}'")).await;
        let pid = backend(&holder).await;

        let waited_for = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&waited_for);
        let maker = async {
            let watcher = fixture.session().await;
            let mut say = |waited: &[BlockingTransaction]| reported.lock().expect("a lock").extend_from_slice(waited);
            setup(&fixture.client, &watcher, &required, StartMode::FirstStart, &mut say).await
        };
        let release = async {
            crate::support::until("both to be named", async || {
                let waiting = waited_for.lock().expect("a lock").clone();
                let both = waiting.iter().any(|w| w.pid == Some(pid)) && waiting.iter().any(|w| w.gid.as_ref() == Some(&gid));
                both.then_some(())
            })
            .await;
            run(&holder, "COMMIT").await;
            run(&preparer, &format!("COMMIT PREPARED '{gid}'")).await;
        };
        let (made, ()) = tokio::join!(maker, release);
        assert_eq!(made.expect("made").len(), 2);
        fixture.close().await;
    }

    async fn a_lock_that_is_not_to_be_had_is_given_up_and_nothing_is_made(fixture: Fixture) {
        fixture.run(DOCUMENTS).await;
        let required = fixture.required(&["id"]);
        let holder = fixture.session().await;
        run(&holder, "BEGIN; LOCK TABLE public.documents IN ACCESS EXCLUSIVE MODE").await;
        let error = make(&fixture, &required, StartMode::FirstStart).await.expect_err("locked");
        let CatalogError::Source(SourceError::Server(error)) = error else { panic!("{error:?}") };
        assert_eq!(error.sqlstate, "55P03");
        run(&holder, "ROLLBACK").await;
        assert_eq!(make(&fixture, &required, StartMode::FirstStart).await.expect("made").len(), 2);
        fixture.close().await;
    }
}

/// What 18 refuses the application once it is published is refused before.
#[tokio::test]
async fn generated_columns_are_published_where_they_must_be() {
    let fixture = Fixture::new(18, "t").await;
    fixture.run(
        "CREATE TABLE public.documents (id int PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n + 1) STORED);
         ALTER TABLE public.documents REPLICA IDENTITY FULL; INSERT INTO public.documents (id) VALUES (1)",
    )
    .await;
    let required = fixture.required(&["id"]);
    assert!(
        plan(&fixture.server_state(&required).await, &required)[0]
            .sql
            .contains("publish_generated_columns = stored")
    );
    make(&fixture, &required, StartMode::FirstStart).await.expect("made");
    fixture.run("UPDATE public.documents SET n = 2").await;

    fixture
        .run(&format!("ALTER PUBLICATION {} SET (publish_generated_columns = none)", required.publication))
        .await;
    assert!(
        fixture.client.batch_execute("UPDATE public.documents SET n = 3").await.is_err(),
        "what is guarded against"
    );
    let CatalogError::Refused(refusals) =
        make(&fixture, &required, StartMode::Resume).await.expect_err("refused")
    else {
        panic!()
    };
    fixture.run(refusals[0].fix_sql.as_ref().expect("a cure")).await;
    fixture.run("UPDATE public.documents SET n = 3").await;

    fixture.run("ALTER TABLE public.documents ADD v int GENERATED ALWAYS AS (n + 2) VIRTUAL").await;
    assert!(
        fixture.client.batch_execute("UPDATE public.documents SET n = 4").await.is_err(),
        "what is guarded against"
    );
    let CatalogError::Refused(refusals) =
        make(&fixture, &required, StartMode::Resume).await.expect_err("refused")
    else {
        panic!()
    };
    assert!(refusals[0].what.contains("virtual column v"), "{refusals:?}");
    fixture.run(refusals[0].fix_sql.as_ref().expect("a cure")).await;
    fixture.run("UPDATE public.documents SET n = 4").await;
    assert_eq!(make(&fixture, &required, StartMode::Resume).await.expect("cured"), []);
    fixture.close().await;
}

async fn backend(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0)
}
