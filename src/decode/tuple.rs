//! The values of one row.

use super::reader::{Malformed, Reader};

/// The columns of one row, in the relation's order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tuple<'a>(pub Vec<Cell<'a>>);

/// One column's value. That it is unchanged says that it lies out of line and was not touched: it
/// is not known from this message, and never NULL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cell<'a> {
    /// SQL's NULL.
    Null,
    /// The output of the type's output function, in UTF-8.
    Text(&'a [u8]),
    /// An unchanged value out of line (TOAST), left out by the server.
    Unchanged,
}

impl<'a> Tuple<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let columns = reader.u16("number of columns")?;
        // No more room than the message can fill: each cell is a byte at least.
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
                // A length that does not fit is longer than any message.
                let length = usize::try_from(length).map_err(|_| Malformed::Truncated("column"))?;
                Self::Text(reader.take(length, "column")?)
            }
            // 'b', binary, is never asked for.
            found => return Err(Malformed::Unknown { what: "column kind", found: found.into() }),
        })
    }
}
