//! A row change and the shadow entry of its document → records and the new entry. No I/O, no clock.
//!
//! [`Mapping`] assigns roles to columns; [`Layout`] applies a mapping to one version of the table; [`Row`]
//! holds its values; [`Entry`] is what the shadow stores. [`Layout::classify`] contains the rules:
//!
//! ```text
//! before = shadow[old identity]
//! layout.classify(before, row) -> entry, drafts
//! shadow[identity] = entry
//! ```

mod drafts;
mod entry;
mod fingerprint;
#[cfg(test)]
mod fixture;
mod identity;
mod labels;
mod layout;
mod layouts;
mod mapping;
mod projects;
mod row;
mod rules;
mod similarity;

pub use crate::relation::ExcludedWhen;
pub use drafts::{Draft, Drafts};
pub use entry::{Damaged, Entry, Similarity};
pub use fingerprint::{DIGEST_OVER, Fingerprint};
pub use identity::{Identity, document_hash};
pub use labels::{ArrayText, TypeKinds};
pub use layout::{Layout, LayoutColumn, Unresolved};
pub use layouts::Layouts;
pub use mapping::{Mapping, NotATable, SimilarityColumns, TableName};
pub use projects::Projects;
pub use row::{Row, Unreadable, Value};
pub use rules::{DocumentRef, draft_removed, id_parts};
