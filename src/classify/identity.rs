//! The shadow's key.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::row::Unreadable;

/// The values of a document's identity columns, encoded so that two identities have equal bytes exactly if
/// their values are equal: the text itself for one column, otherwise each text with its length.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub Arc<[u8]>);

impl Identity {
    /// The identity of the columns' texts, in the order of the columns.
    pub fn of(texts: &[&[u8]]) -> Result<Self, Unreadable> {
        if let [only] = texts {
            return Ok(Self((*only).into()));
        }
        let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + LENGTH).sum());
        for text in texts {
            let length = u32::try_from(text.len()).map_err(|_| Unreadable::IdentityTooLong)?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text);
        }
        Ok(Self(bytes.into()))
    }
}

/// The hash of a document's id, for the order across lanes only: two ids with the same hash wait for each
/// other, without other effects.
pub fn document_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

const LENGTH: usize = size_of::<u32>();

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_values_are_different_identities(
            a in prop::collection::vec(prop::collection::vec(0..2_u8, 0..3), 2),
            b in prop::collection::vec(prop::collection::vec(0..2_u8, 0..3), 2),
        ) {
            let of = |texts: &[Vec<u8>]| {
                Identity::of(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
            };
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
