//! The values of one row in the order of a layout's columns, from the stream or from a SELECT.

/// One column's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// The sha256 of a text of more than 8,192 bytes; for content columns only.
    Digest(&'a [u8; 32]),
    /// SQL NULL.
    Null,
    /// The output of the type's output function.
    Text(&'a [u8]),
    /// Stored out of line and unchanged, so the message does not contain it.
    Unchanged,
}

/// The values of a layout's columns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Row<'a>(pub Vec<Value<'a>>);

/// Why a row cannot be read. The stream stops before it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// A text is not valid for its type.
    #[error("the value of `{column}` is not {expected}: correct it in the table")]
    BadText {
        /// The column.
        column: String,
        /// What its values must be.
        expected: &'static str,
    },
    /// The identity is longer than 4 GiB.
    #[error("the identity is too long")]
    IdentityTooLong,
    /// An id or identity column is NULL.
    #[error(
        "`{column}`, which identifies documents, is NULL: make it NOT NULL, or name another one in `documents.id`"
    )]
    NullId {
        /// The column.
        column: String,
    },
    /// A value is missing in the message, and the shadow does not have the document.
    #[error(
        "`{column}` is stored out of line and was omitted from an UPDATE of a document that the shadow does not have"
    )]
    OutOfLine {
        /// The column.
        column: String,
    },
    /// The numbers of values and columns differ.
    #[error("a row has {found} values where its table has {expected} columns")]
    Width {
        /// Values of the tuple.
        found: usize,
        /// Columns of the relation.
        expected: usize,
    },
}

/// `bytes` as text for receivers, who need UTF-8. A SQL_ASCII database may hold any bytes.
pub(super) fn text<'a>(bytes: &'a [u8], column: &str) -> Result<&'a str, Unreadable> {
    std::str::from_utf8(bytes)
        .map_err(|_| Unreadable::BadText { column: column.to_owned(), expected: "UTF-8" })
}
