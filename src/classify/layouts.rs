//! The sets of content columns that entries were written under, and the values of columns that were added
//! later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::mapping::Mapping;
use crate::decode::Relation;
use crate::relation::{Filenodes, MissingValue};

/// The sets of content columns that entries were written under. Stored in the spool.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Layouts {
    sets: Vec<Vec<ContentColumn>>,
    /// The table's filenodes when the newest set was added.
    #[serde(default)]
    pub files: Filenodes,
    /// The number of sets, from the first, whose columns need no backfill.
    #[serde(rename = "learned", default)]
    backfilled: u32,
}

/// A content column from its addition on. One that is dropped and added again is another one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct ContentColumn {
    name: String,
    /// The number of the first set that has it.
    since: u32,
    /// The fingerprint of the value in documents written before.
    before: u64,
}

/// Where an entry of an earlier layout holds a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EntryColumn {
    /// At this index.
    Index(usize),
    /// Nowhere: the entry is older than the column, which has this fingerprint in it.
    Before(Fingerprint),
}

impl Layouts {
    /// Content columns of `relation` that the newest layout lacks. Their missing values must be read from
    /// the catalog before [`Layout::resolve`]. Empty before the first layout.
    pub fn added(&self, mapping: &Mapping, relation: &Relation) -> Vec<String> {
        let Some(newest) = self.sets.last() else { return Vec::new() };
        content_names(mapping, relation)
            .filter(|name| !newest.iter().any(|column| column.name == *name))
            .map(str::to_owned)
            .collect()
    }

    /// Columns added since the first set whose values in existing documents are unknown: the first change of
    /// such a value would be missed.
    pub fn columns_to_backfill(&self) -> Vec<String> {
        let is_unread = |column: &&ContentColumn| {
            column.before == Fingerprint::UNKNOWN.0 && column.since >= self.backfilled.max(1)
        };
        let newest = self.sets.last().into_iter().flatten();
        newest.filter(is_unread).map(|column| column.name.clone()).collect()
    }

    /// Every document was read, or is not going to be: no column needs a backfill any more.
    pub fn mark_backfilled(&mut self) {
        self.backfilled = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
    }

    /// The number of the set of `relation`'s content columns, which is added if it is new.
    pub(super) fn number(
        &mut self,
        mapping: &Mapping,
        relation: &Relation,
        defaults: &BTreeMap<String, MissingValue>,
    ) -> u32 {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let newest = self.sets.last();
        let set: Vec<ContentColumn> = content_names(mapping, relation)
            .map(|name| {
                let known = newest.and_then(|newest| newest.iter().find(|column| column.name == name));
                known.cloned().unwrap_or_else(|| ContentColumn {
                    name: name.to_owned(),
                    since: next,
                    before: match defaults.get(name) {
                        Some(MissingValue::Constant(text)) => Fingerprint::of_text(text).0,
                        Some(MissingValue::Null) => Fingerprint::NULL.0,
                        Some(MissingValue::Unknown) | None => Fingerprint::UNKNOWN.0,
                    },
                })
            })
            .collect();
        if newest == Some(&set) {
            return next.saturating_sub(1);
        }
        self.sets.push(set);
        next
    }

    pub(super) fn translations(&self) -> Vec<Vec<EntryColumn>> {
        let Some((newest, earlier)) = self.sets.split_last() else { return Vec::new() };
        let held = |set: &Vec<ContentColumn>, column: &ContentColumn| {
            let at = set.iter().position(|held| held.name == column.name && held.since == column.since);
            at.map_or(EntryColumn::Before(Fingerprint(column.before)), EntryColumn::Index)
        };
        earlier.iter().map(|set| newest.iter().map(|column| held(set, column)).collect()).collect()
    }
}

pub(super) fn content_names<'a>(
    mapping: &'a Mapping,
    relation: &'a Relation,
) -> impl Iterator<Item = &'a str> {
    relation.columns.iter().map(|column| column.name.as_str()).filter(|name| mapping.is_content(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_has_the_keys_of_the_spools_format() {
        let column = ContentColumn { name: "a".into(), since: 0, before: 1 };
        let mut layouts = Layouts { sets: vec![vec![column]], ..Layouts::default() };
        layouts.mark_backfilled();
        let json = serde_json::to_value(&layouts).unwrap();
        assert_eq!(json["sets"], serde_json::json!([[{ "name": "a", "since": 0, "before": 1 }]]));
        assert_eq!(json["learned"], 1);
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["files", "learned", "sets"]);
        assert_eq!(serde_json::from_value::<Layouts>(json).unwrap(), layouts);
    }
}
