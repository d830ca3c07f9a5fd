//! The similarity entries of a JSON column.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;
use xxhash_rust::xxh3::Xxh3;

use super::fingerprint::Fingerprint;

/// One entry: the three members that receivers get.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SimilarityEntry {
    pub(super) id: String,
    pub(super) key: Option<String>,
    pub(super) label: Option<String>,
}

/// The entries in a column's text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct SimilarityEntries {
    pub(super) entries: Vec<SimilarityEntry>,
    /// The number of entries that are not an object or lack `similar_doc_id`.
    pub(super) skipped: u64,
}

impl SimilarityEntry {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Xxh3::new();
        for member in [Some(&self.id), self.key.as_ref(), self.label.as_ref()] {
            let length = member.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(&length.to_le_bytes());
            hash.update(member.map_or(&[], String::as_bytes));
        }
        Fingerprint(hash.digest())
    }
}

impl SimilarityEntries {
    /// Parses one object or a list of objects. NULL, `null` and an empty list have no entries.
    pub(super) fn read(text: Option<&str>) -> Self {
        let text = text.map_or("", str::trim_ascii);
        if text.is_empty() || text == "null" {
            return Self::default();
        }
        let mut read = Self::default();
        if !text.starts_with('[') {
            read.add(text);
        } else if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
            list.into_iter().for_each(|entry| read.add(entry.get()));
        } else {
            read.skipped += 1;
        }
        read
    }

    fn add(&mut self, object: &str) {
        match entry(object) {
            Some(entry) => self.entries.push(entry),
            None => self.skipped += 1,
        }
    }
}

fn entry(object: &str) -> Option<SimilarityEntry> {
    // As in jsonb, the last of several members with the same name counts.
    let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object).ok()?;
    let member = |name: &str| members.get(name).map_or(Ok(None), |raw| string(raw.get()));
    let (id, key, label) = (member("similar_doc_id"), member("similar_doc_key"), member("similarity_label"));
    Some(SimilarityEntry { id: id.ok()??, key: key.ok()?, label: label.ok()? })
}

/// A string as it is, null as `None`, anything else as its JSON. An error for half a surrogate pair, which
/// no text can contain.
fn string(raw: &str) -> Result<Option<String>, serde_json::Error> {
    match raw.as_bytes() {
        b"null" => Ok(None),
        [b'"', ..] => serde_json::from_str(raw).map(Some),
        _ => Ok(Some(raw.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: &str, key: Option<&str>, label: Option<&str>) -> SimilarityEntry {
        SimilarityEntry { id: id.into(), key: key.map(Into::into), label: label.map(Into::into) }
    }

    #[test]
    fn one_object_or_a_list_of_them() {
        let object =
            r#" {"similar_doc_id": "8", "similar_doc_key": "k", "similarity_label": "near", "score": 1} "#;
        let near = one("8", Some("k"), Some("near"));
        assert_eq!(SimilarityEntries::read(Some(object)).entries, std::slice::from_ref(&near));
        let list = format!("[{object}, {object}]");
        assert_eq!(SimilarityEntries::read(Some(&list)).entries, [near.clone(), near]);
        for none in [None, Some(""), Some("null"), Some("[]")] {
            assert_eq!(SimilarityEntries::read(none), SimilarityEntries::default());
        }
    }

    #[test]
    fn members_are_strings_and_missing_ones_null() {
        let list = r#"[{"similar_doc_id":12345678901234567890.50,"similar_doc_key":true,"similarity_label":null},{"similar_doc_id":"a\u00e9"}]"#;
        assert_eq!(
            SimilarityEntries::read(Some(list)).entries,
            [one("12345678901234567890.50", Some("true"), None), one("aé", None, None)]
        );
    }

    #[test]
    fn what_is_no_object_or_lacks_its_id_is_skipped_and_counted() {
        let list = r#"[3, "x", [], {"similar_doc_key":"k"}, {"similar_doc_id":null}, {"similar_doc_id":"\ud800"}, {"similar_doc_id":"8"}]"#;
        let read = SimilarityEntries::read(Some(list));
        assert_eq!((read.entries.as_slice(), read.skipped), ([one("8", None, None)].as_slice(), 6));
        assert_eq!(SimilarityEntries::read(Some("7")).skipped, 1);
        assert_eq!(SimilarityEntries::read(Some("[1,")).skipped, 1);
    }

    #[test]
    fn entries_that_differ_in_any_member_have_other_fingerprints() {
        let all = [
            one("8", None, None),
            one("8", Some(""), None),
            one("8", None, Some("")),
            one("", Some("8"), None),
            one("8", Some("a"), Some("b")),
            one("8", Some("ab"), Some("")),
        ];
        let prints: std::collections::HashSet<_> = all.iter().map(SimilarityEntry::fingerprint).collect();
        assert_eq!(prints.len(), all.len());
    }
}
