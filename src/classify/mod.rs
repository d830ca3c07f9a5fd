//! A row change and what the shadow knew of its document → records, and what the shadow knows from
//! then on. No I/O, no clock.
//!
//! [`Mapping`] says which columns play which role; [`Layout`] is a mapping on one shape of the
//! table; [`Row`] its values; [`Entry`] what is remembered. [`Layout::classify`] holds the rules:
//!
//! ```text
//! before = shadow[identity before];  layout.classify(before, row) -> entry, drafts;  shadow[identity] = entry
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
pub use rules::{DocumentRef, draft_removed};
