//! What is remembered of a value in place of the value.

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

/// 64 bits that stand for a column's value. Equal values have equal fingerprints wherever they were
/// read: all are of the text that the type's output function gives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub u64);

/// Texts of more bytes than this are told apart by their sha256, which the server can compute, so
/// that large bodies need not travel.
pub const DIGEST_OVER: usize = 8_192;

impl Fingerprint {
    /// Of SQL's NULL.
    pub const NULL: Self = Self(0);
    /// Of a value that was never seen: it differs from nothing, and is learned without a record.
    pub const UNKNOWN: Self = Self(1);

    /// Of a text of any length.
    pub fn of_text(text: &[u8]) -> Self {
        if text.len() > DIGEST_OVER {
            return Self::of_digest(&Sha256::digest(text).into());
        }
        Self::of_hash(xxh3_64(text))
    }

    /// Of a text of more than [`DIGEST_OVER`] bytes, of which the sha256 is known.
    pub fn of_digest(sha256: &[u8; 32]) -> Self {
        Self::of_hash(xxh3_64(sha256))
    }

    /// Whether a value with this fingerprint became one with `new`.
    pub fn changed_to(self, new: Self) -> bool {
        self != new && self != Self::UNKNOWN && new != Self::UNKNOWN
    }

    fn of_hash(hash: u64) -> Self {
        const RESERVED: u64 = 2;
        Self(if hash < RESERVED { hash + RESERVED } else { hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_stands_for_the_text_it_was_made_of() {
        let long = vec![b'x'; DIGEST_OVER + 1];
        assert_eq!(Fingerprint::of_text(&long), Fingerprint::of_digest(&Sha256::digest(&long).into()));
        assert_ne!(Fingerprint::of_text(&long), Fingerprint::of_text(&long[1..]));
    }

    #[test]
    fn null_is_no_text_and_the_unknown_differs_from_nothing() {
        let empty = Fingerprint::of_text(b"");
        assert!(Fingerprint::NULL.changed_to(empty) && empty.changed_to(Fingerprint::NULL));
        assert!(!Fingerprint::UNKNOWN.changed_to(empty) && !empty.changed_to(Fingerprint::UNKNOWN));
        assert_eq!(Fingerprint::of_hash(0), Fingerprint(2));
        assert_eq!(Fingerprint::of_hash(1), Fingerprint(3));
    }
}
