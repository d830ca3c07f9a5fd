//! A column's type as the catalog describes it, with domains resolved to their base types.

use super::types::TypeForm;

/// A column's type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnType {
    /// The form of its text.
    pub form: TypeForm,
    /// The type for a cast in SQL: the domain itself, with its checks, and with a length.
    pub whole_name: String,
    /// The base type, without a length.
    pub base_name: String,
    /// The class of the type.
    pub class: TypeClass,
    /// The labels of an enum, in their order.
    pub labels: Vec<String>,
    /// Its collation treats only identical texts as equal.
    pub deterministic: bool,
    /// Its default is the current time.
    pub from_clock: bool,
}

impl ColumnType {
    /// Not a built-in type.
    pub fn is_of_extension(&self) -> bool {
        self.class == TypeClass::Base && self.form.base >= FIRST_USER_OID
    }
}

/// The class of a type. <https://www.postgresql.org/docs/current/catalog-pg-type.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeClass {
    /// An array.
    Array,
    /// A scalar, built in or of an extension.
    Base,
    /// A composite type.
    Composite,
    /// An enum.
    Enum,
    /// A range or a multirange.
    Range,
    /// A pseudo-type, which no column can have.
    Pseudo,
}

/// FirstNormalObjectId: lower OIDs are reserved for the server.
/// <https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>
const FIRST_USER_OID: u32 = 16_384;
