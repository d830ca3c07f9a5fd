//! Every role × every type that a column can be of: it plays the role as SQL means it, or is refused with the
//! setting, the column, the type and what would work.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sidecar::classify::{
    Drafts, Fingerprint, Layout, Layouts, Mapping, Projects, Row, SimilarityColumns, TypeKinds, Value,
};
use sidecar::decode::{Cell, Message, Relation, Tuple};
use sidecar::relation::ColumnType;
use sidecar::relation::ExcludedWhen;
use sidecar::relation::Table;
use sidecar::source::catalog::roles;
use sidecar::source::catalog::types::type_forms;
use sidecar::source::catalog::values::exclusion_rule;
use sidecar::source::catalog::violation::Violation;
use sidecar::source::preflight::server_state::{ServerState, inspect};
use sidecar::source::{Required, RequiredColumn};

use crate::catalog::fixture::{Fixture, on_all_versions};

/// A value of each built-in scalar type; `None` where no text makes one. An array's and a range's is empty.
const VALUES: &[(&str, Option<&str>)] = &[
    ("aclitem", Some("=r/postgres")),
    ("bit", Some("1")),
    ("bool", Some("true")),
    ("box", Some("(3,4),(1,2)")),
    ("bpchar", Some("acme  ")),
    ("bytea", Some("\\x61")),
    ("char", Some("c")),
    ("cid", Some("7")),
    ("cidr", Some("10.0.0.0/8")),
    ("circle", Some("<(1,2),3>")),
    ("date", Some("2026-1-2")),
    ("float4", Some("7.50")),
    ("float8", Some("7.50")),
    ("gtsvector", None),
    ("inet", Some("10.0.0.1")),
    ("int2", Some("007")),
    ("int2vector", Some("1 2")),
    ("int4", Some("007")),
    ("int8", Some("007")),
    ("interval", Some("1 mon")),
    ("json", Some("{\"similar_doc_id\": \"8\"}")),
    ("jsonb", Some("{\"similar_doc_id\": \"8\"}")),
    ("jsonpath", Some("$")),
    ("line", Some("{1,2,3}")),
    ("lseg", Some("[(1,2),(3,4)]")),
    ("macaddr", Some("08:00:2b:01:02:03")),
    ("macaddr8", Some("08:00:2b:01:02:03:04:05")),
    ("money", Some("7")),
    ("name", Some("acme")),
    ("numeric", Some("007.50")),
    ("oid", Some("7")),
    ("oidvector", Some("1 2")),
    ("path", Some("[(1,2),(3,4)]")),
    ("pg_brin_bloom_summary", None),
    ("pg_brin_minmax_multi_summary", None),
    ("pg_dependencies", None),
    ("pg_lsn", Some("0/16B3748")),
    ("pg_mcv_list", None),
    ("pg_ndistinct", None),
    ("pg_node_tree", None),
    ("pg_snapshot", Some("10:20:")),
    ("point", Some("(1,2)")),
    ("polygon", Some("((1,2),(3,4))")),
    ("refcursor", Some("c")),
    ("regclass", Some("0")),
    ("regcollation", Some("0")),
    ("regconfig", Some("0")),
    ("regdictionary", Some("0")),
    ("regnamespace", Some("0")),
    ("regoper", Some("0")),
    ("regoperator", Some("0")),
    ("regproc", Some("0")),
    ("regprocedure", Some("0")),
    ("regrole", Some("0")),
    ("regtype", Some("0")),
    ("text", Some("acme")),
    ("tid", Some("(0,1)")),
    ("time", Some("12:00")),
    ("timestamp", Some("2026-1-2")),
    ("timestamptz", Some("infinity")),
    ("timetz", Some("12:00+00")),
    ("tsquery", Some("a")),
    ("tsvector", Some("a")),
    ("txid_snapshot", Some("10:20:")),
    ("uuid", Some("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")),
    ("varbit", Some("101")),
    ("varchar", Some("acme")),
    ("xid", Some("7")),
    ("xid8", Some("7")),
    ("xml", Some("<a/>")),
];

/// (SQL type, value, the built-in type that it is like)
const OWN: &[(&str, &str, &str)] = &[
    ("public.d_text", "acme", "text"),
    ("public.d_int", "007", "int4"),
    ("public.d_bool", "on", "bool"),
    ("public.d_bool_of_d", "on", "bool"),
    ("public.d_when", "2026-1-2", "timestamptz"),
    ("public.d_char", "acme", "bpchar"),
    ("public.d_json", "{\"similar_doc_id\": \"8\"}", "jsonb"),
    ("public.d_tags", "{}", "_text"),
    ("public.mood", "glad", "mood"),
    ("public.d_mood", "glad", "mood"),
    ("public.pair", "(1,x)", "composite"),
    ("public.span", "empty", "int4range"),
    ("public.citext", "Acme", "citext"),
    ("public.citext[]", "{}", "_citext"),
    ("char(9)", "acme", "bpchar"),
    ("varchar(9)", "acme", "varchar"),
    ("numeric(9, 3)", "7.5", "numeric"),
    ("bit(3)", "101", "bit"),
    ("timestamptz(0)", "infinity", "timestamptz"),
];

const TYPES: &str = "
CREATE EXTENSION citext SCHEMA public;
CREATE DOMAIN public.d_text AS text; CREATE DOMAIN public.d_int AS int CHECK (VALUE > 0);
CREATE DOMAIN public.d_bool AS boolean; CREATE DOMAIN public.d_bool_of_d AS public.d_bool;
CREATE DOMAIN public.d_when AS timestamptz; CREATE DOMAIN public.d_char AS char(9); CREATE DOMAIN public.d_json AS jsonb;
CREATE DOMAIN public.d_tags AS text[]; CREATE TYPE public.mood AS ENUM ('glad', 'sad'); CREATE DOMAIN public.d_mood AS public.mood;
CREATE TYPE public.pair AS (a int, b text); CREATE TYPE public.span AS RANGE (subtype = int4);";

/// A column, what it is of, and what it holds.
struct Sample {
    column: String,
    /// The name of the built-in type, or what a user's is like.
    like: String,
    value: Option<String>,
}

/// The table with a column of each type, and one row, as the stream has it.
struct Sweep {
    samples: Vec<Sample>,
    found: ServerState,
    required: Required,
    relation: Relation,
    cells: Vec<Option<String>>,
    kinds: TypeKinds,
}

impl Sweep {
    async fn prepare(fixture: &Fixture) -> Self {
        fixture.run(TYPES).await;
        let built_in = fixture
            .client
            .query(
                "SELECT t.typname::text, pg_catalog.format_type(t.oid, -1) FROM pg_catalog.pg_type AS t
                 LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
                 WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype NOT IN ('c', 'p')
                   AND coalesce(e.typtype, 'b') NOT IN ('c', 'p') ORDER BY t.oid",
                &[],
            )
            .await
            .expect("types");
        // A server may be built without XML.
        let has_xml = fixture.client.query_one("SELECT '<a/>'::xml::text", &[]).await.is_ok();
        let mut columns = Vec::new();
        for row in built_in {
            let (name, sql): (String, String) = (row.get(0), row.get(1));
            let listed = VALUES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let value = match name.as_str() {
                name if sql.ends_with("[]") => Some("{}").filter(|_| !name.is_empty()),
                "xml" if !has_xml => None,
                name if name.ends_with("multirange") => Some("{}"),
                name if name.ends_with("range") => Some("empty"),
                name => listed.unwrap_or_else(|| panic!("no value of {name} is listed")),
            };
            columns.push((name, sql, value.map(str::to_owned)));
        }
        for (sql, value, like) in OWN {
            columns.push(((*like).to_owned(), (*sql).to_owned(), Some((*value).to_owned())));
        }
        let samples: Vec<Sample> = columns
            .iter()
            .enumerate()
            .map(|(at, (like, _, value))| Sample {
                column: format!("c{at}"),
                like: like.clone(),
                value: value.clone(),
            })
            .collect();
        let defined: Vec<String> = columns
            .iter()
            .zip(&samples)
            .map(|((_, sql, _), sample)| format!("{} {sql}", sample.column))
            .collect();
        fixture
            .run(&format!(
                "CREATE TABLE public.documents (pk int PRIMARY KEY, plain text, {})",
                defined.join(", ")
            ))
            .await;
        let slot = &fixture.required(&[]).slot;
        fixture.run("CREATE PUBLICATION p FOR TABLE public.documents").await;
        fixture.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
        let values: Vec<String> = samples
            .iter()
            .map(|sample| {
                sample
                    .value
                    .as_ref()
                    .map_or("NULL".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
            })
            .collect();
        fixture
            .run(&format!("INSERT INTO public.documents VALUES (1, 'plain', {})", values.join(", ")))
            .await;
        let (relation, cells) = streamed(fixture, slot).await;
        let required = fixture.required(&[]);
        let found = fixture.server_state(&required).await;
        let mut kinds = TypeKinds::default();
        let oids: Vec<u32> = relation
            .columns
            .iter()
            .map(|column| column.type_oid)
            .filter(|oid| !kinds.contains(*oid))
            .collect();
        for (oid, form) in type_forms(&fixture.client, &oids).await.expect("forms") {
            kinds.insert(oid, form);
        }
        Self { samples, found, required, relation, cells, kinds }
    }

    fn typed(&self, column: &str) -> (&Table, &ColumnType) {
        (&self.found.table, &self.found.types[column])
    }

    fn mapping(column: &str, setting: &str) -> Mapping {
        let is = |name: &str| (setting == name).then(|| column.to_owned());
        Mapping {
            table: "documents".parse().expect("a name"),
            id: vec![is("documents.id").unwrap_or_else(|| "pk".to_owned())],
            key: is("documents.key"),
            project: is("documents.project"),
            labels: is("documents.labels"),
            predicted_labels: is("documents.predicted_labels"),
            similarity: match setting {
                "documents.similarity" => SimilarityColumns::Json(column.to_owned()),
                "documents.similarity.label" => SimilarityColumns::Columns {
                    id: "plain".into(),
                    key: "plain".into(),
                    label: column.into(),
                },
                _ => SimilarityColumns::None,
            },
            excluded: is("documents.excluded"),
            excluded_when: ExcludedWhen::NotNull,
            content: Some(Vec::new()),
            ignore: Vec::new(),
        }
    }

    /// What the row of the stream makes of a document that had nothing but its id: project and record of each draft.
    fn drafts(&self, mapping: &Mapping) -> Vec<(String, Json)> {
        let (mut layouts, defaults) = (Layouts::default(), BTreeMap::new());
        let layout = Layout::resolve(
            mapping,
            &["pk".to_owned()],
            &self.relation,
            &mut layouts,
            &self.kinds,
            &defaults,
        )
        .expect("a layout");
        let cells = self
            .cells
            .iter()
            .map(|cell| cell.as_ref().map_or(Cell::Null, |text| Cell::Text(text.as_bytes())));
        let row = layout.row(&Tuple(cells.collect())).expect("a row");
        let (mut projects, mut drafts) = (Projects::default(), Drafts::default());
        let result = |drafts: &Drafts, projects: &Projects| -> Vec<(String, Json)> {
            drafts
                .list
                .iter()
                .map(|draft| {
                    let json = serde_json::from_slice(drafts.fragment(draft)).expect("JSON");
                    (projects.name(draft.project).to_owned(), json)
                })
                .collect()
        };
        let entry = layout.classify(None, &row, &mut projects, &mut drafts).expect("judged");
        let mut all = result(&drafts, &projects);
        drafts.clear();
        let mut before = entry;
        if before.excluded {
            return all;
        }
        (before.labels, before.predicted_labels) = (Fingerprint::NULL, Fingerprint::NULL);
        let nulls: Vec<Value<'_>> = layout
            .columns()
            .iter()
            .map(|column| if column.name == "pk" { Value::Text(b"1") } else { Value::Null })
            .collect();
        if mapping.similarity != SimilarityColumns::None {
            before = layout.classify(None, &Row(nulls), &mut projects, &mut drafts).expect("judged");
            drafts.clear();
        }
        layout.classify(Some(&before), &row, &mut projects, &mut drafts).expect("judged");
        all.extend(result(&drafts, &projects));
        all
    }
}

/// The relation and the row, as pgoutput describes them.
async fn streamed(fixture: &Fixture, slot: &str) -> (Relation, Vec<Option<String>>) {
    let sql = format!(
        "SELECT data FROM pg_logical_slot_get_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')"
    );
    let (mut relation, mut cells) = (None, Vec::new());
    for row in fixture.client.query(&sql, &[]).await.expect("changes") {
        let bytes: Vec<u8> = row.get(0);
        match Message::parse(&bytes).expect("a message") {
            Message::Relation(described) => relation = Some(described),
            Message::Insert { new, .. } => {
                let text = |cell: &Cell<'_>| match cell {
                    Cell::Text(text) => Some(String::from_utf8(text.to_vec()).expect("text")),
                    Cell::Null | Cell::Unchanged => None,
                };
                cells = new.0.iter().map(text).collect();
            }
            _ => {}
        }
    }
    (relation.expect("a relation"), cells)
}

const NAMED: &[&str] = &[
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];
/// Not a single name, so that its values cannot be listed.
const NO_SCALARS: &[&str] = &[
    "aclitem",
    "box",
    "circle",
    "composite",
    "gtsvector",
    "int2vector",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "oidvector",
    "path",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
    "pg_snapshot",
    "point",
    "polygon",
    "refcursor",
    "tsquery",
    "tsvector",
    "txid_snapshot",
    "xml",
];
const TEXTS: &[&str] = &["bpchar", "citext", "name", "text", "varchar"];

fn is_scalar(like: &str) -> bool {
    !like.starts_with('_') && !like.ends_with("range") && !NO_SCALARS.contains(&like)
}

fn plays(setting: &str, like: &str) -> bool {
    let is_json = ["json", "jsonb"].contains(&like);
    match setting {
        "documents.id" | "documents.key" | "documents.similarity.label" => !NAMED.contains(&like),
        "documents.project" => is_scalar(like) && !NAMED.contains(&like),
        "documents.labels" | "documents.predicted_labels" => {
            is_json || TEXTS.contains(&like) || like.starts_with('_') || ["char", "mood"].contains(&like)
        }
        "documents.similarity" => is_json,
        other => panic!("{other}"),
    }
}

/// Which sentence a refusal must be.
fn names_all(refusal: &Violation, setting: &str, column: &str, of: &str, context: &str) {
    let what = &refusal.what;
    let cure = what.contains("name another column") || what.contains("What works: documents.");
    assert!(
        what.starts_with(setting) && what.contains(&format!("{column} is {of}")) && cure,
        "{context}: {what}"
    );
}

on_all_versions! {
    async fn every_role_is_played_by_every_type_or_refused_with_the_cure(fixture: Fixture) {
        let sweep = Sweep::prepare(&fixture).await;
        let mut checked = 0;
        for setting in ["documents.id", "documents.key", "documents.project", "documents.labels", "documents.predicted_labels", "documents.similarity", "documents.similarity.label"] {
            for (sample, text) in sweep.samples.iter().zip(&sweep.cells[2..]) {
                let (table, of) = sweep.typed(&sample.column);
                let column = table.column(&sample.column).expect("a column");
                let named = RequiredColumn { setting: setting.to_owned(), name: sample.column.clone() };
                let context = format!("{} {setting} {} like {}", fixture.version, column.type_name, sample.like);
                let refusal = roles::violation(&named, column, of);
                checked += 1;
                assert_eq!(refusal.is_none(), plays(setting, &sample.like), "{context}: {refusal:?}");
                if let Some(refusal) = refusal {
                    names_all(&refusal, setting, &sample.column, &column.type_name, &context);
                    continue;
                }
                let Some(text) = text else { continue };
                let mapping = Sweep::mapping(&sample.column, setting);
                let drafts = sweep.drafts(&mapping);
                let is_padded = sample.like == "bpchar";
                let name = if is_padded { text.trim_end() } else { text };
                let (project, first) = &drafts[0];
                match setting {
                    "documents.id" => assert_eq!(first["id"], name, "{context}"),
                    "documents.key" => assert_eq!(first["key"], name, "{context}"),
                    "documents.project" => assert_eq!(project, name, "{context}"),
                    "documents.similarity" => assert_eq!(drafts[1].1["similar_doc_id"], "8", "{context}"),
                    "documents.similarity.label" => assert_eq!(drafts[1].1["similarity_label"], name, "{context}"),
                    _ => {
                        let property = setting.trim_start_matches("documents.");
                        let expected = match sample.like.as_str() {
                            "json" | "jsonb" => serde_json::from_str(text).expect("JSON"),
                            like if like.starts_with('_') => Json::Array(Vec::new()),
                            _ => Json::from(name),
                        };
                        assert_eq!(drafts[1].1[property], expected, "{context}");
                    }
                }
            }
        }
        println!("PostgreSQL {}: {} types, {checked} pairs", fixture.version, sweep.samples.len());
        fixture.close().await;
    }

    async fn an_excluded_document_is_recognised_with_every_type_or_refused_with_the_cure(fixture: Fixture) {
        let mut sweep = Sweep::prepare(&fixture).await;
        let mut checked = 0;
        let columns: Vec<(String, String, Option<String>)> =
            sweep.samples.iter().map(|sample| (sample.column.clone(), sample.like.clone(), sample.value.clone())).collect();
        for ((column, like, value), text) in columns.into_iter().zip(sweep.cells.split_off(2)) {
            sweep.cells.push(None);
            let Some(value) = value else { continue };
            let (like, listed) = (like.as_str(), vec![value]);
            let can_be_listed = is_scalar(like) && !NAMED.contains(&like) && like != "interval";
            let is_moment = ["date", "timestamp", "timestamptz"].contains(&like);
            let cases = [
                (ExcludedWhen::ByType, like == "bool" || is_moment, true),
                (ExcludedWhen::NotNull, true, true),
                (ExcludedWhen::True, like == "bool" || TEXTS.contains(&like), like == "bool"),
                (ExcludedWhen::Values(listed.clone()), can_be_listed, true),
                (ExcludedWhen::Unless(listed), can_be_listed, false),
            ];
            for (when, accepted, is_excluded) in cases {
                let table = &sweep.found.table;
                let of = &sweep.found.types[&column];
                let type_name = table.column(&column).expect("a column").type_name.clone();
                let context = format!("{} {when:?} {type_name}", fixture.version);
                let named = RequiredColumn { setting: "documents.excluded".to_owned(), name: column.clone() };
                let required = Required { columns: vec![named], excluded_when: when.clone(), ..sweep.required.clone() };
                let result = exclusion_rule(&fixture.client, table, &sweep.found.types, &required).await.expect("asked");
                checked += 1;
                assert_eq!(result.when.is_some(), accepted, "{context}: {result:?}");
                let Some(read) = result.when else {
                    let setting = if matches!(when, ExcludedWhen::Unless(_)) { "documents.live_when" } else { "documents.excluded_when" };
                    names_all(&result.violation.expect("a refusal"), setting, &column, &type_name, &context);
                    continue;
                };
                assert_eq!(read, read.canonical(of.form), "{context}: read once, it is read");
                assert!(!read.holds(of.form.kind, None) || matches!(read, ExcludedWhen::Unless(_)), "{context}: NULL");
                assert_eq!(read.holds(of.form.kind, text.as_deref()), is_excluded, "{context}: {read:?} {text:?}");
            }
        }
        println!("PostgreSQL {}: {checked} pairs", fixture.version);
        fixture.close().await;
    }

    async fn values_that_no_row_can_hold_are_refused_with_the_servers_reason(fixture: Fixture) {
        fixture.run(TYPES).await;
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY, b boolean, n int, f numeric(9, 2), m public.mood, v varchar(3), c char(3),
                 t timestamptz(0), d public.d_int, u uuid, l bit(3), x name, s boolean NOT NULL DEFAULT false, k \"char\")").await;
        for (column, value, why) in [
            ("b", "maybe", "invalid input syntax for type boolean"),
            ("n", "0.5", "invalid input syntax for type integer"),
            ("n", "9999999999", "out of range"),
            ("f", "0.001", "would become \"0.00\""),
            ("f", "1e9", "overflow"),
            ("m", "happy", "its labels are glad, sad"),
            ("v", "abcd", "would become \"abc\""),
            ("c", "abcd", "would become \"abc\""),
            ("t", "2026-01-01 00:00:00.7", "would become"),
            ("t", "now", "another value at each start"),
            ("d", "0", "d_int_check"),
            ("u", "7", "invalid input syntax for type uuid"),
            ("l", "10", "would become \"100\""),
            ("k", "ab", "would become \"a\""),
        ] {
            for when in [ExcludedWhen::Values(vec![value.to_owned()]), ExcludedWhen::Unless(vec![value.to_owned()])] {
                let required = Required { excluded_when: when, ..excluded_by(&fixture, column) };
                let refusals = fixture.server_state(&required).await.violations(&required);
                let messages: Vec<&str> = refusals.iter().map(|refusal| refusal.what.as_str()).collect();
                assert!(matches!(*messages, [messages] if messages.contains(why) && messages.contains(&format!("{value:?}")) && messages.contains("What works:")), "{column} {value}: {messages:?}");
            }
        }
        for (column, value, texts) in [
            ("b", "no", "f"), ("f", "0", "0"), ("n", " 7", "7"), ("c", "ab ", "ab"), ("t", "2026-1-2 3:00+1", "2026-01-02 02:00:00+00"),
            ("u", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), ("m", "sad", "sad"), ("t", "Infinity", "infinity"),
        ] {
            let required = Required { excluded_when: ExcludedWhen::Unless(vec![value.to_owned(), value.to_owned()]), ..excluded_by(&fixture, column) };
            assert_eq!(fixture.server_state(&required).await.exclusion.when, Some(ExcludedWhen::Unless(vec![texts.to_owned()])), "{column} {value}");
        }
        fixture.close().await;
    }

    async fn a_type_of_a_schema_that_the_role_may_not_use_is_read_where_it_can_be(fixture: Fixture) {
        fixture.run("CREATE SCHEMA hidden; CREATE TYPE hidden.mood AS ENUM ('glad', 'sad'); CREATE DOMAIN hidden.yes AS boolean;
                 CREATE TABLE public.documents (id int PRIMARY KEY, m hidden.mood, y hidden.yes)").await;
        let role = format!("r_{}", fixture.name);
        fixture.run(&format!("CREATE ROLE {role} LOGIN REPLICATION; GRANT SELECT ON public.documents TO {role}")).await;
        let client = fixture.session_as(&role).await;
        for (column, value, read) in [("m", "sad", Ok("sad")), ("m", "no", Err("its labels are glad, sad")), ("y", "t", Err("GRANT USAGE ON SCHEMA"))] {
            let required = Required { excluded_when: ExcludedWhen::Values(vec![value.to_owned()]), ..excluded_by(&fixture, column) };
            let result = inspect(&client, &required).await.expect("a survey").exclusion;
            match read {
                Ok(value) => assert_eq!(result.when, Some(ExcludedWhen::Values(vec![value.to_owned()]))),
                Err(why) => assert!(result.violation.as_ref().is_some_and(|refusal| refusal.what.contains(why)), "{column} {value}: {result:?}"),
            }
        }
        drop(client);
        fixture.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        fixture.close().await;
    }

    async fn what_leaves_no_document_live_is_refused(fixture: Fixture) {
        fixture.run(TYPES).await;
        fixture.run("CREATE TABLE public.documents (id int PRIMARY KEY, b boolean NOT NULL, n bigint NOT NULL, t timestamptz NOT NULL, m public.mood NOT NULL)").await;
        let values = |values: &[&str]| ExcludedWhen::Values(values.iter().map(|value| (*value).to_owned()).collect());
        for (column, when, works) in [
            ("b", ExcludedWhen::NotNull, "excluded_when = \"true\""),
            ("n", ExcludedWhen::NotNull, "live_when = [\"0\"]"),
            ("n", ExcludedWhen::ByType, "live_when = [\"0\"]"),
            ("t", ExcludedWhen::ByType, "live_when = [\"infinity\"]"),
            ("m", ExcludedWhen::NotNull, "live_when = [\"glad\"]"),
            ("b", values(&["no", "yes"]), "excluded_when = \"true\""),
            ("m", values(&["sad", "glad"]), "live_when = [\"glad\"]"),
        ] {
            let required = Required { excluded_when: when.clone(), ..excluded_by(&fixture, column) };
            let refusals = fixture.server_state(&required).await.violations(&required);
            assert!(matches!(&*refusals, [refusal] if refusal.what.contains(works) && !refusal.what.contains("= \"not_null\"")), "{column} {when:?}: {refusals:?}");
        }
        fixture.close().await;
    }

    async fn generated_columns_play_no_role_where_they_are_not_published_and_identity_columns_do(fixture: Fixture) {
        let virtual_column = if fixture.version >= 18 { ", v text GENERATED ALWAYS AS (t) VIRTUAL" } else { "" };
        fixture.run(&format!("CREATE TABLE public.documents (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, s text GENERATED ALWAYS AS (t) STORED{virtual_column})")).await;
        for setting in ["documents.id", "documents.key", "documents.project", "documents.labels", "documents.predicted_labels", "documents.excluded", "documents.content"] {
            for (name, published) in [("s", fixture.version >= 18), ("v", false), ("id", true)] {
                if name == "v" && fixture.version < 18 {
                    continue;
                }
                let column = RequiredColumn { setting: setting.to_owned(), name: name.to_owned() };
                let required = Required { columns: vec![column], excluded_when: ExcludedWhen::Values(vec!["1".to_owned()]), ..fixture.required(&[]) };
                let refusals: BTreeSet<String> = fixture.server_state(&required).await.violations(&required).into_iter().map(|refusal| refusal.what)
                    .filter(|what| !what.contains("and an array, json")).collect();
                let generated = refusals.iter().any(|what| what.starts_with(setting) && what.contains(&format!("{name} is a")) && what.contains("generated column"));
                assert_eq!((generated, refusals.len()), (!published, usize::from(!published)), "{} {setting} {name}: {refusals:?}", fixture.version);
            }
        }
        fixture.close().await;
    }
}

/// The settings that name the column for excluded documents.
fn excluded_by(fixture: &Fixture, column: &str) -> Required {
    let named = RequiredColumn { setting: "documents.excluded".to_owned(), name: column.to_owned() };
    Required { columns: vec![named], ..fixture.required(&[]) }
}
