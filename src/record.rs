//! Records: the items of a callback's payload, each about one document, and their bytes.
//!
//! A record is stored as its JSON fragment. A body is a prefix, the fragments joined by commas, and a
//! suffix, so that the hot path needs no serialiser.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::position::Position;

/// The kind of event that a record reports, and that a webhook receives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Callback {
    /// A document was soft-deleted, deleted, or moved to another project.
    Excluded,
    /// A document was inserted or restored, or its content was overwritten.
    Ingested,
    /// Labels, predicted labels or a similarity entry of a document changed.
    Modified,
}

impl Callback {
    /// All three, by [`Callback::index`].
    pub const ALL: [Self; 3] = [Self::Excluded, Self::Ingested, Self::Modified];

    /// 0, 1 or 2: the index in [`WaitsFor`], and part of lane numbers.
    pub fn index(self) -> usize {
        match self {
            Self::Excluded => 0,
            Self::Ingested => 1,
            Self::Modified => 2,
        }
    }

    /// The name in settings, headers and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::Ingested => "ingested",
            Self::Modified => "modified",
        }
    }

    /// The bytes of a body before its first fragment.
    pub fn prefix(self) -> &'static [u8] {
        match self {
            Self::Excluded | Self::Ingested => b"{\"docs\":[",
            Self::Modified => b"{\"modified\":[",
        }
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of a callback.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a callback: expected `ingested`, `modified` or `excluded`")]
pub struct NotACallback(String);

impl FromStr for Callback {
    type Err = NotACallback;

    fn from_str(text: &str) -> Result<Self, NotACallback> {
        Self::ALL
            .into_iter()
            .find(|callback| callback.name() == text)
            .ok_or_else(|| NotACallback(text.to_owned()))
    }
}

/// The number of a project in this spool. Its name is in the spool's `project` table.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProjectNo(pub u32);

impl ProjectNo {
    /// Inserts its name into `names`, which are indexed by number.
    pub fn set_name(self, names: &mut Vec<String>, name: String) {
        let at = self.0 as usize;
        if names.len() <= at {
            names.resize(at + 1, String::new());
        }
        if let Some(slot) = names.get_mut(at) {
            *slot = name;
        }
    }
}

/// The number of a lane: one (project, callback).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LaneNo(pub u64);

impl fmt::Display for LaneNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project().0, self.callback())
    }
}

// The number is computed here, and nowhere else. The spool's format does not depend on the formula: project and
// callback are columns of a lane, and other rows refer to it by its number, so that a later version may number
// lanes freely.
impl LaneNo {
    /// The lane of `project` and `callback`.
    pub fn new(project: ProjectNo, callback: Callback) -> Self {
        Self(u64::from(project.0) * 3 + callback.index() as u64)
    }

    /// The project whose lane this is.
    pub fn project(self) -> ProjectNo {
        ProjectNo(u32::try_from(self.0 / 3).unwrap_or(u32::MAX))
    }

    /// The callback whose lane this is.
    pub fn callback(self) -> Callback {
        match self.0 % 3 {
            0 => Callback::Excluded,
            1 => Callback::Ingested,
            _ => Callback::Modified,
        }
    }
}

/// The sequence number of a record over all lanes of a spool, in the order in which records were spooled.
/// It is never reused; 0 is before the first record.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Seq(pub u64);

impl Seq {
    /// The number before it; 0 stays 0.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// The last record of the same document id in each lane of the project, by [`Callback::index`]; `Seq(0)` if
/// there is none. The record's own lane is always `Seq(0)`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct WaitsFor(pub [Seq; 3]);

/// One item of a callback's payload, with its position and the records it waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record<'a> {
    /// Its sequence number.
    pub seq: Seq,
    /// Its position.
    pub position: Position,
    /// The commit time of its transaction.
    pub committed_at: crate::time::Timestamp,
    /// The records that must be settled before it is sent.
    pub after: WaitsFor,
    /// The xxh3 of its document id in UTF-8, for the order across lanes only.
    pub document: u64,
    /// Its JSON.
    pub fragment: &'a [u8],
}

/// Appends `{"id":…,"key":…}`, a record of `ingested` or `excluded`.
pub fn write_document(out: &mut Vec<u8>, id: &str, key: Option<&str>) {
    write_id_and_key(out, id, key);
    out.push(b'}');
}

/// Appends `{"id":…,"key":…,"labels":…}`, or `predicted_labels`. `json` is copied as it is.
pub fn write_labels(out: &mut Vec<u8>, id: &str, key: Option<&str>, property: LabelProperty, json: &str) {
    write_id_and_key(out, id, key);
    out.extend_from_slice(match property {
        LabelProperty::Labels => b",\"labels\":",
        LabelProperty::PredictedLabels => b",\"predicted_labels\":".as_slice(),
    });
    out.extend_from_slice(json.as_bytes());
    out.push(b'}');
}

/// Appends `{"similar_doc_id":…,"similar_doc_key":…,"similarity_label":…}`.
pub fn write_similarity(out: &mut Vec<u8>, id: &str, key: Option<&str>, label: Option<&str>) {
    out.extend_from_slice(b"{\"similar_doc_id\":");
    write_string(out, id);
    out.extend_from_slice(b",\"similar_doc_key\":");
    write_nullable(out, key);
    out.extend_from_slice(b",\"similarity_label\":");
    write_nullable(out, label);
    out.push(b'}');
}

/// The label column that a record is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LabelProperty {
    /// `labels`
    Labels,
    /// `predicted_labels`
    PredictedLabels,
}

/// The property of a document that a record of `modified` is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Property {
    /// `labels`
    Labels,
    /// `predicted_labels`
    PredictedLabels,
    /// `similarity`
    Similarity,
}

impl Property {
    /// All three, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Labels, Self::PredictedLabels, Self::Similarity];

    /// The name in settings and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::PredictedLabels => "predicted_labels",
            Self::Similarity => "similarity",
        }
    }
}

impl From<LabelProperty> for Property {
    fn from(property: LabelProperty) -> Self {
        match property {
            LabelProperty::Labels => Self::Labels,
            LabelProperty::PredictedLabels => Self::PredictedLabels,
        }
    }
}

/// The text is not the name of a property.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a property: expected `labels`, `predicted_labels` or `similarity`")]
pub struct NotAProperty(String);

impl FromStr for Property {
    type Err = NotAProperty;

    fn from_str(text: &str) -> Result<Self, NotAProperty> {
        Self::ALL
            .into_iter()
            .find(|property| property.name() == text)
            .ok_or_else(|| NotAProperty(text.to_owned()))
    }
}

/// Some of the properties, as bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PropertySet(u8);

impl PropertySet {
    /// Every property.
    pub const ALL: Self = Self(0b111);

    /// Whether it has this property.
    pub fn contains(self, property: Property) -> bool {
        self.0 & 1 << property as u8 != 0
    }
}

impl FromIterator<Property> for PropertySet {
    fn from_iter<I: IntoIterator<Item = Property>>(properties: I) -> Self {
        Self(properties.into_iter().fold(0, |bits, property| bits | 1 << property as u8))
    }
}

/// The complete body of a batch of `callback`.
pub fn body<'a>(callback: Callback, fragments: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = callback.prefix().to_vec();
    for (number, fragment) in fragments.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(fragment);
    }
    out.extend_from_slice(SUFFIX);
    out
}

/// Appends `text` as a JSON string. <https://www.rfc-editor.org/rfc/rfc8259#section-7>
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(text.as_bytes().get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(text.as_bytes().get(plain_from..).unwrap_or_default());
    out.push(b'"');
}

fn write_id_and_key(out: &mut Vec<u8>, id: &str, key: Option<&str>) {
    out.extend_from_slice(b"{\"id\":");
    write_string(out, id);
    out.extend_from_slice(b",\"key\":");
    write_nullable(out, key);
}

fn write_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// The bytes of a body after its last fragment.
pub const SUFFIX: &[u8] = b"]}";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn fragment(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("fragments are UTF-8")
    }

    #[test]
    fn fragments_hold_exactly_the_members_of_the_contract() {
        assert_eq!(fragment(|out| write_document(out, "7", Some("a"))), r#"{"id":"7","key":"a"}"#);
        assert_eq!(fragment(|out| write_document(out, "7", None)), r#"{"id":"7","key":null}"#);
        assert_eq!(
            fragment(|out| write_labels(out, "7", Some("a"), LabelProperty::Labels, r#"["x"]"#)),
            r#"{"id":"7","key":"a","labels":["x"]}"#
        );
        assert_eq!(
            fragment(|out| write_labels(out, "7", Some("a"), LabelProperty::PredictedLabels, "null")),
            r#"{"id":"7","key":"a","predicted_labels":null}"#
        );
        assert_eq!(
            fragment(|out| write_similarity(out, "8", None, Some("near"))),
            r#"{"similar_doc_id":"8","similar_doc_key":null,"similarity_label":"near"}"#
        );
    }

    #[test]
    fn a_body_is_its_fragments_and_no_byte_more() {
        assert_eq!(body(Callback::Ingested, [b"{}".as_slice(), b"{}"]), br#"{"docs":[{},{}]}"#);
        assert_eq!(body(Callback::Excluded, [b"{}".as_slice()]), br#"{"docs":[{}]}"#);
        assert_eq!(body(Callback::Modified, []), br#"{"modified":[]}"#);
    }

    #[test]
    fn a_lane_tells_its_project_and_callback() {
        for callback in Callback::ALL {
            let lane = LaneNo::new(ProjectNo(41), callback);
            assert_eq!((lane.project(), lane.callback()), (ProjectNo(41), callback));
            assert_eq!(callback.name().parse(), Ok(callback));
        }
    }

    #[test]
    fn a_set_of_properties_has_those_it_was_made_of_and_no_others() {
        for bits in 0..8_u8 {
            let some = Property::ALL.into_iter().filter(|property| bits & 1 << *property as u8 != 0);
            let set: PropertySet = some.clone().collect();
            for property in Property::ALL {
                assert_eq!(set.contains(property), some.clone().any(|one| one == property));
                assert_eq!(property.name().parse(), Ok(property));
            }
        }
        assert_eq!(Property::ALL.into_iter().collect::<PropertySet>(), PropertySet::ALL);
    }

    proptest! {
        #[test]
        fn any_text_is_a_string_that_json_reads_back(text: String) {
            let written = fragment(|out| write_string(out, &text));
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), json!(text));
        }
    }
}
