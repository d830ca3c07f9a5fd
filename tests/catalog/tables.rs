//! What the catalog is read as, and the identity chosen from it.

use sidecar::relation::{Element, TypeKind};
use sidecar::relation::{Filenodes, MissingValue};
use sidecar::source::catalog::added::added;
use sidecar::source::catalog::identity;
use sidecar::source::catalog::table;
use sidecar::source::catalog::types::type_forms;

use crate::catalog::fixture::on_all_versions;

/// (the table, its id's columns, the identity; where None, the cure must give this one)
const IDENTITIES: &[(&str, &[&str], Option<&[&str]>, &[&str])] = &[
    ("CREATE TABLE d (id int PRIMARY KEY)", &["id"], Some(&["id"]), &[]),
    ("CREATE TABLE d (p text, id int, PRIMARY KEY (p, id))", &["id"], Some(&["p", "id"]), &[]),
    (
        "CREATE TABLE d (id int PRIMARY KEY, u int NOT NULL UNIQUE); ALTER TABLE d REPLICA IDENTITY USING INDEX d_u_key",
        &["id"],
        Some(&["u"]),
        &[],
    ),
    (
        "CREATE TABLE d (id int PRIMARY KEY, u int NOT NULL UNIQUE); ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        Some(&["id"]),
        &[],
    ),
    (
        "CREATE TABLE d (id int NOT NULL, a int NOT NULL, UNIQUE (a, id)); ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        Some(&["a", "id"]),
        &[],
    ),
    // An index that is nullable, partial, over expressions or deferrable does not identify rows.
    (
        "CREATE TABLE d (id int NOT NULL, a int UNIQUE); ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        None,
        &["id"],
    ),
    (
        "CREATE TABLE d (id int NOT NULL); CREATE UNIQUE INDEX ON d (id) WHERE id > 0; ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        None,
        &["id"],
    ),
    (
        "CREATE TABLE d (id int NOT NULL); CREATE UNIQUE INDEX ON d ((id + 1)); ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        None,
        &["id"],
    ),
    (
        "CREATE TABLE d (id int NOT NULL UNIQUE DEFERRABLE); ALTER TABLE d REPLICA IDENTITY FULL",
        &["id"],
        None,
        &["id"],
    ),
    ("CREATE TABLE d (id int PRIMARY KEY DEFERRABLE)", &["id"], None, &["id"]),
    ("CREATE TABLE d (id int NOT NULL)", &["id"], None, &["id"]),
    ("CREATE TABLE d (id int NOT NULL UNIQUE)", &["id"], None, &["id"]),
    ("CREATE TABLE d (id int PRIMARY KEY); ALTER TABLE d REPLICA IDENTITY NOTHING", &["id"], None, &["id"]),
    (
        "CREATE TABLE d (id int, u int NOT NULL UNIQUE); ALTER TABLE d REPLICA IDENTITY NOTHING",
        &["u"],
        None,
        &["u"],
    ),
    (
        "CREATE TABLE d (id int NOT NULL, u int NOT NULL UNIQUE); ALTER TABLE d REPLICA IDENTITY USING INDEX d_u_key; ALTER TABLE d DROP CONSTRAINT d_u_key",
        &["id"],
        None,
        &["id"],
    ),
    // An id that may be NULL.
    ("CREATE TABLE d (k int PRIMARY KEY, id int)", &["id"], None, &["k"]),
    // Partitions, and one with another identity.
    (
        "CREATE TABLE d (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (9)",
        &["id"],
        Some(&["id"]),
        &[],
    ),
    (
        "CREATE TABLE d (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (9); ALTER TABLE d1 REPLICA IDENTITY FULL",
        &["id"],
        Some(&["id"]),
        &[],
    ),
    (
        "CREATE TABLE d (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (9); ALTER TABLE d1 REPLICA IDENTITY NOTHING",
        &["id"],
        None,
        &["id"],
    ),
    (
        "CREATE TABLE d (id int NOT NULL, u int NOT NULL, UNIQUE (id, u)) PARTITION BY RANGE (id); CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (9); ALTER TABLE d REPLICA IDENTITY USING INDEX d_id_u_key",
        &["id"],
        None,
        &["id", "u"],
    ),
];

on_all_versions! {
    async fn the_identity_is_the_replica_identitys_and_each_refusal_names_its_cure(fixture: Fixture) {
        for (ddl, id, expected, cured) in IDENTITIES {
            fixture.run(&format!("DROP TABLE IF EXISTS public.d; SET search_path = public; {ddl}; SET search_path = pg_catalog")).await;
            let id: Vec<String> = id.iter().map(|name| (*name).to_owned()).collect();
            let mut found = table(&fixture.client, "public", "d").await.expect("the table");
            let chosen = identity::choose(&found, &id);
            let Some(expected) = expected else {
                let refusal = chosen.expect_err(ddl);
                fixture.run(&refusal.fix_sql.expect("a cure")).await;
                found = table(&fixture.client, "public", "d").await.expect("the table");
                assert_eq!(identity::choose(&found, &id).as_deref(), Ok(&cured.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()[..]), "{}: cured {ddl}", fixture.version);
                continue;
            };
            assert_eq!(chosen.expect(ddl), *expected, "{}: {ddl}", fixture.version);
        }
        fixture.close().await;
    }

    async fn a_table_that_is_not_there_is_answered_with_those_that_are_near(fixture: Fixture) {
        fixture.run("CREATE SCHEMA app; CREATE TABLE public.document (id int); CREATE TABLE app.documents (id int); CREATE TABLE public.orders (id int)").await;
        let refused = table(&fixture.client, "public", "documents").await.expect_err("no such table").to_string();
        assert!(refused.contains("app.documents, public.document") && !refused.contains("orders"), "{refused}");
        fixture.close().await;
    }

    async fn what_an_added_column_holds_in_older_rows_is_known_or_reported_as_unknown(fixture: Fixture) {
        fixture.run(
            "CREATE TABLE public.d (id int PRIMARY KEY); INSERT INTO public.d VALUES (1);
             ALTER TABLE public.d ADD v float8 DEFAULT random(), ADD s serial, ADD g int GENERATED ALWAYS AS (id + 1) STORED;
             ALTER TABLE public.d ADD n text, ADD c text DEFAULT 'it''s {a,\"b\"}', ADD a text[] DEFAULT '{\"x,y\",NULL}',
                 ADD b bool DEFAULT true, ADD x box DEFAULT '(1,2),(0,0)', ADD t timestamptz DEFAULT '2024-01-02 03:04:05+00'",
        )
        .await;
        let found = table(&fixture.client, "public", "d").await.expect("the table");
        let text = |text: &str| MissingValue::Constant(text.as_bytes().to_vec());
        let expected = [
            ("n", MissingValue::Null),
            ("c", text("it's {a,\"b\"}")),
            ("a", text("{\"x,y\",NULL}")),
            ("b", text("t")),
            ("x", text("(1,2),(0,0)")),
            ("v", MissingValue::Unknown),
            ("s", MissingValue::Unknown),
            ("g", MissingValue::Unknown),
            ("t", text("2024-01-02 03:04:05+00")),
        ];
        let names: Vec<String> = expected.iter().map(|(name, _)| (*name).to_owned()).collect();
        let added_columns = added(&fixture.client, found.oid, &names).await.expect("an answer");
        let certain = added_columns.certain(&Filenodes::new(), None);
        for (name, when_added) in expected {
            assert_eq!(certain[name], when_added, "{} {name}", fixture.version);
        }
        fixture.close().await;
    }

    async fn domains_and_arrays_of_them_are_what_they_are_of(fixture: Fixture) {
        fixture.run(
            "CREATE DOMAIN public.grade AS int; CREATE DOMAIN public.tags AS text[]; CREATE DOMAIN public.doc AS jsonb;
             CREATE TYPE public.colour AS ENUM ('red');
             CREATE TABLE public.d (a int[], b bool[], c text[], e box[], f public.colour[], g public.grade[], h public.tags,
                 i public.doc, j json, k money[], l int2vector, m public.tags[], n text, o float8[], p char(3)[], q char(3), r public.grade)",
        )
        .await;
        let found = table(&fixture.client, "public", "d").await.expect("the table");
        let oids: Vec<u32> = found.columns.iter().map(|column| column.type_oid).collect();
        let kinds = type_forms(&fixture.client, &oids).await.expect("kinds");
        let array = |element| TypeKind::Array { delimiter: b',', element };
        let expected = [
            array(Element::Number), array(Element::Bool), array(Element::Text),
            TypeKind::Array { delimiter: b';', element: Element::Text },
            array(Element::Text), array(Element::Number), array(Element::Text), TypeKind::Json, TypeKind::Json,
            array(Element::Text), TypeKind::Text, array(Element::Text), TypeKind::Text, array(Element::Number), array(Element::Padded), TypeKind::Padded, TypeKind::Number,
        ];
        let given: Vec<_> = oids.iter().map(|oid| kinds[oid].kind).collect();
        assert_eq!(given, expected);
        fixture.close().await;
    }
}
