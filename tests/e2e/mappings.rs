//! Tables of other shapes: each role played by columns of other names and types.

use serde_json::{Value, json};

use crate::e2e::changes::by_lane;
use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

struct Shape {
    name: &'static str,
    table: &'static str,
    documents: &'static str,
    /// Each a transaction.
    transactions: &'static [&'static str],
    /// (project, callback, record), in the order of their lanes; sorted by lane.
    records: &'static [(&'static str, &'static str, &'static str)],
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "other names, a uuid, jsonb labels, a boolean",
        table: "CREATE TABLE app.\"Items\" (item uuid PRIMARY KEY, slug text, tenant int, tags jsonb, guess text, gone boolean, note text);",
        documents: "table = 'app.\"Items\"'\nid = \"item\"\nkey = \"slug\"\nproject = \"tenant\"\nlabels = \"tags\"\npredicted_labels = \"guess\"\n\
                    similarity = \"\"\nexcluded = \"gone\"\nexcluded_when = \"true\"",
        transactions: &[
            "INSERT INTO app.\"Items\" VALUES ('00000000-0000-0000-0000-000000000007', 's', 5, '[1]', 'g', false, 'n')",
            "UPDATE app.\"Items\" SET tags = '{\"a\": [1, 2.50, null]}', guess = 'h\"'",
            "UPDATE app.\"Items\" SET gone = NULL",
            "UPDATE app.\"Items\" SET gone = true",
        ],
        records: &[
            ("5", "excluded", r#"{"id":"00000000-0000-0000-0000-000000000007","key":"s"}"#),
            ("5", "ingested", r#"{"id":"00000000-0000-0000-0000-000000000007","key":"s"}"#),
            (
                "5",
                "modified",
                r#"{"id":"00000000-0000-0000-0000-000000000007","key":"s","labels":{"a":[1,2.50,null]}}"#,
            ),
            (
                "5",
                "modified",
                r#"{"id":"00000000-0000-0000-0000-000000000007","key":"s","predicted_labels":"h\""}"#,
            ),
        ],
    },
    Shape {
        name: "several id columns, no project, no key, a status, number and enum labels",
        table: "CREATE TYPE mood AS ENUM ('glad', 'so so'); \
                CREATE TABLE documents (a text, b text, state text, n int[], m mood[], body text, PRIMARY KEY (a, b));",
        documents: "id = [\"a\", \"b\"]\nkey = \"\"\nproject = \"\"\nlabels = \"n\"\npredicted_labels = \"m\"\nsimilarity = \"\"\n\
                    excluded = \"state\"\nexcluded_when = [\"gone\", \"hidden\"]",
        transactions: &[
            "INSERT INTO documents VALUES ('x:y', 'z\\w', 'here', '{1,NULL}', '{glad}', 'b')",
            "UPDATE documents SET n = '{{1,2},{3,4}}', m = '{\"so so\"}'",
            "UPDATE documents SET state = 'there'",
            "UPDATE documents SET state = 'hidden'",
            "UPDATE documents SET state = 'gone'",
        ],
        records: &[
            ("default", "excluded", r#"{"id":"x\\:y:z\\\\w","key":"x\\:y:z\\\\w"}"#),
            ("default", "ingested", r#"{"id":"x\\:y:z\\\\w","key":"x\\:y:z\\\\w"}"#),
            ("default", "modified", r#"{"id":"x\\:y:z\\\\w","key":"x\\:y:z\\\\w","labels":[[1,2],[3,4]]}"#),
            (
                "default",
                "modified",
                r#"{"id":"x\\:y:z\\\\w","key":"x\\:y:z\\\\w","predicted_labels":["so so"]}"#,
            ),
        ],
    },
    Shape {
        name: "a key of (project, id): the same id in two projects",
        table: "CREATE TABLE documents (project_id text, id int, key text, labels text[], PRIMARY KEY (project_id, id));",
        documents: "predicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"\"",
        transactions: &[
            "INSERT INTO documents VALUES ('p', 1, 'kp', '{}'), ('q', 1, 'kq', '{}')",
            "UPDATE documents SET labels = '{x}' WHERE project_id = 'q'",
            "UPDATE documents SET project_id = 'r' WHERE project_id = 'p'",
            "DELETE FROM documents WHERE project_id = 'q'",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"kp"}"#),
            ("p", "ingested", r#"{"id":"1","key":"kp"}"#),
            ("q", "excluded", r#"{"id":"1","key":"kq"}"#),
            ("q", "ingested", r#"{"id":"1","key":"kq"}"#),
            ("q", "modified", r#"{"id":"1","key":"kq","labels":["x"]}"#),
            ("r", "ingested", r#"{"id":"1","key":"kp"}"#),
        ],
    },
    Shape {
        name: "a table partitioned by date, its key (id, created_at)",
        table: "CREATE TABLE documents (id bigint, created_at date, key text, project_id text, labels text[], \
                PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at); \
                CREATE TABLE d1 PARTITION OF documents FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); \
                CREATE TABLE d2 PARTITION OF documents FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');",
        documents: "predicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"\"",
        transactions: &[
            "INSERT INTO documents VALUES (1, '2026-01-05', 'k', 'p', '{}'), (2, '2026-02-05', 'l', 'p', '{}')",
            "UPDATE documents SET labels = '{x}' WHERE id = 1",
            "UPDATE documents SET created_at = '2026-01-06' WHERE id = 1",
            "UPDATE documents SET created_at = '2026-02-06' WHERE id = 1",
            "DELETE FROM documents WHERE id = 2",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"k"}"#),
            ("p", "excluded", r#"{"id":"2","key":"l"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"2","key":"l"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "modified", r#"{"id":"1","key":"k","labels":["x"]}"#),
        ],
    },
    Shape {
        name: "three similarity columns, one of them out of line, content listed, a replica identity by index",
        table: "CREATE TABLE documents (id int PRIMARY KEY, code text NOT NULL UNIQUE, key text, project_id text, title text, other text, \
                near text, near_key text, near_label text); \
                ALTER TABLE documents ALTER near_label SET STORAGE EXTERNAL; \
                ALTER TABLE documents REPLICA IDENTITY USING INDEX documents_code_key;",
        documents: "labels = \"\"\npredicted_labels = \"\"\nexcluded = \"\"\ncontent = [\"title\"]\n\
                    similarity = { id = \"near\", key = \"near_key\", label = \"near_label\" }",
        transactions: &[
            "INSERT INTO documents VALUES (1, 'c', 'k', 'p', 't', 'o')",
            "UPDATE documents SET near = '8', near_label = repeat('ab', 3)",
            "UPDATE documents SET near_label = repeat('ab', 3000)",
            "UPDATE documents SET near_key = 'nk'",
            "UPDATE documents SET other = 'untracked', code = 'd'",
            "UPDATE documents SET title = 'u'",
            "UPDATE documents SET near = NULL",
            "DELETE FROM documents",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "modified", r#"{"similar_doc_id":"8","similar_doc_key":null,"similarity_label":"ababab"}"#),
            ("p", "modified", r#"{"similar_doc_id":"8","similar_doc_key":null,"similarity_label":"{long}"}"#),
            ("p", "modified", r#"{"similar_doc_id":"8","similar_doc_key":"nk","similarity_label":"{long}"}"#),
        ],
    },
    Shape {
        name: "a primary key so long that it lies out of line",
        table: "CREATE TABLE documents (path text PRIMARY KEY, id int NOT NULL, title text); \
                ALTER TABLE documents ALTER path SET STORAGE EXTERNAL;",
        documents: "key = \"\"\nproject = \"\"\nlabels = \"\"\npredicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"\"\n\
                    ignore = [\"path\"]",
        transactions: &[
            "INSERT INTO documents VALUES (repeat('a', 2600), 1, 't')",
            "UPDATE documents SET title = 'u'",
            "UPDATE documents SET path = repeat('b', 2600)",
            "DELETE FROM documents",
        ],
        records: &[
            ("default", "excluded", r#"{"id":"1","key":"1"}"#),
            ("default", "ingested", r#"{"id":"1","key":"1"}"#),
            ("default", "ingested", r#"{"id":"1","key":"1"}"#),
        ],
    },
    Shape {
        name: "a boolean without `excluded_when`, names padded with blanks",
        table: "CREATE TABLE documents (id char(4) PRIMARY KEY, key char(4), project_id char(10), gone boolean NOT NULL DEFAULT false, \
                tags char(3)[], body text);",
        documents: "labels = \"tags\"\npredicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"gone\"",
        transactions: &[
            "INSERT INTO documents VALUES ('a', 'k', 'acme', false, '{x}', 'b')",
            "UPDATE documents SET tags = '{y,zzz}'",
            "UPDATE documents SET gone = true",
            "UPDATE documents SET body = 'c'",
            "UPDATE documents SET gone = false",
            "DELETE FROM documents",
        ],
        records: &[
            ("acme", "excluded", r#"{"id":"a","key":"k"}"#),
            ("acme", "excluded", r#"{"id":"a","key":"k"}"#),
            ("acme", "ingested", r#"{"id":"a","key":"k"}"#),
            ("acme", "ingested", r#"{"id":"a","key":"k"}"#),
            ("acme", "modified", r#"{"id":"a","key":"k","labels":["y","zzz"]}"#),
        ],
    },
    Shape {
        name: "a number that is 0 while the document lives",
        table: "CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, deleted_at numeric(20, 2) NOT NULL DEFAULT 0);",
        documents: "labels = \"\"\npredicted_labels = \"\"\nsimilarity = \"\"\nlive_when = [\"0\"]",
        transactions: &[
            "INSERT INTO documents VALUES (1, 'k', 'p', 0), (2, 'l', 'p', 5)",
            "UPDATE documents SET deleted_at = 1700000000",
            "UPDATE documents SET deleted_at = 0 WHERE id = 2",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"2","key":"l"}"#),
        ],
    },
    Shape {
        name: "a time that is infinite while the document lives",
        table: "CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, deleted_at timestamptz NOT NULL DEFAULT 'infinity');",
        documents: "labels = \"\"\npredicted_labels = \"\"\nsimilarity = \"\"\nlive_when = [\"Infinity\"]",
        transactions: &[
            "INSERT INTO documents VALUES (1, 'k', 'p')",
            "UPDATE documents SET deleted_at = now()",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
        ],
    },
    Shape {
        name: "values in another spelling than the server's",
        table: "CREATE TYPE state AS ENUM ('Live', 'Gone'); CREATE DOMAIN visible AS boolean; \
                CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, shown visible, state state);",
        documents: "labels = \"\"\npredicted_labels = \"state\"\nsimilarity = \"\"\nexcluded = \"shown\"\nexcluded_when = [\"no\"]",
        transactions: &[
            "INSERT INTO documents VALUES (1, 'k', 'p', true, 'Live')",
            "UPDATE documents SET shown = NULL, state = 'Gone'",
            "UPDATE documents SET shown = false",
        ],
        records: &[
            ("p", "excluded", r#"{"id":"1","key":"k"}"#),
            ("p", "ingested", r#"{"id":"1","key":"k"}"#),
            ("p", "modified", r#"{"id":"1","key":"k","predicted_labels":"Gone"}"#),
        ],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_every_shape_are_delivered_alike() {
    for version in VERSIONS {
        for shape in SHAPES {
            shape_is_delivered(version, shape).await;
        }
    }
}

fn webhook(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 0\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

async fn shape_is_delivered(version: u32, shape: &Shape) {
    let database = Database::new(version, "shape").await;
    database.run("CREATE SCHEMA app").await;
    database.run(shape.table).await;
    let receiver = Receiver::start().await;
    let settings = format!("[documents]\n{}\n{}", shape.documents, webhook(&receiver));
    let sidecar = Sidecar::start(&database, &settings).await;
    for transaction in shape.transactions {
        database.run(transaction).await;
    }
    let mut required: std::collections::BTreeMap<_, Vec<Value>> = std::collections::BTreeMap::new();
    for (project, callback, record) in shape.records {
        let lane = ((*project).to_owned(), (*callback).to_owned());
        let record = record.replace("{long}", &"ab".repeat(3_000));
        required.entry(lane).or_default().push(serde_json::from_str(&record).unwrap());
    }
    let what = format!("the records of `{}` on {version}", shape.name);
    until(&what, async || (receiver.records_taken() >= shape.records.len()).then_some(())).await;
    nothing_more_can_come(&database, &sidecar).await;
    assert_eq!(by_lane(&receiver.received()), required, "{what}");
}

/// All that was committed until now is read and durable, and no lane has anything pending.
async fn nothing_more_can_come(database: &Database, sidecar: &Sidecar) {
    let end = database.text("SELECT pg_current_wal_insert_lsn()::text").await.unwrap();
    let sql = format!(
        "SELECT (confirmed_flush_lsn >= '{end}')::text FROM pg_replication_slots WHERE slot_name = 's_{}'",
        database.name
    );
    until("everything to be confirmed", async || {
        (database.text(&sql).await.as_deref() == Some("true")).then_some(())
    })
    .await;
    until("everything to be settled", async || {
        let status = sidecar.status()?;
        let mut lanes = status["lanes"].as_array()?.iter();
        lanes.all(|lane| lane["pending"]["records"] == 0).then_some(())
    })
    .await;
}

const PLAIN: &str =
    "CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, title text, labels text[]);";
const ROLES: &str = "predicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_go_or_are_renamed_make_no_record_by_themselves() {
    for version in VERSIONS {
        let database = Database::new(version, "columns").await;
        database.run(PLAIN).await;
        database
            .run("INSERT INTO documents SELECT g, 'k', 'p', 't', '{}' FROM generate_series(1, 5) g")
            .await;
        let receiver = Receiver::start().await;
        let _sidecar =
            Sidecar::start(&database, &format!("[documents]\n{ROLES}{}", webhook(&receiver))).await;
        database.run("ALTER TABLE documents ADD added text DEFAULT 'constant'; ALTER TABLE documents ADD empty int").await;
        database.run("UPDATE documents SET labels = '{a}' WHERE id = 1").await;
        database.run("ALTER TABLE documents RENAME added TO renamed; UPDATE documents SET labels = '{b}' WHERE id = 1").await;
        database
            .run("ALTER TABLE documents DROP renamed; UPDATE documents SET labels = '{c}' WHERE id = 1")
            .await;
        database.run("UPDATE documents SET empty = 5 WHERE id = 2").await;
        until("the records", async || (receiver.records_taken() >= 4).then_some(())).await;
        let lanes = by_lane(&receiver.received());
        let modified = &lanes[&("p".to_owned(), "modified".to_owned())];
        let labels: Vec<&Value> = modified.iter().map(|record| &record["labels"]).collect();
        assert_eq!(labels, [&json!(["a"]), &json!(["b"]), &json!(["c"])], "PostgreSQL {version}");
        assert_eq!(lanes[&("p".to_owned(), "ingested".to_owned())], [json!({"id": "2", "key": "k"})]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_column_that_goes_stops_the_stream_before_it_and_a_new_name_lets_it_go_on() {
    let database = Database::new(15, "renamed").await;
    database.run(PLAIN).await;
    let receiver = Receiver::start().await;
    let settings = format!("[documents]\n{ROLES}{}", webhook(&receiver));
    let mut sidecar = Sidecar::start(&database, &settings).await;
    database.run("INSERT INTO documents VALUES (1, 'k', 'p', 't', '{a}')").await;
    until("the first", async || (receiver.records_taken() >= 1).then_some(())).await;
    database
        .run("ALTER TABLE documents RENAME labels TO tags; UPDATE documents SET tags = '{b}' WHERE id = 1")
        .await;
    let why = until("it to stop", async || {
        sidecar
            .get("/-/ready")
            .filter(|(status, body)| *status == 503 && body.contains("labels"))
            .map(|(_, body)| body)
    })
    .await;
    println!("{why}");
    sidecar.settled().await;
    assert_eq!(receiver.records_taken(), 1, "nothing behind the missing column is sent");
    sidecar.stop().await;
    sidecar.configure(&database, &settings.replace("[documents]", "[documents]\nlabels = \"tags\""));
    sidecar.spawn();
    sidecar.ready().await;
    until("the change", async || (receiver.records_taken() >= 2).then_some(())).await;
    let lanes = by_lane(&receiver.received());
    assert_eq!(
        lanes[&("p".to_owned(), "modified".to_owned())],
        [json!({"id": "1", "key": "k", "labels": ["b"]})]
    );
}

const STATES: &str =
    "CREATE TABLE documents (id int PRIMARY KEY, key text, project_id char(10), gone boolean);";

fn states(when: &str, receiver: &Receiver) -> String {
    format!(
        "[documents]\nlabels = \"\"\npredicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"gone\"\n{when}\n\
         [batch]\nwait_max_ms = 0\n[[webhook]]\nproject = \"acme\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

/// A webhook of a project by its name, whose column is padded; and a mapping that the spool keeps.
#[tokio::test(flavor = "multi_thread")]
async fn settings_that_mean_the_same_are_no_other_mapping_and_another_meaning_is() {
    for version in VERSIONS {
        let database = Database::new(version, "spelling").await;
        database.run(STATES).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &states("excluded_when = \"true\"", &receiver)).await;
        for (number, when) in
            ["", "excluded_when = [\"yes\"]", "excluded_when = [\"on\", \"t\"]", "excluded_when = \"true\""]
                .into_iter()
                .enumerate()
        {
            sidecar.stop().await;
            sidecar.configure(&database, &states(when, &receiver));
            sidecar.spawn();
            sidecar.ready().await;
            database.run(&format!("INSERT INTO documents VALUES ({number}, 'k', 'acme', false)")).await;
            until("the document", async || (receiver.records_taken() > number).then_some(())).await;
        }
        sidecar.stop().await;
        sidecar.configure(&database, &states("live_when = [\"f\"]", &receiver));
        sidecar.spawn();
        until("another mapping to be seen", async || {
            sidecar.get("/-/ready").filter(|(status, body)| *status == 503 && body.contains("sidecar resync"))
        })
        .await;
        sidecar.stop().await;
        let mut teardown = sidecar.command("teardown");
        assert!(teardown.output().unwrap().status.success());
    }
}

/// The column becomes another while the sidecar runs: what was read for the old type does not pass for the new.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_another_type_stops_the_stream_and_a_resync_goes_past() {
    for version in VERSIONS {
        let database = Database::new(version, "retyped").await;
        database.run(STATES).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &states("", &receiver)).await;
        database.run("INSERT INTO documents VALUES (1, 'k', 'acme', false), (2, 'l', 'acme', NULL)").await;
        until("the documents", async || (receiver.records_taken() == 2).then_some(())).await;
        database
            .run(
                "ALTER TABLE documents ALTER gone TYPE timestamptz USING CASE WHEN gone THEN now() END; \
                 UPDATE documents SET gone = now() WHERE id = 1",
            )
            .await;
        until("it to stop", async || {
            sidecar.get("/-/ready").filter(|(status, body)| *status == 503 && body.contains("sidecar resync"))
        })
        .await;
        let resync = sidecar.command("resync").output().unwrap();
        assert!(resync.status.success(), "{}", String::from_utf8_lossy(&resync.stderr));
        until("the excluded one", async || (receiver.records_taken() == 3).then_some(())).await;
        let lanes = by_lane(&receiver.received());
        assert_eq!(lanes[&("acme".to_owned(), "excluded".to_owned())], [json!({"id": "1", "key": "k"})]);
        sidecar.stop().await;
        let mut teardown = sidecar.command("teardown");
        assert!(teardown.output().unwrap().status.success());
    }
}

/// (what is wrong, a part of the message)
const UNFIT: &[(&str, &str)] = &[
    ("excluded = \"deleted_at\"", "documents.excluded_when: deleted_at is bigint, so the values that mean"),
    ("excluded = \"gone\"\nexcluded_when = [\"perhaps\"]", "gone is boolean, and \"perhaps\" is not one"),
    ("excluded = \"state\"\nlive_when = [\"alive\"]", "its labels are on, off"),
    ("excluded = \"\"\nlabels = \"deleted_at\"", "documents.labels: deleted_at is bigint"),
    ("excluded = \"\"\nsimilarity = \"state\"", "documents.similarity: state is public.state"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_cannot_play_its_role_is_refused_by_every_command_before_anything_is_made() {
    for version in VERSIONS {
        let database = Database::new(version, "unfit").await;
        database
            .run(
                "CREATE TYPE state AS ENUM ('on', 'off'); CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, \
                 deleted_at bigint NOT NULL DEFAULT 0, gone boolean, state state, view_count int, title text)",
            )
            .await;
        let receiver = Receiver::start().await;
        let settings = |documents: &str| {
            let absent = ["labels", "predicted_labels", "similarity"].into_iter();
            let absent = absent.filter(|role| !documents.contains(&format!("{role} =")));
            let absent = absent.fold(String::new(), |text, role| text + role + " = \"\"\n");
            format!("[documents]\n{absent}{documents}\n{}", webhook(&receiver))
        };
        let mut sidecar = Sidecar::prepare(&database, "");
        for (documents, message) in UNFIT {
            sidecar.configure(&database, &settings(documents));
            for command in ["doctor", "setup", "run"] {
                let output = sidecar.command(command).output().unwrap();
                let printed = [output.stdout, output.stderr]
                    .map(|printed| String::from_utf8_lossy(&printed).into_owned())
                    .concat();
                assert!(
                    output.status.code() == Some(78) && printed.contains(message),
                    "{version} {command}: {printed}"
                );
            }
        }
        let made = "SELECT (SELECT count(*) FROM pg_publication)::text || (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())";
        assert_eq!(database.text(made).await.as_deref(), Some("00"));

        sidecar.configure(&database, &settings("live_when = [\"0\"]"));
        sidecar.spawn();
        sidecar.ready().await;
        let log = sidecar.log();
        for line in [
            "excluded: deleted_at (bigint): live where it is one of \"0\"",
            "content: a change of these sends the document again: gone, state, view_count, title",
            "columns that look like counters: view_count",
        ] {
            assert!(log.contains(line), "{line}: {log}");
        }
        sidecar.stop().await;
        assert!(sidecar.command("teardown").output().unwrap().status.success());
    }
}

/// Nothing in the stream shows that a label of an enum has another name.
#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_renamed_stops_the_stream_and_a_resync_sends_what_was_missed() {
    let database = Database::new(18, "label").await;
    database
        .run("CREATE TYPE state AS ENUM ('on', 'off'); CREATE TABLE documents (id int PRIMARY KEY, key text, project_id text, state state)")
        .await;
    let receiver = Receiver::start().await;
    let settings = |label: &str| {
        format!(
            "[documents]\nlabels = \"\"\npredicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"state\"\nexcluded_when = [\"{label}\"]\n{}",
            webhook(&receiver)
        )
    };
    let mut sidecar = Sidecar::start(&database, &settings("off")).await;
    database.run("INSERT INTO documents VALUES (1, 'k', 'p', 'on')").await;
    until("the document", async || (receiver.records_taken() == 1).then_some(())).await;
    database.run("ALTER TYPE state RENAME VALUE 'off' TO 'gone'; UPDATE documents SET state = 'gone'").await;
    until("it to stop", async || {
        sidecar
            .get("/-/ready")
            .filter(|(status, body)| *status == 503 && body.contains("its labels are on, gone"))
    })
    .await;
    sidecar.stop().await;
    sidecar.configure(&database, &settings("gone"));
    sidecar.spawn();
    until("the other mapping to be seen", async || {
        sidecar.get("/-/ready").filter(|(status, body)| *status == 503 && body.contains("sidecar resync"))
    })
    .await;
    let resync = sidecar.command("resync").output().unwrap();
    assert!(resync.status.success(), "{}", String::from_utf8_lossy(&resync.stderr));
    until("the excluded one", async || (receiver.records_taken() == 2).then_some(())).await;
    let lanes = by_lane(&receiver.received());
    assert_eq!(lanes[&("p".to_owned(), "excluded".to_owned())], [json!({"id": "1", "key": "k"})]);
    sidecar.stop().await;
    assert!(sidecar.command("teardown").output().unwrap().status.success());
}
