//! What every stage counts.
