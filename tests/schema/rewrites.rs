//! Columns are added and rows are written anew: by a sidecar that runs, by one that is stopped, and in one
//! transaction with changes of documents. What nobody changed makes no record, and what was changed makes one.

use futures_util::future::join_all;
use serde_json::json;

use crate::schema::helpers::{records_until_now, required, to};
use crate::support::VERSIONS;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;

/// What is altered, in one statement after the other. What every row then holds in `more`, as SQL; and
/// whether the catalog still has it.
struct Case {
    name: &'static str,
    alters: &'static [&'static str],
    holds: &'static str,
    delivered: bool,
}

const CASES: [Case; 10] = [
    Case { name: "plain", alters: &["ADD more text"], holds: "NULL", delivered: true },
    Case { name: "constant", alters: &["ADD more text DEFAULT '5'"], holds: "'5'", delivered: true },
    Case {
        name: "dropped",
        alters: &["ADD more text DEFAULT '5'", "ALTER more DROP DEFAULT"],
        holds: "'5'",
        delivered: true,
    },
    Case {
        name: "replaced",
        alters: &["ADD more text DEFAULT '5'", "ALTER more SET DEFAULT '6'"],
        holds: "'5'",
        delivered: true,
    },
    Case {
        name: "defaultless",
        alters: &["ADD more text", "ALTER more SET DEFAULT '6'", "ALTER more DROP DEFAULT"],
        holds: "NULL",
        delivered: true,
    },
    // The rows are written anew.
    Case { name: "beside", alters: &["ADD more text, ALTER n TYPE bigint"], holds: "NULL", delivered: true },
    Case { name: "after", alters: &["ADD more text", "ALTER n TYPE bigint"], holds: "NULL", delivered: true },
    Case {
        name: "lost",
        alters: &["ADD more text DEFAULT '5'", "ALTER n TYPE bigint", "ALTER more DROP DEFAULT"],
        holds: "'5'",
        delivered: false,
    },
    Case {
        name: "kept",
        alters: &["ADD more text DEFAULT '5'", "ALTER n TYPE bigint"],
        holds: "'5'",
        delivered: false,
    },
    Case {
        name: "volatile",
        alters: &["ADD more text DEFAULT gen_random_uuid()", "ALTER more DROP DEFAULT"],
        holds: "more",
        delivered: false,
    },
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Running,
    Stopped,
    InOneTransaction,
    /// And a savepoint around each.
    InSavepoints,
}

async fn check_case(case: &Case, how: How, version: u32) {
    let what = format!("{}, {how:?}, PostgreSQL {version}", case.name);
    let database = Database::new(version, case.name).await;
    database.run(DOCUMENTS).await;
    database
        .run(
            "ALTER TABLE documents ADD n int;
             INSERT INTO documents (id, key, project_id, n) SELECT g, 'k' || g, 'p', g FROM generate_series(1, 4) g",
        )
        .await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
    if how == How::Stopped {
        assert!(sidecar.stop().await.success());
    }
    let mut statements: Vec<String> =
        case.alters.iter().map(|alter| format!("ALTER TABLE documents {alter}")).collect();
    statements.extend([
        // Nothing that is content.
        "UPDATE documents SET labels = '{a}' WHERE id = 1".to_owned(),
        format!("UPDATE documents SET more = {}, labels = '{{b}}' WHERE id = 2", case.holds),
        // What is known by now.
        "UPDATE documents SET more = 'new' WHERE id = 1".to_owned(),
        "UPDATE documents SET more = 'new' WHERE id = 3".to_owned(),
    ]);
    match how {
        How::Running | How::Stopped => {
            for statement in &statements {
                database.run(statement).await;
            }
        }
        How::InOneTransaction => database.run(&statements.join(";")).await,
        How::InSavepoints => {
            let saved: Vec<String> =
                statements.iter().map(|sql| format!("SAVEPOINT s; {sql}; RELEASE s")).collect();
            database.run(&format!("BEGIN; {}; COMMIT", saved.join(";"))).await;
        }
    }
    if how == How::Stopped {
        sidecar.spawn();
        sidecar.ready().await;
    }
    if !case.delivered {
        // The table is looked at then, and what is changed afterwards is seen.
        sidecar.compared(4).await;
        database.run("UPDATE documents SET more = 'new' WHERE id = 4").await;
    }
    let delivered = records_until_now(&database, &receiver).await;
    let ids: Vec<&str> =
        delivered.get("ingested").into_iter().flatten().filter_map(|record| record["id"].as_str()).collect();
    if case.delivered {
        assert_eq!(ids, ["1", "3"], "{what}");
    } else {
        // What document 3 held is unknown if it was changed before the comparison.
        let but_3: Vec<&str> = ids.into_iter().filter(|id| *id != "3").collect();
        assert_eq!(but_3, ["1", "4"], "{what}");
    }
    let labels: Vec<_> = delivered["modified"].iter().map(|record| record["labels"].clone()).collect();
    assert_eq!(labels, [json!(["a"]), json!(["b"])], "{what}");
    assert!(sidecar.stop().await.success());
    database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_alter_makes_unknowable_is_no_change_and_what_is_known_is() {
    for version in VERSIONS {
        for case in &CASES {
            let hows = [How::Running, How::Stopped, How::InOneTransaction, How::InSavepoints];
            join_all(hows.map(|how| check_case(case, how, version))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_of_now_is_not_taken_for_that_of_an_earlier_change() {
    for version in VERSIONS {
        let database = Database::new(version, "since").await;
        database.run(DOCUMENTS).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p'), (2, 'k', 'p')").await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        assert!(sidecar.stop().await.success());
        for sql in [
            "ALTER TABLE documents ADD more text DEFAULT '5'",
            "UPDATE documents SET labels = '{a}' WHERE id = 1",
            "ALTER TABLE documents DROP more",
            "ALTER TABLE documents ADD more text DEFAULT '6'",
        ] {
            database.run(sql).await;
        }
        sidecar.spawn();
        sidecar.ready().await;
        // The catalog of now would have answered, so that nothing had to be compared. The comparison finds
        // what document 1 holds in the later column, and document 2 was not read since the earlier one came.
        sidecar.compared(2).await;
        let delivered = records_until_now(&database, &receiver).await;
        let expected =
            [("modified", r#"{"id":"1","key":"k","labels":["a"]}"#), ("ingested", r#"{"id":"1","key":"k"}"#)];
        assert_eq!(delivered, required(&expected), "PostgreSQL {version}");
    }
}
