//! A column's type as the catalog describes it. Domains are followed to their base types.

use super::types::TypeForm;

/// A column's type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnType {
    /// What its text looks like.
    pub form: TypeForm,
    /// Its type, as SQL takes it in a cast: with a domain's checks, and a length.
    pub whole_name: String,
    /// What it is a domain of, without a length.
    pub base_name: String,
    /// What sort of type it is.
    pub class: TypeClass,
    /// The labels of an enum, in their order.
    pub labels: Vec<String>,
    /// Its collation takes only texts for equal that are the same.
    pub deterministic: bool,
    /// Its default is the time.
    pub from_clock: bool,
}

impl ColumnType {
    /// No type of the server's own.
    pub fn is_of_extension(&self) -> bool {
        self.class == TypeClass::Base && self.form.base >= FIRST_USER_OID
    }
}

/// What sort of type it is. <https://www.postgresql.org/docs/current/catalog-pg-type.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeClass {
    /// An array.
    Array,
    /// A scalar of the server's, or of an extension.
    Base,
    /// A row.
    Composite,
    /// An enum.
    Enum,
    /// A range or a multirange.
    Range,
    /// Nothing that a column can be of.
    Pseudo,
}

/// FirstNormalObjectId: lower oids are the server's own.
/// <https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>
const FIRST_USER_OID: u32 = 16_384;
