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
