//! Snapshots: what is in them, and that the stream has the rest; values as the stream has them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use sidecar::decode::{Cell, Message};
use sidecar::position::Lsn;
use sidecar::relation::ExcludedWhen;
use sidecar::relation::TypeKind;
use sidecar::source::Required;
use sidecar::source::catalog::slot::BlockingTransaction;
use sidecar::source::documents::select::{DocumentKey, Live, ReadColumn};
use sidecar::source::documents::snapshot::{RowsError, Snapshot, SqlValue};
use sidecar::source::preflight::setup::{StartMode, setup};
use tokio_postgres::Client;

use crate::catalog::fixture::{Fixture, on_all_versions, run};

async fn take(fixture: &Fixture) -> Snapshot {
    Snapshot::take(&fixture.conninfo, "public", "documents", &mut |_: &[BlockingTransaction]| ())
        .await
        .expect("a snapshot")
}

async fn prepare(fixture: &Fixture) -> Required {
    let required = fixture.required(&["id"]);
    let watcher = fixture.session().await;
    setup(&fixture.client, &watcher, &required, StartMode::FirstStart, &mut |_: &[BlockingTransaction]| ())
        .await
        .expect("made");
    required
}

fn read(name: &str, digest_over: Option<usize>) -> ReadColumn {
    ReadColumn { name: name.to_owned(), digest_over }
}

/// Every message that the slot has, decoded by `each`.
async fn peek(client: &Client, required: &Required, mut each: impl FnMut(&Message<'_>)) {
    let sql = "SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)";
    for row in client.query(sql, &[&required.slot, &required.publication]).await.expect("changes") {
        each(&Message::parse(row.get(0)).expect("a message"));
    }
}

/// Rows of its own in transactions of all kinds: short, long, with savepoints, rolled back, prepared.
async fn write(client: Client, seed: u64, next: Arc<AtomicI32>, stop: Arc<AtomicBool>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let id = || next.fetch_add(1, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        let insert = || format!("INSERT INTO public.documents VALUES ({})", id());
        run(&client, &format!("BEGIN; {}", insert())).await;
        match rng.random_range(0..10) {
            // A long transaction: the pace of the workload.
            0 => tokio::time::sleep(Duration::from_millis(rng.random_range(1..30))).await,
            1 => run(&client, &format!("SAVEPOINT a; {}; ROLLBACK TO a; {}", insert(), insert())).await,
            2 => {
                run(&client, "ROLLBACK").await;
                continue;
            }
            3 => {
                let gid = format!("g{seed}_{}", id());
                run(&client, &format!("PREPARE TRANSACTION '{gid}'")).await;
                tokio::task::yield_now().await;
                run(&client, &format!("COMMIT PREPARED '{gid}'")).await;
                continue;
            }
            _ => {}
        }
        run(&client, "COMMIT").await;
    }
}

on_all_versions! {
    async fn what_was_committed_below_the_consistent_point_is_in_the_snapshot_and_nothing_else(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY)").await;
        let required = prepare(&fixture).await;
        let (next, stop) = (Arc::new(AtomicI32::new(1)), Arc::new(AtomicBool::new(false)));
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let mut writers = Vec::new();
        for writer in 0..8 {
            let client = fixture.session().await;
            writers.push(tokio::spawn(write(client, seed.wrapping_add(writer), Arc::clone(&next), Arc::clone(&stop))));
        }
        let mut snapshots = Vec::new();
        for _ in 0..12 {
            let mut snapshot = take(&fixture).await;
            let mut seen = HashSet::new();
            let count = snapshot.rows(&[read("id", None)], |row| {
                let SqlValue::Text(id) = row[0] else { panic!("{row:?}") };
                seen.insert(std::str::from_utf8(id).expect("UTF-8").parse::<i32>().expect("an id"));
                Ok::<_, Infallible>(())
            }).await.expect("rows");
            assert_eq!(usize::try_from(count), Ok(seen.len()));
            snapshots.push((snapshot.at, seen));
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.expect("a writer");
        }

        let (mut committed, mut commit) = (HashMap::new(), Lsn(0));
        peek(&fixture.client, &required, |message| match message {
            Message::Begin { commit: begun, .. } => commit = *begun,
            Message::Insert { new, .. } => {
                let Cell::Text(id) = new.0[0] else { panic!("{new:?}") };
                committed.insert(std::str::from_utf8(id).expect("UTF-8").parse::<i32>().expect("an id"), commit);
            }
            _ => {}
        }).await;
        println!("{} rows, {} snapshots", committed.len(), snapshots.len());
        for (at, seen) in snapshots {
            for (id, commit) in &committed {
                assert_eq!(seen.contains(id), *commit < at, "{id} committed at {commit}, snapshot at {at}");
            }
            assert!(seen.iter().all(|id| committed.contains_key(id)));
        }
        fixture.close().await;
    }

    async fn the_count_of_shared_ids_keeps_no_lock_on_the_table(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY, project_id text); INSERT INTO public.documents VALUES (1, 'a'), (2, 'a')").await;
        prepare(&fixture).await;
        let mut snapshot = take(&fixture).await;
        let by_project = |id: &str| DocumentKey { project: None, id: vec![id.to_owned()], live: Live::Always };
        let shared = snapshot.shared_ids(&by_project("project_id")).await.expect("a count");
        assert_eq!((shared.ids, shared.rows), (1, 2));
        snapshot.shared_ids(&by_project("nowhere")).await.expect_err("no such column");
        fixture.run("BEGIN; SET LOCAL lock_timeout = '10s'; LOCK TABLE public.documents IN ACCESS EXCLUSIVE MODE; COMMIT").await;
        assert_eq!(snapshot.rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await.expect("rows"), 2);
        assert_eq!(snapshot.shared_ids(&by_project("id")).await.expect("a count").ids, 0);
        snapshot.close().await;
        fixture.close().await;
    }

    async fn a_read_that_is_dropped_leaves_nothing_to_the_next(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY); INSERT INTO public.documents SELECT generate_series(1, 20000)").await;
        prepare(&fixture).await;
        let mut snapshot = take(&fixture).await;
        for milliseconds in 0..40 {
            let columns = [read("id", None)];
            let dropped = snapshot.rows(&columns, |_| Ok::<_, Infallible>(()));
            let _ = tokio::time::timeout(Duration::from_millis(milliseconds), dropped).await;
            let count = snapshot.rows(&columns, |_| Ok::<_, Infallible>(())).await.expect("rows");
            assert_eq!(count, 20_000, "dropped after {milliseconds} ms");
        }
        fixture.close().await;
    }

    async fn while_a_snapshot_waits_the_transaction_it_waits_for_is_named(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY)").await;
        let holder = fixture.session().await;
        run(&holder, "BEGIN; INSERT INTO public.documents VALUES (1)").await;
        let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid").get(0);
        let (sender, named) = tokio::sync::oneshot::channel();
        let mut sender = Some(sender);
        let mut say = move |waited: &[BlockingTransaction]| {
            if waited.iter().any(|waited| waited.pid == Some(pid)) {
                sender.take().map(|sender| sender.send(()));
            }
        };
        let taken = Snapshot::take(&fixture.conninfo, "public", "documents", &mut say);
        let release = async {
            tokio::time::timeout(Duration::from_mins(2), named).await.expect("named in time").expect("named");
            run(&holder, "COMMIT").await;
        };
        let (snapshot, ()) = tokio::join!(taken, release);
        let rows = snapshot.expect("a snapshot").rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await;
        assert_eq!(rows.expect("rows"), 1, "what was waited for is in it");
        fixture.close().await;
    }

    async fn no_slot_is_left_behind_and_the_snapshot_does_not_move(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY); INSERT INTO public.documents SELECT generate_series(1, 12000)").await;
        let mut snapshot = take(&fixture).await;
        let left = fixture.client.query_one("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()", &[]).await.expect("a count");
        assert_eq!(left.get::<_, i64>(0), 0);
        fixture.run("DELETE FROM public.documents WHERE id <= 5000; ALTER TABLE public.documents SET (fillfactor = 90)").await;
        // Given up half-way, and read again.
        let mut given = 0;
        let stopped = snapshot.rows(&[read("id", None)], |_| { given += 1; if given == 7 { Err("enough") } else { Ok(()) } }).await;
        assert!(matches!(stopped, Err(RowsError::Stopped("enough"))));
        assert_eq!(snapshot.rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await.expect("rows"), 12_000);
        assert_eq!(snapshot.table.column_names(), "id");
        fixture.close().await;
    }

    async fn long_texts_come_as_digests_where_that_is_wished(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY, a text, b text)").await;
        fixture.run("INSERT INTO public.documents VALUES (1, repeat('é', 4096), repeat('é', 4096)), (2, repeat('é', 4096) || 'x', repeat('é', 4096) || 'x'), (3, NULL, NULL), (4, '', '')").await;
        let mut snapshot = take(&fixture).await;
        let mut rows = Vec::new();
        snapshot.rows(&[read("id", None), read("a", Some(8192)), read("b", None)], |row| {
            let SqlValue::Text(b) = (if row[2] == SqlValue::Null { SqlValue::Text(b"") } else { row[2] }) else { panic!() };
            let a = match row[1] {
                SqlValue::Text(a) => format!("text {}", a == b),
                SqlValue::Digest(a) => format!("digest {}", a == <[u8; 32]>::from(Sha256::digest(b))),
                SqlValue::Null => format!("null {}", row[2] == SqlValue::Null),
            };
            rows.push((row[0] == SqlValue::Text(b"1"), a));
            Ok::<_, Infallible>(())
        }).await.expect("rows");
        let answers: Vec<_> = rows.iter().map(|(_, a)| a.as_str()).collect();
        assert_eq!(answers, ["text true", "digest true", "null true", "text true"]);
        fixture.close().await;
    }

    async fn what_sql_reads_of_a_value_is_what_the_stream_carries(fixture: Fixture) {
        // The wheel of 18 is built without libxml.
        let xml = if fixture.client.batch_execute("SELECT xml '<a/>'").await.is_ok() { "f xml" } else { "f text" };
        let ddl =
            "CREATE TYPE public.colour AS ENUM ('red', 'green'); CREATE TYPE public.pair AS (a int, b text); CREATE DOMAIN public.code AS char(4);
             CREATE TABLE public.documents (id int PRIMARY KEY, a uuid, b bool, c char(10), d inet, e cidr, f xml, g float8, h float4, i numeric, j timestamptz,
                 k timestamp, l date, m interval, n money, o bytea, p text[], q jsonb, r json, s public.colour, t int4range, u public.pair,
                 v public.code, w varchar(5), x bool[], y box[], z tsvector, aa bit(3), ab macaddr, ac timetz, ad public.pair[], ae \"char\", af name, ag point, ah public.colour[]);
             INSERT INTO public.documents VALUES
                 (1, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true, 'x', '10.0.0.1', '10.0.0.0/8', '<a>b</a>', 0.1, 0.1, '1.50', '2024-01-02 03:04:05.678+09',
                  '2024-01-02 03:04', '2024-01-02', '1 year -2 days 03:04:05.6', 1234.5, '\\xdeadbeef', '{a,\"b c\",NULL}', '{\"b\": 1, \"a\": [1.0, 2]}', '{\"b\":1 }',
                  'red', '[1,5)', '(1,\"x y\")', 'ab', 'v', '{t,f}', '{(1,1),(0,0)}', 'a fat cat', '101', '08:00:2b:01:02:03', '03:04:05+09', '{\"(1,x)\"}', 'c', 'n', '(1,2)', '{red,green}'),
                 (2, NULL, false, '', '::1/128', NULL, '<?xml version=\"1.0\" encoding=\"latin1\"?><a/>', 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', '0044-03-15 BC', '-1 mon',
                  -0.5, '', '{}', 'null', 'null', NULL, 'empty', '(,)', '', '', '{}', NULL, '', NULL, NULL, NULL, '{NULL}', '', '', NULL, '{}'),
                 (3, NULL, NULL, NULL, '10.0.0.1/8', NULL, 'text only', 1e300, 1e-30, 1e40, NULL, NULL, NULL, NULL, NULL, NULL, '[2:3]={1,2}', '\"x\"', '  [1]',
                  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
        fixture.run(&ddl.replace("f xml", xml)).await;
        // What a database sets for its sessions must not show.
        fixture.run(&format!("ALTER DATABASE {0} SET timezone = 'Asia/Tokyo'; ALTER DATABASE {0} SET datestyle = 'German'; ALTER DATABASE {0} SET bytea_output = 'escape';
             ALTER DATABASE {0} SET extra_float_digits = -5; ALTER DATABASE {0} SET intervalstyle = 'iso_8601'; ALTER DATABASE {0} SET row_security = off", fixture.name)).await;
        let required = prepare(&fixture).await;
        // Written once more, unchanged, so that the stream has each row whole.
        fixture.run("UPDATE public.documents SET id = id").await;
        let mut snapshot = take(&fixture).await;
        let columns: Vec<ReadColumn> = snapshot.table.columns.iter().map(|column| read(&column.name, Some(8192))).collect();
        let mut by_sql: HashMap<Vec<u8>, Vec<Option<Vec<u8>>>> = HashMap::new();
        snapshot.rows(&columns, |row| {
            let texts: Vec<_> = row.iter().map(|value| match value {
                SqlValue::Text(text) => Some(text.to_vec()),
                SqlValue::Null => None,
                SqlValue::Digest(_) => panic!("nothing is long"),
            }).collect();
            by_sql.insert(texts[0].clone().expect("an id"), texts);
            Ok::<_, Infallible>(())
        }).await.expect("rows");
        // The walsender's session settings are the stream's; peeking uses this session's, which are the same.
        let peeker = fixture.session().await;
        let mut compared = 0;
        peek(&peeker, &required, |message| {
            let Message::Update { new, .. } = message else { return };
            let Cell::Text(id) = new.0[0] else { panic!() };
            for (cell, (text, column)) in new.0.iter().zip(by_sql[id].iter().zip(&columns)) {
                let streamed = match cell { Cell::Text(text) => Some(text.to_vec()), Cell::Null => None, Cell::Unchanged => panic!("nothing is out of line") };
                assert_eq!(&streamed, text, "{} {} {:?} {:?}", fixture.version, column.name, streamed.as_deref().map(String::from_utf8_lossy), text.as_deref().map(String::from_utf8_lossy));
                compared += 1;
            }
        }).await;
        assert_eq!(compared, 3 * columns.len());
        fixture.close().await;
    }

    async fn rows_of_other_tables_and_partitions_are_where_the_stream_has_them(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY); CREATE TABLE public.child () INHERITS (public.documents);
                 INSERT INTO public.documents VALUES (1); INSERT INTO public.child VALUES (2)").await;
        assert_eq!(take(&fixture).await.rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await.expect("rows"), 1);
        fixture.run("DROP TABLE public.child; DROP TABLE public.documents; CREATE TABLE public.documents (id int PRIMARY KEY) PARTITION BY RANGE (id);
                 CREATE TABLE public.d1 PARTITION OF public.documents FOR VALUES FROM (0) TO (5); CREATE TABLE public.d2 PARTITION OF public.documents FOR VALUES FROM (5) TO (9);
                 INSERT INTO public.documents VALUES (1), (6)").await;
        assert_eq!(take(&fixture).await.rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await.expect("rows"), 2);
        fixture.close().await;
    }

    async fn live_rows_that_share_an_id_are_counted_within_their_project(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (k serial PRIMARY KEY, id text, p text, gone timestamptz, state text);
                 INSERT INTO public.documents (id, p, gone, state) VALUES ('a', 'x', NULL, 'on'), ('a', 'x', NULL, 'off'), ('a', 'y', NULL, 'on'),
                 ('b', NULL, NULL, 'on'), ('b', '', NULL, 'on'), ('b', 'default', NULL, 'on'), ('c', 'x', now(), 'on'), ('c', 'x', NULL, 'on')").await;
        let snapshot = take(&fixture).await;
        let key = |live| DocumentKey { project: Some(("p".to_owned(), false)), id: vec!["id".to_owned()], live };
        let count = async |live| { let shared = snapshot.shared_ids(&key(live)).await.expect("a count"); (shared.ids, shared.rows) };
        let by_column = |column: &str, when, kind| Live::ByColumn(column.to_owned(), when, kind);
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert_eq!(count(by_column("gone", ExcludedWhen::NotNull, TypeKind::Text)).await, (2, 5));
        assert_eq!(count(Live::Always).await, (3, 7));
        for when in [ExcludedWhen::Values(values(&["off", "o"])), ExcludedWhen::Unless(values(&["on"]))] {
            assert_eq!(count(by_column("state", when, TypeKind::Text)).await, (2, 5));
        }
        // What it holds on the table would keep the columns from coming.
        drop(snapshot);
        fixture.run("ALTER TABLE public.documents ADD n numeric(4, 2) DEFAULT 0, ADD c char(4) DEFAULT 'on', ADD b boolean DEFAULT false").await;
        fixture.run("UPDATE public.documents SET n = 1, c = 'off', b = true WHERE state = 'off'").await;
        let snapshot = take(&fixture).await;
        let count = async |live| { let shared = snapshot.shared_ids(&key(live)).await.expect("a count"); (shared.ids, shared.rows) };
        for live in [
            by_column("n", ExcludedWhen::Unless(values(&["0"])), TypeKind::Number),
            by_column("n", ExcludedWhen::Values(values(&["1"])), TypeKind::Number),
            by_column("c", ExcludedWhen::Unless(values(&["on"])), TypeKind::Padded),
            by_column("b", ExcludedWhen::True, TypeKind::Text),
        ] {
            assert_eq!(count(live.clone()).await, (2, 5), "{live:?}");
        }
        let by_id = DocumentKey { project: None, id: vec!["id".to_owned()], live: Live::Always };
        assert_eq!(snapshot.shared_ids(&by_id).await.expect("a count").rows, 8);
        fixture.close().await;
    }

    async fn row_security_is_an_error_and_no_filter(fixture: Fixture) {
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY); ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY; INSERT INTO public.documents VALUES (1)").await;
        let role = format!("r_{}", fixture.name);
        fixture.run(&format!("CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON public.documents TO {role}")).await;
        let conninfo = fixture.conninfo_as(&role);
        let mut snapshot = Snapshot::take(&conninfo, "public", "documents", &mut |_: &[BlockingTransaction]| ()).await.expect("a snapshot");
        let refused = snapshot.rows(&[read("id", None)], |_| Ok::<_, Infallible>(())).await;
        assert!(matches!(&refused, Err(RowsError::Source(error)) if error.to_string().contains("row-level security")), "{refused:?}");
        fixture.close().await;
    }
}
