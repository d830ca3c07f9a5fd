//! A row change and what the shadow knew of its document → records, and what the shadow knows
//! from then on. No I/O, no clock.

/// The value of a document's identity columns, encoded so that equal values are equal bytes: the
/// shadow's key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity(pub Box<[u8]>);
