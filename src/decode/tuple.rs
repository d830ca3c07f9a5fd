//! The values of one row.

use super::reader::{Malformed, Reader};

/// The columns of one row, in the relation's order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tuple<'a>(pub Vec<Cell<'a>>);

/// One column's value. An unchanged value is stored out of line and was not touched by the UPDATE: the
/// message does not contain it, and it is never NULL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// The output of the type's output function, in UTF-8.
    Text(&'a [u8]),
    /// An unchanged value out of line (TOAST), which the server omits.
    Unchanged,
}

impl<'a> Tuple<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let columns = reader.u16("number of columns")?;
        // Bounded by the message, in which each cell takes at least one byte.
        let mut cells = Vec::with_capacity(usize::from(columns).min(reader.left()));
        for _ in 0..columns {
            cells.push(Cell::read(reader)?);
        }
        Ok(Self(cells))
    }
}

impl<'a> Cell<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.u8("column")? {
            b'n' => Self::Null,
            b'u' => Self::Unchanged,
            b't' => {
                let length = reader.u32("column's length")?;
                // A length that does not fit in a usize is longer than any message.
                let length = usize::try_from(length).map_err(|_| Malformed::Truncated("column"))?;
                Self::Text(reader.take(length, "column")?)
            }
            // 'b', binary, is never requested.
            found => return Err(Malformed::Unknown { what: "column kind", found: found.into() }),
        })
    }
}
