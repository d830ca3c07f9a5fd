//! The facts in the spool about the source.

use std::collections::HashMap;

use anyhow::Context as _;

use super::continuity::KnownSource;
use super::resync_job::ResyncJob;
use crate::classify::Mapping;
use crate::spool::Fact;

/// Source, mapping and identity are `None` until the first start has finished.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SourceFacts {
    pub(super) source: Option<KnownSource>,
    pub(super) mapping: Option<Mapping>,
    pub(super) identity: Option<Vec<String>>,
    /// The resync that began and did not finish.
    pub(super) job: Option<ResyncJob>,
}

impl SourceFacts {
    pub(super) fn read(facts: &HashMap<Fact, Vec<u8>>) -> anyhow::Result<Self> {
        fn json<T: serde::de::DeserializeOwned>(
            facts: &HashMap<Fact, Vec<u8>>,
            fact: Fact,
        ) -> anyhow::Result<Option<T>> {
            let read = facts.get(&fact).map(|bytes| serde_json::from_slice(bytes)).transpose();
            read.with_context(|| format!("read the spool's {fact:?}"))
        }
        Ok(Self {
            source: json(facts, Fact::Source)?,
            mapping: json(facts, Fact::Mapping)?,
            identity: json(facts, Fact::Identity)?,
            job: json(facts, Fact::Resync)?,
        })
    }

    /// Replaces source, mapping and identity. Returns whether one of them changed.
    pub(super) fn replace(&mut self, source: KnownSource, mapping: Mapping, identity: Vec<String>) -> bool {
        let job = self.job.clone();
        let replaced = Self { source: Some(source), mapping: Some(mapping), identity: Some(identity), job };
        let changed = *self != replaced;
        *self = replaced;
        changed
    }

    /// Source, mapping and identity, as facts for the spool.
    pub(super) fn facts(&self) -> Vec<(Fact, Option<Vec<u8>>)> {
        vec![
            (Fact::Source, self.source.as_ref().and_then(|source| serde_json::to_vec(source).ok())),
            (Fact::Mapping, self.mapping.as_ref().and_then(|mapping| serde_json::to_vec(mapping).ok())),
            (Fact::Identity, self.identity.as_ref().and_then(|identity| serde_json::to_vec(identity).ok())),
        ]
    }
}

/// The bytes on disk are JSON of types of several modules. They are on users' disks: where this fails, a
/// field or variant was renamed, and old bytes must still be read.
#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::classify::{SimilarityColumns, TableName};
    use crate::relation::ExcludedWhen;

    /// Written as `golden`, and read as it was.
    fn check<T: DeserializeOwned + PartialEq + Serialize + std::fmt::Debug>(value: &T, golden: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), golden);
        assert_eq!(serde_json::from_str::<T>(golden).unwrap(), *value);
    }

    fn mapping() -> Mapping {
        Mapping {
            table: TableName { schema: "public".into(), name: "documents".into() },
            id: vec!["a".into(), "b".into()],
            key: Some("c".into()),
            project: Some("d".into()),
            labels: Some("e".into()),
            predicted_labels: None,
            similarity: SimilarityColumns::Columns { id: "f".into(), key: "g".into(), label: "h".into() },
            excluded: Some("i".into()),
            excluded_when: ExcludedWhen::Values(vec!["j".into()]),
            content: Some(vec!["k".into()]),
            ignore: vec!["l".into()],
        }
    }

    #[test]
    fn the_bytes_of_the_source_are_those_of_format_1() {
        let source = KnownSource {
            system_id: "7".into(),
            timeline: 1,
            slot: "sidecar".into(),
            database: "app".into(),
            database_oid: Some(5),
            table: Some(16_384),
            publication: None,
        };
        check(
            &source,
            r#"{"system_id":"7","timeline":1,"slot":"sidecar","database":"app","database_oid":5,"table":16384,"publication":null}"#,
        );
        check(&vec!["id".to_owned(), "part".to_owned()], r#"["id","part"]"#);
    }

    #[test]
    fn the_bytes_of_the_mapping_are_those_of_format_1() {
        check(
            &mapping(),
            r#"{"table":{"schema":"public","name":"documents"},"id":["a","b"],"key":"c","project":"d","labels":"e","predicted_labels":null,"similarity":{"columns":{"id":"f","key":"g","label":"h"}},"excluded":"i","excluded_when":{"values":["j"]},"content":["k"],"ignore":["l"]}"#,
        );
        check(&SimilarityColumns::Json("s".into()), r#"{"json":"s"}"#);
        check(&SimilarityColumns::None, r#""none""#);
        check(&ExcludedWhen::ByType, r#""by_type""#);
        check(&ExcludedWhen::NotNull, r#""not_null""#);
        check(&ExcludedWhen::True, r#""true""#);
        check(&ExcludedWhen::Unless(vec!["u".into()]), r#"{"unless":["u"]}"#);
    }

    #[test]
    fn every_fact_is_read_under_its_own_name() {
        let facts = SourceFacts {
            source: None,
            mapping: Some(mapping()),
            identity: Some(vec!["id".into()]),
            job: None,
        };
        let written = facts.facts().into_iter().filter_map(|(fact, value)| Some((fact, value?))).collect();
        assert_eq!(SourceFacts::read(&written).unwrap(), facts);
    }
}
