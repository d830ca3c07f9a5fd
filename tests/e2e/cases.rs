//! What becomes of a change: every rule, as statements and the records that must arrive.
//!
//! `{p}` and `{q}` are two projects of the case's own, `{1}`, `{2}`, … ids of its own, `{big}` a text
//! that lies out of line. Records are compared per (project, callback), in order.

/// One rule.
pub(crate) struct Case {
    /// The rule, as a fact.
    pub name: &'static str,
    /// Statements; each element is one transaction.
    pub transactions: &'static [&'static str],
    /// (project, callback, JSON of one record), in the order of their lane.
    pub records: &'static [(&'static str, &'static str, &'static str)],
}

const INSERT_LIVE: &str = "INSERT INTO documents (id, key, project_id, title, body, labels) VALUES ({1}, 'k', '{p}', 't', '{big}', '{a}')";
const INGESTED: (&str, &str, &str) = ("{p}", "ingested", r#"{"id":"{1}","key":"k"}"#);
const EXCLUDED: (&str, &str, &str) = ("{p}", "excluded", r#"{"id":"{1}","key":"k"}"#);

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "an insert of a live document is ingested",
        transactions: &[INSERT_LIVE],
        records: &[INGESTED],
    },
    Case {
        name: "an insert of a document that is already excluded makes nothing",
        transactions: &[
            "INSERT INTO documents (id, key, project_id, deleted_at) VALUES ({1}, 'k', '{p}', now())",
        ],
        records: &[],
    },
    Case {
        name: "a changed content column is ingested again",
        transactions: &[INSERT_LIVE, "UPDATE documents SET title = 'other' WHERE id = {1}"],
        records: &[INGESTED, INGESTED],
    },
    Case {
        name: "a changed content column that lies out of line is ingested again",
        transactions: &[INSERT_LIVE, "UPDATE documents SET body = '{big}' || 'x' WHERE id = {1}"],
        records: &[INGESTED, INGESTED],
    },
    Case {
        name: "a content column set to NULL and back is ingested each time",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET body = NULL WHERE id = {1}",
            "UPDATE documents SET body = '{big}' WHERE id = {1}",
            "UPDATE documents SET body = '{big}' WHERE id = {1}",
        ],
        records: &[INGESTED, INGESTED, INGESTED],
    },
    Case {
        name: "an empty text is not NULL",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET title = '' WHERE id = {1}",
            "UPDATE documents SET title = NULL WHERE id = {1}",
        ],
        records: &[INGESTED, INGESTED, INGESTED],
    },
    Case {
        name: "a changed key is ingested under the new key",
        transactions: &[INSERT_LIVE, "UPDATE documents SET key = 'k2' WHERE id = {1}"],
        records: &[INGESTED, ("{p}", "ingested", r#"{"id":"{1}","key":"k2"}"#)],
    },
    Case {
        name: "a key set to NULL is ingested with null",
        transactions: &[INSERT_LIVE, "UPDATE documents SET key = NULL WHERE id = {1}"],
        records: &[INGESTED, ("{p}", "ingested", r#"{"id":"{1}","key":null}"#)],
    },
    Case {
        name: "changed labels are modified, and TOASTed content beside them is unchanged",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET labels = '{a,\"b \\\"c\\\"\",NULL}' WHERE id = {1}",
        ],
        records: &[INGESTED, ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":["a","b \"c\"",null]}"#)],
    },
    Case {
        name: "labels set to NULL and to an empty array are two changes",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET labels = NULL WHERE id = {1}",
            "UPDATE documents SET labels = '{}' WHERE id = {1}",
        ],
        records: &[
            INGESTED,
            ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":null}"#),
            ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":[]}"#),
        ],
    },
    Case {
        name: "changed predicted labels are modified",
        transactions: &[INSERT_LIVE, "UPDATE documents SET predicted_labels = '{x}' WHERE id = {1}"],
        records: &[INGESTED, ("{p}", "modified", r#"{"id":"{1}","key":"k","predicted_labels":["x"]}"#)],
    },
    Case {
        name: "each similarity entry that the old value did not hold makes a record",
        transactions: &[
            INSERT_LIVE,
            r#"UPDATE documents SET similarity = '{"similar_doc_id":7,"similar_doc_key":"x","similarity_label":"near"}' WHERE id = {1}"#,
            r#"UPDATE documents SET similarity = '[{"similar_doc_id":"8"},{"similar_doc_id":"7","similar_doc_key":"x","similarity_label":"near","score":0.5},{"similar_doc_key":"none"},3,{"similar_doc_id":"9","similar_doc_key":null,"similarity_label":"far"}]' WHERE id = {1}"#,
            r#"UPDATE documents SET similarity = '[{"similar_doc_id":"9","similarity_label":"far","other":1}]' WHERE id = {1}"#,
        ],
        records: &[
            INGESTED,
            ("{p}", "modified", r#"{"similar_doc_id":"7","similar_doc_key":"x","similarity_label":"near"}"#),
            ("{p}", "modified", r#"{"similar_doc_id":"8","similar_doc_key":null,"similarity_label":null}"#),
            ("{p}", "modified", r#"{"similar_doc_id":"9","similar_doc_key":null,"similarity_label":"far"}"#),
        ],
    },
    Case {
        name: "several changes in one update: ingested, then labels, predicted labels, similarities",
        transactions: &[
            INSERT_LIVE,
            r#"UPDATE documents SET similarity = '[{"similar_doc_id":"8"}]', predicted_labels = '{y}', labels = '{b}', title = 'u' WHERE id = {1}"#,
        ],
        records: &[
            INGESTED,
            INGESTED,
            ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":["b"]}"#),
            ("{p}", "modified", r#"{"id":"{1}","key":"k","predicted_labels":["y"]}"#),
            ("{p}", "modified", r#"{"similar_doc_id":"8","similar_doc_key":null,"similarity_label":null}"#),
        ],
    },
    Case {
        name: "an update that changes nothing tracked makes nothing",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET title = title, labels = labels, updated_at = now(), created_at = now() WHERE id = {1}",
            "UPDATE documents SET labels = '{a}', body = '{big}', key = 'k' WHERE id = {1}",
        ],
        records: &[INGESTED],
    },
    Case {
        name: "a soft delete is excluded and nothing else, whatever else changed",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET deleted_at = now(), title = 'z', labels = '{z}', key = 'later' WHERE id = {1}",
        ],
        records: &[INGESTED, EXCLUDED],
    },
    Case {
        name: "an excluded document makes nothing until it is restored",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET deleted_at = now() WHERE id = {1}",
            "UPDATE documents SET title = 'z', labels = '{z}', deleted_at = now() + interval '1 day' WHERE id = {1}",
            "UPDATE documents SET deleted_at = NULL, labels = '{r}' WHERE id = {1}",
            "UPDATE documents SET title = 'z', labels = '{r}' WHERE id = {1}",
        ],
        records: &[INGESTED, EXCLUDED, INGESTED],
    },
    Case {
        name: "a deleted row is excluded",
        transactions: &[INSERT_LIVE, "DELETE FROM documents WHERE id = {1}"],
        records: &[INGESTED, EXCLUDED],
    },
    Case {
        name: "a deleted row that was excluded already makes nothing",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET deleted_at = now() WHERE id = {1}",
            "DELETE FROM documents WHERE id = {1}",
        ],
        records: &[INGESTED, EXCLUDED],
    },
    Case {
        name: "a document moved to another project is excluded there and ingested here, under the values each knows",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET project_id = '{q}', key = 'moved', labels = '{n}', title = 'n' WHERE id = {1}",
        ],
        records: &[INGESTED, EXCLUDED, ("{q}", "ingested", r#"{"id":"{1}","key":"moved"}"#)],
    },
    Case {
        name: "a move of an excluded document makes nothing, and its restore is ingested in the new project",
        transactions: &[
            "INSERT INTO documents (id, key, project_id, deleted_at) VALUES ({1}, 'k', '{p}', now())",
            "UPDATE documents SET project_id = '{q}' WHERE id = {1}",
            "UPDATE documents SET deleted_at = NULL WHERE id = {1}",
        ],
        records: &[("{q}", "ingested", r#"{"id":"{1}","key":"k"}"#)],
    },
    Case {
        name: "a changed id is excluded under the old one and ingested under the new",
        transactions: &[INSERT_LIVE, "UPDATE documents SET id = {2}, labels = '{n}' WHERE id = {1}"],
        records: &[INGESTED, EXCLUDED, ("{p}", "ingested", r#"{"id":"{2}","key":"k"}"#)],
    },
    Case {
        name: "a changed id goes on under the new one",
        transactions: &[
            INSERT_LIVE,
            "UPDATE documents SET id = {2} WHERE id = {1}",
            "UPDATE documents SET labels = '{n}' WHERE id = {2}",
            "DELETE FROM documents WHERE id = {2}",
        ],
        records: &[
            INGESTED,
            EXCLUDED,
            ("{p}", "ingested", r#"{"id":"{2}","key":"k"}"#),
            ("{p}", "modified", r#"{"id":"{2}","key":"k","labels":["n"]}"#),
            ("{p}", "excluded", r#"{"id":"{2}","key":"k"}"#),
        ],
    },
    Case {
        name: "nothing is netted within a transaction",
        transactions: &[
            "INSERT INTO documents (id, key, project_id) VALUES ({1}, 'k', '{p}'); DELETE FROM documents WHERE id = {1}",
            "INSERT INTO documents (id, key, project_id) VALUES ({1}, 'k', '{p}'); \
             UPDATE documents SET deleted_at = now() WHERE id = {1}; \
             UPDATE documents SET deleted_at = NULL WHERE id = {1}",
        ],
        records: &[INGESTED, EXCLUDED, INGESTED, EXCLUDED, INGESTED],
    },
    Case {
        name: "a rolled back transaction or savepoint makes nothing",
        transactions: &[
            INSERT_LIVE,
            "SAVEPOINT s; UPDATE documents SET title = 'lost' WHERE id = {1}; ROLLBACK TO SAVEPOINT s; \
             UPDATE documents SET labels = '{kept}' WHERE id = {1}",
        ],
        records: &[INGESTED, ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":["kept"]}"#)],
    },
    Case {
        name: "rows of one statement share an LSN and are all sent, in order",
        transactions: &[
            "INSERT INTO documents (id, key, project_id) VALUES ({1}, 'k', '{p}'), ({2}, 'k', '{p}'), ({3}, 'k', '{p}')",
        ],
        records: &[
            INGESTED,
            ("{p}", "ingested", r#"{"id":"{2}","key":"k"}"#),
            ("{p}", "ingested", r#"{"id":"{3}","key":"k"}"#),
        ],
    },
    Case {
        name: "text of every kind arrives as it is",
        transactions: &[
            r#"INSERT INTO documents (id, key, project_id, labels) VALUES ({1}, E'q"u\\o\te\n\u00e9\U0001F600\u2028', '{p}', ARRAY['null', 'NULL', '', ' ', 'a,b', '{}', E'\\', E'\u0001'])"#,
            "UPDATE documents SET labels = labels || ARRAY['x'] WHERE id = {1}",
        ],
        records: &[
            ("{p}", "ingested", r#"{"id":"{1}","key":"q\"u\\o\te\né😀\u2028"}"#),
            (
                "{p}",
                "modified",
                r#"{"id":"{1}","key":"q\"u\\o\te\né😀\u2028","labels":["null","NULL",""," ","a,b","{}","\\","\u0001","x"]}"#,
            ),
        ],
    },
    Case {
        name: "an upsert that changes a label is modified",
        transactions: &[
            INSERT_LIVE,
            "INSERT INTO documents (id, key, project_id) VALUES ({1}, 'k', '{p}') ON CONFLICT (id) DO UPDATE SET labels = '{up}'",
        ],
        records: &[INGESTED, ("{p}", "modified", r#"{"id":"{1}","key":"k","labels":["up"]}"#)],
    },
];
