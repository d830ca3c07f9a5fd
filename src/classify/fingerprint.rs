//! Fingerprints: what the shadow stores in place of values.

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

/// A 64-bit hash of a column's value. Equal values have equal fingerprints wherever they were read, because
/// all are of the output of the type's output function.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub u64);

/// For a text of more bytes than this, the fingerprint is of its sha256. The server can compute that, so
/// that large bodies are not transferred.
pub const DIGEST_OVER: usize = 8_192;

impl Fingerprint {
    /// The fingerprint of SQL NULL.
    pub const NULL: Self = Self(0);
    /// A value that was never read. It differs from nothing, and is replaced without a record.
    pub const UNKNOWN: Self = Self(1);

    /// The fingerprint of a text of any length.
    pub fn of_text(text: &[u8]) -> Self {
        if text.len() > DIGEST_OVER {
            return Self::of_digest(&Sha256::digest(text).into());
        }
        Self::of_hash(xxh3_64(text))
    }

    /// The fingerprint of a text of more than [`DIGEST_OVER`] bytes, from its sha256.
    pub fn of_digest(sha256: &[u8; 32]) -> Self {
        Self::of_hash(xxh3_64(sha256))
    }

    /// Whether a value with this fingerprint changed to one with `new`.
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
    fn a_digest_equals_that_of_the_text_it_was_made_of() {
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
