//! The values of one row, in the order of a layout's columns, wherever they were read.

/// One column's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// The sha256 of a text of more than 8,192 bytes; of content columns only.
    Digest(&'a [u8; 32]),
    /// SQL's NULL.
    Null,
    /// The output of the type's output function.
    Text(&'a [u8]),
    /// It lies out of line and was not touched.
    Unchanged,
}

/// The values of a layout's columns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Row<'a>(pub Vec<Value<'a>>);

/// A row cannot be understood. The stream stops before it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// A text is not what its type promises.
    #[error("the value of `{column}` is not {expected}: correct it in the table")]
    BadText {
        /// Of which column.
        column: String,
        /// What it should be.
        expected: &'static str,
    },
    /// An identity of more than 4 GiB.
    #[error("the identity is too long")]
    IdentityTooLong,
    /// An id or identity column is NULL.
    #[error(
        "`{column}`, which tells documents apart, is NULL: make it NOT NULL, or name another in `documents.id`"
    )]
    NullId {
        /// The column.
        column: String,
    },
    /// A value that no message carries, of a document that the shadow does not know.
    #[error("`{column}` lies out of line and was left out of an UPDATE of a document that is not known")]
    OutOfLine {
        /// The column.
        column: String,
    },
    /// Cells and columns do not match.
    #[error("a row has {found} values where its table has {expected} columns")]
    Width {
        /// Cells of the tuple.
        found: usize,
        /// Columns of the relation.
        expected: usize,
    },
}

/// `bytes` as text, which receivers are told: in UTF-8. Of a SQL_ASCII database they may be anything.
pub(super) fn text<'a>(bytes: &'a [u8], column: &str) -> Result<&'a str, Unreadable> {
    std::str::from_utf8(bytes)
        .map_err(|_| Unreadable::BadText { column: column.to_owned(), expected: "UTF-8" })
}
