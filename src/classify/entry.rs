//! The shadow's entry for one document.

use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::identity::Identity;
use crate::record::ProjectNo;

/// The state of a document after its last change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The id that receivers have.
    pub id: String,
    /// The project whose receivers have it.
    pub project: ProjectNo,
    /// The key that receivers have.
    pub key: Option<String>,
    /// Soft-deleted.
    pub excluded: bool,
    /// The number of the layout that `content` is in the order of.
    pub layout: u32,
    /// Fingerprints of the layout's content columns.
    pub content: Vec<Fingerprint>,
    /// Fingerprint of the labels column.
    pub labels: Fingerprint,
    /// Fingerprint of the predicted labels column.
    pub predicted_labels: Fingerprint,
    /// The similarity entries.
    pub similarity: Similarity,
}

/// The similarity entries of a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Similarity {
    /// A JSON column: the fingerprint of each entry's three members.
    Entries(Vec<Fingerprint>),
    /// Three columns: their texts, because an UPDATE may omit some of them as unchanged while the record
    /// needs all three.
    Texts(Box<[Option<String>; 3]>),
    /// Not read yet.
    Unknown,
}

/// The bytes of an entry are damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an entry of the shadow is damaged")]
pub struct Damaged;

impl Entry {
    /// Serialises the entry. What can be derived from the identity is left out.
    pub fn encode(&self, Identity(identity): &Identity) -> Arc<[u8]> {
        let id_is_identity = **identity == *self.id.as_bytes();
        let key_is_id = self.key.as_deref() == Some(self.id.as_str());
        let similarity = match &self.similarity {
            Similarity::Entries(_) => SIMILARITY_ENTRIES,
            Similarity::Texts(_) => SIMILARITY_TEXTS,
            Similarity::Unknown => 0,
        };
        let mut out = Vec::with_capacity(48 + 8 * self.content.len());
        out.push(
            flag(self.excluded, EXCLUDED)
                | flag(id_is_identity, ID_IS_IDENTITY)
                | flag(key_is_id, KEY_IS_ID)
                | flag(self.key.is_none(), NO_KEY)
                | similarity,
        );
        write_number(&mut out, self.project.0);
        write_number(&mut out, self.layout);
        if !id_is_identity {
            write_text(&mut out, &self.id);
        }
        if let Some(key) = self.key.as_deref().filter(|_| !key_is_id) {
            write_text(&mut out, key);
        }
        write_fingerprints(&mut out, &self.content);
        out.extend_from_slice(&self.labels.0.to_le_bytes());
        out.extend_from_slice(&self.predicted_labels.0.to_le_bytes());
        match &self.similarity {
            Similarity::Entries(entries) => write_fingerprints(&mut out, entries),
            Similarity::Texts(texts) => {
                texts.iter().for_each(|text| write_nullable(&mut out, text.as_deref()));
            }
            Similarity::Unknown => {}
        }
        out.into()
    }

    /// Parses what [`Entry::encode`] wrote under the same identity.
    pub fn decode(Identity(identity): &Identity, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader(bytes);
        let flags = reader.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let project = ProjectNo(reader.number()?);
        let layout = reader.number()?;
        let id = if has(ID_IS_IDENTITY) {
            std::str::from_utf8(identity).map_err(|_| Damaged)?.to_owned()
        } else {
            reader.text()?
        };
        let key = match (has(NO_KEY), has(KEY_IS_ID)) {
            (true, _) => None,
            (false, true) => Some(id.clone()),
            (false, false) => Some(reader.text()?),
        };
        let entry = Self {
            excluded: has(EXCLUDED),
            content: reader.fingerprints()?,
            labels: reader.fingerprint()?,
            predicted_labels: reader.fingerprint()?,
            similarity: match flags & (SIMILARITY_ENTRIES | SIMILARITY_TEXTS) {
                0 => Similarity::Unknown,
                SIMILARITY_ENTRIES => Similarity::Entries(reader.fingerprints()?),
                SIMILARITY_TEXTS => {
                    Similarity::Texts(Box::new([reader.nullable()?, reader.nullable()?, reader.nullable()?]))
                }
                _ => return Err(Damaged),
            },
            id,
            project,
            key,
            layout,
        };
        if reader.0.is_empty() { Ok(entry) } else { Err(Damaged) }
    }
}

fn flag(holds: bool, bit: u8) -> u8 {
    if holds { bit } else { 0 }
}

/// A variable-length integer: seven bits per byte, the lowest first.
#[expect(clippy::cast_possible_truncation, reason = "seven bits")]
fn write_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// No value in Postgres reaches 4 GiB.
fn write_length(out: &mut Vec<u8>, length: usize) {
    debug_assert!(u32::try_from(length).is_ok(), "a value of over 4 GiB");
    write_number(out, u32::try_from(length).unwrap_or(u32::MAX));
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn write_nullable(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        write_text(out, text);
    }
}

fn write_fingerprints(out: &mut Vec<u8>, fingerprints: &[Fingerprint]) {
    write_length(out, fingerprints.len());
    fingerprints.iter().for_each(|fingerprint| out.extend_from_slice(&fingerprint.0.to_le_bytes()));
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u32, Damaged> {
        let mut number = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7F);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits).ok_or(Damaged)?;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    fn length(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged)
    }

    fn text(&mut self) -> Result<String, Damaged> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map(str::to_owned).map_err(|_| Damaged)
    }

    fn nullable(&mut self) -> Result<Option<String>, Damaged> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(Damaged),
        }
    }

    fn fingerprint(&mut self) -> Result<Fingerprint, Damaged> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(Fingerprint(u64::from_le_bytes(*bytes)))
    }

    fn fingerprints(&mut self) -> Result<Vec<Fingerprint>, Damaged> {
        let count = self.length()?;
        if count.checked_mul(size_of::<u64>()).is_none_or(|bytes| bytes > self.0.len()) {
            return Err(Damaged);
        }
        (0..count).map(|_| self.fingerprint()).collect()
    }
}

const EXCLUDED: u8 = 1;
const ID_IS_IDENTITY: u8 = 2;
const KEY_IS_ID: u8 = 4;
const NO_KEY: u8 = 8;
const SIMILARITY_ENTRIES: u8 = 16;
const SIMILARITY_TEXTS: u8 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn similarity() -> impl Strategy<Value = Similarity> {
        prop_oneof![
            prop::collection::vec(any::<u64>().prop_map(Fingerprint), 0..4).prop_map(Similarity::Entries),
            any::<[Option<String>; 3]>().prop_map(|texts| Similarity::Texts(Box::new(texts))),
            Just(Similarity::Unknown),
        ]
    }

    prop_compose! {
        fn entry()(
            id in "[a-c]{0,2}",
            key in prop::option::of("[a-c]{0,2}"),
            (project, layout, excluded) in any::<(u32, u32, bool)>(),
            content in prop::collection::vec(any::<u64>().prop_map(Fingerprint), 0..4),
            (labels, predicted) in any::<(u64, u64)>(),
            similarity in similarity(),
        ) -> Entry {
            Entry {
                id, project: ProjectNo(project), key, excluded, layout, content,
                labels: Fingerprint(labels), predicted_labels: Fingerprint(predicted), similarity,
            }
        }
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(entry in entry(), identity in "[a-c]{0,2}") {
            let identity = Identity(identity.into_bytes().into());
            prop_assert_eq!(Entry::decode(&identity, &entry.encode(&identity)), Ok(entry));
        }

        #[test]
        fn damaged_bytes_never_panic(entry in entry(), bytes: Vec<u8>, cut: prop::sample::Index) {
            let identity = Identity(b"a".as_slice().into());
            let _ = Entry::decode(&identity, &bytes);
            let whole = entry.encode(&identity);
            let part = &whole[..cut.index(whole.len())];
            prop_assert_eq!(Entry::decode(&identity, part), Err(Damaged));
        }
    }
}
