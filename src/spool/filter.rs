//! What a chunk may hold, in one byte for each id and key: a Bloom filter, so that a search for a document
//! reads few chunks.
//!
//! 1. A filter never denies what the chunk holds; in about one of thirty cases it does not deny what it does
//!    not hold.
//! 2. A chunk without a filter, as older versions wrote it, may hold anything.

use crate::record::write_string;
use xxhash_rust::xxh3::xxh3_64;

/// The filter over these hashes.
pub(super) fn filter(hashes: &[u64]) -> Vec<u8> {
    let mut bits = vec![0_u8; hashes.len()];
    for hash in hashes {
        for bit in bits_of(*hash, bits.len()) {
            if let Some(byte) = bits.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    bits
}

/// Whether a chunk with this filter may hold something with this hash.
pub(super) fn may_hold(filter: &[u8], hash: u64) -> bool {
    filter.is_empty()
        || bits_of(hash, filter.len())
            .all(|bit| filter.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0))
}

/// Double hashing: <https://doi.org/10.1002/rsa.20208>.
fn bits_of(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let bits = (bytes as u64 * 8).max(1);
    let step = hash.rotate_left(32) | 1;
    (0..PROBES).map(move |probe| {
        let at = (hash.wrapping_add(step.wrapping_mul(probe)) >> 16) % bits;
        usize::try_from(at).unwrap_or_default()
    })
}

/// The key in a record's JSON, as it is written there: `None` where it is null, where it is the id, or where the
/// record has none.
pub(super) fn key_in(fragment: &[u8]) -> Option<&[u8]> {
    let (id, rest) = string(fragment.strip_prefix(b"{\"id\":")?)?;
    let (key, _) = string(rest.strip_prefix(b",\"key\":")?)?;
    (key != id).then_some(key)
}

/// The hash of a key as a record's JSON has it.
pub(super) fn key_hash(written: &[u8]) -> u64 {
    xxh3_64(written)
}

/// A key as a record's JSON has it, with its quotes.
pub(super) fn written(key: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(&mut out, key);
    out
}

/// The JSON string at the beginning, with its quotes, and what follows it.
fn string(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return json.starts_with(b"\"").then(|| json.split_at(at + 1)),
            _ => {}
        }
    }
    None
}

const PROBES: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LabelProperty, write_document, write_labels, write_similarity};
    use proptest::prelude::*;

    #[test]
    fn a_filter_denies_most_of_what_is_not_there() {
        for count in [1, 2, 10, 1_000] {
            let (mut asked, mut held) = (0_u32, 0_u32);
            for round in 0_u64..200 {
                let hashes: Vec<u64> =
                    (0..count).map(|n| xxh3_64(&(round * 10_000 + n).to_le_bytes())).collect();
                let filter = filter(&hashes);
                for other in 0_u64..50 {
                    asked += 1;
                    held += u32::from(may_hold(&filter, xxh3_64(&(other + 1_000_000_000).to_be_bytes())));
                }
            }
            assert!(held * 14 < asked, "{held} of {asked} with {count}");
        }
    }

    proptest! {
        #[test]
        fn a_filter_never_denies_what_is_there(hashes: Vec<u64>) {
            let filter = filter(&hashes);
            prop_assert!(hashes.iter().all(|hash| may_hold(&filter, *hash)));
        }

        #[test]
        fn the_key_is_found_in_the_json_of_a_record(id: String, key: Option<String>) {
            let mut document = Vec::new();
            write_document(&mut document, &id, key.as_deref());
            let mut labels = Vec::new();
            write_labels(&mut labels, &id, key.as_deref(), LabelProperty::Labels, "[\"x\"]");
            let own = key.as_deref().filter(|key| *key != id).map(written);
            prop_assert_eq!(key_in(&document), own.as_deref());
            prop_assert_eq!(key_in(&labels), own.as_deref());
            let mut similarity = Vec::new();
            write_similarity(&mut similarity, &id, key.as_deref(), None);
            prop_assert_eq!(key_in(&similarity), None);
        }
    }
}
